//! Bytes that start at a cache line.
#![allow(
    unsafe_code,
    reason = "a slice of cache lines is viewed as a slice of bytes"
)]

use alloc::vec::Vec;
use core::fmt;

use super::error::FrameError;

/// One cache line, and the widest vector that a kernel loads.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE_BYTES]);

const LINE_BYTES: usize = AlignedBuffer::ALIGN;

/// A growable byte buffer whose first byte stands at a multiple of 64, so that a load of a whole
/// cache line never crosses into the next.
///
/// ```
/// use cnv::frame::AlignedBuffer;
///
/// let mut buffer = AlignedBuffer::with_capacity(100);
/// buffer.extend_from_slice(b"frame")?;
/// assert_eq!(buffer.as_slice(), b"frame");
/// assert_eq!(buffer.as_slice().as_ptr().addr() % AlignedBuffer::ALIGN, 0);
/// assert!(buffer.capacity() >= 100);
/// # Ok::<(), cnv::frame::FrameError>(())
/// ```
#[derive(Default)]
pub struct AlignedBuffer {
    /// Initialised up to the longest content so far, so that `clear` costs nothing.
    lines: Vec<Line>,
    /// Bytes in use, at most those of `lines`.
    len: usize,
}

impl AlignedBuffer {
    /// Bytes that the start of the buffer is aligned to.
    pub const ALIGN: usize = 64;

    /// An empty buffer that owns no memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lines: Vec::new(),
            len: 0,
        }
    }

    /// An empty buffer with room for `bytes` bytes, rounded up to whole lines of 64.
    ///
    /// # Panics
    ///
    /// If `bytes` is over `isize::MAX`. Running out of memory aborts, as it does for a `Vec`; use
    /// [`reserve`](Self::reserve) for a size that somebody else chose.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            lines: Vec::with_capacity(bytes.div_ceil(LINE_BYTES)),
            len: 0,
        }
    }

    /// Bytes in use.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no byte is in use.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that fit without a new allocation.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.lines.capacity() * LINE_BYTES
    }

    /// The bytes in use.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        let bytes = self.lines.as_ptr().cast::<u8>();
        // SAFETY: `len` is at most the bytes of the initialised `lines`, which are consecutive, have
        // no padding, are borrowed for the result's lifetime, and are fewer than `isize::MAX`.
        unsafe { core::slice::from_raw_parts(bytes, self.len) }
    }

    /// The bytes in use, to change in place.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        let bytes = self.lines.as_mut_ptr().cast::<u8>();
        // SAFETY: as in `as_slice`, and the borrow is exclusive. A `Line` is bytes, so that whatever
        // is written leaves it valid.
        unsafe { core::slice::from_raw_parts_mut(bytes, self.len) }
    }

    /// Forgets the content and keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Makes room for `additional` more bytes.
    ///
    /// # Errors
    ///
    /// [`FrameError::OutOfMemory`] if the size overflows or the allocator refuses. The buffer is
    /// unchanged.
    pub fn reserve(&mut self, additional: usize) -> Result<(), FrameError> {
        self.grow(additional).map(drop)
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    ///
    /// As for [`reserve`](Self::reserve).
    pub fn extend_from_slice(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        let end = self.grow(bytes.len())?;
        let lines = end.div_ceil(LINE_BYTES);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0; LINE_BYTES]));
        }
        let start = self.len;
        self.len = end;
        self.as_mut_slice()[start..].copy_from_slice(bytes);
        Ok(())
    }

    /// Makes the buffer `len` bytes long, whose content is of no meaning, and returns them to be
    /// written. Only memory that was never used is cleared.
    pub(super) fn resize_to_overwrite(&mut self, len: usize) -> Result<&mut [u8], FrameError> {
        self.len = 0;
        let len = self.grow(len)?;
        let lines = len.div_ceil(LINE_BYTES);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0; LINE_BYTES]));
        }
        self.len = len;
        Ok(self.as_mut_slice())
    }

    /// Makes room, and returns the length that the buffer then has room for.
    fn grow(&mut self, additional: usize) -> Result<usize, FrameError> {
        let end = self.len.saturating_add(additional);
        let lines = end.div_ceil(LINE_BYTES).saturating_sub(self.lines.len());
        match self.lines.try_reserve(lines) {
            Ok(()) => Ok(end),
            Err(_) => Err(FrameError::OutOfMemory { bytes: end }),
        }
    }
}

/// Clones the bytes in use.
impl Clone for AlignedBuffer {
    fn clone(&self) -> Self {
        let lines = self.lines[..self.len.div_ceil(LINE_BYTES)].to_vec();
        Self {
            lines,
            len: self.len,
        }
    }
}

/// Length and capacity, since the content may be long, or somebody's secret.
impl fmt::Debug for AlignedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBuffer")
            .field("len", &self.len)
            .field("capacity", &self.capacity())
            .finish()
    }
}

impl AsRef<[u8]> for AlignedBuffer {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_aligned(buffer: &AlignedBuffer) -> bool {
        buffer
            .as_slice()
            .as_ptr()
            .addr()
            .is_multiple_of(AlignedBuffer::ALIGN)
    }

    #[test]
    fn every_buffer_starts_at_a_line() {
        assert!(is_aligned(&AlignedBuffer::new()));
        for bytes in [0, 1, 63, 64, 65, 4096] {
            let buffer = AlignedBuffer::with_capacity(bytes);
            assert!(is_aligned(&buffer) && buffer.is_empty() && buffer.capacity() >= bytes);
        }
    }

    #[test]
    fn content_survives_growth() {
        let mut buffer = AlignedBuffer::new();
        let mut expected = Vec::new();
        for byte in 0..=255 {
            let piece = [byte; 3];
            buffer.extend_from_slice(&piece).unwrap();
            expected.extend_from_slice(&piece);
            assert_eq!(buffer.as_slice(), expected);
            assert!(is_aligned(&buffer));
        }
    }

    #[test]
    fn a_cleared_buffer_keeps_its_memory_and_shows_nothing_old() {
        let mut buffer = AlignedBuffer::with_capacity(64);
        buffer.extend_from_slice(&[7; 64]).unwrap();
        let capacity = buffer.capacity();
        buffer.clear();
        assert!(buffer.as_slice().is_empty());
        buffer.extend_from_slice(&[1, 2]).unwrap();
        assert_eq!(buffer.as_slice(), [1, 2]);
        assert_eq!(buffer.capacity(), capacity);
    }

    #[test]
    fn a_clone_is_aligned_and_its_own() {
        let mut buffer = AlignedBuffer::new();
        buffer.extend_from_slice(&[5; 70]).unwrap();
        let mut clone = buffer.clone();
        clone.as_mut_slice()[69] = 6;
        assert!(is_aligned(&clone));
        assert_eq!(
            (clone.len(), clone.as_slice()[69], buffer.as_slice()[69]),
            (70, 6, 5)
        );
    }

    #[test]
    fn growth_past_the_address_space_is_an_error() {
        let mut buffer = AlignedBuffer::new();
        buffer.extend_from_slice(&[1; 3]).unwrap();
        let error = buffer.reserve(usize::MAX).unwrap_err();
        assert!(matches!(
            error,
            FrameError::OutOfMemory { bytes: usize::MAX }
        ));
        assert_eq!(buffer.as_slice(), [1; 3]);
    }

    #[test]
    fn it_crosses_threads() {
        fn crosses<T: Send + Sync>() {}
        crosses::<AlignedBuffer>();
    }
}
