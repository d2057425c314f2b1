//! What can be wrong with a frame and its payload.

use core::str::Utf8Error;

use super::kind::FrameKind;
use super::layout_error::LayoutError;

/// A frame that could not be written, or bytes that are not one.
///
/// Only [`Io`](Self::Io) can be worth a retry. After any other error of a stream its position is
/// unknown, so that the stream is over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The bytes end before the frame does.
    #[error("the frame is {expected} bytes, and there are {actual}")]
    Truncated {
        /// Bytes of the header line, or of the whole frame once the line is there to say so.
        expected: usize,
        /// Bytes that were there.
        actual: usize,
    },
    /// The bytes go on after the frame.
    #[error("{count} bytes follow the frame")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// The stream ended inside a frame.
    #[error("the stream ended {missing} bytes before the end of a frame")]
    UnexpectedEof {
        /// Bytes to the end of the header line, or of the payload once the line is there.
        missing: usize,
    },
    /// The header line has a byte that its field does not allow: another version, an unknown kind, a
    /// flag.
    #[error("the header line is not valid")]
    Header(#[from] LayoutError),
    /// The payload is longer than the limit of this serializer.
    #[error("a payload of {len} bytes is over the limit of {max}")]
    PayloadTooLarge {
        /// Bytes of the payload.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The payload ends before the fields that its kind starts with.
    #[error(
        "a payload of kind {kind:?} starts with {expected} bytes of its own, and there are {actual}"
    )]
    PayloadTooShort {
        /// What the frame carries.
        kind: FrameKind,
        /// Bytes that the kind starts with.
        expected: usize,
        /// Bytes of the payload.
        actual: usize,
    },
    /// A byte of the header line behind the payload is not 0.
    #[error("byte {offset} of the header line is {value}, and it is unused and so 0")]
    UnusedByte {
        /// Bytes from the start of the line.
        offset: usize,
        /// The byte that was there.
        value: u8,
    },
    /// A log payload has a level that is none.
    #[error("{value} is not a log level")]
    LogLevel {
        /// The byte that was there.
        value: u8,
    },
    /// A message is not UTF-8.
    #[error("the message of a frame of kind {kind:?} is not UTF-8")]
    Utf8 {
        /// What the frame carries.
        kind: FrameKind,
        /// Where the message stops being UTF-8.
        source: Utf8Error,
    },
    /// The buffer could not grow.
    #[error("no memory for a buffer of {bytes} bytes")]
    OutOfMemory {
        /// The size that was asked for.
        bytes: usize,
    },
    /// The stream could not be read or written. Only with the feature `std`.
    #[cfg(feature = "std")]
    #[error("the stream failed")]
    Io(#[from] std::io::Error),
}
