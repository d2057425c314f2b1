//! The line at the start of every frame of a session, and what follows it.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use cnv_macros::{FrameEnum, SimdFrame};

use crate::frame::{LayoutError, Le, SimdFrame as _, crc32c};

/// The protocol's version, which stands in every line.
pub(super) const PROTOCOL: u8 = 1;

/// Bytes of a line. In credit, a frame counts as its payload and this.
pub(super) const LINE_BYTES: usize = size_of::<Line>();

/// The largest payload of a frame, in bytes. What is longer goes out in several.
pub(super) const MAX_PAYLOAD_BYTES: usize = 1 << 20;

/// A smaller payload is copied out of the buffer that it arrived in, so that it does not hold on to all of that.
const SHARED_FROM_BYTES: usize = 4096;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FrameEnum)]
#[frame(crate = "crate")]
#[repr(u8)]
pub(super) enum Kind {
    /// Both: who is there, and what they understand. JSON.
    Hello = 0,
    /// Client: the token and the proof. JSON.
    Auth,
    /// Server: the session is there. JSON.
    Ready,
    /// Client: begins a call. JSON.
    Open,
    /// Server: bytes of one of a call's streams.
    Data,
    /// Server: how a call ended. JSON.
    End,
    /// Client: asks a call to stop.
    Cancel,
    /// Client: is not interested in a call any more.
    Reset,
    /// Client: the number of bytes that may have been sent once this arrives, of a call or, with call 0, of all.
    Credit,
    /// Both: the last sequence that arrived.
    Ack,
    /// Server: the number of calls that may have been opened once this arrives.
    Calls,
    /// Both: asks for a pong of the same number.
    Ping,
    /// Both: answers a ping.
    Pong,
    /// Server: takes no new calls, and ends once the others have.
    Drain,
    /// Both: the session is over, and why. JSON.
    Close,
}

impl Kind {
    /// Whether the frame is numbered, acknowledged, and sent again on another connection until it is.
    pub(super) const fn is_sequenced(self) -> bool {
        matches!(
            self,
            Self::Open | Self::Data | Self::End | Self::Cancel | Self::Reset
        )
    }

    /// Whether anything follows the line.
    const fn has_payload(self) -> bool {
        matches!(
            self,
            Self::Hello
                | Self::Auth
                | Self::Ready
                | Self::Open
                | Self::Data
                | Self::End
                | Self::Close
        )
    }
}

/// One of a call's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, FrameEnum)]
#[frame(crate = "crate")]
#[repr(u8)]
#[non_exhaustive]
pub enum Channel {
    /// What the command is called for, before it returns: each item is a JSON value.
    Stdout = 0,
    /// Remarks for a person, as text.
    Stderr,
    /// Records of what it does: `{"level":"info","message":".."}`.
    Logs,
    /// Measurements: `{"name":"..","value":1.0}`.
    Metrics,
    /// How far it is: `{"done":1,"total":10}`.
    Control,
    /// Bytes that the two sides have agreed on.
    Custom,
    /// What the command returns, as JSON. It comes once, and last.
    Result,
}

/// Another frame of the same item follows.
const MORE: u8 = 1;

/// The 32 bytes before a payload, little-endian.
///
/// The line has a checksum of its own, so that a length that changed on the way is never waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SimdFrame)]
#[frame(crate = "crate", version = PROTOCOL)]
#[repr(C)]
struct Line {
    call: Le<u32>,
    kind: Kind,
    channel: Channel,
    #[frame(version)]
    version: u8,
    #[frame(range = 0..=MORE)]
    flags: u8,
    number: Le<u64>,
    payload_len: Le<u32>,
    payload_crc: Le<u32>,
    #[frame(reserved)]
    reserved: [u8; 4],
    /// Of what stands before it. It is looked at here and not by the derive, whose checks of this kind go through a
    /// layout's table, field by field.
    crc: Le<u32>,
}

/// Bytes that the line's checksum covers.
const COVERED: usize = core::mem::offset_of!(Line, crc);

/// A frame without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// 0 where it is about the session itself.
    pub(super) call: u32,
    pub(super) channel: Channel,
    /// Whether another frame of the same item follows.
    pub(super) has_more: bool,
    /// The sequence of a frame that has one; otherwise what the kind counts.
    pub(super) number: u64,
}

impl Head {
    /// A frame about the session itself.
    pub(super) const fn of(kind: Kind, number: u64) -> Self {
        Self::of_call(kind, 0, number)
    }

    pub(super) const fn of_call(kind: Kind, call: u32, number: u64) -> Self {
        Self {
            kind,
            call,
            channel: Channel::Stdout,
            has_more: false,
            number,
        }
    }

    /// Appends the line of a frame with this payload. The caller keeps the payload within
    /// [`MAX_PAYLOAD_BYTES`].
    #[inline]
    pub(super) fn put(&self, payload: &[u8], out: &mut BytesMut) {
        let line = Line {
            call: self.call.into(),
            kind: self.kind,
            channel: self.channel,
            version: PROTOCOL,
            flags: if self.has_more { MORE } else { 0 },
            number: self.number.into(),
            payload_len: u32::try_from(payload.len()).unwrap_or(u32::MAX).into(),
            payload_crc: crc32c(payload).into(),
            reserved: [0; 4],
            crc: 0.into(),
        };
        let covered = &line.as_bytes()[..COVERED];
        out.put_slice(covered);
        out.put_u32_le(crc32c(covered));
    }
}

/// A frame as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) head: Head,
    pub(super) payload: Bytes,
}

/// Why bytes are no frame. Where the next one would start is not known then, so that the connection is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A byte of the line that is not allowed.
    #[error("a frame starts with a line that is not one")]
    Line(#[source] LayoutError),
    /// The line changed on the way.
    #[error("the line's checksum is {actual:08x}, and it says {stated:08x}")]
    LineChecksum {
        /// The checksum of what arrived.
        actual: u32,
        /// What the line says.
        stated: u32,
    },
    /// The line states a longer payload than is accepted.
    #[error("a payload of {len} bytes is over the limit of {max}")]
    TooLarge {
        /// The stated length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A kind of frame that has no payload has one.
    #[error("a frame without a payload states one of {len} bytes")]
    Unexpected {
        /// The stated length in bytes.
        len: usize,
    },
    /// The payload changed on the way.
    #[error("the payload's checksum is {actual:08x}, and the line says {stated:08x}")]
    Checksum {
        /// The checksum of what arrived.
        actual: u32,
        /// That of the line.
        stated: u32,
    },
}

/// Takes the frame at the front of what has arrived, once all of it has. The length that a line states is checked before
/// anything is waited for.
///
/// # Errors
///
/// [`WireError`]; each further call fails in the same way.
#[inline]
pub(super) fn take(arrived: &mut BytesMut, max_payload: usize) -> Result<Option<Frame>, WireError> {
    let Some(bytes) = arrived.first_chunk::<LINE_BYTES>() else {
        return Ok(None);
    };
    let line = Line::read(bytes).map_err(WireError::Line)?;
    let (actual, stated) = (crc32c(&bytes[..COVERED]), line.crc.get());
    if actual != stated {
        return Err(WireError::LineChecksum { actual, stated });
    }
    let len = line.payload_len.get() as usize;
    if len > max_payload {
        let max = max_payload;
        return Err(WireError::TooLarge { len, max });
    }
    if len > 0 && !line.kind.has_payload() {
        return Err(WireError::Unexpected { len });
    }
    let Some(payload) = arrived.get(LINE_BYTES..LINE_BYTES + len) else {
        return Ok(None);
    };
    let (actual, stated) = (crc32c(payload), line.payload_crc.get());
    if actual != stated {
        return Err(WireError::Checksum { actual, stated });
    }
    let payload = if len == 0 {
        arrived.advance(LINE_BYTES);
        Bytes::new()
    } else if len < SHARED_FROM_BYTES {
        let copy = Bytes::copy_from_slice(payload);
        arrived.advance(LINE_BYTES + len);
        copy
    } else {
        arrived.advance(LINE_BYTES);
        arrived.split_to(len).freeze()
    };
    let head = Head {
        kind: line.kind,
        call: line.call.get(),
        channel: line.channel,
        has_more: line.flags == MORE,
        number: line.number.get(),
    };
    Ok(Some(Frame { head, payload }))
}

/// What the line at the front of bytes says that this end made itself.
pub(super) struct Peeked {
    pub(super) kind: Kind,
    pub(super) call: u32,
    pub(super) number: u64,
    pub(super) payload_len: usize,
}

/// Looks at the line at the front of bytes that this end made itself; `None` at their end.
pub(super) fn peek(made: &[u8]) -> Option<Peeked> {
    let line = Line::read(made.first_chunk::<LINE_BYTES>()?).ok()?;
    Some(Peeked {
        kind: line.kind,
        call: line.call.get(),
        number: line.number.get(),
        payload_len: line.payload_len.get() as usize,
    })
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Stdout,
        Self::Stderr,
        Self::Logs,
        Self::Metrics,
        Self::Control,
        Self::Custom,
        Self::Result,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameEnum as _;

    fn frame(kind: Kind, payload: &'static [u8]) -> Frame {
        Frame {
            head: Head {
                kind,
                call: 7,
                channel: Channel::Logs,
                has_more: true,
                number: 0x0102_0304_0506_0708,
            },
            payload: Bytes::from_static(payload),
        }
    }

    fn put(frame: &Frame) -> BytesMut {
        let mut out = BytesMut::new();
        frame.head.put(&frame.payload, &mut out);
        out.put_slice(&frame.payload);
        out
    }

    /// A change here is a change of the protocol, and needs a version of its own.
    #[test]
    fn the_line_is_pinned() {
        assert_eq!(LINE_BYTES, 32);
        let bytes = put(&frame(Kind::Data, b"hello"));
        assert_eq!(
            bytes[..28],
            [
                7, 0, 0, 0, 4, 2, 1, 1, 8, 7, 6, 5, 4, 3, 2, 1, 5, 0, 0, 0, 0x4c, 0xbb, 0x71, 0x9a,
                0, 0, 0, 0
            ]
        );
        assert_eq!(bytes[28..32], crc32c(&bytes[..28]).to_le_bytes());
    }

    #[test]
    fn frames_of_every_kind_come_back_from_any_chunks() {
        for &value in Kind::VALUES {
            let kind = Kind::from_byte(value as u8).unwrap();
            let sent = frame(kind, if kind.has_payload() { b"payload" } else { b"" });
            let bytes = put(&sent);
            let mut arrived = BytesMut::new();
            for (at, byte) in bytes.iter().enumerate() {
                let taken = take(&mut arrived, 7).unwrap();
                assert_eq!(taken, None, "{kind:?} after {at} bytes");
                arrived.put_u8(*byte);
            }
            assert_eq!(take(&mut arrived, 7).unwrap(), Some(sent));
            assert!(arrived.is_empty());
        }
    }

    #[test]
    fn every_bit_that_changes_is_noticed() {
        let bytes = put(&frame(Kind::Data, b"hello"));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(take(&mut changed, 1 << 20).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_length_is_refused_before_it_is_waited_for() {
        let mut bytes = put(&frame(Kind::Data, b"hello"));
        bytes.truncate(LINE_BYTES);
        assert_eq!(
            take(&mut bytes, 4),
            Err(WireError::TooLarge { len: 5, max: 4 })
        );
        let mut ping = put(&frame(Kind::Ping, b"hello"));
        ping.truncate(LINE_BYTES);
        assert_eq!(take(&mut ping, 5), Err(WireError::Unexpected { len: 5 }));
    }
}
