//! Input that lies about itself: a typed error that names the place, no panic, and memory by what has
//! arrived and not by what is stated.
#![allow(unsafe_code, reason = "an allocator that counts is an unsafe impl")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Read;

use cnv::frame::{
    AlignedBuffer, BatchProcessor, Column, ColumnField, ColumnsError, Frame, FrameError,
    FrameHeader, FramePayload, FrameReader, FrameSerializer, Frames, FramesError, LayoutError,
    SimdFrame, SplitBatch, SplitBatchError, SplitBatchLimits, SplitBatchWriter, encode_columns,
};
use cnv_tests::random::{Random, legal_frame};

/// The system's allocator, and how many bytes this thread holds and has held at most.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

fn hold(bytes: usize) {
    HELD.set(HELD.get().saturating_add(bytes));
    MOST.set(MOST.get().max(HELD.get()));
}

// SAFETY: every call is passed on to `System` with the arguments that the caller vouches for; the counts
// are plain numbers of the thread, whose access allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        hold(layout.size());
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get().saturating_sub(layout.size()));
        // SAFETY: as the caller vouches; the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.set(HELD.get().saturating_sub(layout.size()));
        hold(size);
        // SAFETY: as the caller vouches; the pointer came from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many bytes `work` holds at most, beyond what was held before.
fn most_held<R>(work: impl FnOnce() -> R) -> (R, usize) {
    let before = HELD.get();
    MOST.set(before);
    let result = work();
    (result, MOST.get() - before)
}

#[test]
fn memory_is_counted() {
    let (bytes, held) = most_held(|| drop(vec![1_u8; 5000]));
    assert_eq!((bytes, held), ((), 5000));
}

const LINE: usize = FrameHeader::SIZE;

/// Where the bytes of a line's length stand.
const LEN: std::ops::Range<usize> = 20..24;

/// Everything that a serializer takes.
const NO_LIMIT: FrameSerializer = FrameSerializer::new().with_max_payload_bytes(u32::MAX);

const NO_LIMITS: SplitBatchLimits = SplitBatchLimits {
    max_payload_bytes: u32::MAX,
    max_frames: usize::MAX,
};

fn aligned(bytes: &[u8]) -> AlignedBuffer {
    let mut buffer = AlignedBuffer::new();
    buffer.extend_from_slice(bytes).unwrap();
    buffer
}

/// A batch whose lines state these lengths, with `heap` behind them.
fn stating(lens: &[u32], heap: &[u8]) -> AlignedBuffer {
    let mut bytes = Vec::new();
    for len in lens {
        let mut line = [0; LINE];
        line[18] = 1;
        line[LEN].copy_from_slice(&len.to_le_bytes());
        bytes.extend(line);
    }
    bytes.extend(heap);
    aligned(&bytes)
}

#[test]
fn a_stated_length_of_4_gib_costs_nothing() {
    for len in [u32::MAX, 1 << 31, 1 << 30] {
        let bytes = stating(&[len], &[7; 100]);
        let bytes = bytes.as_slice();
        let total = 64_usize.saturating_add(len as usize);

        let (error, held) = most_held(|| NO_LIMIT.deserialize(bytes).unwrap_err());
        assert!(
            matches!(error, FrameError::Truncated { expected, actual: 164 } if expected == total),
            "{error:?}"
        );
        assert_eq!(held, 0);

        let mut reader = FrameReader::with_serializer(bytes, NO_LIMIT);
        let (error, held) = most_held(|| reader.next().unwrap().unwrap_err());
        assert!(
            matches!(error, FrameError::UnexpectedEof { missing } if missing == len as usize - 100),
            "{error:?}"
        );
        assert!(held < 1 << 12, "{held}");
        assert!(reader.next().is_none());

        let (error, held) =
            most_held(|| SplitBatch::parse_within(bytes, 1, NO_LIMITS).unwrap_err());
        assert_eq!(
            error,
            SplitBatchError::Truncated {
                expected: total,
                actual: 164
            }
        );
        assert_eq!(held, 0);

        let error = FrameSerializer::new().deserialize(bytes).unwrap_err();
        assert!(
            matches!(error, FrameError::PayloadTooLarge { len: l, max: 1_048_576 } if l == len as usize)
        );
    }
}

/// Payloads stand one behind the other, so that lengths alone cannot make two overlap: either they add up
/// to the heap, or the batch is refused.
#[test]
fn lengths_that_do_not_add_up_to_the_heap_are_refused() {
    let truncated = |expected| SplitBatchError::Truncated {
        expected,
        actual: 3 * 64 + 100,
    };
    let trailing = |count| SplitBatchError::TrailingBytes { count };
    let cases = [
        // Each points within the heap, and together they do not.
        ([60, 60, 60], Err(truncated(3 * 64 + 180))),
        ([100, 100, 0], Err(truncated(3 * 64 + 200))),
        ([101, 0, 0], Err(truncated(3 * 64 + 101))),
        ([99, 0, 0], Err(trailing(1))),
        ([24, 24, 24], Err(trailing(100))),
        ([0, 0, 0], Err(trailing(100))),
        ([50, 50, 24], Ok([0..50, 50..100, 0..0])),
        ([100, 0, 0], Ok([0..100, 0..0, 0..0])),
        ([0, 25, 75], Ok([0..0, 0..25, 25..100])),
    ];
    for (lens, expected) in cases {
        let heap: Vec<u8> = (0..100).collect();
        let bytes = stating(&lens, &heap);
        let (batch, held) = most_held(|| SplitBatch::parse_within(bytes.as_slice(), 3, NO_LIMITS));
        assert_eq!(held, 0);
        match (batch, expected) {
            (Ok(batch), Ok(expected)) => {
                for (frame, at) in batch.iter().zip(expected) {
                    let payload = frame.payload();
                    let is_inline = payload.len() <= 24;
                    assert!(
                        is_inline && at.is_empty() || payload == &heap[at],
                        "{lens:?}"
                    );
                }
            }
            (batch, expected) => assert_eq!(batch.err(), expected.err(), "{lens:?}"),
        }
    }
}

#[test]
fn lengths_that_overflow_are_refused() {
    for lines in [2, 3, 1000] {
        let bytes = stating(&vec![u32::MAX; lines], &[]);
        let (error, held) =
            most_held(|| SplitBatch::parse_within(bytes.as_slice(), lines, NO_LIMITS).unwrap_err());
        let stated = lines as u64 * u64::from(u32::MAX);
        // Where addresses have 32 bits it does not say more than they can.
        let stated = usize::try_from(stated).unwrap_or(usize::MAX);
        let expected = SplitBatchError::Truncated {
            expected: stated.saturating_add(lines * 64),
            actual: lines * 64,
        };
        assert_eq!((error, held), (expected, 0));
        let error = SplitBatch::parse(bytes.as_slice(), lines).unwrap_err();
        assert!(matches!(
            error,
            SplitBatchError::PayloadTooLarge { index: 0, .. }
        ));
    }
}

#[test]
fn a_number_of_frames_that_overflows_is_refused() {
    let bytes = stating(&[3, 3], &[]);
    for frames in [
        3,
        1 << 20,
        usize::MAX / 64,
        usize::MAX / 64 + 1,
        usize::MAX / 2,
        usize::MAX,
    ] {
        let (error, held) = most_held(|| SplitBatch::parse(bytes.as_slice(), frames).unwrap_err());
        let expected = SplitBatchError::Truncated {
            expected: frames.saturating_mul(64),
            actual: 128,
        };
        assert_eq!((error, held), (expected, 0));
        let limits = SplitBatchLimits {
            max_frames: 2,
            ..NO_LIMITS
        };
        let error = BatchProcessor::with_limits(limits)
            .deserialize(bytes.as_slice(), frames)
            .unwrap_err();
        assert_eq!(error, SplitBatchError::TooManyFrames { max: 2 });
    }
}

#[test]
fn no_frames_are_no_bytes() {
    assert_eq!(SplitBatch::parse(&[], 0).unwrap().headers().len(), 0);
    assert_eq!(SplitBatch::parse(&[], 0).unwrap().iter().count(), 0);
    let error = SplitBatch::parse(&[0], 0).unwrap_err();
    assert_eq!(error, SplitBatchError::TrailingBytes { count: 1 });
    assert!(Frames::<FrameHeader>::blocks(&[]).next().is_none());
    assert!(Frames::<FrameHeader>::views(&[]).next().is_none());
    assert!(Frames::<FrameHeader>::validate_all(&[]).unwrap().is_empty());
    let mut buffer = aligned(b"before");
    let frames = Frames::<FrameHeader>::from_big_endian(&[], &mut buffer).unwrap();
    assert!(frames.is_empty());
    assert!(FrameReader::new(&[][..]).next().is_none());
    let mut writer = SplitBatchWriter::new();
    assert_eq!(writer.finish(&mut buffer).unwrap(), 0);
    writer.clear();
    assert!(buffer.is_empty() && writer.is_empty());
    let columns = [Column::new(ColumnField::named("id"), &[] as &[u64])];
    let written = encode_columns(&VALID, &columns, &mut buffer).unwrap();
    assert_eq!(written, 0);
}

/// 40 bytes, aligned to 8, with something of everything.
#[derive(Debug, Clone, Copy, PartialEq, SimdFrame)]
#[frame(version = 0x0102)]
#[repr(C)]
struct Reading {
    id: u64,
    values: [i32; 3],
    #[frame(version)]
    version: u16,
    is_last: bool,
    #[frame(reserved)]
    _pad: [u8; 9],
    #[frame(range = 1..=1_000_000)]
    count: u32,
    #[frame(crc32c)]
    crc: u32,
}

/// The same without a checksum, which is that of bytes in one order.
#[derive(Debug, SimdFrame)]
#[frame(version = 0x0102)]
#[repr(C)]
struct Unsealed {
    id: u64,
    values: [i32; 3],
    #[frame(version)]
    version: u16,
    is_last: bool,
    #[frame(reserved)]
    _pad: [u8; 9],
    #[frame(range = 1..=1_000_000)]
    count: u32,
    crc: u32,
}

const VALID: Reading = Reading {
    id: 1,
    values: [2; 3],
    version: 0x0102,
    is_last: true,
    _pad: [0; 9],
    count: 3,
    crc: 0,
};

fn reading() -> Vec<u8> {
    let mut reading = VALID;
    reading.seal();
    reading.as_bytes().to_vec()
}

#[test]
fn every_other_length_is_refused_with_both() {
    let bytes = aligned(&reading().repeat(3));
    for len in (0..=120).filter(|&len| len != 40) {
        let bytes = &bytes.as_slice()[..len];
        let expected = LayoutError::Length {
            frame: "Reading",
            expected: 40,
            actual: len,
        };
        assert_eq!(Reading::parse(bytes), Err(expected));
        assert_eq!(Reading::read(bytes), Err(expected));
        assert_eq!(Reading::check(bytes), Err(expected));
        let partial = FramesError::PartialFrame {
            frame: "Reading",
            size: 40,
            excess: len % 40,
        };
        let (found, held) = most_held(|| Frames::<Reading>::validate_all(bytes).map(<[_]>::len));
        let expected = if len % 40 == 0 {
            Ok(len / 40)
        } else {
            Err(partial)
        };
        assert_eq!((found, held), (expected, 0));
        let mut buffer = AlignedBuffer::new();
        let (found, held) =
            most_held(|| Frames::<Unsealed>::from_big_endian(bytes, &mut buffer).is_err());
        if len % 40 == 0 {
            assert_eq!(found, len > 0, "the version is swapped");
            // The smallest allocation is four lines.
            assert!(held <= len.next_multiple_of(64).max(256), "{held}");
        } else {
            assert_eq!((found, held), (true, 0));
        }
    }
}

#[test]
fn every_address_is_read_and_others_than_aligned_ones_are_not_borrowed() {
    let frames = reading().repeat(5);
    for start in 0..16 {
        let mut buffer = aligned(&vec![0; start]);
        buffer.extend_from_slice(&frames).unwrap();
        let bytes = &buffer.as_slice()[start..];
        assert!(Reading::read(&bytes[..40]).is_ok());
        assert_eq!(
            Frames::<Reading>::views(bytes)
                .map(|view| view.unwrap().len())
                .sum::<usize>(),
            5
        );
        let (align, excess) = (align_of::<Reading>(), start % align_of::<Reading>());
        let parsed = Reading::parse(&bytes[..40]);
        let all = Frames::<Reading>::validate_all(bytes);
        if excess == 0 {
            assert!(parsed.is_ok() && all.is_ok());
        } else {
            let frame = "Reading";
            assert_eq!(
                parsed,
                Err(LayoutError::Misaligned {
                    frame,
                    align,
                    excess
                })
            );
            let misaligned = FramesError::Misaligned {
                frame,
                align,
                excess,
            };
            assert_eq!(all, Err(misaligned));
            assert!(Frames::<Reading>::blocks(bytes).eq([Err(misaligned)]));
        }
        let header = stating(&[1], &[]);
        let mut buffer = aligned(&vec![0; start]);
        buffer.extend_from_slice(header.as_slice()).unwrap();
        let batch = SplitBatch::parse(&buffer.as_slice()[start..], 1).unwrap();
        assert_eq!(batch.headers().len(), 1);
    }
}

#[test]
fn each_refusal_says_where() {
    let cases: [(usize, &[u8], &str); 6] = [
        (
            20,
            &[3, 1],
            "`Reading`: `version` says version 259, and this is version 258",
        ),
        (
            22,
            &[2],
            "`Reading`: field `is_last`, byte 22, is 2, and 0 to 1 are allowed",
        ),
        (
            31,
            &[7],
            "`Reading`: field `_pad`, byte 31, is 7, and only 0 is allowed",
        ),
        (
            32,
            &[0; 4],
            "`Reading`: field `count`, at byte 32, is 0, and 1 to 1000000 are allowed",
        ),
        (
            32,
            &[0xff; 4],
            "`Reading`: field `count`, at byte 32, is 4294967295, and 1 to 1000000 are allowed",
        ),
        (0, &[9], "`Reading`: `crc` is 0x"),
    ];
    for (at, wrong, expected) in cases {
        let mut bytes = reading();
        bytes[at..at + wrong.len()].copy_from_slice(wrong);
        let (error, held) = most_held(|| Reading::read(&bytes).unwrap_err());
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(held, 0);
        let batch = aligned(&[reading(), reading(), bytes].concat());
        let error = Frames::<Reading>::validate_all(batch.as_slice()).unwrap_err();
        assert!(
            matches!(error, FramesError::BadFrame(bad) if bad.index == 2 && bad.reason.to_string().starts_with(expected))
        );
    }
}

/// A stream without an end costs no more than one frame of the longest kind.
#[test]
fn a_stream_without_an_end_is_bounded() {
    let serializer = FrameSerializer::new().with_max_payload_bytes(10_000);
    let zeros = std::io::repeat(0);
    let mut reader = FrameReader::with_serializer(zeros, serializer.clone());
    let (error, held) = most_held(|| reader.next().unwrap().unwrap_err());
    assert!(matches!(
        error,
        FrameError::Header(LayoutError::OutOfRange { offset: 18, .. })
    ));
    assert_eq!(held, 0);

    for (len, is_read) in [(10_000, true), (10_001, false)] {
        let line = stating(&[len], &[]);
        let endless = line.as_slice().chain(std::io::repeat(b'x'));
        let mut reader = FrameReader::with_serializer(endless, serializer.clone());
        let (frame, held) = most_held(|| reader.next().unwrap());
        assert_eq!(frame.is_ok(), is_read);
        assert!(held <= 32_768, "{held}");
        if let Err(error) = frame {
            assert!(matches!(
                error,
                FrameError::PayloadTooLarge {
                    len: 10_001,
                    max: 10_000
                }
            ));
        }
        // What follows is no line, and the stream is over then.
        assert_eq!(reader.filter(Result::is_err).count(), usize::from(is_read));
    }
}

#[test]
fn a_buffer_that_cannot_grow_says_so() {
    let mut buffer = aligned(b"before");
    for bytes in [usize::MAX, isize::MAX as usize, isize::MAX as usize - 64] {
        let (error, held) = most_held(|| buffer.reserve(bytes).unwrap_err());
        let expected = bytes.saturating_add(6);
        assert!(matches!(error, FrameError::OutOfMemory { bytes } if bytes == expected));
        assert_eq!(held, 0);
        assert_eq!(buffer.as_slice(), b"before");
    }
}

#[test]
fn a_payload_over_the_limit_is_not_written_and_the_batch_stays_as_it_was() {
    let serializer = FrameSerializer::new().with_max_payload_bytes(30);
    let frame = |len| Frame::new([1; 16], 0, 0, 0, FramePayload::Data(vec![1; len]));
    let mut writer = SplitBatchWriter::with_serializer(serializer);
    writer.push(&frame(30)).unwrap();
    let long = frame(31);
    let (error, held) = most_held(|| writer.push(&long).unwrap_err());
    assert!(matches!(
        error,
        FrameError::PayloadTooLarge { len: 31, max: 30 }
    ));
    assert_eq!(held, 0);
    assert_eq!(
        (writer.len(), writer.parts().0.len(), writer.parts().1.len()),
        (1, 64, 30)
    );
}

#[test]
fn columns_that_do_not_fit_are_refused_before_memory_is_taken() {
    let (ids, counts) = (vec![1_u64; 1000], vec![1_u32; 999]);
    let columns = [
        Column::new(ColumnField::named("id"), &ids),
        Column::new(ColumnField::named("count"), &counts),
    ];
    let mut buffer = AlignedBuffer::new();
    let (error, held) = most_held(|| encode_columns(&VALID, &columns, &mut buffer).unwrap_err());
    assert!(matches!(
        error,
        ColumnsError::Length {
            column: 1,
            len: 999,
            frames: 1000
        }
    ));
    assert_eq!(held, 0);
    let bytes = aligned(&reading().repeat(3));
    let mut ids = [9_u64; 2];
    let error = cnv::columns!(bytes.as_slice(), Reading => id: &mut ids).unwrap_err();
    assert!(matches!(
        error,
        ColumnsError::Length {
            column: 0,
            len: 2,
            frames: 3
        }
    ));
    assert_eq!(ids, [9; 2]);
}

/// Bytes that nobody thought of, to every reader: an error or a value, and memory by their number.
#[test]
fn random_bytes_cost_what_they_are() {
    let random = &mut Random::new(3);
    for _ in 0..3000 {
        let mut bytes = Vec::new();
        for _ in 0..random.below(5) {
            bytes.extend(legal_frame(FrameHeader::LAYOUT, random));
            let last = bytes.len();
            if random.one_in(2) {
                // A short payload, so that some are read.
                bytes[last - 44] %= 40;
                bytes[last - 43..last - 40].fill(0);
                let used = usize::from(bytes[last - 44]);
                let used = if used > 24 { 0 } else { used };
                bytes[last - 24 + used..].fill(0);
            }
        }
        bytes.extend(
            (0..random.below(80))
                .map(|_| random.byte())
                .collect::<Vec<u8>>(),
        );
        let bytes = aligned(&bytes);
        let bytes = bytes.as_slice();
        let frames = random.below(6);
        let bound = 4 * bytes.len() + 4096;
        let ((), held) = most_held(|| {
            let _ = NO_LIMIT.deserialize(bytes);
            let _ = Reading::read(bytes);
            FrameReader::with_serializer(bytes, NO_LIMIT).for_each(drop);
            if let Ok(batch) = SplitBatch::parse_within(bytes, frames, NO_LIMITS) {
                batch.frames().for_each(drop);
            }
            Frames::<FrameHeader>::blocks(bytes).for_each(drop);
        });
        assert!(held <= bound, "{held} of {}", bytes.len());
    }
}
