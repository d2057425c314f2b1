//! What a frame carries.

use cnv_macros::FrameEnum;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FrameEnum)]
#[frame(crate = "crate")]
#[repr(u8)]
#[non_exhaustive]
pub enum FrameKind {
    /// Bytes of the stream.
    Data = 0,
    /// A failure: a code and a message.
    Error = 1,
    /// A line for the log: a level and a message.
    Log = 2,
    /// The stream is over, with its receipt.
    End = 3,
}
