//! The frame API as its users call it, for a look at one change: `cargo bench -p cnv --bench frames`.
//!
//! These are times of one process, for comparing a commit with the one before it. What cnv is beside plain
//! code and other formats is a ratio of things that take turns, which `cnv-bench` measures.

use std::hint::black_box;

use cnv::frame::{
    AlignedBuffer, Frame, FramePayload, FrameSerializer, Frames, SimdFrame, SplitBatch,
    SplitBatchWriter, first_corrupt_line, seal_line,
};
use cnv::{columns, encode_columns};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Frames of a batch that fits in the first-level cache, the second, and the third.
const BATCHES: [usize; 3] = [64, 1024, 65_536];

/// A line of five numbers, with as many rules as a [`FrameHeader`].
#[derive(Debug, Clone, Copy, SimdFrame)]
#[frame(version = 1)]
#[repr(C)]
struct Sample {
    session: [u8; 16],
    stream: u8,
    is_last: bool,
    #[frame(version)]
    version: u8,
    #[frame(reserved)]
    flags: [u8; 1],
    #[frame(range = 0..=24)]
    len: u32,
    sequence: u64,
    timestamp_ns: u64,
    low: u64,
    high: u64,
    last: u64,
}

const SAMPLE: Sample = Sample {
    session: [7; 16],
    stream: 3,
    is_last: true,
    version: 1,
    flags: [0],
    len: 24,
    sequence: 0,
    timestamp_ns: 0,
    low: 0,
    high: 0,
    last: 0,
};

fn samples(frames: usize) -> AlignedBuffer {
    let mut bytes = AlignedBuffer::with_capacity(frames * Sample::SIZE);
    for sequence in 0..frames as u64 {
        let sample = Sample { sequence, ..SAMPLE };
        bytes.extend_from_slice(sample.as_bytes()).expect("memory");
    }
    bytes
}

fn in_network_order(frames: usize) -> AlignedBuffer {
    let mut bytes = samples(frames);
    for line in bytes.as_mut_slice().chunks_exact_mut(Sample::SIZE) {
        line[20..24].reverse();
        for word in line[24..].chunks_exact_mut(8) {
            word.reverse();
        }
    }
    bytes
}

/// One frame: the derive's methods, and the serializer with a payload in the line.
fn one(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one frame");
    let mut out = [0; 64];
    group.bench_function("encode_into", |bench| {
        bench.iter(|| black_box(&SAMPLE).encode_into(black_box(&mut out)));
    });
    let bytes = samples(1);
    group.bench_function("parse", |bench| {
        bench.iter(|| Sample::parse(black_box(bytes.as_slice())).is_ok());
    });
    group.bench_function("read", |bench| {
        bench.iter(|| Sample::read(black_box(bytes.as_slice())));
    });
    let frame = Frame::new([7; 16], 0, 1, 0, FramePayload::Data(b"hello".to_vec()));
    let mut serializer = FrameSerializer::new();
    let mut buffer = AlignedBuffer::new();
    group.bench_function("FrameSerializer::serialize", |bench| {
        bench.iter(|| serializer.serialize(black_box(&frame), &mut buffer));
    });
    serializer.serialize(&frame, &mut buffer).expect("memory");
    group.bench_function("FrameSerializer::deserialize", |bench| {
        bench.iter(|| serializer.deserialize(black_box(buffer.as_slice())));
    });
}

fn batches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batch");
    for frames in BATCHES {
        group.throughput(Throughput::Elements(frames as u64));
        let bytes = samples(frames);
        let bytes = bytes.as_slice();
        group.bench_function(BenchmarkId::new("validate_all", frames), |bench| {
            bench.iter(|| Frames::<Sample>::validate_all(black_box(bytes)).is_ok());
        });
        group.bench_function(BenchmarkId::new("blocks, summed", frames), |bench| {
            bench.iter(|| {
                let blocks = Frames::<Sample>::blocks(black_box(bytes));
                blocks.fold(0, |sum: u64, block| {
                    let block = block.expect("legal");
                    block
                        .iter()
                        .fold(sum, |sum, sample| sum.wrapping_add(sample.sequence))
                })
            });
        });
        let network = in_network_order(frames);
        let mut native = AlignedBuffer::new();
        group.bench_function(BenchmarkId::new("from_big_endian", frames), |bench| {
            bench.iter(|| {
                let network = black_box(network.as_slice());
                Frames::<Sample>::from_big_endian(network, &mut native).map(<[Sample]>::len)
            });
        });
        let mut lines = vec![[7; 64]; frames];
        lines.iter_mut().for_each(seal_line);
        group.bench_function(BenchmarkId::new("first_corrupt_line", frames), |bench| {
            bench.iter(|| first_corrupt_line(black_box(&lines)));
        });
    }
}

fn five_columns(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("five columns");
    for frames in BATCHES {
        group.throughput(Throughput::Elements(frames as u64));
        let bytes = samples(frames);
        let [mut a, mut b, mut c, mut d, mut e] = [(); 5].map(|()| vec![0_u64; frames]);
        group.bench_function(BenchmarkId::new("columns!", frames), |bench| {
            bench.iter(|| {
                columns!(
                    black_box(bytes.as_slice()),
                    Sample => sequence: &mut a, timestamp_ns: &mut b, low: &mut c, high: &mut d, last: &mut e
                )
            });
        });
        let mut buffer = AlignedBuffer::new();
        group.bench_function(BenchmarkId::new("encode_columns!", frames), |bench| {
            bench.iter(|| {
                encode_columns!(
                    black_box(&SAMPLE),
                    Sample => sequence: &a, timestamp_ns: &b, low: &c, high: &d, last: &e;
                    &mut buffer
                )
            });
        });
    }
}

fn split_batches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("split batch");
    for frames in BATCHES {
        group.throughput(Throughput::Elements(frames as u64));
        let mut writer = SplitBatchWriter::new();
        for sequence in 0..frames as u64 {
            let payload = FramePayload::Data(vec![7; 25 + sequence as usize % 64]);
            let frame = Frame::new([7; 16], 0, sequence, 0, payload);
            writer.push(&frame).expect("memory");
        }
        let mut buffer = AlignedBuffer::new();
        writer.finish(&mut buffer).expect("memory");
        let bytes = buffer.as_slice();
        group.bench_function(BenchmarkId::new("parse", frames), |bench| {
            bench.iter(|| SplitBatch::parse(black_box(bytes), frames).is_ok());
        });
        let batch = SplitBatch::parse(bytes, frames).expect("legal");
        group.bench_function(BenchmarkId::new("iter", frames), |bench| {
            bench.iter(|| {
                let parts = black_box(batch).iter();
                parts.fold(0, |sum, frame| {
                    sum + frame.header().sequence() + frame.payload().len() as u64
                })
            });
        });
    }
}

criterion_group!(frames, one, batches, five_columns, split_batches);
criterion_main!(frames);
