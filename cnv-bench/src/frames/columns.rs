//! Goals 6 and 7: five columns out of a batch, and a batch out of five columns.

use std::hint::black_box;

use cnv::frame::{AlignedBuffer, SimdFrame};
use cnv::{columns, encode_columns};

use super::batches::{LINE_BYTES, Sample, Size, legal};
use super::message::Kind;
use super::validate::unless;
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Settings, measure};

/// Five columns of 8 bytes an element, which stand in each line from byte 24 on.
type Columns = [Vec<u64>; 5];

fn zeroed(frames: usize) -> Columns {
    std::array::from_fn(|_| vec![0; frames])
}

#[inline]
fn word(line: &[u8; LINE_BYTES], at: usize) -> u64 {
    u64::from_le_bytes(*line[at..].first_chunk().expect("8 bytes"))
}

/// One pass of plain code over each line, which tests what a [`Sample`] may be if `IS_CHECKED`, without a
/// branch, as a careful author would write it.
#[inline]
fn plain_extract<const IS_CHECKED: bool>(bytes: &[u8], out: &mut Columns) -> bool {
    let [a, b, c, d, e] = out;
    let (lines, _) = bytes.as_chunks::<LINE_BYTES>();
    let out = a.iter_mut().zip(b).zip(c).zip(d).zip(e);
    let mut is_bad = false;
    for (line, ((((a, b), c), d), e)) in lines.iter().zip(out) {
        if IS_CHECKED {
            let len = u32::from_le_bytes(*line[20..].first_chunk().expect("4 bytes"));
            is_bad |= (line[17] > 3) | (line[18] != 1) | (line[19] != 0) | (len > 24);
        }
        *a = word(line, 24);
        *b = word(line, 32);
        *c = word(line, 40);
        *d = word(line, 48);
        *e = word(line, 56);
    }
    !is_bad
}

#[inline]
fn extract(bytes: &[u8], out: &mut Columns) -> bool {
    let [a, b, c, d, e] = out;
    columns!(bytes, Sample => sequence: a, timestamp_ns: b, low: c, high: d, last: e).is_ok()
}

/// Each line is the template with five words of its own.
#[inline]
fn plain_encode(template: &[u8; LINE_BYTES], columns: &Columns, out: &mut [[u8; LINE_BYTES]]) {
    let [a, b, c, d, e] = columns;
    let values = a.iter().zip(b).zip(c).zip(d).zip(e);
    for (line, ((((a, b), c), d), e)) in out.iter_mut().zip(values) {
        *line = *template;
        line[24..32].copy_from_slice(&a.to_le_bytes());
        line[32..40].copy_from_slice(&b.to_le_bytes());
        line[40..48].copy_from_slice(&c.to_le_bytes());
        line[48..56].copy_from_slice(&d.to_le_bytes());
        line[56..64].copy_from_slice(&e.to_le_bytes());
    }
}

#[inline]
fn encode(template: &Sample, columns: &Columns, buffer: &mut AlignedBuffer) -> usize {
    let [a, b, c, d, e] = columns;
    encode_columns!(template, Sample => sequence: a, timestamp_ns: b, low: c, high: d, last: e; buffer)
        .expect("columns of one length")
}

fn template() -> Sample {
    Sample {
        session: [7; 16],
        stream: 3,
        kind: Kind::Data,
        version: 1,
        flags: [0],
        payload_len: 24,
        sequence: 0,
        timestamp_ns: 0,
        low: 0,
        high: 0,
        last: 0,
    }
}

/// Measures both ways, into memory that is there already.
pub fn run(size: Size, settings: Settings) -> (Vec<Group>, Vec<Goal>) {
    let (extraction, out) = extraction(size, settings);
    let (encoding, into) = encoding(size, settings);
    let mut goals = out;
    goals.extend(into);
    (vec![extraction, encoding], goals)
}

fn extraction(size: Size, settings: Settings) -> (Group, Vec<Goal>) {
    let bytes = legal::<Sample>(size.frames);
    let bytes = bytes.as_slice();
    let [mut fast, mut checked, mut plain] = [(); 3].map(|()| zeroed(size.frames));
    let measured = measure(
        format!("five columns out, {}", size.name),
        size.frames,
        settings,
        vec![
            Contender::new("cnv", || {
                assert!(extract(black_box(bytes), &mut fast));
                black_box(&mut fast).len()
            }),
            Contender::new("plain, validated", || {
                assert!(plain_extract::<true>(black_box(bytes), &mut checked));
                black_box(&mut checked).len()
            }),
            Contender::new("plain, unchecked", || {
                plain_extract::<false>(black_box(bytes), &mut plain);
                black_box(&mut plain).len()
            }),
        ],
    );
    let bound = match size.name {
        "L1" => Wanted::AtLeast(2.8),
        "L2" => Wanted::AtLeast(1.7),
        "L3" => Wanted::AtLeast(1.5),
        _ => Wanted::ForInformation,
    };
    let goal = |text: &str, wanted, measured| Goal {
        number: 6,
        text: text.into(),
        part: size.name.into(),
        wanted,
        measured,
    };
    let goals = vec![
        goal(
            "columns! of five against plain code that validates",
            bound,
            measured.speed_over("cnv", &["plain, validated"]),
        ),
        goal(
            "columns! of five against plain code that checks nothing",
            Wanted::ForInformation,
            measured.speed_over("cnv", &["plain, unchecked"]),
        ),
    ];
    (Group::from(&measured), goals)
}

fn encoding(size: Size, settings: Settings) -> (Group, Vec<Goal>) {
    let mut columns = zeroed(size.frames);
    for (index, column) in columns.iter_mut().enumerate() {
        column.fill_with(|| index as u64 + 1);
    }
    let columns = &columns;
    let template = template();
    let template = &template;
    let line = template.as_bytes().first_chunk().expect("a line");
    let mut buffer = AlignedBuffer::new();
    let mut lines = vec![[0; LINE_BYTES]; size.frames];
    let measured = measure(
        format!("five columns in, {}", size.name),
        size.frames,
        settings,
        vec![
            Contender::new("cnv", || {
                let frames = encode(template, black_box(columns), &mut buffer);
                black_box(&mut buffer);
                frames
            }),
            Contender::new("plain", || {
                plain_encode(black_box(line), black_box(columns), &mut lines);
                black_box(&mut lines).len()
            }),
        ],
    );
    let goal = |text: &str, wanted, measured| Goal {
        number: 7,
        text: text.into(),
        part: size.name.into(),
        wanted,
        measured,
    };
    let goals = vec![goal(
        "encode_columns! of five against plain code",
        unless(size.name == "DRAM", Wanted::AtLeast(1.35)),
        measured.speed_over("cnv", &["plain"]),
    )];
    (Group::from(&measured), goals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_code_and_columns_come_to_the_same_and_back() {
        let mut bytes = legal::<Sample>(100);
        let [mut fast, mut checked, mut plain] = [(); 3].map(|()| zeroed(100));
        assert!(extract(bytes.as_slice(), &mut fast));
        assert!(plain_extract::<true>(bytes.as_slice(), &mut checked));
        assert!(plain_extract::<false>(bytes.as_slice(), &mut plain));
        assert_eq!((&fast, &fast), (&checked, &plain));
        assert_ne!(fast[4], fast[3]);

        let template = template();
        let line = template.as_bytes().first_chunk().unwrap();
        let mut lines = vec![[0; LINE_BYTES]; 100];
        plain_encode(line, &fast, &mut lines);
        let mut buffer = AlignedBuffer::new();
        assert_eq!(encode(&template, &fast, &mut buffer), 100);
        assert_eq!(buffer.as_slice(), lines.as_flattened());

        for (at, value) in [(17, 4), (18, 0), (19, 1), (20, 25), (23, 1)] {
            let at = 70 * LINE_BYTES + at;
            let legal = bytes.as_slice()[at];
            bytes.as_mut_slice()[at] = value;
            assert!(!extract(bytes.as_slice(), &mut fast));
            assert!(!plain_extract::<true>(bytes.as_slice(), &mut checked));
            bytes.as_mut_slice()[at] = legal;
        }
    }
}
