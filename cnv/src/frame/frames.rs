//! Many frames in one slice, checked a block at a time.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;

use super::buffer::AlignedBuffer;
use super::layout_error::LayoutError;
use super::simd::swap::is_swapped;
use super::simd::view;
pub use super::simd::view::FramesView;
use super::simd_frame::SimdFrame;

/// Bytes that are not a batch of frames. None of these goes away by trying again, but
/// [`OutOfMemory`](Self::OutOfMemory) can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FramesError {
    /// The last frame is cut off.
    #[error(
        "frames of `{frame}` are {size} bytes each, and {excess} bytes follow the last whole one"
    )]
    PartialFrame {
        /// The frame type.
        frame: &'static str,
        /// Bytes of one frame.
        size: usize,
        /// Bytes behind the last whole frame.
        excess: usize,
    },
    /// The slice starts at an address where frames cannot be borrowed. [`Frames::views`] copies them
    /// from any address.
    #[error(
        "frames of `{frame}` are borrowed from a multiple of {align} bytes, and this address is {excess} bytes past one"
    )]
    Misaligned {
        /// The frame type.
        frame: &'static str,
        /// The alignment it needs, in bytes.
        align: usize,
        /// Bytes from the last aligned address to the start of the slice.
        excess: usize,
    },
    /// The buffer for frames in another byte order could not grow.
    #[error("no memory for {bytes} bytes of frames")]
    OutOfMemory {
        /// The size that was asked for.
        bytes: usize,
    },
    /// A frame has a byte that its field does not allow.
    #[error("frame {} is not valid", .0.index)]
    BadFrame(#[source] BadFrame),
}

/// The first frame of a batch that is refused, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("frame {index}: {reason}")]
pub struct BadFrame {
    /// Number of the frame in the slice, from 0.
    pub index: usize,
    /// Field, offset within the frame, value, and what would be allowed.
    pub reason: LayoutError,
}

/// Ways to read a slice that holds frames of type `T`, one after the other.
///
/// [`blocks`](Self::blocks) is the one to use: it validates 64 frames and hands them out while they
/// are in the first-level cache. [`validate_all`](Self::validate_all) reads a long slice twice, once
/// to check it and once when its result is used. [`views`](Self::views) takes bytes at any address, as a
/// socket gives them.
///
/// ```
/// use cnv::frame::{AlignedBuffer, Frames, SimdFrame};
///
/// #[derive(Debug, SimdFrame)]
/// #[repr(C)]
/// struct Reading {
///     value: u32,
///     is_valid: bool,
///     #[frame(reserved)]
///     _pad: [u8; 3],
/// }
///
/// let mut bytes = AlignedBuffer::new();
/// for value in 0..1000 {
///     bytes.extend_from_slice(Reading { value, is_valid: true, _pad: [0; 3] }.as_bytes())?;
/// }
/// let mut sum = 0;
/// for block in Frames::<Reading>::blocks(bytes.as_slice()) {
///     sum += block?.iter().map(|reading| reading.value).sum::<u32>();
/// }
/// assert_eq!(sum, 499_500);
///
/// bytes.as_mut_slice()[8 * 700 + 4] = 2;
/// let error = Frames::<Reading>::validate_all(bytes.as_slice()).unwrap_err();
/// let reason = std::error::Error::source(&error).unwrap();
/// assert_eq!(
///     reason.to_string(),
///     "frame 700: `Reading`: field `is_valid`, byte 4, is 2, and 0 to 1 are allowed"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Frames<T>(PhantomData<T>);

impl<T: SimdFrame> Frames<T> {
    /// Frames that are validated at a time.
    pub const BLOCK_FRAMES: usize = 64;

    const BLOCK_BYTES: usize = Self::BLOCK_FRAMES * view::size::<T>();

    /// The frames of `bytes`, at most [`BLOCK_FRAMES`](Self::BLOCK_FRAMES) at a time, each block
    /// validated before it is handed out. An empty slice has no blocks.
    ///
    /// An item is [`FramesError::PartialFrame`] or [`FramesError::Misaligned`], both before any block,
    /// or [`FramesError::BadFrame`] after the blocks that are valid. The error is the last item.
    #[must_use]
    pub fn blocks(bytes: &[u8]) -> Blocks<'_, T> {
        Blocks {
            rest: Rest::new::<T>(bytes, true),
            frame: PhantomData,
        }
    }

    /// As [`blocks`](Self::blocks), for bytes at any address: each block is validated where it stands,
    /// and its frames are copied out one by one.
    #[must_use]
    pub fn views(bytes: &[u8]) -> Views<'_, T> {
        Views {
            rest: Rest::new::<T>(bytes, false),
            frame: PhantomData,
        }
    }

    /// All frames of `bytes`, once every one of them is validated.
    ///
    /// # Errors
    ///
    /// Every variant of [`FramesError`]; [`FramesError::BadFrame`] names the first frame that is
    /// refused, and the field, the byte and the values that it allows.
    pub fn validate_all(bytes: &[u8]) -> Result<&[T], FramesError> {
        check_shape::<T>(bytes, true)?;
        view::frames(bytes).ok_or_else(|| first_bad::<T>(bytes, 0))
    }

    /// As [`validate_all`](Self::validate_all), for bytes at any address: the frames are validated where they
    /// stand, and copied out one by one.
    ///
    /// # Errors
    ///
    /// [`FramesError::PartialFrame`] and [`FramesError::BadFrame`], as there.
    pub fn view_all(bytes: &[u8]) -> Result<FramesView<'_, T>, FramesError> {
        check_shape::<T>(bytes, false)?;
        FramesView::new(bytes).ok_or_else(|| first_bad::<T>(bytes, 0))
    }

    /// The frames that `bytes` are in network byte order, at any address: each number of more than a
    /// byte is big-endian, and everything stands where it stands in `T`. They are swapped into
    /// `buffer`, whose content they replace, and validated in the same pass.
    ///
    /// A frame with a checksum and numbers to be swapped does not compile here: the checksum would be that of other bytes than were sent. A type with
    /// `#[frame(endian = "big")]` and numbers in [`Be`](super::Be) is in network order as it is.
    ///
    /// ```compile_fail,E0080
    /// use cnv::frame::{AlignedBuffer, Frames, SimdFrame};
    ///
    /// #[derive(SimdFrame)]
    /// #[repr(C)]
    /// struct Sample {
    ///     value: u32,
    ///     #[frame(crc32c)]
    ///     crc: u32,
    /// }
    ///
    /// let _ = Frames::<Sample>::from_big_endian(&[0; 8], &mut AlignedBuffer::new());
    /// ```
    ///
    /// # Errors
    ///
    /// [`FramesError::PartialFrame`], [`FramesError::BadFrame`] and [`FramesError::OutOfMemory`]. The
    /// content of the buffer has no meaning then.
    ///
    /// ```
    /// use cnv::frame::{AlignedBuffer, Frames, SimdFrame};
    ///
    /// #[derive(Debug, SimdFrame)]
    /// #[repr(C)]
    /// struct Reading {
    ///     value: u32,
    ///     scale: i16,
    ///     is_valid: bool,
    ///     #[frame(reserved)]
    ///     _pad: [u8; 1],
    /// }
    ///
    /// let mut buffer = AlignedBuffer::new();
    /// let readings = Frames::<Reading>::from_big_endian(&[0, 0, 1, 2, 0xff, 0xfe, 1, 0], &mut buffer)?;
    /// assert_eq!((readings[0].value, readings[0].scale), (258, -2));
    /// # Ok::<(), cnv::frame::FramesError>(())
    /// ```
    pub fn from_big_endian<'a>(
        bytes: &[u8],
        buffer: &'a mut AlignedBuffer,
    ) -> Result<&'a [T], FramesError> {
        const {
            assert!(
                align_of::<T>() <= AlignedBuffer::ALIGN,
                "a frame of this alignment cannot be borrowed from an AlignedBuffer"
            );
            assert!(
                !(T::LAYOUT.has_checksum() && is_swapped(T::LAYOUT)),
                "a checksum is that of the bytes that were sent, and these would be swapped: give the frame `endian = \"big\"` and numbers in `Be`"
            );
        }
        check_shape::<T>(bytes, false)?;
        let out = match buffer.resize_to_overwrite(bytes.len()) {
            Ok(out) => out,
            Err(_) => return Err(FramesError::OutOfMemory { bytes: bytes.len() }),
        };
        match view::swapped(bytes, out) {
            Ok(frames) => Ok(frames),
            Err(out) => Err(first_bad::<T>(out, 0)),
        }
    }
}

impl<T> fmt::Debug for Frames<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Frames")
    }
}

/// Tests everything about `bytes` that does not depend on what is in them.
fn check_shape<T: SimdFrame>(bytes: &[u8], is_borrowed: bool) -> Result<(), FramesError> {
    let frame = T::LAYOUT.name();
    let excess = bytes.len() % view::size::<T>();
    if excess != 0 {
        return Err(FramesError::PartialFrame {
            frame,
            size: T::SIZE,
            excess,
        });
    }
    let align = align_of::<T>();
    let excess = bytes.as_ptr().addr() % align;
    if is_borrowed && excess != 0 && !bytes.is_empty() {
        return Err(FramesError::Misaligned {
            frame,
            align,
            excess,
        });
    }
    Ok(())
}

/// What is wrong with `bytes`, whose first frame has the number `start` and of which one was refused.
#[cold]
fn first_bad<T: SimdFrame>(bytes: &[u8], start: usize) -> FramesError {
    let reasons = bytes
        .chunks_exact(T::SIZE)
        .map(|frame| T::validate(frame).err());
    let bad = reasons
        .enumerate()
        .find_map(|(at, reason)| Some((at, reason?)));
    // Byte ranges say the same twice. Only a check of the author's own can say something else now.
    let (at, reason) = bad.unwrap_or((0, changed_its_mind::<T>()));
    FramesError::BadFrame(BadFrame {
        index: start + at,
        reason,
    })
}

/// What is said of a frame whose check refused it and now does not.
fn changed_its_mind<T: SimdFrame>() -> LayoutError {
    LayoutError::Check {
        frame: T::LAYOUT.name(),
        offset: 0,
        check: T::LAYOUT
            .cross_check()
            .map_or("a nested frame's check", |check| check.name),
        reason: Some("it refused a frame, and the same frame no more when it was asked which"),
    }
}

/// What a walk over a slice has left to do.
struct Rest<'a> {
    bytes: &'a [u8],
    /// Number of the frame that `bytes` start with.
    index: usize,
    /// Handed out before anything else.
    error: Option<FramesError>,
}

impl<'a> Rest<'a> {
    fn new<T: SimdFrame>(bytes: &'a [u8], is_borrowed: bool) -> Self {
        let error = check_shape::<T>(bytes, is_borrowed).err();
        Self {
            bytes: if error.is_some() { &[] } else { bytes },
            index: 0,
            error,
        }
    }

    /// The next block as `checked` returns it, which is `None` for one that is refused.
    #[inline]
    fn next<T: SimdFrame, B>(
        &mut self,
        checked: impl FnOnce(&'a [u8]) -> Option<B>,
    ) -> Option<Result<B, FramesError>> {
        if self.bytes.is_empty() {
            return self.error.take().map(Err);
        }
        let len = self.bytes.len().min(Frames::<T>::BLOCK_BYTES);
        let (block, rest) = self.bytes.split_at(len);
        let start = self.index;
        self.bytes = rest;
        self.index += Frames::<T>::BLOCK_FRAMES;
        let Some(checked) = checked(block) else {
            self.bytes = &[];
            return Some(Err(first_bad::<T>(block, start)));
        };
        view::prefetch(rest);
        Some(Ok(checked))
    }
}

/// The blocks of [`Frames::blocks`].
pub struct Blocks<'a, T> {
    rest: Rest<'a>,
    frame: PhantomData<&'a [T]>,
}

impl<'a, T: SimdFrame> Iterator for Blocks<'a, T> {
    type Item = Result<&'a [T], FramesError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.rest.next::<T, _>(view::frames)
    }
}

impl<T: SimdFrame> FusedIterator for Blocks<'_, T> {}

impl<T> fmt::Debug for Blocks<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rest.describe("Blocks", f)
    }
}

/// The blocks of [`Frames::views`].
pub struct Views<'a, T> {
    rest: Rest<'a>,
    frame: PhantomData<&'a [T]>,
}

impl<'a, T: SimdFrame> Iterator for Views<'a, T> {
    type Item = Result<FramesView<'a, T>, FramesError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.rest.next::<T, _>(FramesView::new)
    }
}

impl<T: SimdFrame> FusedIterator for Views<'_, T> {}

impl<T> fmt::Debug for Views<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rest.describe("Views", f)
    }
}

/// Walks over the blocks, at any address, that `is_valid` says are valid: for whoever validates a block while
/// working on it.
#[inline]
pub(super) fn try_for_each_block<T: SimdFrame>(
    bytes: &[u8],
    mut is_valid: impl FnMut(&[u8]) -> bool,
) -> Result<(), FramesError> {
    check_shape::<T>(bytes, false)?;
    let mut rest = bytes;
    let mut start = 0;
    while !rest.is_empty() {
        let (block, behind) = rest.split_at(rest.len().min(Frames::<T>::BLOCK_BYTES));
        view::prefetch(behind);
        if !is_valid(block) {
            return Err(first_bad::<T>(block, start));
        }
        start += Frames::<T>::BLOCK_FRAMES;
        rest = behind;
    }
    Ok(())
}

impl Rest<'_> {
    fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("index", &self.index)
            .field("bytes_left", &self.bytes.len())
            .finish_non_exhaustive()
    }
}
