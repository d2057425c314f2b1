//! One message at a time, by every format.

use std::hint::black_box;

use cnv::frame::{AlignedBuffer, SimdFrame};

use super::message::{Line, Message};
use super::peers::{
    Bincode, Bitcode, Bytemuck, Cnv, Flatbuffers, Memcpy, MusliZerocopy, Peer, Postcard, Prost,
    Rkyv, SerdeJson, Wincode, Zerocopy, for_each_peer,
};
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Settings, measure};

/// Messages of a pass: they differ, so that no branch is learnt, and fit in the first-level cache.
const MESSAGES: usize = 64;

/// The name of the group that writes a message.
pub const ENCODE: &str = "encode";
/// The name of the group that reads one.
pub const DECODE: &str = "validated decode";

/// Measures all formats, and says how goal 1 stands.
pub fn run(settings: Settings) -> (Vec<Group>, Vec<Goal>) {
    macro_rules! contenders {
        ($($peer:ident),*) => {
            (vec![$(encoding::<$peer>()),*], vec![$(decoding::<$peer>()),*])
        };
    }
    let (mut encoding, decoding) = for_each_peer!(contenders);
    encoding.push(copying());
    let encoded = measure(ENCODE, MESSAGES, settings, encoding);
    let decoded = measure(DECODE, MESSAGES, settings, decoding);
    let goal = |text: &str, wanted, measured| Goal {
        number: 1,
        text: text.into(),
        part: "one frame".into(),
        wanted,
        measured,
    };
    let goals = vec![
        goal(
            "encode / memcpy",
            Wanted::AtMost(1.10),
            encoded.time_over("cnv", &["memcpy"]),
        ),
        goal(
            "encode by as_bytes, unchecked / memcpy",
            Wanted::ForInformation,
            encoded.time_over(COPYING, &["memcpy"]),
        ),
        goal(
            "decode with version, length and reserved bytes / zerocopy's enum and bool",
            Wanted::AtMost(1.30),
            decoded.time_over("cnv", &["zerocopy"]),
        ),
    ];
    (vec![Group::from(&encoded), Group::from(&decoded)], goals)
}

fn encoding<P: Peer + 'static>() -> Contender<'static> {
    let values: Vec<P::Value> = numbered().map(P::Value::from).collect();
    let mut peer = P::default();
    Contender::new(P::NAME, move || {
        for value in black_box(values.as_slice()) {
            black_box(peer.encode(value));
        }
    })
}

const COPYING: &str = "cnv, as_bytes copied";

/// What a sender does that vouches for its own frames.
fn copying() -> Contender<'static> {
    let values: Vec<Line> = numbered().map(Line::from).collect();
    let mut room = [0_u8; 64];
    Contender::new(COPYING, move || {
        for value in black_box(values.as_slice()) {
            room.copy_from_slice(value.as_bytes());
            black_box(&room);
        }
    })
}

fn decoding<P: Peer + 'static>() -> Contender<'static> {
    let mut peer = P::default();
    let encoded: Vec<AlignedBuffer> = numbered()
        .map(|message| {
            let mut bytes = AlignedBuffer::new();
            bytes
                .extend_from_slice(peer.encode(&message.into()))
                .expect("memory for a message");
            let read = peer.message(bytes.as_slice());
            assert_eq!(read, Some(message), "what {} reads", P::NAME);
            bytes
        })
        .collect();
    Contender::new(P::NAME, move || {
        for bytes in black_box(encoded.as_slice()) {
            black_box(peer.decode(bytes.as_slice()));
        }
    })
}

fn numbered() -> impl Iterator<Item = Message> {
    (0..MESSAGES).map(Message::numbered)
}
