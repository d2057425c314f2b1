//! Kernels over many frames, and which of them this CPU runs.
//!
//! A kernel stays only where it was measured to be faster than plain code.
//! Times that of plain code on 64 frames (L1), 4096 (L2) and 65 536 (L3), default target, the best of 41
//! interleaved rounds of `cargo bench -p cnv --bench frame_kernels` on a shared and busy Xeon with AVX-512 and
//! no VBMI; in L3 the memory of that machine is the limit of most. Plain code is the best that we know: it
//! validates by [`bits`], swaps whole numbers, and reads and writes all columns of a line together.
//!
//! | kernel | level | L1 | L2 | L3 | |
//! |---|---|---|---|---|---|
//! | validate, window of 8 | SSE2 | 1.1 | 1.3 | 1.0 | kept: needs no detection |
//! | | AVX2 | 1.2 | 1.4 | 1.0 | kept; of lines sixteen in one turn, with which routing blocks takes a quarter less time |
//! | | AVX-512 | | | | as AVX2: four windows fill one vector of AVX2 |
//! | window of 16 | SSE2, AVX2 | 1.3, 1.4 | 1.4, 1.8 | 1.0 | kept |
//! | window of 32 | SSE2, AVX2 | 0.6, 1.3 | 0.7, 1.4 | 1.0 | SSE2 kept for ranges that are no [`bits`], 2.6 and 3.0 there; batches of others are plain code below AVX2 |
//! | window of 64 | SSE2 | 0.4 | 0.5 | 0.7 | the same; 2.4 for ranges that are no bits in L2 |
//! | | AVX2 | 0.7 | 1.4 | 1.0 | kept; `blocks` by plain code were 0.9 of its time in L1 and 1.1 in L2; 4.6 for ranges that are no bits in L2 |
//! | | AVX-512 | 1.6 | 2.1 | 1.1 | kept |
//! | any window | NEON | | | | kept for its oracle's results under emulation; not measured |
//! | no window, and targets without any kernel | any | | | | plain code: the oracle, which reads a table, is 0.1 to 0.2 |
//! | up to 4 frames | any | | | | plain code, compiled for the type: [`bits`] wherever ranges can be said so |
//! | CRC32C of lines | SSE4.2, four lines at a time | 11.1 | 11.0 | 9.6 | kept; 2.8 of the same instruction line by line (an earlier, quieter run) |
//! | | ARMv8 CRC | | | | kept; not measured |
//! | | VPCLMULQDQ | | | | none: this CPU lacks it, so nothing was measured |
//! | network order to native, validated | any words | 0.1 | 0.3 | 0.4 | the fallback, which serves any layout from its table |
//! | | SSSE3 | 1.4 | 1.2 | 0.9 | kept: plain code is compiled for one layout |
//! | | AVX2 | 3.3 | 2.0 | 1.1 | kept |
//! | | AVX-512 | 4.0 | 2.6 | 1.1 | kept |
//! | five columns out, validated apart | AVX2, two columns at a time, unrolled | 2.2 | 1.5 | 1.3 | kept; `columns!`, which validates in the pass of the window, 1.9, 1.4, 1.2 |
//! | | the same with sums of two registers for addresses | 1.4 | 1.5 | 1.1 | dropped |
//! | | all columns of four lines at a time | 2.0 | 1.5 | 1.1 | dropped: needs a loop for each set of columns |
//! | | AVX-512, eight lines | 2.0 | 1.4 | 1.0 | dropped |
//! | | AVX2, with hints to prefetch the next block | 1.6 | 1.5 | 1.0 | dropped |
//! | | its stores moved to multiples of 32 bytes | | | | dropped: `columns!` 1.9, 1.5, 1.1, too |
//! | one column out, columns of fewer than 8 bytes | any | | | | plain code |
//! | five columns in | AVX2, half a line at a time, blocks of a known length | | | | kept; `encode_columns!` 1.9, 2.3, 1.6 (1024 frames for L2) |
//! | | the same with stores past the caches | | | | dropped: 3 to 30 times slower where lines fit in the caches; for 4 million lines, 256 MB, not read again, 0.6 of plain code and 0.55 of the kernel above |
//!
//! One hint to prefetch is left: [`view::prefetch`] asks for the start of the next block while the one before
//! is used. A block is as long as a page, where the prefetcher of the hardware stops; it takes 15 % off
//! validating and using frames in L3, and nothing in L1 and L2.
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
