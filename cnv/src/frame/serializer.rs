//! Frames to bytes and back.

use super::borrowed::FrameRef;
use super::buffer::AlignedBuffer;
use super::error::FrameError;
use super::frames::FramesView;
use super::header::{FrameHeader, PayloadPlace};
use super::owned::Frame;
use super::simd_frame::SimdFrame;

/// Writes a [`Frame`] as its header line and what of the payload does not fit in it, and reads it
/// back. Each frame has exactly one encoding, and other bytes are refused.
///
/// ```
/// use cnv::frame::{AlignedBuffer, Frame, FramePayload, FrameSerializer};
///
/// let frame = Frame::new([7; 16], 0, 1, 0, FramePayload::Data(b"hello".to_vec()));
/// let mut serializer = FrameSerializer::new();
/// let mut buffer = AlignedBuffer::with_capacity(4096);
/// let written = serializer.serialize(&frame, &mut buffer)?;
/// assert_eq!(written, 64);
/// assert_eq!(serializer.deserialize(buffer.as_slice())?, frame);
/// # Ok::<(), cnv::frame::FrameError>(())
/// ```
#[derive(Debug, Clone)]
pub struct FrameSerializer {
    max_payload_bytes: u32,
}

/// [`FrameSerializer::new`].
impl Default for FrameSerializer {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameSerializer {
    /// The longest payload that a new serializer takes: 1 MiB.
    pub const DEFAULT_MAX_PAYLOAD_BYTES: u32 = 1 << 20;

    /// A serializer for payloads of at most
    /// [`DEFAULT_MAX_PAYLOAD_BYTES`](Self::DEFAULT_MAX_PAYLOAD_BYTES).
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_payload_bytes: Self::DEFAULT_MAX_PAYLOAD_BYTES,
        }
    }

    /// Takes payloads of at most `bytes`, in both directions.
    #[must_use]
    pub const fn with_max_payload_bytes(self, bytes: u32) -> Self {
        Self {
            max_payload_bytes: bytes,
        }
    }

    /// Replaces the content of `buffer` with the frame, and returns how many bytes that are: 64, or
    /// 64 and the payload if it is longer than
    /// [`INLINE_PAYLOAD_BYTES`](super::INLINE_PAYLOAD_BYTES).
    ///
    /// Takes `&mut self` so that a serializer may learn to keep state between frames.
    ///
    /// # Errors
    ///
    /// [`FrameError::PayloadTooLarge`], with the buffer unchanged, and [`FrameError::OutOfMemory`],
    /// with the buffer empty.
    pub fn serialize(
        &mut self,
        frame: &Frame,
        buffer: &mut AlignedBuffer,
    ) -> Result<usize, FrameError> {
        let header = self.line(frame)?;
        buffer.clear();
        let following = header.following_bytes();
        buffer.reserve(FrameHeader::SIZE.saturating_add(following))?;
        buffer.extend_from_slice(header.as_bytes())?;
        if following > 0 {
            let payload = frame.payload();
            payload.encode(|piece| buffer.extend_from_slice(piece))?;
        }
        Ok(buffer.len())
    }

    /// The frame that `bytes` are, with a payload of its own. They may start at any address.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse), and those of [`FrameRef::to_frame`] where the payload is not what
    /// its kind wants.
    pub fn deserialize(&self, bytes: &[u8]) -> Result<Frame, FrameError> {
        self.parse(bytes)?.to_frame()
    }

    /// The frame that `bytes` are, borrowed from them. They may start at any address.
    ///
    /// # Errors
    ///
    /// [`FrameError::Truncated`] and [`FrameError::TrailingBytes`] if `bytes` are shorter than the frame or
    /// longer; [`FrameError::Header`] with the field, and [`FrameError::UnusedByte`], if the header line
    /// breaks a rule; [`FrameError::PayloadTooLarge`] if the payload is over the limit.
    #[inline]
    pub fn parse<'a>(&self, bytes: &'a [u8]) -> Result<FrameRef<'a>, FrameError> {
        let Some((line, following)) = bytes.split_at_checked(FrameHeader::SIZE) else {
            return Err(wrong_length(FrameHeader::SIZE, bytes.len()));
        };
        let (line, place) = self.view(line)?;
        let expected = place.following_bytes();
        if following.len() != expected {
            let expected = FrameHeader::SIZE.saturating_add(expected);
            return Err(wrong_length(expected, bytes.len()));
        }
        Ok(FrameRef::new(line, place, following))
    }

    /// The header line of `frame`, with the payload in it where it fits.
    pub(super) fn line(&self, frame: &Frame) -> Result<FrameHeader, FrameError> {
        let payload = frame.payload();
        let len = payload.len_bytes();
        let mut header = FrameHeader::new(
            frame.session_id(),
            frame.stream_id(),
            payload.kind(),
            frame.sequence(),
            frame.timestamp_ns(),
        );
        header.set_payload_len(self.checked_len(len)?);
        let inline = header.inline_mut();
        if len <= inline.len() {
            let mut at = 0;
            payload.encode(|piece| {
                inline[at..at + piece.len()].copy_from_slice(piece);
                at += piece.len();
                Ok::<(), FrameError>(())
            })?;
        }
        Ok(header)
    }

    /// The header line that `line` is, with everything checked that one line can show.
    #[inline]
    pub(super) fn view<'a>(
        &self,
        line: &'a [u8],
    ) -> Result<(FramesView<'a, FrameHeader>, PayloadPlace), FrameError> {
        let Ok(bytes) = line.try_into() else {
            return Err(wrong_length(FrameHeader::SIZE, line.len()));
        };
        let Some(view) = FramesView::<FrameHeader>::new(line) else {
            return Err(bad_line(line));
        };
        let (place, is_followed_by_zeros) = PayloadPlace::of_line(bytes);
        self.checked_len(place.payload_len() as usize)?;
        if !is_followed_by_zeros {
            return Err(unused_byte(&view.first()));
        }
        Ok((view, place))
    }

    /// A copy of the header line that `line` is, checked as by [`view`](Self::view).
    #[cfg(any(feature = "std", feature = "bytes"))]
    #[inline]
    pub(super) fn header(&self, line: &[u8]) -> Result<FrameHeader, FrameError> {
        self.view(line).map(|(line, _)| line.first())
    }

    #[inline]
    fn checked_len(&self, len: usize) -> Result<u32, FrameError> {
        match u32::try_from(len) {
            Ok(len) if len <= self.max_payload_bytes => Ok(len),
            _ => Err(FrameError::PayloadTooLarge {
                len,
                max: self.max_payload_bytes as usize,
            }),
        }
    }
}

#[cold]
fn wrong_length(expected: usize, actual: usize) -> FrameError {
    match actual.checked_sub(expected) {
        Some(count) => FrameError::TrailingBytes { count },
        None => FrameError::Truncated { expected, actual },
    }
}

/// What is wrong with `line`, in which a byte is out of range.
#[cold]
fn bad_line(line: &[u8]) -> FrameError {
    match FrameHeader::validate(line) {
        Err(error) => error.into(),
        Ok(()) => wrong_length(FrameHeader::SIZE, line.len()),
    }
}

#[cold]
fn unused_byte(header: &FrameHeader) -> FrameError {
    let (offset, value) = header.unused_byte().unwrap_or_default();
    FrameError::UnusedByte { offset, value }
}

impl Frame {
    /// The frame that `bytes` are, all of them, at any address: its line, and what follows it of a payload
    /// that does not fit in the line. Nothing is allocated, and the payload is not copied. It is at most
    /// [`FrameSerializer::DEFAULT_MAX_PAYLOAD_BYTES`] long; for another limit there is
    /// [`FrameSerializer::parse`].
    ///
    /// ```
    /// use cnv::frame::{AlignedBuffer, Frame, FramePayload, FrameSerializer};
    ///
    /// let frame = Frame::new([7; 16], 0, 1, 0, FramePayload::Data(b"hello".to_vec()));
    /// let mut buffer = AlignedBuffer::new();
    /// FrameSerializer::new().serialize(&frame, &mut buffer)?;
    ///
    /// let parsed = Frame::parse(buffer.as_slice())?;
    /// assert_eq!(parsed.header().sequence(), 1);
    /// assert_eq!(parsed.payload(), b"hello");
    /// # Ok::<(), cnv::frame::FrameError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`FrameSerializer::parse`].
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<FrameRef<'_>, FrameError> {
        const { &FrameSerializer::new() }.parse(bytes)
    }
}
