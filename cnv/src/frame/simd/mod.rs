//! Kernels over many frames, and which of them this CPU runs.
//!
//! A kernel stays only where it was measured to be faster than plain code that the compiler vectorises.
//! Times that of plain code on 64 frames (L1), 4096 (L2) and 65 536 (L3), default target, medians of
//! interleaved rounds of `cargo bench -p cnv --bench frame_kernels` on a shared Xeon with AVX-512 and
//! no VBMI; in L3 the memory of that machine is the limit of most:
//!
//! | kernel | level | L1 | L2 | L3 | |
//! |---|---|---|---|---|---|
//! | validate, window of 8 | SSE2 | 2.5 | 2.9 | 1.1 | kept: needs no detection |
//! | | AVX2 | 2.6 | 3.2 | 1.1 | kept |
//! | | AVX-512 | | | | as AVX2: four windows fill one vector of AVX2 |
//! | window of 16 | SSE2, AVX2 | 2.1, 2.5 | 2.3, 2.9 | 1.1 | kept |
//! | window of 32 | SSE2, AVX2 | 2.6, 5.1 | 3.0, 6.0 | 0.9, 1.9 | kept |
//! | window of 64 | SSE2, AVX2 | 2.9, 3.9 | 2.4, 4.6 | 0.6, 2.2 | kept: L3 of SSE2 is of an earlier loop |
//! | | AVX-512 | 8.2 | 7.8 | 2.2 | kept |
//! | any window | NEON | | | | kept for its oracle's results under emulation; not measured |
//! | no window | any | | | | plain code |
//! | up to 4 frames | any | | | | plain code, compiled for the type |
//! | CRC32C of lines | SSE4.2, four lines at a time | 11.1 | 11.0 | 9.6 | kept; 2.8 of the same instruction line by line |
//! | | ARMv8 CRC | | | | kept; not measured |
//! | | VPCLMULQDQ | | | | none: this CPU lacks it, so nothing was measured |
//! | network order to native, validated | SSSE3 | 4.3 | 3.3 | 1.2 | kept |
//! | | AVX2 | 5.6 | 5.1 | 1.5 | kept |
//! | | AVX-512 | 7.0 | 5.1 | 1.2 | kept |
//! | five columns out | AVX2, two columns at a time | 1.0 | 1.7 | 1.0 | kept for L2 |
//! | | AVX2, four lines with all columns | 0.7 | 1.5 | 1.1 | dropped |
//! | | AVX-512, eight lines | 0.3 | 0.5 | 0.5 | dropped |
//! | one column out, columns of fewer than 8 bytes | any | | | | plain code |
//! | five columns in | AVX2 | 1.5 | 1.6 | 1.3 | kept; stores past the caches lose 1.7 to 2.7 times below the size of the caches |
//!
//! No kernel gives prefetch hints: all scan memory in its order.
#![allow(
    unsafe_code,
    reason = "vectors are loaded and stored through pointers, kernels are called for the CPU at hand, and checked bytes are viewed as frames"
)]

pub mod bits;
pub mod checksum;
pub mod encode;
pub mod extract;
pub mod level;
pub mod number;
pub mod ranges;
pub mod swap;
pub mod view;

/// Declares a function that calls the best kernel through an atomic pointer. The pointer starts at a
/// function that chooses the kernel, stores it and calls it, so that detection happens once.
macro_rules! routine {
    ($(#[$doc:meta])* pub fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty = $select:path as $kernel:ty;) => {
        $(#[$doc])*
        #[inline]
        pub fn $name($($arg: $ty),*) -> $ret {
            use core::sync::atomic::{AtomicPtr, Ordering};

            static KERNEL: AtomicPtr<()> = AtomicPtr::new(choose as *mut ());

            fn choose($($arg: $ty),*) -> $ret {
                let kernel: $kernel = $select(crate::frame::simd::level::Level::current());
                KERNEL.store(kernel as *mut (), Ordering::Relaxed);
                // SAFETY: a level is current only if this CPU has its features, and the kernel
                // selected for a level needs no others.
                unsafe { kernel($($arg),*) }
            }

            let kernel = KERNEL.load(Ordering::Relaxed);
            // SAFETY: the pointer is `choose` or a kernel that it stored, both of this type; the
            // features that a stored kernel needs are there, as above.
            unsafe { core::mem::transmute::<*mut (), $kernel>(kernel)($($arg),*) }
        }
    };
}
pub(crate) use routine;
