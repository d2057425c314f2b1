//! Columns in, columns out: of any length, at any address, they are what
//! went in, and a value that its field does not allow is refused.
#![no_main]

use arbitrary::Arbitrary;
use cnv::frame::{AlignedBuffer, ColumnsError, Frames, FramesError, SimdFrame};
use cnv::{columns, encode_columns};
use cnv_fuzz::at_address;
use libfuzzer_sys::fuzz_target;

/// Eight words, which kernels transpose.
#[derive(Clone, Copy, Debug, PartialEq, SimdFrame)]
#[repr(C)]
struct Line {
    sequence: u64,
    value: f64,
    #[frame(range = 1..=9)]
    level: u8,
    is_last: bool,
    unit: u16,
    count: u32,
    delta: i64,
    rest: [u64; 3],
    last: i64,
}

/// 24 bytes, which they do not, with a range that only the check behind the tables tests.
#[derive(Clone, Copy, Debug, PartialEq, SimdFrame)]
#[repr(C)]
struct Short {
    id: u64,
    #[frame(range = ..=1_000_000)]
    len: u32,
    ratio: f32,
    shift: i16,
    #[frame(reserved)]
    _pad: [u8; 2],
    #[frame(crc32c)]
    crc: u32,
}

#[derive(Debug, Arbitrary)]
struct Input {
    rows: Vec<(u64, f64, i64, u32, u16)>,
    repeat: u8,
    start: u8,
    wild: Option<(u8, u8, u32)>,
    columns: u8,
}

fn line(input: &Input, rows: &[(u64, f64, i64, u32, u16)]) {
    let frames = rows.len();
    let sequence: Vec<u64> = rows.iter().map(|row| row.0).collect();
    let value: Vec<f64> = rows.iter().map(|row| row.1).collect();
    let delta: Vec<i64> = rows.iter().map(|row| row.2).collect();
    let count: Vec<u32> = rows.iter().map(|row| row.3).collect();
    let unit: Vec<u16> = rows.iter().map(|row| row.4).collect();
    let last: Vec<i64> = delta.iter().map(|delta| delta ^ 0x55).collect();
    let mut level: Vec<u8> = (0..frames).map(|at| 1 + at as u8 % 9).collect();
    let mut bad = None;
    if let (Some((at, value, _)), false) = (input.wild, level.is_empty()) {
        let at = usize::from(at) % frames;
        level[at] = value;
        bad = (!(1..=9).contains(&value)).then_some(at);
    }
    let template = Line {
        sequence: 1,
        value: 2.0,
        level: 3,
        is_last: true,
        unit: 4,
        count: 5,
        delta: 6,
        rest: [7, 8, 9],
        last: 10,
    };
    let mut buffer = AlignedBuffer::new();
    if input.columns & 1 == 0 {
        // Words alone, which a kernel writes.
        let written = encode_columns!(&template, Line => last: &last, sequence: &sequence, value: &value;
            &mut buffer);
        assert_eq!(written.expect("free columns"), frames);
        let read = Frames::<Line>::validate_all(buffer.as_slice()).expect("written");
        for (index, frame) in read.iter().enumerate() {
            let value = value[index];
            assert_eq!((frame.sequence, frame.last), (sequence[index], last[index]));
            assert_eq!(frame.value.to_bits(), value.to_bits());
            let others = Line {
                sequence: 1,
                value: 2.0,
                last: 10,
                ..*frame
            };
            assert_eq!(others, template);
        }
        return;
    }
    let written = encode_columns!(&template, Line => count: &count, delta: &delta, level: &level,
        sequence: &sequence, unit: &unit, value: &value, last: &last; &mut buffer);
    if let Some(bad) = bad {
        let error = written.expect_err("a value that is not allowed");
        let ColumnsError::Frames(FramesError::BadFrame(found)) = error else {
            panic!("{error:?}");
        };
        assert!(found.index == bad && buffer.is_empty());
        return;
    }
    assert_eq!(written.expect("legal columns"), frames);
    assert_eq!(buffer.len(), frames * 64);

    let start = usize::from(input.start % 16);
    let moved = at_address(buffer.as_slice(), start);
    let bytes = &moved.as_slice()[start..];
    // One more place than there are frames is fine, and stays as it was.
    let (mut sequences, mut values) = (vec![7; frames + 1], vec![0.0_f64; frames]);
    let (mut deltas, mut lasts) = (vec![0_i64; frames], vec![0_i64; frames]);
    let (mut counts, mut units) = (vec![0_u32; frames], vec![0_u16; frames]);
    let (mut levels, mut flags) = (vec![0_u8; frames], vec![0_u8; frames]);
    let read = if input.columns & 2 == 0 {
        columns!(bytes, Line => unit: &mut units, last: &mut lasts, level: &mut levels,
            sequence: &mut sequences, delta: &mut deltas, is_last: &mut flags, count: &mut counts,
            value: &mut values)
    } else {
        // One at a time is another way through.
        columns!(bytes, Line => sequence: &mut sequences)
            .and_then(|_| columns!(bytes, Line => value: &mut values))
            .and_then(|_| columns!(bytes, Line => delta: &mut deltas, last: &mut lasts))
            .and_then(|_| columns!(bytes, Line => unit: &mut units, level: &mut levels))
            .and_then(|_| columns!(bytes, Line => count: &mut counts, is_last: &mut flags))
    };
    assert_eq!(read.expect("written"), frames);
    assert_eq!(
        (&sequences[..frames], sequences[frames]),
        (&sequence[..], 7)
    );
    assert_eq!((deltas, lasts, counts, units), (delta, last, count, unit));
    assert_eq!((levels, flags), (level, vec![1; frames]));
    assert!(
        values
            .iter()
            .map(|v| v.to_bits())
            .eq(value.iter().map(|v| v.to_bits()))
    );
}

fn short(input: &Input, rows: &[(u64, f64, i64, u32, u16)]) {
    let frames = rows.len();
    let id: Vec<u64> = rows.iter().map(|row| row.0).collect();
    let mut len: Vec<u32> = rows.iter().map(|row| row.3 % 1_000_001).collect();
    let ratio: Vec<f32> = rows.iter().map(|row| row.1 as f32).collect();
    let shift: Vec<i16> = rows.iter().map(|row| row.2 as i16).collect();
    let mut bad = None;
    if let (Some((at, _, value)), false) = (input.wild, len.is_empty()) {
        let at = usize::from(at) % frames;
        len[at] = value;
        bad = (value > 1_000_000).then_some(at);
    }
    let template = Short {
        id: 0,
        len: 0,
        ratio: 0.0,
        shift: 0,
        _pad: [0; 2],
        crc: 0,
    };
    let mut buffer = AlignedBuffer::new();
    let written = encode_columns!(&template, Short => id: &id, len: &len, ratio: &ratio, shift: &shift;
        &mut buffer);
    if let Some(bad) = bad {
        let error = written.expect_err("a value that is not allowed");
        let is_named = matches!(error, ColumnsError::Frames(FramesError::BadFrame(found)) if found.index == bad);
        assert!(is_named && buffer.is_empty());
        return;
    }
    assert_eq!(written.expect("legal columns"), frames);
    let start = usize::from(input.start % 16);
    let moved = at_address(buffer.as_slice(), start);
    let (mut ids, mut lens) = (vec![0_u64; frames], vec![0_u32; frames]);
    let (mut ratios, mut shifts) = (vec![0.0_f32; frames], vec![0_i16; frames]);
    let read = columns!(&moved.as_slice()[start..], Short => shift: &mut shifts, id: &mut ids,
        ratio: &mut ratios, len: &mut lens);
    assert_eq!(read.expect("sealed"), frames);
    assert_eq!((ids, lens, shifts), (id, len, shift));
    assert!(
        ratios
            .iter()
            .map(|v| v.to_bits())
            .eq(ratio.iter().map(|v| v.to_bits()))
    );
}

fuzz_target!(|input: Input| {
    let times = 1 + usize::from(input.repeat) / input.rows.len().max(1);
    let rows = input.rows.repeat(times);
    if input.columns & 4 == 0 {
        line(&input, &rows);
    } else {
        short(&input, &rows);
    }
});
