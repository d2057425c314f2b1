//! The formats that one message is written and read with.
//!
//! Each has its fastest documented way: it writes into memory that is there already, reuses what it can
//! reuse, and borrows from the bytes where it can. All are asked for the same: bytes that another machine
//! may have sent are checked, and then the receiver looks at the same four fields.

mod flatbuffers;
mod in_place;
mod protobuf;
mod serial;

pub use self::flatbuffers::Flatbuffers;
pub use self::in_place::{Bytemuck, Cnv, Memcpy, MusliZerocopy, Rkyv, Zerocopy};
pub use self::protobuf::Prost;
pub use self::serial::{Bincode, Bitcode, Postcard, SerdeJson, Wincode};

use super::message::Message;

/// A format, with the memory that it writes to and reads into.
pub trait Peer: Default {
    /// The name of its crate.
    const NAME: &'static str;

    /// The message as an encoder of this format wants it. Making it is not part of encoding.
    type Value: From<Message>;

    /// Writes `value` and returns its bytes.
    fn encode(&mut self, value: &Self::Value) -> &[u8];

    /// Reads bytes that may be anything, and returns what [`Route`](super::message::Route) makes of the
    /// message; nothing if they are refused.
    fn decode(&mut self, bytes: &[u8]) -> Option<u64>;

    /// Reads all of it. This is for comparing, and is not measured.
    fn message(&mut self, bytes: &[u8]) -> Option<Message>;
}

/// Room for a message of a format that needs at most 128 bytes for it, aligned for any.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub struct Room([u8; 128]);

impl Default for Room {
    fn default() -> Self {
        Self([0; 128])
    }
}

/// Calls a macro with every peer.
macro_rules! for_each_peer {
    ($call:ident) => {
        $call!(
            Memcpy,
            Cnv,
            Zerocopy,
            Bytemuck,
            Rkyv,
            MusliZerocopy,
            Bincode,
            Wincode,
            Postcard,
            Bitcode,
            Prost,
            Flatbuffers,
            SerdeJson
        )
    };
}
pub(crate) use for_each_peer;

#[cfg(test)]
mod tests {
    use super::super::message::{Kind, Route};
    use super::*;
    use cnv::frame::AlignedBuffer;

    /// The message's bytes at an address that is aligned for any format.
    fn encoded<P: Peer>(message: Message) -> AlignedBuffer {
        let mut bytes = AlignedBuffer::new();
        bytes
            .extend_from_slice(P::default().encode(&message.into()))
            .unwrap();
        bytes
    }

    fn round_trips<P: Peer>() {
        for index in 0..200 {
            let message = Message::numbered(index);
            let bytes = encoded::<P>(message);
            let mut peer = P::default();
            assert_eq!(peer.message(bytes.as_slice()), Some(message), "{}", P::NAME);
            let route = peer.decode(bytes.as_slice());
            assert_eq!(route, Some(message.route()), "{}", P::NAME);
        }
    }

    #[test]
    fn every_peer_reads_the_message_that_it_wrote() {
        macro_rules! each {
            ($($peer:ident),*) => { $(round_trips::<$peer>();)* };
        }
        for_each_peer!(each);
    }

    /// Finds the byte that says the kind, or the flag, and makes it one that no kind has.
    fn refuses_a_byte<P: Peer>(one: Message, other: Message) {
        let mut bytes = encoded::<P>(one);
        let others = encoded::<P>(other);
        let mut pairs = bytes.as_slice().iter().zip(others.as_slice());
        let at = pairs.position(|(a, b)| a != b);
        let at = at.unwrap_or_else(|| panic!("{}: no byte differs", P::NAME));
        bytes.as_mut_slice()[at] = 99;
        let mut peer = P::default();
        assert_eq!(peer.decode(bytes.as_slice()), None, "{}", P::NAME);
        assert_eq!(peer.message(bytes.as_slice()), None, "{}", P::NAME);
    }

    fn of_kind(kind: Kind) -> Message {
        Message {
            kind,
            ..Message::numbered(1)
        }
    }

    /// Not by a copy, and not by bitcode, which packs the kind into two bits: all they can say is a kind.
    #[test]
    fn a_kind_that_there_is_not_is_refused() {
        macro_rules! each {
            ($($peer:ident),*) => {
                $(refuses_a_byte::<$peer>(of_kind(Kind::Error), of_kind(Kind::Log));)*
            };
        }
        each!(
            Cnv,
            Zerocopy,
            Bytemuck,
            Rkyv,
            MusliZerocopy,
            Bincode,
            Wincode,
            Postcard,
            Prost,
            Flatbuffers,
            SerdeJson
        );
        let mut bytes = encoded::<Memcpy>(of_kind(Kind::Data));
        bytes.as_mut_slice()[17] = 99;
        assert!(Memcpy::default().decode(bytes.as_slice()).is_some());
    }

    /// Where it is a byte: text and bits cannot say another, and protobuf and FlatBuffers take any.
    #[test]
    fn a_byte_that_is_no_bool_is_refused() {
        let flagged = Message {
            is_flagged: true,
            ..Message::numbered(1)
        };
        macro_rules! each {
            ($($peer:ident),*) => { $(refuses_a_byte::<$peer>(Message::numbered(1), flagged);)* };
        }
        each!(
            Zerocopy,
            Bytemuck,
            Rkyv,
            MusliZerocopy,
            Bincode,
            Wincode,
            Postcard
        );
        let mut bytes = encoded::<Cnv>(Message::numbered(1));
        bytes.as_mut_slice()[19] = 1;
        assert_eq!(Cnv::default().decode(bytes.as_slice()), None);
    }

    /// What only a frame says of a message.
    #[test]
    fn cnv_refuses_another_version_and_a_payload_that_is_too_long() {
        for (at, value) in [(18, 2), (20, 25), (21, 1)] {
            let mut bytes = encoded::<Cnv>(Message::numbered(1));
            bytes.as_mut_slice()[at] = value;
            assert_eq!(Cnv::default().decode(bytes.as_slice()), None);
            assert!(Zerocopy::default().decode(bytes.as_slice()).is_some());
        }
    }
}
