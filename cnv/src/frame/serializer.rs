//! Frames to bytes and back.

extern crate alloc;

use alloc::vec::Vec;

use super::buffer::AlignedBuffer;
use super::error::FrameError;
use super::header::FrameHeader;
use super::owned::Frame;
use super::payload::FramePayload;
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

        buffer.clear();
        let inline = header.inline_mut();
        if len <= inline.len() {
            let mut at = 0;
            payload.encode(|piece| {
                inline[at..at + piece.len()].copy_from_slice(piece);
                at += piece.len();
                Ok::<(), FrameError>(())
            })?;
            buffer.extend_from_slice(header.as_bytes())?;
        } else {
            buffer.reserve(FrameHeader::SIZE.saturating_add(len))?;
            buffer.extend_from_slice(header.as_bytes())?;
            payload.encode(|piece| buffer.extend_from_slice(piece))?;
        }
        Ok(buffer.len())
    }

    /// The frame that `bytes` are. They may start at any address.
    ///
    /// # Errors
    ///
    /// Every variant of [`FrameError`] but [`OutOfMemory`](FrameError::OutOfMemory),
    /// [`UnexpectedEof`](FrameError::UnexpectedEof) and [`Io`](FrameError::Io): `bytes` that are
    /// shorter than the frame or longer, that break a rule of the header line, whose payload is over
    /// the limit or is not what its kind wants.
    pub fn deserialize(&self, bytes: &[u8]) -> Result<Frame, FrameError> {
        let Some((line, following)) = bytes.split_at_checked(FrameHeader::SIZE) else {
            return Err(FrameError::Truncated {
                expected: FrameHeader::SIZE,
                actual: bytes.len(),
            });
        };
        let header = self.header(line)?;
        let expected = header.following_bytes();
        if following.len() < expected {
            return Err(FrameError::Truncated {
                expected: FrameHeader::SIZE + expected,
                actual: bytes.len(),
            });
        }
        if following.len() > expected {
            return Err(FrameError::TrailingBytes {
                count: following.len() - expected,
            });
        }
        frame(&header, following.to_vec())
    }

    /// The header line that `line` is, with everything checked that one line can show.
    pub(super) fn header(&self, line: &[u8]) -> Result<FrameHeader, FrameError> {
        let header = FrameHeader::read(line)?;
        self.checked_len(header.payload_len() as usize)?;
        match header.unused_byte() {
            None => Ok(header),
            Some((offset, value)) => Err(FrameError::UnusedByte { offset, value }),
        }
    }

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

/// The frame of a checked line, and of the bytes that follow it.
pub(super) fn frame(header: &FrameHeader, following: Vec<u8>) -> Result<Frame, FrameError> {
    let bytes = match header.inline_payload() {
        Some(inline) => inline.to_vec(),
        None => following,
    };
    Ok(Frame::new(
        header.session_id(),
        header.stream_id(),
        header.sequence(),
        header.timestamp_ns(),
        FramePayload::decode(header.kind(), bytes)?,
    ))
}
