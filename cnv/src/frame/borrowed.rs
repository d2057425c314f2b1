//! A frame that borrows what it carries.

use super::error::FrameError;
use super::header::FrameHeader;
use super::owned::Frame;
use super::serializer::{FrameSerializer, frame};

/// A frame and its payload where it stands in the bytes: what [`Frame::parse`] returns.
///
/// The header line is checked and the lengths agree. The payload is not looked at; what its kind wants of
/// it is tested by [`to_frame`](Self::to_frame).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRef<'a> {
    header: FrameHeader,
    payload: &'a [u8],
}

impl<'a> FrameRef<'a> {
    /// The payload stands in `line`, which is that of `header`, or is `following`.
    #[inline]
    pub(super) fn new(header: FrameHeader, line: &'a [u8], following: &'a [u8]) -> Self {
        let payload = match header.inline_range() {
            Some(range) => &line[range],
            None => following,
        };
        Self { header, payload }
    }

    /// The header line.
    #[must_use]
    pub const fn header(&self) -> &FrameHeader {
        &self.header
    }

    /// The bytes of the payload.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The frame with a payload of its own.
    ///
    /// # Errors
    ///
    /// [`FrameError::PayloadTooShort`], [`FrameError::LogLevel`] and [`FrameError::Utf8`] where the payload
    /// is not what its kind wants.
    pub fn to_frame(&self) -> Result<Frame, FrameError> {
        frame(&self.header, self.payload.to_vec())
    }
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
