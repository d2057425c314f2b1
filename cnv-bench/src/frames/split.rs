//! Goal 9: 54 MB of frames with payloads that do not stand in their lines.

use std::hint::black_box;

use cnv::frame::SplitBatch;
use zerocopy::TryFromBytes;

use super::batches::{Long, long};
use super::message::{Header, Route};
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Settings, measure};

/// With payloads of 1024 bytes on average, 54 MB.
const FRAMES: usize = 50_000;

/// How much of a payload a scan reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Nothing: it looks for frames of one kind, say.
    Headers,
    /// The first 8 bytes, by which a receiver decides what to do with it.
    Start,
    /// All of it.
    Whole,
}

impl Reach {
    #[inline]
    fn read(self, payload: &[u8]) -> u64 {
        let (words, rest) = payload.as_chunks::<8>();
        let sum = |words: &[[u8; 8]]| {
            words.iter().fold(0_u64, |sum, word| {
                sum.wrapping_add(u64::from_le_bytes(*word))
            })
        };
        match self {
            Self::Headers => 0,
            Self::Start => sum(&words[..words.len().min(1)]),
            Self::Whole => rest
                .iter()
                .fold(sum(words), |sum, &byte| sum.wrapping_add(byte.into())),
        }
    }
}

/// Parses the split batch, which validates all lines and lengths, and scans it.
#[inline]
fn scan_split(bytes: &[u8], frames: usize, reach: Reach) -> u64 {
    let batch = SplitBatch::parse(bytes, frames).expect("a legal batch");
    if reach == Reach::Headers {
        return batch.headers().iter().fold(0, |sum, header| {
            let route = header.kind() as u64 + u64::from(header.payload_len());
            sum.wrapping_add(header.sequence()).wrapping_add(route)
        });
    }
    batch.iter().fold(0, |sum, frame| {
        let header = frame.header();
        let route = header.kind() as u64 + u64::from(header.payload_len());
        sum.wrapping_add(header.sequence())
            .wrapping_add(route)
            .wrapping_add(reach.read(frame.payload()))
    })
}

/// zerocopy validates each header where it stands, which says where the next one is.
#[inline]
fn scan_interleaved(mut bytes: &[u8], reach: Reach) -> u64 {
    let mut sum = 0_u64;
    while !bytes.is_empty() {
        let (header, rest) = Header::try_ref_from_prefix(bytes).expect("a legal header");
        let len = header.payload_len.get() as usize;
        let (payload, rest) = rest.split_at_checked(len).expect("a whole payload");
        sum = sum
            .wrapping_add(header.route())
            .wrapping_add(reach.read(payload));
        bytes = rest;
    }
    sum
}

/// Measures it. A pass is milliseconds, so that few rounds are enough.
pub fn run(settings: Settings) -> (Vec<Group>, Vec<Goal>) {
    let Long {
        frames,
        split,
        interleaved,
    } = long(FRAMES);
    let (mut groups, mut goals) = (Vec::new(), Vec::new());
    for (part, reach, wanted) in [
        ("headers only", Reach::Headers, Wanted::AtLeast(8.0)),
        (
            "with the first 8 bytes of each payload",
            Reach::Start,
            Wanted::AtLeast(2.0),
        ),
        (
            "with all bytes of each payload",
            Reach::Whole,
            Wanted::ForInformation,
        ),
    ] {
        let measured = measure(
            format!("scan 54 MB, {part}"),
            frames,
            settings.at_most(21),
            vec![
                Contender::new("cnv, split", || {
                    scan_split(black_box(split.as_slice()), frames, reach)
                }),
                Contender::new("zerocopy, interleaved", || {
                    scan_interleaved(black_box(&interleaved), reach)
                }),
            ],
        );
        goals.push(Goal {
            number: 9,
            text: "a split batch against zerocopy over interleaved frames, 54 MB".into(),
            part: part.into(),
            wanted,
            measured: measured.speed_over("cnv, split", &["zerocopy, interleaved"]),
        });
        groups.push(Group::from(&measured));
    }
    (groups, goals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_framings_come_to_the_same() {
        let long = long(300);
        let mut sums = Vec::new();
        for reach in [Reach::Headers, Reach::Start, Reach::Whole] {
            let sum = scan_split(long.split.as_slice(), long.frames, reach);
            assert_eq!(sum, scan_interleaved(&long.interleaved, reach));
            sums.push(sum);
        }
        assert!(sums[0] != sums[1] && sums[1] != sums[2]);
    }
}
