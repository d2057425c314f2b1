//! Goal 10: no hot path allocates, once its buffers have their size.

use std::hint::black_box;

use cnv::frame::{
    AlignedBuffer, BatchProcessor, Frame, FramePayload, FrameSerializer, Frames, SimdFrame,
    SplitBatch, crc32c, first_corrupt_line, seal_line,
};
use cnv::{columns, encode_columns};

use super::batches::{Sample, legal, messages, messages_in_network_order, sealed};
use super::message::{Line, Message};
use crate::allocations::count;
use crate::report::{Goal, Wanted};
use crate::rounds::Ratio;

/// Frames of the batches here: more than a block, and not a whole number of blocks.
const FRAMES: usize = 1000;

/// A path, and how often it allocated in a hundred calls after the first.
type Counted = (&'static str, u64);

fn warm(name: &'static str, mut path: impl FnMut()) -> Counted {
    path();
    (name, count(|| (0..100).for_each(|_| path())))
}

fn of_one() -> Vec<Counted> {
    let line = Line::from(Message::numbered(1));
    let mut bytes = [0_u8; 64];
    let mut aligned = AlignedBuffer::new();
    aligned.extend_from_slice(line.as_bytes()).expect("memory");
    let mut sealed = [7; 64];
    let payload = FramePayload::Data(vec![7; 100]);
    let frame = Frame::new([7; 16], 0, 1, 0, payload);
    let mut serializer = FrameSerializer::new();
    let mut buffer = AlignedBuffer::new();
    vec![
        warm("encode_into", || {
            line.encode_into(black_box(&mut bytes)).expect("legal");
        }),
        warm("parse", || {
            black_box(Line::parse(aligned.as_slice()).expect("legal"));
        }),
        warm("read", || {
            black_box(Line::read(aligned.as_slice()).expect("legal"));
        }),
        warm("refusal of a frame", || {
            black_box(Line::read(black_box(&[9; 64])).expect_err("another version"));
        }),
        warm("seal_line, crc32c", || {
            seal_line(black_box(&mut sealed));
            black_box(crc32c(&sealed));
        }),
        warm("FrameSerializer::serialize", || {
            serializer
                .serialize(black_box(&frame), &mut buffer)
                .expect("memory");
        }),
    ]
}

fn of_many() -> Vec<Counted> {
    let lines = messages(FRAMES);
    let lines = lines.as_slice();
    let network = messages_in_network_order(FRAMES);
    let samples = legal::<Sample>(FRAMES);
    let sealed = sealed(FRAMES);
    let mut native = AlignedBuffer::new();
    let mut encoded = AlignedBuffer::new();
    let (mut sequences, mut lows) = (vec![0_u64; FRAMES], vec![0_u64; FRAMES]);
    let template = Sample::read(&samples.as_slice()[..64]).expect("legal");
    let columns = [vec![1_u64; FRAMES], vec![2_u64; FRAMES]];
    vec![
        warm("validate_all", || {
            black_box(Frames::<Line>::validate_all(lines).expect("legal"));
        }),
        warm("blocks", || {
            for block in Frames::<Line>::blocks(lines) {
                black_box(block.expect("legal"));
            }
        }),
        warm("views", || {
            for view in Frames::<Line>::views(lines) {
                black_box(view.expect("legal").iter().count());
            }
        }),
        warm("from_big_endian", || {
            let frames = Frames::<Line>::from_big_endian(network.as_slice(), &mut native);
            black_box(frames.expect("legal"));
        }),
        warm("columns!", || {
            columns!(samples.as_slice(), Sample => sequence: &mut sequences, low: &mut lows)
                .expect("legal");
        }),
        warm("encode_columns!", || {
            let [a, b] = &columns;
            encode_columns!(&template, Sample => sequence: a, low: b; &mut encoded).expect("legal");
        }),
        warm("first_corrupt_line", || {
            assert_eq!(first_corrupt_line(black_box(&sealed)), None);
        }),
    ]
}

fn of_split_batches() -> Vec<Counted> {
    let frames: Vec<Frame> = (0..FRAMES)
        .map(|index| {
            let payload = FramePayload::Data(vec![7; index % 100]);
            Frame::new([7; 16], 0, index as u64, 0, payload)
        })
        .collect();
    let mut processor = BatchProcessor::new();
    let mut buffer = AlignedBuffer::new();
    let written = warm("BatchProcessor::serialize", || {
        processor.serialize(&frames, &mut buffer).expect("memory");
    });
    let read = warm("SplitBatch::parse, iter", || {
        let batch = SplitBatch::parse(buffer.as_slice(), FRAMES).expect("legal");
        for frame in batch.iter() {
            black_box((frame.header(), frame.payload()));
        }
    });
    vec![written, read]
}

/// Counts them. A [`Frame`] owns its payload: to make one is not a hot path, and allocates.
pub fn run() -> Vec<Goal> {
    let mut counted = of_one();
    counted.extend(of_many());
    counted.extend(of_split_batches());
    counted
        .into_iter()
        .map(|(path, allocations)| Goal {
            number: 10,
            text: "allocations in 100 calls".into(),
            part: path.into(),
            wanted: Wanted::AtMost(0.0),
            measured: Ratio::exact(allocations as f64),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hot_path_allocates() {
        for goal in run() {
            assert_eq!(goal.is_met(), Some(true), "{goal}");
        }
    }

    #[test]
    fn a_path_that_allocates_is_seen() {
        let (_, allocations) = warm("boxes", || drop(black_box(Box::new(1))));
        assert_eq!(allocations, 100);
    }
}
