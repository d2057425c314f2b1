//! A frame that borrows what it carries.

use core::fmt;

use super::error::FrameError;
use super::frames::FramesView;
use super::header::{FrameHeader, PayloadPlace};
use super::owned::Frame;

/// A frame and its payload where it stands in the bytes: what [`Frame::parse`] returns, and each frame of a
/// [`SplitBatch`](super::SplitBatch).
///
/// The header line is checked and the lengths agree. The payload is not looked at; what its kind wants of
/// it is tested by [`to_frame`](Self::to_frame).
#[derive(Clone, Copy)]
pub struct FrameRef<'a> {
    /// One line.
    line: FramesView<'a, FrameHeader>,
    payload: &'a [u8],
}

impl<'a> FrameRef<'a> {
    /// The payload stands in `line` at `place`, or is `following`.
    #[inline]
    pub(super) fn new(
        line: FramesView<'a, FrameHeader>,
        place: PayloadPlace,
        following: &'a [u8],
    ) -> Self {
        let payload = match place.inline_range() {
            Some(range) => &line.as_bytes()[range],
            None => following,
        };
        Self { line, payload }
    }

    /// The header line, copied, because a `FrameHeader` is aligned and these bytes need not be. Where only
    /// some of its fields are asked for, only those are read.
    #[inline]
    #[must_use]
    pub fn header(&self) -> FrameHeader {
        self.line.first()
    }

    /// The bytes of the payload.
    #[inline]
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
        Frame::of(&self.header(), self.payload.to_vec())
    }
}

impl fmt::Debug for FrameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameRef")
            .field("header", &self.header())
            .field("payload", &self.payload)
            .finish()
    }
}

impl PartialEq for FrameRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.line.as_bytes() == other.line.as_bytes() && self.payload == other.payload
    }
}

impl Eq for FrameRef<'_> {}
