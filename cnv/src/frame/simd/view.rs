//! Checked bytes as frames.

use core::fmt;
use core::marker::PhantomData;

use super::bits::{is_within, say_all_of};
use super::level::Level;
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
        Window::Bytes { .. }
            if bytes.len() > const { INLINE_FRAMES * size::<T>() } && !is_plain_faster::<T>() =>
        {
            are_within(bytes, Ranges::<T>::TABLE)
        }
        _ => plain::<T>(bytes),
    };
    are_within && pass_checks::<T>(bytes)
}

/// Whether the target has kernels: on others the oracle would stand in for them.
const HAS_KERNELS: bool = cfg!(any(
    all(target_arch = "x86_64", target_feature = "sse2"),
    all(target_arch = "aarch64", target_feature = "neon")
));

/// Whether plain code, which tests a long window by its bits, is faster than the kernel that this CPU has: see
/// the table of the [module](super).
#[inline]
fn is_plain_faster<T: SimdFrame>() -> bool {
    let (_, len) = const { T::WINDOW.bytes(T::SIZE) };
    let is_long = const { say_all_of::<T>() } && len >= 32;
    !HAS_KERNELS
        || is_long
            && match Level::current() {
                Level::Scalar | Level::Baseline | Level::Sse42 => true,
                Level::Avx2 | Level::Avx512 | Level::Neon => false,
            }
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

/// Whether every byte of each frame is within its range, compiled for the type.
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
        self.each().nth(index).map(|one| one.first())
    }

    /// A copy of the first frame, which there has to be. No `Option`: what tells `Some` from `None` can be a
    /// byte of the frame, and the compiler does not know that it was checked.
    #[inline]
    pub(in crate::frame) fn first(&self) -> T {
        let bytes = &self.bytes[..size::<T>()];
        // SAFETY: `bytes` are the `SIZE` initialised bytes of one frame, within `LO` and `SPAN`
        // (`new`), for which the implementor of `SimdFrame` promises a valid value.
        unsafe { bytes.as_ptr().cast::<T>().read_unaligned() }
    }

    /// Copies of all frames, in their order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = T> + use<'a, T> {
        self.each().map(|one| one.first())
    }

    /// A view of each frame, in their order.
    #[inline]
    pub(in crate::frame) fn each(&self) -> impl ExactSizeIterator<Item = Self> + use<'a, T> {
        let frame = PhantomData;
        let frames = self.bytes.chunks_exact(const { size::<T>() });
        frames.map(move |bytes| Self { bytes, frame })
    }
}

impl<T> fmt::Debug for FramesView<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FramesView")
            .field("len_bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// Small batches on every path to the `unsafe` blocks of this file and of `number`, so that Miri runs them:
/// what the frames hold is looked at, too. Plain numbers are fields on little-endian targets only.
#[cfg(all(test, target_endian = "little"))]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::frame::{AlignedBuffer, Frames, FramesError};
    use crate::{columns, encode_columns};

    #[derive(Debug, Clone, Copy, PartialEq, cnv_macros::FrameEnum)]
    #[frame(crate = "crate")]
    #[repr(u8)]
    enum Mode {
        Idle = 1,
        Failed = 200,
    }

    /// As long as a line: the swap has a table.
    #[derive(Debug, Clone, Copy, PartialEq, cnv_macros::SimdFrame)]
    #[frame(crate = "crate")]
    #[repr(C)]
    struct Line {
        sequence: u64,
        value: f64,
        delta: i64,
        unit: u32,
        scale: f32,
        port: u16,
        shift: i16,
        is_last: bool,
        #[frame(reserved)]
        _pad: [u8; 3],
        rest: [u32; 6],
    }

    /// Shorter than any vector, no divisor of one, and with a check of its enum: the swap has no table.
    #[derive(Debug, Clone, Copy, PartialEq, cnv_macros::SimdFrame)]
    #[frame(crate = "crate")]
    #[repr(C)]
    struct Dot {
        mode: Mode,
        is_on: bool,
        any: i8,
    }

    /// None, one, the first batch that a kernel gets, and more than a block.
    const COUNTS: [usize; 4] = [0, 1, INLINE_FRAMES + 1, Frames::<Line>::BLOCK_FRAMES + 6];

    fn line(index: usize) -> Line {
        Line {
            sequence: index as u64,
            value: index as f64 / 2.0,
            delta: -(index as i64),
            unit: 7,
            scale: 1.5,
            port: 443,
            shift: -1,
            is_last: index.is_multiple_of(3),
            _pad: [0; 3],
            rest: [index as u32; 6],
        }
    }

    fn dot(index: usize) -> Dot {
        let is_on = index.is_multiple_of(2);
        Dot {
            mode: if is_on { Mode::Idle } else { Mode::Failed },
            is_on,
            any: -(index as i8),
        }
    }

    fn bytes_of<T: SimdFrame>(frames: &[T]) -> Vec<u8> {
        frames.iter().flat_map(T::as_bytes).copied().collect()
    }

    /// `bytes` from `start` on, in a buffer whose own start is aligned.
    fn moved(bytes: &[u8], start: usize) -> AlignedBuffer {
        let mut buffer = AlignedBuffer::new();
        buffer.extend_from_slice(&[0xff; 64][..start]).unwrap();
        buffer.extend_from_slice(bytes).unwrap();
        buffer
    }

    /// Borrowed where they are aligned, and copied out anywhere; `network` are the same frames.
    fn every_way_gives<T: SimdFrame + PartialEq + fmt::Debug>(frames: &[T], network: &[u8]) {
        let bytes = bytes_of(frames);
        for start in [0, 1] {
            let buffer = moved(&bytes, start);
            let bytes = &buffer.as_slice()[start..];
            if start.is_multiple_of(align_of::<T>()) || frames.is_empty() {
                assert_eq!(Frames::<T>::validate_all(bytes).unwrap(), frames);
                let blocks = Frames::<T>::blocks(bytes).map(Result::unwrap);
                assert!(blocks.flatten().eq(frames));
            } else {
                let refused = Frames::<T>::validate_all(bytes);
                assert!(matches!(refused, Err(FramesError::Misaligned { .. })));
                assert!(super::frames::<T>(bytes).is_none());
            }
            let mut copied = Vec::new();
            for view in Frames::<T>::views(bytes) {
                let view = view.unwrap();
                assert!(view.get(view.len()).is_none());
                copied.extend(view.iter());
            }
            assert_eq!(copied, frames);
            let all = Frames::<T>::view_all(bytes).unwrap();
            assert_eq!(all.iter().collect::<Vec<T>>(), frames);

            let buffer = moved(network, start);
            let mut swapped = AlignedBuffer::new();
            let read = Frames::<T>::from_big_endian(&buffer.as_slice()[start..], &mut swapped);
            assert_eq!(read.unwrap(), frames);
        }
    }

    /// The numbers of a [`line`], the highest byte first.
    fn network_line(line: &Line) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(line.sequence.to_be_bytes());
        bytes.extend(line.value.to_be_bytes());
        bytes.extend(line.delta.to_be_bytes());
        bytes.extend(line.unit.to_be_bytes());
        bytes.extend(line.scale.to_be_bytes());
        bytes.extend(line.port.to_be_bytes());
        bytes.extend(line.shift.to_be_bytes());
        bytes.extend([u8::from(line.is_last), 0, 0, 0]);
        bytes.extend(line.rest.iter().flat_map(|word| word.to_be_bytes()));
        bytes
    }

    #[test]
    fn lines_are_borrowed_copied_and_swapped() {
        for count in COUNTS {
            let lines: Vec<Line> = (0..count).map(line).collect();
            let network: Vec<u8> = lines.iter().flat_map(network_line).collect();
            every_way_gives(&lines, &network);
        }
    }

    #[test]
    fn frames_of_three_bytes_are_borrowed_copied_and_swapped() {
        for count in COUNTS {
            let dots: Vec<Dot> = (0..count).map(dot).collect();
            every_way_gives(&dots, &bytes_of(&dots));
        }
    }

    /// No reference is made to a frame that is refused, wherever it stands.
    #[test]
    fn a_refused_frame_is_not_borrowed() {
        for count in COUNTS.into_iter().filter(|&count| count > 0) {
            let dots: Vec<Dot> = (0..count).map(dot).collect();
            for index in [0, count - 1] {
                // A flag that is 2, which a range refuses, and a mode between two others.
                for (offset, value) in [(1, 2), (0, 100)] {
                    let mut bytes = bytes_of(&dots);
                    bytes[index * Dot::SIZE + offset] = value;
                    assert!(super::frames::<Dot>(&bytes).is_none());
                    assert!(FramesView::<Dot>::new(&bytes).is_none());
                    let refused =
                        |error| matches!(error, FramesError::BadFrame(bad) if bad.index == index);
                    let mut buffer = AlignedBuffer::new();
                    let swapped = Frames::<Dot>::from_big_endian(&bytes, &mut buffer);
                    assert!(refused(swapped.unwrap_err()));
                    assert!(refused(Frames::<Dot>::validate_all(&bytes).unwrap_err()));
                }
            }
        }
    }

    /// Numbers of each width, signed, unsigned and floats.
    #[test]
    fn columns_are_written_and_read() {
        for count in COUNTS {
            let lines: Vec<Line> = (0..count).map(line).collect();
            let sequences: Vec<u64> = lines.iter().map(|line| line.sequence).collect();
            let values: Vec<f64> = lines.iter().map(|line| line.value).collect();
            let deltas: Vec<i64> = lines.iter().map(|line| line.delta).collect();
            let mut buffer = AlignedBuffer::new();
            let written = encode_columns!(&line(0), Line => sequence: &sequences, value: &values, delta: &deltas;
                &mut buffer);
            assert_eq!(written.unwrap(), count);
            let frames = Frames::<Line>::validate_all(buffer.as_slice()).unwrap();
            let expected = lines.iter().map(|other| Line {
                sequence: other.sequence,
                value: other.value,
                delta: other.delta,
                ..line(0)
            });
            assert!(frames.iter().copied().eq(expected));

            let bytes = moved(&bytes_of(&lines), 1);
            let (mut sequence, mut value) = (std::vec![0_u64; count], std::vec![0_f64; count]);
            let (mut scale, mut shift) = (std::vec![0_f32; count], std::vec![0_i16; count]);
            let read = columns!(&bytes.as_slice()[1..], Line => sequence: &mut sequence,
                value: &mut value, scale: &mut scale, shift: &mut shift);
            assert_eq!(read.unwrap(), count);
            assert_eq!((sequence, value), (sequences, values));
            assert!(lines.iter().map(|line| line.scale).eq(scale));
            assert!(lines.iter().map(|line| line.shift).eq(shift));
        }
    }
}
