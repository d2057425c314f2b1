//! The allocator that counts.
#![allow(
    unsafe_code,
    reason = "`GlobalAlloc` is an unsafe trait; every call is forwarded as it came"
)]

use std::alloc::{GlobalAlloc, Layout, System};

use super::ledger;

/// An allocator that counts what its inner one hands out and takes back, per thread.
///
/// A program installs it; a library does not:
///
/// ```
/// use cnv::quota::{MeteredAllocator, is_memory_metered};
///
/// #[global_allocator]
/// static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();
///
/// fn main() {
///     assert!(is_memory_metered());
/// }
/// ```
///
/// It counts the sizes that are asked for, which is less than the allocator's own bookkeeping and
/// rounding takes. A block that grows in place or moves counts as the difference. Memory that `unsafe`
/// code, C libraries, `mmap` or the stack take does not pass here. A thread that frees what another
/// one allocated is credited for at most what it holds itself, so of two threads that hand buffers to
/// each other the peak is an estimate; the gross number is exact.
///
/// # Limits
/// The counters are `thread_local!`. Where the target has native thread-locals (Linux, macOS and other
/// Apple systems, FreeBSD, Windows with the MSVC toolchain, WebAssembly) that takes no memory from any
/// allocator. Elsewhere (Windows with the GNU toolchain, Android, OpenBSD) the standard library allocates
/// them once per thread: since Rust 1.93 from the [`System`] allocator, uncounted; before that from
/// the global one, which is this, so that a program which installs it there ends at its first
/// allocation, in endless recursion.
///
/// # Costs
/// A few instructions for each call, at most some 2 % of an allocating program's time. No allocation
/// is refused here.
#[derive(Clone, Copy, Debug, Default)]
pub struct MeteredAllocator<A = System> {
    inner: A,
}

impl MeteredAllocator<System> {
    /// Counts for the operating system's allocator.
    #[must_use]
    pub const fn system() -> Self {
        Self::new(System)
    }
}

impl<A> MeteredAllocator<A> {
    /// Counts for `inner`.
    #[must_use]
    pub const fn new(inner: A) -> Self {
        Self { inner }
    }
}

/// Whether the program's global allocator is a [`MeteredAllocator`].
///
/// Found out by an allocation, once per thread.
#[must_use]
pub fn is_memory_metered() -> bool {
    ledger::is_memory_metered()
}

// SAFETY: `GlobalAlloc` demands that the methods do not unwind, that layouts are honoured, and that
// callers may not rely on allocations happening. Every method returns exactly what the inner
// allocator, itself a `GlobalAlloc`, returns for the same arguments. The ledger's functions beside it
// do arithmetic that cannot panic on `Cell`s of a thread-local, reached through `try_with`. Where that
// is native (`cfg(target_thread_local)`), it is a static with nothing to initialise and no destructor
// to register: reaching it neither unwinds nor allocates. Elsewhere both rest on the standard library,
// which since Rust 1.93 lets a global allocator use `thread_local!` and takes the memory from `System`.
// Before that, there, the first allocation recurses until the stack's guard page ends the process:
// useless, but not undefined.
unsafe impl<A: GlobalAlloc> GlobalAlloc for MeteredAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises that `layout` has a size other than 0.
        let block = unsafe { self.inner.alloc(layout) };
        if !block.is_null() {
            ledger::allocated(layout.size());
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller promises that this allocator returned `block` for `layout`; the
        // inner one did so then.
        unsafe { self.inner.dealloc(block, layout) };
        ledger::freed(layout.size());
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises that `layout` has a size other than 0.
        let block = unsafe { self.inner.alloc_zeroed(layout) };
        if !block.is_null() {
            ledger::allocated(layout.size());
        }
        block
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that this allocator returned `block` for `layout`, as the
        // inner one did then, that `new_size` is not 0 and that it does not overflow `isize` when
        // rounded up to the alignment.
        let moved = unsafe { self.inner.realloc(block, layout, new_size) };
        if !moved.is_null() {
            match new_size.checked_sub(layout.size()) {
                Some(grown) => ledger::allocated(grown),
                None => ledger::freed(layout.size() - new_size),
            }
        }
        moved
    }
}
