//! Counts heap allocations, so that a hot path can be shown to have none.
#![allow(
    unsafe_code,
    reason = "an allocator is an unsafe trait; this one only counts"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Of this thread, so that a test does not see those of another.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counted.
pub struct Counting;

/// How many allocations `work` makes on this thread.
pub fn count(work: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

fn add_one() {
    COUNT.set(COUNT.get() + 1);
}

// SAFETY: every method hands its arguments, which the caller vouches for, to `System` and returns what that
// returns. The counter neither allocates nor unwinds: it is a constant without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add_one();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add_one();
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        add_one();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(start, layout, new_size) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(start, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn what_allocates_is_counted_and_what_does_not_is_not() {
        assert_eq!(count(|| drop(black_box(Box::new(7)))), 1);
        assert_eq!(count(|| drop(black_box(vec![0_u8; 100]))), 1);
        let mut bytes = Vec::with_capacity(4);
        assert_eq!(count(|| bytes.extend_from_slice(black_box(&[7; 4]))), 0);
        assert_eq!(count(|| bytes.push(black_box(1))), 1);
    }
}
