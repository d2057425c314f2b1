//! Many frames at a time, as a downstream crate reads and writes them.

use std::error::Error as _;

use cnv::frame::{
    AlignedBuffer, BatchProcessor, ColumnsError, Frame, FrameEnum, FrameError, FrameHeader,
    FramePayload, Frames, FramesError, LayoutError, SimdFrame, SplitBatch, SplitBatchError,
    SplitBatchLimits, SplitBatchWriter, crc32c, first_corrupt_line, seal_line,
};
use cnv::{columns, encode_columns};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, FrameEnum)]
#[repr(u8)]
enum Mode {
    Idle = 1,
    Active,
}

/// A line of 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, SimdFrame)]
#[repr(C)]
struct Line {
    sequence: u64,
    value: f64,
    mode: Mode,
    is_last: bool,
    #[frame(reserved)]
    _pad: [u8; 2],
    unit: u32,
    delta: i64,
    rest: [u32; 8],
}

/// 24 bytes, so that frames do not start at multiples of a vector.
#[derive(Clone, Copy, Debug, PartialEq, SimdFrame)]
#[repr(C)]
struct Short {
    id: u64,
    values: [i16; 6],
    is_last: bool,
    #[frame(reserved)]
    _pad: [u8; 3],
}

const fn line(sequence: u64) -> Line {
    Line {
        sequence,
        value: sequence as f64 / 2.0,
        mode: Mode::Active,
        is_last: false,
        _pad: [0; 2],
        unit: sequence as u32 + 1,
        delta: -(sequence as i64),
        rest: [7; 8],
    }
}

const fn short(id: u64) -> Short {
    Short {
        id,
        values: [-1, 2, 3, 4, 5, 6],
        is_last: true,
        _pad: [0; 3],
    }
}

/// Lengths around a vector, a block, and two.
const COUNTS: [usize; 16] = [0, 1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 127, 128, 129, 200];

fn bytes_of<T: SimdFrame>(count: usize, frame: impl Fn(u64) -> T) -> AlignedBuffer {
    let mut buffer = AlignedBuffer::new();
    for index in 0..count {
        let frame = frame(index as u64);
        buffer.extend_from_slice(frame.as_bytes()).unwrap();
    }
    buffer
}

/// The same bytes, one byte past an aligned address.
fn misaligned(bytes: &[u8]) -> AlignedBuffer {
    let mut buffer = AlignedBuffer::new();
    buffer.extend_from_slice(&[0]).unwrap();
    buffer.extend_from_slice(bytes).unwrap();
    buffer
}

mod blocks {
    use super::*;

    fn every_count_comes_back<T>(frame: impl Fn(u64) -> T + Copy)
    where
        T: SimdFrame + PartialEq + std::fmt::Debug,
    {
        for count in COUNTS {
            let expected: Vec<T> = (0..count as u64).map(frame).collect();
            let bytes = bytes_of(count, frame);
            let blocks: Vec<&[T]> = Frames::blocks(bytes.as_slice())
                .collect::<Result<_, _>>()
                .unwrap();
            assert_eq!(blocks.concat_refs(), expected.iter().collect::<Vec<_>>());
            assert!(blocks.iter().all(|block| (1..=64).contains(&block.len())));
            assert_eq!(
                Frames::<T>::validate_all(bytes.as_slice()).unwrap(),
                expected
            );
            let misaligned = misaligned(bytes.as_slice());
            let views = Frames::<T>::views(&misaligned.as_slice()[1..]);
            let copies: Vec<T> = views.flat_map(|view| view.unwrap().iter()).collect();
            assert_eq!(copies, expected);
        }
    }

    trait ConcatRefs<'a, T> {
        fn concat_refs(&self) -> Vec<&'a T>;
    }

    impl<'a, T> ConcatRefs<'a, T> for Vec<&'a [T]> {
        fn concat_refs(&self) -> Vec<&'a T> {
            self.iter().flat_map(|block| block.iter()).collect()
        }
    }

    #[test]
    fn frames_come_back_in_order_at_every_count() {
        every_count_comes_back(line);
        every_count_comes_back(short);
    }

    #[test]
    fn the_first_bad_frame_is_named_after_the_blocks_before_it() {
        for index in [0, 1, 63, 64, 100, 128] {
            let mut bytes = bytes_of(129, short);
            bytes.as_mut_slice()[index * 24 + 20] = 9;
            let mut blocks = Frames::<Short>::blocks(bytes.as_slice());
            let valid = blocks.by_ref().map_while(Result::ok).count();
            assert_eq!(valid, index / 64);
            assert!(blocks.next().is_none(), "an error is the last item");

            let error = Frames::<Short>::validate_all(bytes.as_slice()).unwrap_err();
            let FramesError::BadFrame(bad) = error else {
                panic!("{error:?}");
            };
            assert_eq!(bad.index, index);
            assert_eq!(
                bad.to_string(),
                format!(
                    "frame {index}: `Short`: field `is_last`, byte 20, is 9, and 0 to 1 are allowed"
                )
            );
            assert_eq!(error.source().unwrap().to_string(), bad.to_string());
            let from_views = Frames::<Short>::views(bytes.as_slice()).find_map(Result::err);
            assert_eq!(from_views, Some(error));
        }
    }

    #[test]
    fn a_part_of_a_frame_is_refused_before_any_block() {
        let bytes = bytes_of(3, line);
        for excess in [1, 8, 63] {
            let bytes = &bytes.as_slice()[..128 + excess];
            let expected = FramesError::PartialFrame {
                frame: "Line",
                size: 64,
                excess,
            };
            assert_eq!(Frames::<Line>::validate_all(bytes), Err(expected));
            assert!(Frames::<Line>::blocks(bytes).eq([Err(expected)]));
            assert_eq!(
                Frames::<Line>::views(bytes).next().unwrap().unwrap_err(),
                expected
            );
        }
    }

    #[test]
    fn misaligned_bytes_are_refused_where_they_would_be_borrowed() {
        let bytes = misaligned(bytes_of(3, line).as_slice());
        let bytes = &bytes.as_slice()[1..];
        let expected = FramesError::Misaligned {
            frame: "Line",
            align: 8,
            excess: 1,
        };
        assert_eq!(Frames::<Line>::validate_all(bytes), Err(expected));
        assert!(Frames::<Line>::blocks(bytes).eq([Err(expected)]));
        assert_eq!(Frames::<Line>::validate_all(&bytes[..0]), Ok(&[][..]));
    }

    /// Every byte of a frame in the middle of a block, against the check of that frame alone.
    #[test]
    fn every_corrupt_byte_is_refused_or_a_legal_value() {
        let mut bytes = bytes_of(70, line);
        for at in 33 * 64..34 * 64 {
            let before = bytes.as_slice()[at];
            for value in [0, 1, 2, 3, 0x7f, 0x80, 0xff] {
                bytes.as_mut_slice()[at] = value;
                let alone = Line::read(&bytes.as_slice()[33 * 64..34 * 64]);
                match Frames::<Line>::validate_all(bytes.as_slice()) {
                    Ok(frames) => assert_eq!(frames[33].as_bytes(), alone.unwrap().as_bytes()),
                    Err(FramesError::BadFrame(bad)) => {
                        assert_eq!((bad.index, Err(bad.reason)), (33, alone));
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
            bytes.as_mut_slice()[at] = before;
        }
    }
}

mod big_endian {
    use super::*;

    fn swapped(line: &Line) -> [u8; 64] {
        let mut bytes: [u8; 64] = line.as_bytes().try_into().unwrap();
        for field in [0..8, 8..16, 20..24, 24..32] {
            bytes[field].reverse();
        }
        bytes[32..].chunks_exact_mut(4).for_each(<[u8]>::reverse);
        bytes
    }

    #[test]
    fn frames_in_network_byte_order_become_native() {
        for count in COUNTS {
            let lines: Vec<Line> = (0..count as u64).map(line).collect();
            let network: Vec<u8> = lines.iter().flat_map(swapped).collect();
            let mut buffer = AlignedBuffer::new();
            assert_eq!(
                Frames::<Line>::from_big_endian(&network, &mut buffer).unwrap(),
                lines
            );
        }
        let mut network = short(0x0102).as_bytes().to_vec();
        network[..8].reverse();
        network[8..20].chunks_exact_mut(2).for_each(<[u8]>::reverse);
        let mut buffer = AlignedBuffer::new();
        assert_eq!(
            Frames::<Short>::from_big_endian(&network, &mut buffer).unwrap(),
            [short(0x0102)]
        );
    }

    #[test]
    fn a_byte_out_of_range_is_named() {
        let mut network: Vec<u8> = (0..70).map(line).flat_map(|line| swapped(&line)).collect();
        network[66 * 64 + 17] = 2;
        let error =
            Frames::<Line>::from_big_endian(&network, &mut AlignedBuffer::new()).unwrap_err();
        let FramesError::BadFrame(bad) = error else {
            panic!("{error:?}");
        };
        assert_eq!(bad.index, 66);
        assert!(matches!(
            bad.reason,
            LayoutError::OutOfRange {
                offset: 17,
                value: 2,
                ..
            }
        ));
        network.pop();
        let error =
            Frames::<Line>::from_big_endian(&network, &mut AlignedBuffer::new()).unwrap_err();
        assert!(matches!(
            error,
            FramesError::PartialFrame { excess: 63, .. }
        ));
    }
}

mod column {
    use super::*;

    #[test]
    fn columns_are_the_fields_and_come_back_from_them() {
        for count in COUNTS {
            let bytes = bytes_of(count, line);
            let (mut sequences, mut deltas) = (vec![0_u64; count], vec![0_i64; count + 1]);
            let (mut values, mut units, mut modes) =
                (vec![0.0_f64; count], vec![0_u32; count], vec![0_u8; count]);
            let frames = columns!(bytes.as_slice(), Line =>
                    delta: &mut deltas, sequence: &mut sequences, mode: &mut modes,
                    value: &mut values, unit: &mut units)
            .unwrap();
            assert_eq!(frames, count);
            assert!(sequences.iter().copied().eq(0..count as u64));
            assert!(modes.iter().all(|&mode| mode == 2));

            let template = Line {
                mode: Mode::Idle,
                ..line(999)
            };
            let mut buffer = AlignedBuffer::new();
            let written = encode_columns!(&template, Line =>
                    unit: &units, sequence: &sequences, value: &values,
                    delta: &deltas[..count], mode: &modes; &mut buffer);
            assert_eq!(written.unwrap(), count);
            assert_eq!(buffer.as_slice(), bytes.as_slice());

            // Words only, which a kernel writes alone.
            let written = encode_columns!(&template, Line =>
                    sequence: &sequences, value: &values, delta: &deltas[..count]; &mut buffer);
            assert_eq!(written.unwrap(), count);
            for (index, found) in Frames::<Line>::validate_all(buffer.as_slice())
                .unwrap()
                .iter()
                .enumerate()
            {
                let expected = line(index as u64);
                let (unit, mode) = (template.unit, Mode::Idle);
                assert_eq!(
                    *found,
                    Line {
                        unit,
                        mode,
                        ..expected
                    }
                );
            }
        }
    }

    #[test]
    fn frames_of_any_size_at_any_address_have_columns() {
        let bytes = misaligned(bytes_of(70, short).as_slice());
        let (mut ids, mut again) = ([0_u64; 70], [0_u64; 70]);
        columns!(&bytes.as_slice()[1..], Short => id: &mut ids, id: &mut again).unwrap();
        assert!(ids.into_iter().eq(0..70) && ids == again);
        let bytes = bytes_of(70, line);
        columns!(bytes.as_slice(), Line => sequence: &mut ids, sequence: &mut again).unwrap();
        assert!(ids.into_iter().eq(0..70) && ids == again);
    }

    #[test]
    fn columns_of_the_wrong_length_are_refused() {
        let bytes = bytes_of(5, line);
        let (mut sequences, mut units) = ([9_u64; 5], [9_u32; 4]);
        let error = columns!(bytes.as_slice(), Line => sequence: &mut sequences, unit: &mut units)
            .unwrap_err();
        assert!(matches!(
            error,
            ColumnsError::Length {
                column: 1,
                len: 4,
                frames: 5
            }
        ));
        assert_eq!(sequences, [9; 5]);
        let mut buffer = bytes.clone();
        let error =
            encode_columns!(&line(0), Line => sequence: &sequences, unit: &units; &mut buffer)
                .unwrap_err();
        assert!(matches!(
            error,
            ColumnsError::Length {
                column: 1,
                len: 4,
                frames: 5
            }
        ));
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_value_that_the_field_does_not_allow_is_not_written() {
        let mut modes = [1_u8; 70];
        let mut buffer = AlignedBuffer::new();
        encode_columns!(&line(0), Line => mode: &modes; &mut buffer).unwrap();
        modes[65] = 3;
        let error = encode_columns!(&line(0), Line => mode: &modes; &mut buffer).unwrap_err();
        assert!(
            matches!(error, ColumnsError::Frames(FramesError::BadFrame(bad)) if bad.index == 65)
        );
        assert!(buffer.is_empty());

        let dirty = Line {
            _pad: [0, 1],
            ..line(0)
        };
        let error = encode_columns!(&dirty, Line => sequence: &[1_u64]; &mut buffer).unwrap_err();
        assert!(matches!(
            error,
            ColumnsError::Frames(FramesError::BadFrame(_))
        ));
    }

    #[test]
    fn columns_of_bad_frames_are_refused() {
        let mut bytes = bytes_of(70, line);
        bytes.as_mut_slice()[69 * 64 + 17] = 2;
        let mut sequences = [0_u64; 70];
        let error = columns!(bytes.as_slice(), Line => sequence: &mut sequences).unwrap_err();
        assert!(
            matches!(error, ColumnsError::Frames(FramesError::BadFrame(bad)) if bad.index == 69)
        );
    }
}

mod checksum {
    use super::*;

    #[test]
    fn the_first_corrupt_line_is_found_wherever_it_is() {
        for count in COUNTS {
            let mut lines = vec![[3; 64]; count];
            lines.iter_mut().for_each(seal_line);
            assert_eq!(first_corrupt_line(&lines), None);
            for index in [0, count / 2, count.saturating_sub(1)] {
                if index < count {
                    lines[index][61] ^= 0x10;
                    assert_eq!(first_corrupt_line(&lines), Some(index));
                    lines[index][61] ^= 0x10;
                }
            }
        }
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }
}

mod split_batch {
    use super::*;

    fn frame(sequence: u64, len: usize) -> Frame {
        let payload = FramePayload::Data(vec![sequence as u8 ^ 0x5a; len]);
        Frame::new([7; 16], 1, sequence, 2, payload)
    }

    fn written(frames: &[Frame]) -> AlignedBuffer {
        let mut writer = SplitBatchWriter::new();
        frames.iter().for_each(|frame| writer.push(frame).unwrap());
        let mut buffer = AlignedBuffer::new();
        assert_eq!(writer.finish(&mut buffer).unwrap(), buffer.len());
        let (lines, heap) = writer.parts();
        assert_eq!([lines, heap].concat(), buffer.as_slice());
        buffer
    }

    /// Payloads in the line and in the heap, the heap of some longer than a line, and zeros in it.
    fn frames(count: usize) -> Vec<Frame> {
        (0..count)
            .map(|index| frame(index as u64, index * 37 % 150))
            .collect()
    }

    #[test]
    fn frames_come_back_at_every_count() {
        for count in COUNTS {
            let frames = frames(count);
            let bytes = written(&frames);
            let batch = SplitBatch::parse(bytes.as_slice(), count).unwrap();
            assert_eq!(batch.headers().len(), count);
            assert_eq!(
                batch.frames().collect::<Result<Vec<_>, _>>().unwrap(),
                frames
            );
            for (read, frame) in batch.iter().zip(&frames) {
                assert_eq!(read.header().sequence(), frame.sequence());
                assert_eq!(
                    FramePayload::Data(read.payload().to_vec()),
                    *frame.payload()
                );
            }
        }
    }

    /// A heap that looks like lines, to a reader that does not add up.
    #[test]
    fn a_payload_that_looks_like_lines_is_a_payload() {
        let inner = written(&frames(70));
        let outer = Frame::new(
            [0; 16],
            0,
            0,
            0,
            FramePayload::Data(inner.as_slice().to_vec()),
        );
        let bytes = written(&[outer.clone(), outer.clone()]);
        let batch = SplitBatch::parse(bytes.as_slice(), 2).unwrap();
        assert_eq!(
            batch.frames().collect::<Result<Vec<_>, _>>().unwrap(),
            [outer.clone(), outer]
        );
    }

    #[test]
    fn every_other_length_and_every_other_number_of_frames_is_refused() {
        let bytes = written(&frames(9));
        for len in 0..bytes.len() {
            let error = SplitBatch::parse(&bytes.as_slice()[..len], 9).unwrap_err();
            assert!(
                matches!(error, SplitBatchError::Truncated { actual, expected } if actual == len && expected > len),
                "{len}: {error:?}"
            );
        }
        let mut longer = bytes.clone();
        longer.extend_from_slice(&[0; 70]).unwrap();
        let error = SplitBatch::parse(longer.as_slice(), 9).unwrap_err();
        assert_eq!(error, SplitBatchError::TrailingBytes { count: 70 });
        for count in (0..9).chain([10, 100, usize::MAX]) {
            SplitBatch::parse(bytes.as_slice(), count).unwrap_err();
        }
    }

    #[test]
    fn a_stated_length_that_points_outside_is_refused() {
        let mut bytes = written(&frames(5));
        for (len, limit) in [
            (u32::MAX, u32::MAX),
            (1 << 20, u32::MAX),
            (u32::MAX, 1 << 20),
            (10_000, 9999),
        ] {
            bytes.as_mut_slice()[64 + 20..64 + 24].copy_from_slice(&len.to_le_bytes());
            bytes.as_mut_slice()[64 + 40..128].fill(0);
            let limits = SplitBatchLimits {
                max_payload_bytes: limit,
                ..SplitBatchLimits::default()
            };
            let error = SplitBatch::parse_within(bytes.as_slice(), 5, limits).unwrap_err();
            let is_named = if len > limit {
                matches!(error, SplitBatchError::PayloadTooLarge { index: 1, .. })
            } else {
                matches!(error, SplitBatchError::Truncated { .. })
            };
            assert!(is_named, "{error:?}");
        }
    }

    #[test]
    fn limits_hold() {
        let bytes = written(&frames(5));
        let limits = |max_frames| SplitBatchLimits {
            max_frames,
            ..SplitBatchLimits::default()
        };
        SplitBatch::parse_within(bytes.as_slice(), 5, limits(5)).unwrap();
        let error = SplitBatch::parse_within(bytes.as_slice(), 5, limits(4)).unwrap_err();
        assert_eq!(error, SplitBatchError::TooManyFrames { max: 4 });
    }

    #[test]
    fn an_unused_byte_is_named() {
        let mut bytes = written(&frames(5));
        bytes.as_mut_slice()[3 * 64 + 63] = 8;
        let error = SplitBatch::parse(bytes.as_slice(), 5).unwrap_err();
        assert_eq!(
            error,
            SplitBatchError::UnusedByte {
                index: 3,
                offset: 63,
                value: 8
            }
        );
    }

    /// As a socket gives it: one byte behind an aligned address, on both sides of what a kernel takes.
    #[test]
    fn a_batch_is_read_at_any_address() {
        for count in COUNTS {
            let frames = frames(count);
            let mut bytes = misaligned(written(&frames).as_slice());
            let batch = SplitBatch::parse(&bytes.as_slice()[1..], count).unwrap();
            assert!(
                batch
                    .headers()
                    .iter()
                    .map(|header| header.sequence())
                    .eq(0..count as u64)
            );
            let read: Result<Vec<Frame>, _> = batch.frames().collect();
            assert_eq!(read.unwrap(), frames);
            let Some(last) = count.checked_sub(1) else {
                continue;
            };
            bytes.as_mut_slice()[1 + last * 64 + 17] = 4;
            let error = SplitBatch::parse(&bytes.as_slice()[1..], count).unwrap_err();
            assert!(
                matches!(error, SplitBatchError::Lines(FramesError::BadFrame(bad)) if bad.index == last),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_bad_line_is_numbered() {
        let mut bytes = written(&frames(100));
        bytes.as_mut_slice()[77 * 64 + 18] = 2;
        let error = SplitBatch::parse(bytes.as_slice(), 100).unwrap_err();
        assert!(
            matches!(error, SplitBatchError::Lines(FramesError::BadFrame(bad)) if bad.index == 77),
            "{error:?}"
        );
    }

    #[test]
    fn a_processor_is_a_writer_and_a_reader_with_one_limit() {
        let limits = SplitBatchLimits {
            max_payload_bytes: 100,
            ..SplitBatchLimits::default()
        };
        let mut processor = BatchProcessor::with_limits(limits);
        let mut buffer = AlignedBuffer::new();
        for count in [0, 3, 4, 5, 2] {
            let frames: Vec<Frame> = (0..count).map(|index| frame(index, 100)).collect();
            let written = processor.serialize(&frames, &mut buffer).unwrap();
            assert_eq!(written, count as usize * 164);
            let batch = processor
                .deserialize(buffer.as_slice(), frames.len())
                .unwrap();
            assert_eq!(
                batch.frames().collect::<Result<Vec<_>, _>>().unwrap(),
                frames
            );
        }
        let error = processor
            .serialize(&[frame(0, 101)], &mut buffer)
            .unwrap_err();
        assert!(matches!(
            error,
            FrameError::PayloadTooLarge { len: 101, max: 100 }
        ));
        assert!(buffer.is_empty());
        let error = processor
            .deserialize(written(&[frame(0, 101)]).as_slice(), 1)
            .unwrap_err();
        assert!(matches!(error, SplitBatchError::PayloadTooLarge { .. }));
    }

    #[test]
    fn a_header_is_a_line() {
        let bytes = written(&frames(66));
        let lines = &bytes.as_slice()[..66 * FrameHeader::SIZE];
        let headers = SplitBatch::parse(bytes.as_slice(), 66).unwrap().headers();
        assert_eq!(headers.as_bytes(), lines);
        let borrowed = Frames::<FrameHeader>::validate_all(lines).unwrap();
        assert!(headers.iter().eq(borrowed.iter().copied()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn random_bytes_never_panic_and_what_is_accepted_is_canonical(
            lens in prop::collection::vec(0..100_usize, 0..70),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let frames: Vec<Frame> = lens.iter().map(|&len| frame(len as u64, len)).collect();
            let mut bytes = written(&frames);
            for (at, value) in changes {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes.as_mut_slice()[at] = value;
                }
            }
            if let Ok(batch) = SplitBatch::parse(bytes.as_slice(), lens.len())
                && let Ok(read) = batch.frames().collect::<Result<Vec<_>, _>>()
            {
                let again = written(&read);
                prop_assert_eq!(again.as_slice(), bytes.as_slice());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn many_frames_are_refused_exactly_if_one_of_them_is(
        count in 0..150_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut bytes = bytes_of(count, short);
        for (at, value) in changes {
            if count > 0 {
                let at = at.index(count * 24);
                bytes.as_mut_slice()[at] = value;
            }
        }
        let alone: Result<Vec<Short>, LayoutError> = bytes.as_slice().chunks_exact(24).map(Short::read).collect();
        match (Frames::<Short>::validate_all(bytes.as_slice()), alone) {
            (Ok(frames), Ok(alone)) => prop_assert_eq!(frames, alone),
            (Err(FramesError::BadFrame(bad)), Err(reason)) => prop_assert_eq!(bad.reason, reason),
            (frames, alone) => prop_assert!(false, "{frames:?} {alone:?}"),
        }
    }
}

/// What byte ranges do not say holds for frames in a batch, too.
mod checks_beyond_bytes {
    use cnv::frame::{AlignedBuffer, FrameEnum, Frames, FramesError, LayoutError, SimdFrame};

    #[derive(Debug, Clone, Copy, PartialEq, FrameEnum)]
    #[repr(u16)]
    enum Mode {
        Off = 1,
        On = 300,
    }

    #[derive(Debug, Clone, Copy, PartialEq, SimdFrame)]
    #[repr(C)]
    struct Reading {
        #[frame(range = 1..=1_000_000)]
        value: u32,
        mode: Mode,
        #[frame(reserved)]
        _pad: [u8; 2],
    }

    fn batch(len: u32) -> AlignedBuffer {
        let mut bytes = AlignedBuffer::new();
        for value in 1..=len {
            let mode = if value % 2 == 0 { Mode::On } else { Mode::Off };
            let reading = Reading {
                value,
                mode,
                _pad: [0; 2],
            };
            bytes.extend_from_slice(reading.as_bytes()).unwrap();
        }
        bytes
    }

    fn refused(bytes: &AlignedBuffer) -> Vec<(usize, LayoutError)> {
        let bad = |error| match error {
            FramesError::BadFrame(bad) => (bad.index, bad.reason),
            other => panic!("{other}"),
        };
        let bytes = bytes.as_slice();
        let mut swapped = bytes.to_vec();
        for frame in swapped.chunks_exact_mut(8) {
            frame[..4].reverse();
            frame[4..6].reverse();
        }
        let mut buffer = AlignedBuffer::new();
        let blocks = Frames::<Reading>::blocks(bytes).find_map(Result::err);
        let views = Frames::<Reading>::views(bytes).find_map(Result::err);
        let all = Frames::<Reading>::validate_all(bytes).err();
        let big_endian = Frames::<Reading>::from_big_endian(&swapped, &mut buffer).err();
        [blocks, views, all, big_endian]
            .into_iter()
            .flatten()
            .map(bad)
            .collect()
    }

    #[test]
    fn a_legal_batch_passes_in_either_byte_order() {
        assert!(refused(&batch(200)).is_empty());
    }

    #[test]
    fn a_gap_of_an_enum_and_a_wide_range_are_refused_everywhere() {
        let mut gap = batch(200);
        gap.as_mut_slice()[8 * 150 + 4] = 2;
        let refusals = refused(&gap);
        assert_eq!(refusals.len(), 4);
        assert!(refusals.iter().all(|(index, _)| *index == 150));

        let mut range = batch(200);
        range.as_mut_slice()[8 * 3..8 * 3 + 4].copy_from_slice(&1_000_001_u32.to_le_bytes());
        let refusals = refused(&range);
        assert_eq!(refusals.len(), 4);
        assert!(refusals.iter().all(|(index, _)| *index == 3));
    }
}

/// Frames with a checksum, made of columns.
mod sealed_columns {
    use cnv::frame::{AlignedBuffer, Column, ColumnField, Frames, SimdFrame, encode_columns};

    #[derive(Debug, Clone, Copy, PartialEq, SimdFrame)]
    #[repr(C)]
    struct Sealed {
        #[frame(range = 1..=1000)]
        value: u32,
        #[frame(crc32c)]
        crc: u32,
    }

    const TEMPLATE: Sealed = Sealed { value: 1, crc: 0 };

    #[test]
    fn each_has_its_own_checksum() {
        let values: Vec<u32> = (1..=300).collect();
        let mut buffer = AlignedBuffer::new();
        let columns = [Column::new(ColumnField::named("value"), &values)];
        let frames = encode_columns(&TEMPLATE, &columns, &mut buffer).unwrap();
        assert_eq!(frames, 300);
        let read = Frames::<Sealed>::validate_all(buffer.as_slice()).unwrap();
        assert!(read.iter().map(|frame| frame.value).eq(1..=300));
        assert_ne!(read[0].crc, read[1].crc);
    }

    #[test]
    fn a_value_out_of_its_range_is_refused() {
        let mut buffer = AlignedBuffer::new();
        let columns = [Column::new(ColumnField::named("value"), &[5_u32, 1001])];
        encode_columns(&TEMPLATE, &columns, &mut buffer).unwrap_err();
        assert!(buffer.as_slice().is_empty());
    }
}

/// A check that depends on something else than the frame, against what its documentation asks.
mod fickle {
    use std::sync::atomic::{AtomicBool, Ordering};

    use cnv::frame::{Frames, FramesError, LayoutError, SimdFrame};

    static REFUSES: AtomicBool = AtomicBool::new(false);

    #[derive(Debug, SimdFrame)]
    #[frame(check = Self::refuses_once)]
    #[repr(C)]
    struct Fickle {
        value: u8,
    }

    impl Fickle {
        fn refuses_once(&self) -> bool {
            !(self.value == 7 && REFUSES.swap(false, Ordering::Relaxed))
        }
    }

    #[test]
    fn is_an_error_and_no_panic() {
        REFUSES.store(true, Ordering::Relaxed);
        let error = Frames::<Fickle>::validate_all(&[7]).unwrap_err();
        let FramesError::BadFrame(bad) = error else {
            panic!("{error}")
        };
        assert!(matches!(
            bad.reason,
            LayoutError::Check {
                check: "Self::refuses_once",
                reason: Some(_),
                ..
            }
        ));
        assert!(Frames::<Fickle>::validate_all(&[7]).is_ok());
    }
}
