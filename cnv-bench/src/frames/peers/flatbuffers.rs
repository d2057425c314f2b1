//! FlatBuffers: a table, as its compiler would have written the accessors, by hand.
//!
//! The schema's compiler that distributions package is older than the crate, and its output goes with a
//! crate of its own version; the calls here are those that a current one generates.
#![allow(
    unsafe_code,
    reason = "the accessors of a verified table are unsafe calls, in generated code, too"
)]

use std::hint::black_box;

use cnv::frame::FrameEnum;
use flatbuffers::{
    FlatBufferBuilder, Follow, ForwardsUOffset, InvalidFlatbuffer, Table, VOffsetT, Vector,
    Verifiable, Verifier,
};

use super::super::message::{Kind, Message, PAYLOAD_BYTES};
use super::Peer;

/// ```text
/// table Envelope {
///   session_low: ulong; session_high: ulong; stream: ubyte; kind: ubyte; version: ubyte;
///   is_flagged: bool; sequence: ulong; timestamp_ns: ulong; payload: [ubyte] (required);
/// }
/// ```
#[derive(Clone, Copy)]
struct Envelope<'a>(Table<'a>);

const SESSION_LOW: VOffsetT = 4;
const SESSION_HIGH: VOffsetT = 6;
const STREAM: VOffsetT = 8;
const KIND: VOffsetT = 10;
const VERSION: VOffsetT = 12;
const IS_FLAGGED: VOffsetT = 14;
const SEQUENCE: VOffsetT = 16;
const TIMESTAMP_NS: VOffsetT = 18;
const PAYLOAD: VOffsetT = 20;

type Bytes<'a> = ForwardsUOffset<Vector<'a, u8>>;

impl<'a> Follow<'a> for Envelope<'a> {
    type Inner = Self;

    #[inline]
    unsafe fn follow(buffer: &'a [u8], at: usize) -> Self {
        // SAFETY: the caller's promise, that a table is there.
        Self(unsafe { Table::new(buffer, at) })
    }
}

impl Verifiable for Envelope<'_> {
    #[inline]
    fn run_verifier(verifier: &mut Verifier<'_, '_>, at: usize) -> Result<(), InvalidFlatbuffer> {
        verifier
            .visit_table(at)?
            .visit_field::<u64>("session_low", SESSION_LOW, false)?
            .visit_field::<u64>("session_high", SESSION_HIGH, false)?
            .visit_field::<u8>("stream", STREAM, false)?
            .visit_field::<u8>("kind", KIND, false)?
            .visit_field::<u8>("version", VERSION, false)?
            .visit_field::<bool>("is_flagged", IS_FLAGGED, false)?
            .visit_field::<u64>("sequence", SEQUENCE, false)?
            .visit_field::<u64>("timestamp_ns", TIMESTAMP_NS, false)?
            .visit_field::<Bytes<'_>>("payload", PAYLOAD, true)?
            .finish();
        Ok(())
    }
}

macro_rules! accessors {
    ($($name:ident: $ty:ty = $slot:ident;)*) => {
        impl Envelope<'_> {$(
            #[inline]
            fn $name(&self) -> $ty {
                // SAFETY: a table is only made of bytes whose verifier has found this type in this
                // slot, or nothing.
                unsafe { self.0.get::<$ty>($slot, None) }.unwrap_or_default()
            }
        )*}
    };
}

accessors! {
    session_low: u64 = SESSION_LOW;
    session_high: u64 = SESSION_HIGH;
    stream: u8 = STREAM;
    kind: u8 = KIND;
    version: u8 = VERSION;
    is_flagged: bool = IS_FLAGGED;
    sequence: u64 = SEQUENCE;
    timestamp_ns: u64 = TIMESTAMP_NS;
}

impl<'a> Envelope<'a> {
    #[inline]
    fn payload(&self) -> Option<Vector<'a, u8>> {
        // SAFETY: as for the accessors.
        unsafe { self.0.get::<Bytes<'a>>(PAYLOAD, None) }
    }
}

/// A builder that is used again, and `root`, which verifies.
#[derive(Default)]
pub struct Flatbuffers {
    builder: FlatBufferBuilder<'static>,
}

impl Peer for Flatbuffers {
    const NAME: &'static str = "flatbuffers";
    type Value = Message;

    #[inline]
    fn encode(&mut self, value: &Message) -> &[u8] {
        let builder = &mut self.builder;
        builder.reset();
        let payload = builder.create_vector(&value.payload[..value.payload_len as usize]);
        let (low, high) = value.session.split_at(8);
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("8 bytes"));
        // The widest first, as generated code has it, so that there is the least padding.
        let table = builder.start_table();
        builder.push_slot(TIMESTAMP_NS, value.timestamp_ns, 0);
        builder.push_slot(SEQUENCE, value.sequence, 0);
        builder.push_slot(SESSION_HIGH, word(high), 0);
        builder.push_slot(SESSION_LOW, word(low), 0);
        builder.push_slot_always(PAYLOAD, payload);
        builder.push_slot(IS_FLAGGED, value.is_flagged, false);
        builder.push_slot(VERSION, value.version, 0);
        builder.push_slot(KIND, value.kind as u8, 0);
        builder.push_slot(STREAM, value.stream, 0);
        let table = builder.end_table(table);
        builder.finish_minimal(table);
        builder.finished_data()
    }

    #[inline]
    fn decode(&mut self, bytes: &[u8]) -> Option<u64> {
        let envelope = black_box(flatbuffers::root::<Envelope<'_>>(bytes).ok()?);
        // The verifier does not look at what an enum is.
        let kind = Kind::from_byte(envelope.kind())?;
        let sum = kind as u64 + envelope.payload()?.len() as u64;
        Some(envelope.sequence().wrapping_add(sum))
    }

    fn message(&mut self, bytes: &[u8]) -> Option<Message> {
        let envelope = flatbuffers::root::<Envelope<'_>>(bytes).ok()?;
        let bytes = envelope.payload()?.bytes();
        let mut payload = [0; PAYLOAD_BYTES];
        payload.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let mut session = [0; 16];
        session[..8].copy_from_slice(&envelope.session_low().to_le_bytes());
        session[8..].copy_from_slice(&envelope.session_high().to_le_bytes());
        Some(Message {
            session,
            stream: envelope.stream(),
            kind: Kind::from_byte(envelope.kind())?,
            version: envelope.version(),
            is_flagged: envelope.is_flagged(),
            payload_len: bytes.len() as u32,
            sequence: envelope.sequence(),
            timestamp_ns: envelope.timestamp_ns(),
            payload,
        })
    }
}
