//! Every kernel against plain code: ns a frame, and how many times as fast.
//!
//! The candidates of a group take turns within each round, so that a busy machine slows all of them
//! alike; what is printed is the median over the rounds. `cargo bench -p cnv --bench frame_kernels`,
//! and a word behind `--` keeps the groups with that word in their name.

#![allow(unsafe_code, reason = "kernels are called for levels that the CPU has")]

use std::hint::black_box;
use std::time::Instant;

use cnv::frame::seal_line;
use cnv::frame::simd::{checksum, encode, extract, ranges, swap, view};
use cnv::frame::{AlignedBuffer, FrameHeader, Frames, SimdFrame};
use cnv::{columns, encode_columns};

/// Frames of a batch that fits in the first-level cache, the second, and the third.
const BATCHES: [(&str, usize); 3] = [("L1", 64), ("L2", 4096), ("L3", 65_536)];
const ROUNDS: usize = 41;

/// Something to measure; it returns a number that depends on what it did.
type Candidate<'a> = (String, Box<dyn FnMut() -> u64 + 'a>);

fn group(name: &str, frames: usize, candidates: &mut [Candidate<'_>]) {
    let mut words = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .peekable();
    if words.peek().is_some() && !words.any(|word| name.contains(&word)) {
        return;
    }
    let repeats = (200_000 / frames).max(1);
    let mut times = vec![Vec::with_capacity(ROUNDS); candidates.len()];
    for round in 0..ROUNDS {
        for index in 0..candidates.len() {
            // Another order in each round, so that no candidate always runs behind the same one.
            let index = (index + round) % candidates.len();
            let start = Instant::now();
            for _ in 0..repeats {
                black_box(candidates[index].1());
            }
            let elapsed = start.elapsed().as_secs_f64() * 1e9;
            times[index].push(elapsed / (repeats * frames) as f64);
        }
    }
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
    for (((label, _), median), times) in candidates.iter().zip(&medians).zip(&times) {
        println!(
            "{name:<24} {label:<22} {median:7.3} ns  x{:.2}  best {:7.3} ns",
            medians[0] / median,
            times[0],
        );
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

macro_rules! frame {
    ($name:ident: $($field:ident: $ty:ty),*) => {
        #[derive(SimdFrame)]
        #[repr(C, align(64))]
        struct $name {
            $($field: $ty,)*
        }
    };
}

frame!(Window16: session: [u8; 16], a: bool, b: bool, c: u16, d: u32, e: bool, f: [u8; 7], g: [u8; 32]);
frame!(Window32: a: bool, session: [u8; 15], d: [u8; 15], e: bool, g: [u8; 32]);
frame!(Window64: a: bool, session: [u8; 15], b: bool, d: [u8; 15], e: bool, g: [u8; 30], h: bool);

/// What an aligned batch of legal frames of type `T` is.
fn batch<T: SimdFrame>(frames: usize) -> AlignedBuffer {
    let mut bytes = AlignedBuffer::with_capacity(frames * T::SIZE);
    for _ in 0..frames {
        bytes.extend_from_slice(T::LO).expect("memory");
    }
    bytes
}

/// Reads one word of each line: no validation is faster than the bytes arrive.
fn touch(bytes: &[u8]) -> u64 {
    let (lines, _) = bytes.as_chunks::<64>();
    lines.iter().fold(0, |sum, line| {
        sum | u64::from_le_bytes(*line[16..].first_chunk().expect("8 bytes"))
    })
}

fn validate<T: SimdFrame>(name: &str) {
    let table = ranges::RangeTable::new(T::LAYOUT);
    for (cache, frames) in BATCHES {
        let bytes = batch::<T>(frames);
        let bytes = bytes.as_slice();
        let mut candidates: Vec<Candidate<'_>> = vec![
            (
                "plain".into(),
                Box::new(|| view::plain::<T>(black_box(bytes)).into()),
            ),
            ("read floor".into(), Box::new(|| touch(black_box(bytes)))),
            (
                "blocks".into(),
                Box::new(|| {
                    Frames::<T>::blocks(black_box(bytes))
                        .map(|block| block.expect("legal").len() as u64)
                        .sum()
                }),
            ),
        ];
        for (level, kernel) in ranges::kernels() {
            let table = &table;
            // SAFETY: `kernels` lists those whose features this CPU has.
            candidates.push((
                format!("{level:?}"),
                Box::new(move || unsafe { kernel(black_box(bytes), table) }.into()),
            ));
        }
        group(&format!("{name}/{cache}"), frames, &mut candidates);
    }
}

fn checksums() {
    for (cache, frames) in BATCHES {
        let mut lines = vec![[7; 64]; frames];
        lines.iter_mut().for_each(seal_line);
        let lines = lines.as_slice();
        let mut candidates: Vec<Candidate<'_>> = Vec::new();
        for (level, update, verify) in checksum::kernels() {
            candidates.push((
                format!("{level:?}, all lines"),
                // SAFETY: `kernels` lists those whose features this CPU has.
                Box::new(move || unsafe { verify(black_box(lines)) }.into()),
            ));
            let is_intact = move |line: &[u8; 64]| {
                // SAFETY: as above.
                let found = !unsafe { update(!0, &line[..60]) };
                found.to_le_bytes() == line[60..]
            };
            candidates.push((
                format!("{level:?}, line by line"),
                Box::new(move || black_box(lines).iter().all(is_intact).into()),
            ));
        }
        group(&format!("crc32c/{cache}"), frames, &mut candidates);
    }
}

frame!(Words: session: [u8; 16], stream: u8, f: bool, g: bool, h: bool, len: u32, a: u64, b: u64, c: u64, d: u64, e: u64);

/// Five columns of 8 bytes, `a` to `e`; the constrained bytes stand in the word before them.
fn columns_out() {
    for (cache, frames) in BATCHES {
        let bytes = batch::<Words>(frames);
        let bytes = bytes.as_slice();
        let mut out: [Vec<u64>; 5] = core::array::from_fn(|_| vec![1; frames]);
        let mut one_pass = out.clone();
        let one_pass = Box::new(move || {
            let [a, b, c, d, e] = &mut one_pass;
            let out = a.iter_mut().zip(b).zip(c).zip(d).zip(e);
            let (lines, _) = black_box(bytes).as_chunks::<64>();
            let mut is_legal = true;
            for (line, ((((a, b), c), d), e)) in lines.iter().zip(out) {
                is_legal &= line[17] <= 1 && line[18] <= 1 && line[19] <= 1;
                let word =
                    |at: usize| u64::from_le_bytes(*line[at * 8..].first_chunk().expect("8 bytes"));
                (*a, *b, *c, *d, *e) = (word(3), word(4), word(5), word(6), word(7));
            }
            is_legal.into()
        });
        let mut candidates: Vec<Candidate<'_>> = vec![
            ("plain, one pass".into(), one_pass),
            (
                "columns!".into(),
                Box::new(move || {
                    let [a, b, c, d, e] = &mut out;
                    columns!(black_box(bytes), Words => a: a, b: b, c: c, d: d, e: e)
                        .expect("legal") as u64
                }),
            ),
        ];
        for (level, kernel, _) in extract::kernels() {
            let mut out: [Vec<u64>; 5] = core::array::from_fn(|_| vec![1; frames]);
            candidates.push((
                format!("{level:?}"),
                Box::new(move || {
                    let mut places = extract::Places::default();
                    for (place, values) in places[3..].iter_mut().zip(&mut out) {
                        *place = Some(values.as_mut_slice());
                    }
                    let (lines, _) = black_box(bytes).as_chunks::<64>();
                    for (number, lines) in lines.chunks(64).enumerate() {
                        // SAFETY: `kernels` lists those whose features this CPU has.
                        unsafe { kernel(lines, &mut places, number * 64) };
                    }
                    0
                }),
            ));
        }
        group(&format!("columns/{cache}"), frames, &mut candidates);
    }
}

/// The same five columns into lines.
fn columns_in() {
    let template = Words::read(Words::LO).expect("legal");
    let template = &template;
    for (cache, frames) in BATCHES {
        let columns: [Vec<u64>; 5] = core::array::from_fn(|_| vec![1; frames]);
        let columns = &columns;
        let mut lines = vec![[0_u8; 64]; frames];
        let line = *template.as_bytes().first_chunk::<64>().expect("a line");
        let one_pass = Box::new(move || {
            for (index, out) in black_box(&mut lines).iter_mut().enumerate() {
                *out = line;
                for (at, column) in columns.iter().enumerate() {
                    out[24 + at * 8..][..8].copy_from_slice(&column[index].to_le_bytes());
                }
            }
            0
        });
        let mut buffer = AlignedBuffer::new();
        let buffer = &mut buffer;
        let mut candidates: Vec<Candidate<'_>> = vec![
            ("plain, one pass".into(), one_pass),
            (
                "encode_columns!".into(),
                Box::new(move || {
                    let [a, b, c, d, e] = columns;
                    encode_columns!(template, Words => a: a, b: b, c: c, d: d, e: e; buffer)
                        .expect("legal") as u64
                }),
            ),
        ];
        for (level, kernel) in encode::kernels() {
            let mut lines = vec![[0_u8; 64]; frames];
            candidates.push((
                format!("{level:?}"),
                Box::new(move || {
                    let words = encode::Words {
                        template: line,
                        columns: core::array::from_fn(|index| {
                            columns.get(index.wrapping_sub(3)).map(Vec::as_slice)
                        }),
                    };
                    for (number, lines) in black_box(&mut lines).chunks_mut(64).enumerate() {
                        // SAFETY: `kernels` lists those whose features this CPU has.
                        unsafe { kernel(&words, number * 64, lines) };
                    }
                    0
                }),
            ));
        }
        group(&format!("encode/{cache}"), frames, &mut candidates);
    }
}

/// Every field swapped, as plain code does it for a type that it knows.
fn big_endian() {
    let table = swap::SwapTable::new(FrameHeader::LAYOUT).expect("a line");
    for (cache, frames) in BATCHES {
        let bytes = batch::<FrameHeader>(frames);
        let bytes = bytes.as_slice();
        let mut out = vec![[0_u8; 64]; frames];
        let mut copy = out.clone();
        let (lines, _) = bytes.as_chunks::<64>();
        let mut buffer = AlignedBuffer::new();
        let mut candidates: Vec<Candidate<'_>> = vec![
            (
                "plain, field by field".into(),
                Box::new(move || {
                    let mut is_legal = true;
                    for (line, out) in black_box(lines).iter().zip(&mut out) {
                        *out = *line;
                        let len: &mut [u8; 4] = (&mut out[20..24]).try_into().expect("4 bytes");
                        *len = u32::from_be_bytes(*len).to_le_bytes();
                        for word in &mut out.as_chunks_mut::<8>().0[3..5] {
                            *word = u64::from_be_bytes(*word).to_le_bytes();
                        }
                        is_legal &= out[17] <= 3 && out[18] == 1 && out[19] == 0;
                    }
                    black_box(&mut out);
                    is_legal.into()
                }),
            ),
            (
                "copy".into(),
                Box::new(move || {
                    black_box(&mut copy).copy_from_slice(black_box(lines));
                    0
                }),
            ),
            (
                "from_big_endian".into(),
                Box::new(move || {
                    Frames::<FrameHeader>::from_big_endian(black_box(bytes), &mut buffer)
                        .expect("legal")
                        .len() as u64
                }),
            ),
        ];
        for (level, kernel) in swap::kernels() {
            let mut out = vec![[0_u8; 64]; frames];
            let table = &table;
            candidates.push((
                format!("{level:?}"),
                Box::new(move || {
                    // SAFETY: `kernels` lists those whose features this CPU has.
                    unsafe { kernel(black_box(lines), black_box(&mut out), table) }.into()
                }),
            ));
        }
        group(&format!("swap/{cache}"), frames, &mut candidates);
    }
}

fn main() {
    big_endian();
    columns_out();
    columns_in();
    checksums();
    validate::<FrameHeader>("validate/8");
    validate::<Window16>("validate/16");
    validate::<Window32>("validate/32");
    validate::<Window64>("validate/64");
}
