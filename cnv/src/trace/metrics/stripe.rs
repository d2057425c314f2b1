//! Which of several equal counters a thread adds to, so that threads rarely meet at one.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More stripes than this are not made: threads that meet at one only wait for each other's line of the cache.
const MAX_STRIPES: usize = 16;

/// Of a thread that has not asked yet.
const UNASKED: usize = usize::MAX;

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Without a destructor, so that it is read without asking whether it ran.
    static NUMBER: Cell<usize> = const { Cell::new(UNASKED) };
}

/// How many stripes there are on this machine, a power of two: one for each thread that runs at a time.
pub(super) fn count() -> usize {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    threads.next_power_of_two().min(MAX_STRIPES)
}

/// A number of this thread. Those of threads that began one after the other follow each other.
pub(super) fn number() -> usize {
    NUMBER.with(|number| {
        if number.get() == UNASKED {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed) % UNASKED);
        }
        number.get()
    })
}
