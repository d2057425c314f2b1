//! Formats that write and read the message field by field, without a schema of their own.

use std::hint::black_box;

use super::super::message::{Message, Route};
use super::{Peer, Room};

/// Looks at a message that was decoded as a whole.
#[inline]
fn route(message: Option<Message>) -> Option<u64> {
    // All of it has to be there, as it has to be for whoever gets it.
    Some(black_box(&message?).route())
}

/// Integers of fixed size, which is its fastest configuration.
#[derive(Default)]
pub struct Bincode {
    room: Room,
}

const BINCODE: bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Fixint,
> = bincode::config::standard().with_fixed_int_encoding();

impl Bincode {
    #[inline]
    fn read(bytes: &[u8]) -> Option<Message> {
        let (message, _) = bincode::decode_from_slice(bytes, BINCODE).ok()?;
        Some(message)
    }
}

impl Peer for Bincode {
    const NAME: &'static str = "bincode";
    type Value = Message;

    #[inline]
    fn encode(&mut self, value: &Message) -> &[u8] {
        let written = bincode::encode_into_slice(value, &mut self.room.0, BINCODE);
        &self.room.0[..written.expect("enough room")]
    }

    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Option<u64> {
        route(Self::read(bytes))
    }

    fn message(&mut self, bytes: &[u8]) -> Option<Message> {
        Self::read(bytes)
    }
}

/// `serialize_into` a slice and `deserialize`.
#[derive(Default)]
pub struct Wincode {
    room: Room,
}

impl Peer for Wincode {
    const NAME: &'static str = "wincode";
    type Value = Message;

    #[inline]
    fn encode(&mut self, value: &Message) -> &[u8] {
        let mut rest = &mut self.room.0[..];
        wincode::serialize_into(&mut rest, value).expect("enough room");
        let left = rest.len();
        let written = self.room.0.len() - left;
        &self.room.0[..written]
    }

    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Option<u64> {
        route(wincode::deserialize(bytes).ok())
    }

    fn message(&mut self, bytes: &[u8]) -> Option<Message> {
        wincode::deserialize(bytes).ok()
    }
}

/// `to_slice` and `from_bytes`.
#[derive(Default)]
pub struct Postcard {
    room: Room,
}

impl Peer for Postcard {
    const NAME: &'static str = "postcard";
    type Value = Message;

    #[inline]
    fn encode(&mut self, value: &Message) -> &[u8] {
        postcard::to_slice(value, &mut self.room.0).expect("enough room")
    }

    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Option<u64> {
        route(postcard::from_bytes(bytes).ok())
    }

    fn message(&mut self, bytes: &[u8]) -> Option<Message> {
        postcard::from_bytes(bytes).ok()
    }
}

/// Its own derives, and a buffer that is used again, which allocates nothing after the first time.
#[derive(Default)]
pub struct Bitcode {
    buffer: bitcode::Buffer,
}

impl Peer for Bitcode {
    const NAME: &'static str = "bitcode";
    type Value = Message;

    #[inline]
    fn encode(&mut self, value: &Message) -> &[u8] {
        self.buffer.encode(value)
    }

    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Option<u64> {
        route(self.buffer.decode(bytes).ok())
    }

    fn message(&mut self, bytes: &[u8]) -> Option<Message> {
        self.buffer.decode(bytes).ok()
    }
}

/// `to_writer` into a `Vec` that is used again, and `from_slice`.
#[derive(Default)]
pub struct SerdeJson {
    text: Vec<u8>,
}

impl Peer for SerdeJson {
    const NAME: &'static str = "serde_json";
    type Value = Message;

    #[inline]
    fn encode(&mut self, value: &Message) -> &[u8] {
        self.text.clear();
        serde_json::to_writer(&mut self.text, value).expect("a message can be text");
        &self.text
    }

    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Option<u64> {
        route(serde_json::from_slice(bytes).ok())
    }

    fn message(&mut self, bytes: &[u8]) -> Option<Message> {
        serde_json::from_slice(bytes).ok()
    }
}
