//! Kernels over many frames, and which of them this CPU runs.
#![allow(
    unsafe_code,
    reason = "vectors are loaded and stored through pointers, kernels are called for the CPU at hand, and checked bytes are viewed as frames"
)]

pub mod checksum;
pub mod level;
pub mod ranges;
pub mod swap;
pub mod transpose;
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
