//! Goal 5: messages in network order, validated and brought into this machine's.

use std::hint::black_box;

use cnv::frame::{AlignedBuffer, Frames};
use zerocopy::{IntoBytes, TryFromBytes};

use super::batches::{LINE_BYTES, Size, messages_in_network_order};
use super::message::{Line, Message, NetworkOrder};
use super::validate::unless;
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Settings, measure};

/// zerocopy validates all, and then each message is converted. The alternative is below.
#[inline]
fn whole_then_each(bytes: &[u8], out: &mut [Message]) -> bool {
    let Ok(messages) = <[NetworkOrder]>::try_ref_from_bytes(bytes) else {
        return false;
    };
    for (message, out) in messages.iter().zip(out) {
        *out = message.to_native();
    }
    true
}

/// zerocopy validates each message just before it is converted.
#[inline]
fn one_by_one(bytes: &[u8], out: &mut [Message]) -> bool {
    for (line, out) in bytes.chunks_exact(LINE_BYTES).zip(out) {
        let Ok(message) = NetworkOrder::try_ref_from_bytes(line) else {
            return false;
        };
        *out = message.to_native();
    }
    true
}

/// Both ways to do it with zerocopy; the goal is about the faster.
const ZEROCOPY: [&str; 2] = ["zerocopy, whole slice", "zerocopy, one by one"];

/// Measures it, into memory that is there already.
pub fn run(size: Size, settings: Settings) -> (Vec<Group>, Vec<Goal>) {
    let bytes = messages_in_network_order(size.frames);
    let bytes = bytes.as_slice();
    let mut buffer = AlignedBuffer::new();
    let mut copy = vec![0; bytes.len()];
    let mut whole = vec![Message::numbered(0); size.frames];
    let mut each = vec![Message::numbered(0); size.frames];
    let measured = measure(
        format!("network order to native, {}", size.name),
        size.frames,
        settings,
        vec![
            Contender::new("memcpy", || {
                copy.copy_from_slice(black_box(bytes));
                black_box(&mut copy).len()
            }),
            Contender::new("cnv", || {
                let frames = Frames::<Line>::from_big_endian(black_box(bytes), &mut buffer);
                black_box(frames.expect("legal messages")).len()
            }),
            Contender::new(ZEROCOPY[0], || {
                assert!(whole_then_each(black_box(bytes), &mut whole));
                black_box(&mut whole).as_bytes().len()
            }),
            Contender::new(ZEROCOPY[1], || {
                assert!(one_by_one(black_box(bytes), &mut each));
                black_box(&mut each).as_bytes().len()
            }),
        ],
    );
    let goal = |text: &str, bound, measured| Goal {
        number: 5,
        text: text.into(),
        part: size.name.into(),
        wanted: unless(size.name == "DRAM", bound),
        measured,
    };
    let goals = vec![
        goal(
            "from_big_endian / memcpy",
            Wanted::AtMost(1.05),
            measured.time_over("cnv", &["memcpy"]),
        ),
        goal(
            "from_big_endian against zerocopy's big-endian types",
            Wanted::AtLeast(2.0),
            measured.speed_over("cnv", &ZEROCOPY),
        ),
    ];
    (vec![Group::from(&measured)], goals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_come_to_the_same_messages() {
        let mut bytes = messages_in_network_order(100);
        let expected: Vec<Message> = (0..100).map(Message::numbered).collect();
        let mut buffer = AlignedBuffer::new();
        let frames = Frames::<Line>::from_big_endian(bytes.as_slice(), &mut buffer).unwrap();
        assert!(
            frames
                .iter()
                .map(Message::from)
                .eq(expected.iter().copied())
        );
        for way in [whole_then_each, one_by_one] {
            let mut out = vec![Message::numbered(0); 100];
            assert!(way(bytes.as_slice(), &mut out));
            assert_eq!(out, expected);
        }
        bytes.as_mut_slice()[LINE_BYTES * 70 + 17] = 9;
        for way in [whole_then_each, one_by_one] {
            let mut out = vec![Message::numbered(0); 100];
            assert!(!way(bytes.as_slice(), &mut out));
        }
    }
}
