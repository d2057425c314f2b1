//! Reading and writing many frames allocates nothing once buffers have their size.
#![allow(unsafe_code, reason = "an allocator that counts is an unsafe impl")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use bytes::BytesMut;
use cnv::frame::{
    AlignedBuffer, BatchProcessor, Be, Decoded, Frame, FrameDecoder, FrameEncoder, FrameEnum,
    FrameHeader, FramePayload, FrameReader, FrameSerializer, FrameWriter, Frames, SimdFrame,
    SplitBatch, SplitBatchWriter, crc32c, first_corrupt_line, seal_line,
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
            let bytes: usize = batch.iter().map(|frame| frame.payload().len()).sum();
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
            &mut buffer)
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

#[derive(Debug, Clone, Copy, PartialEq, FrameEnum)]
#[repr(u16)]
enum Status {
    Ok = 200,
    NotFound = 404,
}

/// Everything that is tested beyond byte ranges.
#[derive(Debug, Clone, Copy, PartialEq, SimdFrame)]
#[frame(check = Self::is_ordered)]
#[repr(C)]
struct Checked {
    start: u64,
    end: u64,
    #[frame(range = 100..1000)]
    width: Be<u16>,
    status: Status,
    is_last: bool,
    #[frame(reserved)]
    _pad: [u8; 7],
    #[frame(crc32c)]
    crc: u32,
}

impl Checked {
    fn is_ordered(&self) -> bool {
        self.start <= self.end
    }
}

const CHECKED: Checked = Checked {
    start: 1,
    end: 300,
    width: Be::<u16>::new(100),
    status: Status::NotFound,
    is_last: true,
    _pad: [0; 7],
    crc: 0,
};

#[test]
fn nothing_is_allocated_for_one_frame() {
    let mut out = [0; 32];
    assert_eq!(allocations(|| CHECKED.encode_into(&mut out).unwrap()), 0);
    assert_eq!(allocations(|| CHECKED.encode_into(&mut []).unwrap_err()), 0);
    let mut buffer = AlignedBuffer::new();
    buffer.extend_from_slice(&out).unwrap();
    let bytes = buffer.as_slice();
    assert_eq!(allocations(|| Checked::read(black_box(bytes)).unwrap()), 0);
    assert_eq!(
        allocations(|| Checked::parse(black_box(bytes)).unwrap().end),
        0
    );
    assert_eq!(allocations(|| Checked::check(black_box(bytes)).unwrap()), 0);
    // A refusal costs nothing, either.
    for at in [17, 18, 20, 21, 31] {
        out[at] ^= 0x80;
        assert_eq!(
            allocations(|| Checked::read(black_box(&out)).unwrap_err()),
            0
        );
        out[at] ^= 0x80;
    }
    let mut sealed = CHECKED;
    assert_eq!(allocations(|| sealed.seal()), 0);
    let mut line = [7; 64];
    assert_eq!(allocations(|| seal_line(&mut line)), 0);
    assert_eq!(allocations(|| crc32c(black_box(&line))), 0);
}

#[test]
fn nothing_is_allocated_for_many_frames_with_checks() {
    let (starts, ends): (Vec<u64>, Vec<u64>) = (0..FRAMES as u64).map(|at| (at, at + 1)).unzip();
    let mut buffer = AlignedBuffer::new();
    let mut write =
        || encode_columns!(&CHECKED, Checked => start: &starts, end: &ends; &mut buffer);
    assert_eq!(allocations(|| assert_eq!(write().unwrap(), FRAMES)), 0);
    let bytes = buffer.as_slice();
    let (mut places, mut flags) = (vec![0_u64; FRAMES], vec![0_u8; FRAMES]);
    let mut read = || columns!(bytes, Checked => end: &mut places, is_last: &mut flags);
    assert_eq!(allocations(|| read().unwrap()), 0);
    assert_eq!(
        allocations(|| Frames::<Checked>::validate_all(bytes).unwrap().len()),
        0
    );
    assert_eq!(
        allocations(|| Frames::<Checked>::blocks(bytes)
            .map(|block| block.unwrap().len())
            .sum::<usize>()),
        0
    );
    // At an address where nothing is borrowed, and where each frame is copied out.
    let mut moved = AlignedBuffer::new();
    moved.extend_from_slice(&[0]).unwrap();
    moved.extend_from_slice(bytes).unwrap();
    let count = || {
        let views = Frames::<Checked>::views(black_box(&moved.as_slice()[1..]));
        let sum: u64 = views
            .flat_map(|view| view.unwrap().iter())
            .map(|frame| frame.start)
            .sum();
        assert_eq!(sum, (0..FRAMES as u64).sum::<u64>());
    };
    assert_eq!(allocations(count), 0);
    // The last of the frames is refused, and named.
    let mut bad = bytes.to_vec();
    *bad.last_mut().unwrap() ^= 1;
    assert_eq!(
        allocations(|| Frames::<Checked>::views(&bad)
            .find_map(Result::err)
            .unwrap()),
        0
    );
}

#[test]
fn nothing_is_allocated_to_write_messages_into_memory_that_is_there() {
    let frames = [0, 5, 24, 25, 1000]
        .map(|len| Frame::new([1; 16], 0, 1, 2, FramePayload::Data(vec![7; len])));
    let (mut serializer, mut buffer) = (FrameSerializer::new(), AlignedBuffer::new());
    let mut serialize = || {
        for frame in &frames {
            serializer.serialize(frame, &mut buffer).unwrap();
        }
    };
    assert_eq!(allocations(&mut serialize), 0);

    let mut stream = FrameWriter::new(std::io::sink());
    let mut write = || {
        for frame in &frames {
            stream.write(frame).unwrap();
        }
        stream.flush().unwrap();
    };
    assert_eq!(allocations(&mut write), 0);

    let mut writer = SplitBatchWriter::new();
    let mut batch = AlignedBuffer::new();
    let mut push = || {
        writer.clear();
        frames.iter().for_each(|frame| writer.push(frame).unwrap());
        writer.finish(&mut batch).unwrap()
    };
    assert_eq!(allocations(&mut push), 0);
    let parse = || {
        let batch = SplitBatch::parse(black_box(batch.as_slice()), frames.len()).unwrap();
        let sum: usize = batch.iter().map(|frame| frame.payload().len()).sum();
        assert_eq!(sum, 1054);
    };
    assert_eq!(allocations(parse), 0);
}

/// A [`Frame`] owns its payload, and that is all that reading one costs. From a stream its vector grows as
/// the bytes arrive, and not to the length that is stated.
#[test]
fn a_message_costs_its_payload() {
    let frame = |len| Frame::new([1; 16], 0, 1, 2, FramePayload::Data(vec![7; len]));
    for (len, most) in [(0, 0), (24, 1), (1000, 8)] {
        let mut writer = FrameWriter::new(Vec::new());
        writer.write(&frame(len)).unwrap();
        let bytes = writer.into_inner();
        let serializer = FrameSerializer::new();
        let found = allocations(|| serializer.deserialize(black_box(&bytes)).unwrap());
        assert!(found <= most.min(1), "{len}: {found}");
        let found = allocations(|| FrameReader::new(black_box(&bytes[..])).next());
        assert!(found <= most, "{len}: {found}");
    }
}

/// Payloads share the memory of the buffer, which is what makes it count them; once it does, neither a frame
/// nor a further round costs anything while no payload is kept.
#[test]
fn a_buffer_that_is_decoded_costs_one_allocation() {
    let frames = [0, 5, 24, 25, 1000]
        .map(|len| Frame::new([1; 16], 0, 1, 2, FramePayload::Data(vec![7; len])));
    let (encoder, mut sent) = (FrameEncoder::new(), BytesMut::new());
    let mut encode = || {
        sent.clear();
        for frame in &frames {
            encoder.encode(frame, &mut sent).unwrap();
        }
    };
    assert_eq!(allocations(&mut encode), 0);

    let decoder = FrameDecoder::new();
    let decode = |buffer: &mut BytesMut| {
        let mut sum = 0;
        for piece in black_box(&sent).chunks(100) {
            buffer.extend_from_slice(piece);
            while let Decoded::Frame(frame) = decoder.decode(buffer).unwrap() {
                sum += frame.payload().len();
            }
        }
        decoder.finish(buffer).unwrap();
        assert_eq!(sum, 1054);
    };
    let mut buffer = BytesMut::with_capacity(4096);
    let hundred = || (0..100).for_each(|_| decode(&mut buffer));
    assert_eq!(allocations(hundred), 0);
    // The memory of a new one, and the count of who shares it.
    let new = || decode(&mut BytesMut::with_capacity(4096));
    assert_eq!(allocations(new), 2);
}
