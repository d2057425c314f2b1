//! A frame that owns what it carries.

use alloc::vec::Vec;

use super::error::FrameError;
use super::header::{FrameHeader, SessionId};
use super::payload::FramePayload;

/// One message of a stream: who speaks, in which place, when, and what.
///
/// ```
/// use cnv::frame::{Frame, FramePayload};
///
/// let frame = Frame::new([7; 16], 0, 1, 1_700_000_000_000_000_000, FramePayload::Data(b"hello".to_vec()));
/// assert_eq!(frame.sequence(), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Frame {
    session_id: SessionId,
    stream_id: u8,
    sequence: u64,
    timestamp_ns: u64,
    payload: FramePayload,
}

impl Frame {
    /// A frame of the stream `stream_id` of a session. `timestamp_ns` is nanoseconds since
    /// 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn new(
        session_id: SessionId,
        stream_id: u8,
        sequence: u64,
        timestamp_ns: u64,
        payload: FramePayload,
    ) -> Self {
        Self {
            session_id,
            stream_id,
            sequence,
            timestamp_ns,
            payload,
        }
    }

    /// The frame of a checked line and its payload, wherever that stood.
    pub(super) fn of(header: &FrameHeader, payload: Vec<u8>) -> Result<Self, FrameError> {
        Ok(Self {
            session_id: header.session_id(),
            stream_id: header.stream_id(),
            sequence: header.sequence(),
            timestamp_ns: header.timestamp_ns(),
            payload: FramePayload::decode(header.kind(), payload)?,
        })
    }

    /// The session the frame belongs to.
    #[must_use]
    pub const fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// The stream within the session.
    #[must_use]
    pub const fn stream_id(&self) -> u8 {
        self.stream_id
    }

    /// Number of the frame within its stream.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn timestamp_ns(&self) -> u64 {
        self.timestamp_ns
    }

    /// What the frame carries.
    #[must_use]
    pub const fn payload(&self) -> &FramePayload {
        &self.payload
    }

    /// What the frame carries, without a copy.
    #[must_use]
    pub fn into_payload(self) -> FramePayload {
        self.payload
    }
}
