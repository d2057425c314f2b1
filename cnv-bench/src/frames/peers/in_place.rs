//! Formats whose bytes are those of a struct in memory.

use std::hint::black_box;

use cnv::frame::SimdFrame;
use musli_zerocopy::ZeroCopy;
use rkyv::rancor::Failure;
use rkyv::ser::allocator::SubAllocator;
use rkyv::ser::writer::Buffer;
use zerocopy::{IntoBytes, TryFromBytes};

use super::super::message::{ArchivedKind, ArchivedMessage, Kind, Line, Message, Route, Unchecked};
use super::{Peer, Room};

const SIZE: usize = size_of::<Message>();

/// A copy that checks nothing: what no format can be faster than.
#[derive(Default)]
pub struct Memcpy {
    room: Room,
}

impl Peer for Memcpy {
    const NAME: &'static str = "memcpy";
    type Value = Message;

    #[inline]
    fn encode(&mut self, value: &Message) -> &[u8] {
        let out = &mut self.room.0[..SIZE];
        out.copy_from_slice(bytemuck::bytes_of(value));
        out
    }

    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Option<u64> {
        let line: Unchecked = bytemuck::try_pod_read_unaligned(bytes).ok()?;
        Some(black_box(&line).route())
    }

    fn message(&mut self, bytes: &[u8]) -> Option<Message> {
        bytemuck::checked::try_pod_read_unaligned(bytes).ok()
    }
}

/// `encode_into` and `parse`.
#[derive(Default)]
pub struct Cnv {
    room: Room,
}

impl Peer for Cnv {
    const NAME: &'static str = "cnv";
    type Value = Line;

    #[inline]
    fn encode(&mut self, value: &Line) -> &[u8] {
        let out = &mut self.room.0[..SIZE];
        value.encode_into(out).expect("a message that is legal");
        out
    }

    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Option<u64> {
        Some(black_box(Line::parse(bytes).ok()?).route())
    }

    fn message(&mut self, bytes: &[u8]) -> Option<Message> {
        Line::parse(bytes).ok().map(Message::from)
    }
}

/// `write_to` and `try_ref_from_bytes`.
#[derive(Default)]
pub struct Zerocopy {
    room: Room,
}

impl Peer for Zerocopy {
    const NAME: &'static str = "zerocopy";
    type Value = Message;

    #[inline]
    fn encode(&mut self, value: &Message) -> &[u8] {
        let out = &mut self.room.0[..SIZE];
        value.write_to(out).expect("as many bytes as it has");
        out
    }

    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Option<u64> {
        Some(black_box(Message::try_ref_from_bytes(bytes).ok()?).route())
    }

    fn message(&mut self, bytes: &[u8]) -> Option<Message> {
        Message::try_ref_from_bytes(bytes).ok().copied()
    }
}

/// `bytes_of`, copied, and `checked::try_from_bytes`.
#[derive(Default)]
pub struct Bytemuck {
    room: Room,
}

impl Peer for Bytemuck {
    const NAME: &'static str = "bytemuck";
    type Value = Message;

    #[inline]
    fn encode(&mut self, value: &Message) -> &[u8] {
        let out = &mut self.room.0[..SIZE];
        out.copy_from_slice(bytemuck::bytes_of(value));
        out
    }

    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Option<u64> {
        let message: &Message = bytemuck::checked::try_from_bytes(bytes).ok()?;
        Some(black_box(message).route())
    }

    fn message(&mut self, bytes: &[u8]) -> Option<Message> {
        bytemuck::checked::try_from_bytes(bytes).ok().copied()
    }
}

/// The low-level API, which allocates nothing, and a checked access with the error that says least.
#[derive(Default)]
pub struct Rkyv {
    room: Room,
}

impl Peer for Rkyv {
    const NAME: &'static str = "rkyv";
    type Value = Message;

    #[inline]
    fn encode(&mut self, value: &Message) -> &[u8] {
        let len = rkyv::api::low::to_bytes_in_with_alloc::<_, _, Failure>(
            value,
            Buffer::from(&mut self.room.0[..]),
            SubAllocator::new(&mut []),
        )
        .expect("enough room")
        .len();
        &self.room.0[..len]
    }

    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Option<u64> {
        let archived = rkyv::api::low::access::<ArchivedMessage, Failure>(bytes).ok()?;
        let archived = black_box(archived);
        let kind = native(&archived.kind) as u64;
        let sum = kind + u64::from(archived.payload_len.to_native());
        Some(archived.sequence.to_native().wrapping_add(sum))
    }

    fn message(&mut self, bytes: &[u8]) -> Option<Message> {
        let archived = rkyv::api::low::access::<ArchivedMessage, Failure>(bytes).ok()?;
        Some(Message {
            session: archived.session,
            stream: archived.stream,
            kind: native(&archived.kind),
            version: archived.version,
            is_flagged: archived.is_flagged,
            payload_len: archived.payload_len.to_native(),
            sequence: archived.sequence.to_native(),
            timestamp_ns: archived.timestamp_ns.to_native(),
            payload: archived.payload,
        })
    }
}

#[inline]
fn native(kind: &ArchivedKind) -> Kind {
    match kind {
        ArchivedKind::Data => Kind::Data,
        ArchivedKind::Error => Kind::Error,
        ArchivedKind::Log => Kind::Log,
        ArchivedKind::End => Kind::End,
    }
}

/// `to_bytes`, copied, and `from_bytes`.
#[derive(Default)]
pub struct MusliZerocopy {
    room: Room,
}

impl Peer for MusliZerocopy {
    const NAME: &'static str = "musli-zerocopy";
    type Value = Message;

    #[inline]
    fn encode(&mut self, value: &Message) -> &[u8] {
        let out = &mut self.room.0[..SIZE];
        out.copy_from_slice(value.to_bytes());
        out
    }

    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Option<u64> {
        Some(black_box(Message::from_bytes(bytes).ok()?).route())
    }

    fn message(&mut self, bytes: &[u8]) -> Option<Message> {
        Message::from_bytes(bytes).ok().copied()
    }
}
