//! Checked bytes as frames.

use core::fmt;
use core::marker::PhantomData;

use super::bits::is_within;
use super::ranges::{RangeTable, are_within};
use super::swap::{SwapTable, swap, swap_fields};
use crate::frame::SimdFrame;
use crate::frame::layout::Window;

/// The table of a frame type.
struct Ranges<T>(PhantomData<T>);

impl<T: SimdFrame> Ranges<T> {
    const TABLE: &'static RangeTable = &RangeTable::new(T::LAYOUT);
}

/// The table of `T`.
pub const fn table<T: SimdFrame>() -> &'static RangeTable {
    Ranges::<T>::TABLE
}

/// Up to this many frames, plain code that is compiled for the type is faster than a call.
pub const INLINE_FRAMES: usize = 4;

/// Whether `bytes` are a whole number of frames of type `T`, every byte within its range, that pass every
/// check of the type.
#[inline]
pub fn are_frames<T: SimdFrame>(bytes: &[u8]) -> bool {
    if !bytes.len().is_multiple_of(const { size::<T>() }) {
        return false;
    }
    let are_within = match const { T::WINDOW } {
        Window::Unconstrained => true,
        Window::Bytes { .. } if bytes.len() > const { INLINE_FRAMES * size::<T>() } => {
            are_within(bytes, Ranges::<T>::TABLE)
        }
        _ => plain::<T>(bytes),
    };
    are_within && pass_checks::<T>(bytes)
}

/// Whether each frame passes what the byte ranges do not say. No frame type without such a check pays.
#[inline]
fn pass_checks<T: SimdFrame>(bytes: &[u8]) -> bool {
    if const { !T::HAS_CHECK } {
        return true;
    }
    let mut frames = bytes.chunks_exact(const { size::<T>() });
    frames.all(|frame| T::check(frame).is_ok())
}

/// The same for each frame on its own, compiled for the type.
#[inline]
pub fn plain<T: SimdFrame>(bytes: &[u8]) -> bool {
    let frames = bytes.chunks_exact(const { size::<T>() });
    frames.fold(true, |are_within, frame| are_within & is_within::<T>(frame))
}

/// Lines of the next block that are asked for while one is used: a block of 64 lines is as long as a page
/// of memory, at whose end the prefetcher of the hardware stops.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(miri)))]
const PREFETCHED_LINES: usize = 16;

/// Asks for the first lines of `next`.
#[inline]
pub fn prefetch(next: &[u8]) {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2", not(miri)))]
    if let Some(lines) = next.first_chunk::<{ PREFETCHED_LINES * 64 }>() {
        for line in lines.as_chunks::<64>().0 {
            use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: it is a hint, which reads nothing that the program sees; SSE is there on every x86-64.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
        }
    }
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2", not(miri))))]
    let _ = next;
}

/// Bytes of a frame, of which a batch needs some.
pub const fn size<T: SimdFrame>() -> usize {
    assert!(T::SIZE > 0, "a batch is of frames that have bytes");
    T::SIZE
}

/// `bytes` as the frames that they are, or `None` where a byte is out of range, the address is not
/// aligned, or a part of a frame is left over.
#[inline]
#[must_use]
pub fn frames<T: SimdFrame>(bytes: &[u8]) -> Option<&[T]> {
    let start = bytes.as_ptr().cast::<T>();
    if bytes.is_empty() {
        return Some(&[]);
    }
    if !start.is_aligned() || !are_frames::<T>(bytes) {
        return None;
    }
    // SAFETY: the pointer is aligned (tested above) and comes from a slice of initialised bytes that
    // the result borrows from and that is `len / SIZE` times `SIZE` bytes long (`are_frames`). Each
    // frame's bytes are within `LO` and `SPAN` and pass its checks (`are_frames`), for which the
    // implementor of `SimdFrame` promises a valid value, and that there is no interior mutability.
    Some(unsafe { core::slice::from_raw_parts(start, bytes.len() / size::<T>()) })
}

impl<T: SimdFrame> Ranges<T> {
    const SWAP: Option<&'static SwapTable> = match &const { SwapTable::new(T::LAYOUT) } {
        Some(table) => Some(table),
        None => None,
    };
}

/// The frames that `from` are in network byte order, swapped into `to`, which is as long. Gives `to` back
/// where a swapped byte is out of range, `to` is not aligned, or the lengths are not those of frames.
pub fn swapped<'a, T: SimdFrame>(from: &[u8], to: &'a mut [u8]) -> Result<&'a [T], &'a [u8]> {
    if from.is_empty() && to.is_empty() {
        return Ok(&[]);
    }
    let is_whole = to.len().is_multiple_of(size::<T>());
    if from.len() != to.len() || !is_whole || !to.as_ptr().cast::<T>().is_aligned() {
        return Err(to);
    }
    let are_within = match Ranges::<T>::SWAP {
        Some(table) => {
            swap(from.as_chunks().0, to.as_chunks_mut().0, table) && pass_checks::<T>(to)
        }
        None => {
            to.copy_from_slice(from);
            for frame in to.chunks_exact_mut(size::<T>()) {
                swap_fields(T::LAYOUT, frame);
            }
            are_frames::<T>(to)
        }
    };
    if !are_within {
        return Err(to);
    }
    let to: &'a [u8] = to;
    // SAFETY: the pointer is aligned (tested above) and comes from a slice of initialised bytes that
    // the result borrows from and that is a multiple of `SIZE` bytes long (tested above). Each frame's
    // bytes are within `LO` and `SPAN` (the kernel's answer for as many lines as there are, or
    // `are_frames`), for which the implementor of `SimdFrame` promises a valid value, and that there is
    // no interior mutability.
    Ok(unsafe { core::slice::from_raw_parts(to.as_ptr().cast(), to.len() / size::<T>()) })
}

/// Frames that are validated where they stand, at any address, and copied out one by one.
pub struct FramesView<'a, T> {
    /// A whole number of frames of type `T` (`are_frames`).
    bytes: &'a [u8],
    frame: PhantomData<fn() -> T>,
}

impl<T> Clone for FramesView<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for FramesView<'_, T> {}

impl<'a, T: SimdFrame> FramesView<'a, T> {
    #[inline]
    pub(in crate::frame) fn new(bytes: &'a [u8]) -> Option<Self> {
        let frame = PhantomData;
        are_frames::<T>(bytes).then_some(Self { bytes, frame })
    }

    /// Number of frames.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / size::<T>()
    }

    /// Whether there is no frame.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes of all frames.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// A copy of the frame with the number `index`, from 0.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<T> {
        if index >= self.len() {
            return None;
        }
        let start = index * size::<T>();
        let bytes = &self.bytes[start..start + size::<T>()];
        // SAFETY: `bytes` are the `SIZE` initialised bytes of one frame, within `LO` and `SPAN`
        // (`new`), for which the implementor of `SimdFrame` promises a valid value.
        Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
    }

    /// Copies of all frames, in their order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = T> + use<'a, T> {
        let view = *self;
        (0..self.len()).map(move |index| view.get(index).expect("an index below the length"))
    }
}

impl<T> fmt::Debug for FramesView<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FramesView")
            .field("len_bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}
