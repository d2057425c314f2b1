//! Numbers that only grow, kept apart by thread, so that counting is no atomic exchange: those take a third of what all
//! of an admission may.
//!
//! A thread that has a number of its own is the only one that writes the slot of that number, so a load and a store add
//! one. Threads beyond those that there are numbers for share the last slot, and exchange. A reader adds all slots up,
//! and may miss what another thread adds at that moment.

#[cfg(not(all(loom, test)))]
use core::sync::atomic::{AtomicU64, Ordering};
#[cfg(all(loom, test))]
use loom::sync::atomic::{AtomicU64, Ordering};

use super::const_fn;

/// Threads that have a slot of their own, and one slot for the others.
const SLOTS: usize = if cfg!(all(loom, test)) { 3 } else { 16 };

/// The slot that threads without a number share.
const SHARED: usize = SLOTS - 1;

/// A line of the cache for each thread.
#[repr(align(64))]
struct Slot {
    successes: AtomicU64,
    others: AtomicU64,
}

pub(super) struct Slots([Slot; SLOTS]);

impl Slots {
    const_fn! {
        pub(super) const fn new() -> Self {
            #[cfg(not(all(loom, test)))]
            return Self([const { Slot::new() }; SLOTS]);
            #[cfg(all(loom, test))]
            return Self(core::array::from_fn(|_| Slot::new()));
        }
    }

    /// A call is over that succeeded.
    #[inline]
    pub(super) fn add_success(&self, is_seen: bool) {
        self.add(|slot| &slot.successes, is_seen);
    }

    /// A call is over that did not.
    #[inline]
    pub(super) fn add_other(&self, is_seen: bool) {
        self.add(|slot| &slot.others, is_seen);
    }

    /// With `is_seen`, whoever waits for it sees it, or is seen by what this thread reads next: the two are in one order
    /// with all that is `SeqCst`.
    #[inline]
    fn add(&self, of: impl Fn(&Slot) -> &AtomicU64, is_seen: bool) {
        let number = thread::number();
        let counter = of(&self.0[number.min(SHARED)]);
        if is_seen || number >= SHARED {
            counter.fetch_add(1, Ordering::SeqCst);
            keep_one_order();
        } else {
            let count = counter.load(Ordering::Relaxed);
            counter.store(count.wrapping_add(1), Ordering::Release);
        }
    }

    /// How many calls succeeded.
    pub(super) fn successes(&self) -> u64 {
        self.sum(|slot| slot.successes.load(Ordering::Relaxed))
    }

    /// How many calls are over.
    pub(super) fn over(&self) -> u64 {
        keep_one_order();
        self.sum(|slot| {
            let successes = slot.successes.load(Ordering::SeqCst);
            successes.wrapping_add(slot.others.load(Ordering::SeqCst))
        })
    }

    fn sum(&self, of: impl Fn(&Slot) -> u64) -> u64 {
        self.0.iter().map(of).fold(0, u64::wrapping_add)
    }
}

/// Nothing but for loom, which takes `SeqCst` operations for weaker ones than they are, and not fences (its documentation,
/// "Limitations").
#[inline]
fn keep_one_order() {
    #[cfg(all(loom, test))]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

impl Slot {
    const_fn! {
        const fn new() -> Self {
            Self {
                successes: AtomicU64::new(0),
                others: AtomicU64::new(0),
            }
        }
    }
}

#[cfg(not(all(loom, test)))]
mod thread {
    use core::cell::Cell;
    use core::sync::atomic::{AtomicU64, Ordering};

    use super::SHARED;

    /// A bit for each number that a thread has.
    static TAKEN: AtomicU64 = AtomicU64::new(0);

    /// Of a thread that has not asked yet.
    const UNASKED: usize = usize::MAX;

    thread_local! {
        /// Without a destructor, so that it is read without asking whether it ran.
        static NUMBER: Cell<usize> = const { Cell::new(UNASKED) };
        static LEASE: Lease = const { Lease };
    }

    /// Gives the thread's number back when the thread ends.
    struct Lease;

    impl Drop for Lease {
        fn drop(&mut self) {
            let number = NUMBER.replace(SHARED);
            if number < SHARED {
                // Whoever has the number next sees what this thread wrote in its slots.
                TAKEN.fetch_and(!(1 << number), Ordering::Release);
            }
        }
    }

    /// The number of this thread, which no other has, or [`SHARED`].
    #[inline]
    pub(super) fn number() -> usize {
        let number = NUMBER.get();
        if number == UNASKED { ask() } else { number }
    }

    #[cold]
    fn ask() -> usize {
        // A thread that is ending takes none, because nobody would give it back.
        let number = LEASE.try_with(|_| take()).unwrap_or(SHARED);
        NUMBER.set(number);
        number
    }

    fn take() -> usize {
        let mut taken = TAKEN.load(Ordering::Relaxed);
        loop {
            let number = taken.trailing_ones() as usize;
            if number >= SHARED {
                return SHARED;
            }
            let exchanged = TAKEN.compare_exchange(
                taken,
                taken | 1 << number,
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            match exchanged {
                Ok(_) => return number,
                Err(now) => taken = now,
            }
        }
    }
}

/// loom's threads are not the system's: a model says which number each has.
#[cfg(all(loom, test))]
pub(super) mod thread {
    use core::cell::Cell;

    loom::thread_local! {
        static NUMBER: Cell<usize> = Cell::new(super::SHARED);
    }

    pub(in crate::recovery) fn set_number(number: usize) {
        NUMBER.with(|own| own.set(number));
    }

    pub(super) fn number() -> usize {
        NUMBER.with(Cell::get)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn threads_with_and_without_numbers_lose_nothing() {
        let slots = Slots::new();
        // Twice as many as there are slots, at the same time and then after one another.
        let together = Barrier::new(2 * SLOTS);
        std::thread::scope(|scope| {
            for _ in 0..2 * SLOTS {
                scope.spawn(|| {
                    together.wait();
                    for _ in 0..1000 {
                        slots.add_success(false);
                        slots.add_other(false);
                    }
                    together.wait();
                });
            }
        });
        for _ in 0..2 * SLOTS {
            std::thread::scope(|scope| {
                scope.spawn(|| slots.add_success(false));
            });
        }
        let spawned = 2 * SLOTS as u64;
        assert_eq!(slots.successes(), spawned * 1001);
        assert_eq!(slots.over(), spawned * 2001);
    }

    #[test]
    fn no_two_threads_at_a_time_have_a_number() {
        let together = Barrier::new(8);
        let numbers: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let number = thread::number();
                        together.wait();
                        number
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        for (index, number) in numbers.iter().enumerate() {
            assert!(
                *number == SHARED || !numbers[..index].contains(number),
                "{numbers:?}"
            );
        }
    }
}
