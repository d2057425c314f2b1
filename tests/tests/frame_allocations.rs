//! Reading and writing many frames allocates nothing once buffers have their size.
#![allow(unsafe_code, reason = "an allocator that counts is an unsafe impl")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use cnv::frame::{
    AlignedBuffer, BatchProcessor, Frame, FrameHeader, FramePayload, FrameSerializer, Frames,
    Store, first_corrupt_line,
};
use cnv::{columns, encode_columns};

/// The system's allocator, and how often this thread asked it for memory.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to `System` with the arguments that the caller vouches for; the count
// is a plain number of the thread, whose access allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller vouches; the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller vouches; the pointer came from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` allocates when it is done a second time.
fn allocations<R>(mut work: impl FnMut() -> R) -> u64 {
    black_box(work());
    let before = ALLOCATIONS.get();
    black_box(work());
    ALLOCATIONS.get() - before
}

const FRAMES: usize = 300;

#[test]
fn an_allocation_is_counted() {
    assert_eq!(allocations(|| Box::new(1)), 1);
}

#[test]
fn nothing_is_allocated_in_the_hot_paths() {
    let payload = |len| FramePayload::Data(vec![7; len]);
    let frames: Vec<Frame> = (0..FRAMES)
        .map(|index| Frame::new([1; 16], 0, index as u64, 0, payload(index % 60)))
        .collect();
    let mut processor = BatchProcessor::new();
    let mut bytes = AlignedBuffer::new();
    assert_eq!(
        allocations(|| processor.serialize(&frames, &mut bytes).unwrap()),
        0
    );
    let bytes = bytes.as_slice();
    assert_eq!(
        allocations(|| {
            let batch = processor.deserialize(black_box(bytes), FRAMES).unwrap();
            let bytes: usize = batch.iter().map(|(_, payload)| payload.len()).sum();
            assert!(bytes > FRAMES);
        }),
        0
    );

    let mut long = AlignedBuffer::new();
    FrameSerializer::new()
        .serialize(&frames[59], &mut long)
        .unwrap();
    let parse = || Frame::parse(black_box(long.as_slice())).unwrap();
    assert_eq!(allocations(|| assert_eq!(parse().payload().len(), 59)), 0);

    let lines = &bytes[..FRAMES * 64];
    let count = |blocks: usize| assert_eq!(blocks, FRAMES.div_ceil(64));
    assert_eq!(
        allocations(|| count(
            Frames::<FrameHeader>::blocks(lines)
                .map(Result::unwrap)
                .count()
        )),
        0
    );
    assert_eq!(
        allocations(|| count(
            Frames::<FrameHeader>::views(lines)
                .map(Result::unwrap)
                .count()
        )),
        0
    );
    assert_eq!(
        allocations(|| Frames::<FrameHeader>::validate_all(lines).unwrap().len()),
        0
    );
    assert_eq!(allocations(|| first_corrupt_line(lines.as_chunks().0)), 0);

    let (mut sequences, mut stamps) = (vec![0_u64; FRAMES], vec![0_u64; FRAMES]);
    let mut read =
        || columns!(lines, FrameHeader => sequence: &mut sequences, timestamp_ns: &mut stamps);
    assert_eq!(allocations(|| read().unwrap()), 0);
    let template = Frames::<FrameHeader>::validate_all(&lines[..64]).unwrap()[0];
    let mut buffer = AlignedBuffer::new();
    let mut write = || {
        encode_columns!(&template, FrameHeader => sequence: &sequences, timestamp_ns: &stamps;
            &mut buffer, Store::Stream)
    };
    assert_eq!(allocations(|| write().unwrap()), 0);

    let mut swapped = AlignedBuffer::new();
    let mut network = lines.to_vec();
    network
        .chunks_exact_mut(64)
        .for_each(|line| line[20..24].fill(0));
    let mut convert = || {
        Frames::<FrameHeader>::from_big_endian(&network, &mut swapped)
            .unwrap()
            .len()
    };
    assert_eq!(allocations(|| assert_eq!(convert(), FRAMES)), 0);
}
