//! Protocol Buffers, by prost.

use std::hint::black_box;

use cnv::frame::FrameEnum;
use prost::Message as _;

use super::super::message::{Kind, Message, PAYLOAD_BYTES};
use super::Peer;

/// The message as somebody would declare it: bytes for what is bytes, and fixed integers for what is
/// rarely small. The length of the payload is that of its field.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ProtobufMessage {
    #[prost(bytes = "vec", tag = "1")]
    session: Vec<u8>,
    #[prost(uint32, tag = "2")]
    stream: u32,
    /// An enum of Protocol Buffers is open: any number arrives, and the receiver looks at it.
    #[prost(int32, tag = "3")]
    kind: i32,
    #[prost(uint32, tag = "4")]
    version: u32,
    #[prost(bool, tag = "5")]
    is_flagged: bool,
    #[prost(fixed64, tag = "6")]
    sequence: u64,
    #[prost(fixed64, tag = "7")]
    timestamp_ns: u64,
    #[prost(bytes = "vec", tag = "8")]
    payload: Vec<u8>,
}

impl From<Message> for ProtobufMessage {
    fn from(message: Message) -> Self {
        Self {
            session: message.session.to_vec(),
            stream: message.stream.into(),
            kind: message.kind as i32,
            version: message.version.into(),
            is_flagged: message.is_flagged,
            sequence: message.sequence,
            timestamp_ns: message.timestamp_ns,
            payload: message.payload[..message.payload_len as usize].to_vec(),
        }
    }
}

impl ProtobufMessage {
    #[inline]
    fn kind(&self) -> Option<Kind> {
        Kind::from_byte(u8::try_from(self.kind).ok()?)
    }
}

/// `encode` into a `Vec` that is used again, and `merge` into a message that is used again, so that the
/// bytes in it need no new memory.
#[derive(Default)]
pub struct Prost {
    out: Vec<u8>,
    value: ProtobufMessage,
}

impl Prost {
    #[inline]
    fn read(&mut self, bytes: &[u8]) -> Option<&ProtobufMessage> {
        self.value.clear();
        self.value.merge(bytes).ok()?;
        Some(&self.value)
    }
}

impl Peer for Prost {
    const NAME: &'static str = "prost";
    type Value = ProtobufMessage;

    #[inline]
    fn encode(&mut self, value: &ProtobufMessage) -> &[u8] {
        self.out.clear();
        value.encode(&mut self.out).expect("a Vec grows");
        &self.out
    }

    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Option<u64> {
        let value = black_box(self.read(bytes)?);
        let sum = value.kind()? as u64 + value.payload.len() as u64;
        Some(value.sequence.wrapping_add(sum))
    }

    fn message(&mut self, bytes: &[u8]) -> Option<Message> {
        let value = self.read(bytes)?;
        let mut payload = [0; PAYLOAD_BYTES];
        payload
            .get_mut(..value.payload.len())?
            .copy_from_slice(&value.payload);
        Some(Message {
            session: value.session.as_slice().try_into().ok()?,
            stream: value.stream.try_into().ok()?,
            kind: value.kind()?,
            version: value.version.try_into().ok()?,
            is_flagged: value.is_flagged,
            payload_len: value.payload.len() as u32,
            sequence: value.sequence,
            timestamp_ns: value.timestamp_ns,
            payload,
        })
    }
}
