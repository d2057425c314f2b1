//! The message that every format carries, and the structs that carry it as they stand in memory.

use bytemuck::{CheckedBitPattern, NoUninit};
use cnv::frame::{FrameEnum, SimdFrame};
use musli_zerocopy::ZeroCopy;
use zerocopy::byteorder::{BigEndian, LittleEndian, U32, U64};
use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes, Unaligned};

use crate::rounds::random;

/// The longest payload of a message.
pub const PAYLOAD_BYTES: usize = 24;

/// What a message carries.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    FrameEnum,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
    CheckedBitPattern,
    NoUninit,
    ZeroCopy,
    rkyv::Archive,
    rkyv::Serialize,
    bincode::Encode,
    bincode::Decode,
    wincode::SchemaWrite,
    wincode::SchemaRead,
    bitcode::Encode,
    bitcode::Decode,
    serde::Serialize,
    serde::Deserialize,
)]
#[repr(u8)]
pub enum Kind {
    Data,
    Error,
    Log,
    End,
}

/// The message: 64 bytes without a gap, in which a format that keeps structs as they are needs no more.
///
/// The flag is a `bool`, since that is what the other formats can say of a byte that is 0. None but
/// [`Line`] says anything of `version` and `payload_len`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    CheckedBitPattern,
    NoUninit,
    ZeroCopy,
    rkyv::Archive,
    rkyv::Serialize,
    bincode::Encode,
    bincode::Decode,
    wincode::SchemaWrite,
    wincode::SchemaRead,
    bitcode::Encode,
    bitcode::Decode,
    serde::Serialize,
    serde::Deserialize,
)]
#[repr(C)]
pub struct Message {
    pub session: [u8; 16],
    pub stream: u8,
    pub kind: Kind,
    pub version: u8,
    pub is_flagged: bool,
    pub payload_len: u32,
    pub sequence: u64,
    pub timestamp_ns: u64,
    pub payload: [u8; PAYLOAD_BYTES],
}

/// The message as a frame of cnv: 7 constrained bytes in one word.
#[derive(Debug, Clone, Copy, PartialEq, SimdFrame)]
#[frame(version = 1)]
#[repr(C)]
pub struct Line {
    pub session: [u8; 16],
    pub stream: u8,
    pub kind: Kind,
    #[frame(version)]
    pub version: u8,
    #[frame(reserved)]
    pub flags: [u8; 1],
    #[frame(range = 0..=24)]
    pub payload_len: u32,
    pub sequence: u64,
    pub timestamp_ns: u64,
    pub payload: [u8; PAYLOAD_BYTES],
}

/// The same bytes with nothing checked: every bit pattern is one of these.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Unchecked {
    pub session: [u8; 16],
    pub stream: u8,
    pub kind: u8,
    pub version: u8,
    pub flags: u8,
    pub payload_len: u32,
    pub sequence: u64,
    pub timestamp_ns: u64,
    pub payload: [u8; PAYLOAD_BYTES],
}

/// The message in network order, as zerocopy reads it.
#[derive(Debug, TryFromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct NetworkOrder {
    pub session: [u8; 16],
    pub stream: u8,
    pub kind: Kind,
    pub version: u8,
    pub is_flagged: bool,
    pub payload_len: U32<BigEndian>,
    pub sequence: U64<BigEndian>,
    pub timestamp_ns: U64<BigEndian>,
    pub payload: [u8; PAYLOAD_BYTES],
}

impl NetworkOrder {
    /// The message in this machine's order.
    #[inline]
    pub fn to_native(&self) -> Message {
        Message {
            session: self.session,
            stream: self.stream,
            kind: self.kind,
            version: self.version,
            is_flagged: self.is_flagged,
            payload_len: self.payload_len.get(),
            sequence: self.sequence.get(),
            timestamp_ns: self.timestamp_ns.get(),
            payload: self.payload,
        }
    }
}

/// The header of an interleaved batch, as zerocopy reads it at any address.
#[derive(Debug, TryFromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header {
    pub session: [u8; 16],
    pub stream: u8,
    pub kind: Kind,
    pub version: u8,
    pub is_flagged: bool,
    pub payload_len: U32<LittleEndian>,
    pub sequence: U64<LittleEndian>,
    pub timestamp_ns: U64<LittleEndian>,
    pub payload: [u8; PAYLOAD_BYTES],
}

/// What a receiver looks at in each message before it does anything else.
pub trait Route {
    /// A number made of the kind, the length and the sequence.
    fn route(&self) -> u64;

    /// The sequence alone.
    fn sequence(&self) -> u64;
}

macro_rules! route {
    ($($message:ty: $kind:expr;)*) => {$(
        impl Route for $message {
            #[inline]
            fn route(&self) -> u64 {
                let kind: fn(&Self) -> u8 = $kind;
                let sum = u64::from(kind(self)) + u64::from(self.payload_len);
                self.sequence.wrapping_add(sum)
            }

            #[inline]
            fn sequence(&self) -> u64 {
                self.sequence
            }
        }
    )*};
}

route! {
    Message: |message| message.kind as u8;
    Line: |line| line.kind as u8;
    Unchecked: |line| line.kind;
}

impl Route for Header {
    #[inline]
    fn route(&self) -> u64 {
        let sum = self.kind as u64 + u64::from(self.payload_len.get());
        self.sequence.get().wrapping_add(sum)
    }

    #[inline]
    fn sequence(&self) -> u64 {
        self.sequence.get()
    }
}

impl Message {
    /// The message with the number `index`: legal, and unlike its neighbours.
    pub fn numbered(index: usize) -> Self {
        let mut state = index as u64;
        let mut next = || random(&mut state);
        let payload_len = (next() % (PAYLOAD_BYTES as u64 + 1)) as u32;
        let mut payload = [0; PAYLOAD_BYTES];
        for byte in &mut payload[..payload_len as usize] {
            *byte = next() as u8;
        }
        Self {
            session: [7; 16],
            stream: next() as u8,
            kind: [Kind::Data, Kind::Error, Kind::Log, Kind::End][(next() % 4) as usize],
            version: 1,
            is_flagged: false,
            payload_len,
            sequence: index as u64,
            timestamp_ns: 1_700_000_000_000_000_000 + next() % 1_000_000_000,
            payload,
        }
    }
}

impl From<Message> for Line {
    fn from(message: Message) -> Self {
        Self {
            session: message.session,
            stream: message.stream,
            kind: message.kind,
            version: message.version,
            flags: [message.is_flagged.into()],
            payload_len: message.payload_len,
            sequence: message.sequence,
            timestamp_ns: message.timestamp_ns,
            payload: message.payload,
        }
    }
}

impl From<&Line> for Message {
    fn from(line: &Line) -> Self {
        Self {
            session: line.session,
            stream: line.stream,
            kind: line.kind,
            version: line.version,
            is_flagged: false,
            payload_len: line.payload_len,
            sequence: line.sequence,
            timestamp_ns: line.timestamp_ns,
            payload: line.payload,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnv::frame::Window;

    #[test]
    fn all_structs_are_the_same_bytes() {
        let message = Message::numbered(9);
        let line = Line::from(message);
        let bytes = SimdFrame::as_bytes(&line);
        assert_eq!(zerocopy::IntoBytes::as_bytes(&message), bytes);
        assert_eq!(Message::from(&line), message);
        let header = Header::try_ref_from_bytes(bytes).unwrap();
        let unchecked: Unchecked = bytemuck::pod_read_unaligned(bytes);
        let routes = [
            message.route(),
            line.route(),
            header.route(),
            unchecked.route(),
        ];
        assert_eq!(routes, [message.route(); 4]);

        let mut swapped = *bytes.first_chunk::<64>().unwrap();
        swapped[20..24].reverse();
        swapped[24..32].reverse();
        swapped[32..40].reverse();
        #[repr(align(8))]
        struct Aligned([u8; 64]);
        let swapped = Aligned(swapped);
        let network = NetworkOrder::try_ref_from_bytes(&swapped.0).unwrap();
        assert_eq!(network.to_native(), message);
    }

    #[test]
    fn a_line_has_seven_constrained_bytes_in_one_word() {
        assert_eq!(Line::WINDOW, Window::Bytes { offset: 16, len: 8 });
        assert_eq!(Line::SPAN.iter().filter(|&&span| span < 255).count(), 7);
    }
}
