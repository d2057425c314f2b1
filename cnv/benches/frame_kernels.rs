//! Every kernel against plain code: ns a frame, and how many times as fast.
//!
//! The candidates of a group take turns within each round, so that a busy machine slows all of them
//! alike; what is printed is the median over the rounds. `cargo bench -p cnv --bench frame_kernels`,
//! and a word behind `--` keeps the groups with that word in their name.

#![allow(unsafe_code, reason = "kernels are called for levels that the CPU has")]

use std::hint::black_box;
use std::time::Instant;

use cnv::frame::simd::{ranges, view};
use cnv::frame::{AlignedBuffer, FrameHeader, Frames, SimdFrame};

/// Frames of a batch that fits in the first-level cache, the second, and the third.
const BATCHES: [(&str, usize); 3] = [("L1", 64), ("L2", 4096), ("L3", 65_536)];
const ROUNDS: usize = 41;

/// Something to measure; it returns a number that depends on what it did.
type Candidate<'a> = (String, Box<dyn FnMut() -> u64 + 'a>);

fn group(name: &str, frames: usize, candidates: &mut [Candidate<'_>]) {
    if std::env::args()
        .skip(1)
        .any(|word| !word.starts_with('-') && !name.contains(&word))
    {
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
    for ((label, _), median) in candidates.iter().zip(&medians) {
        println!(
            "{name:<24} {label:<22} {median:7.3} ns  x{:.2}",
            medians[0] / median
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
        for (level, kernel) in ranges::kernels().skip(1) {
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

fn main() {
    validate::<FrameHeader>("validate/8");
    validate::<Window16>("validate/16");
    validate::<Window32>("validate/32");
    validate::<Window64>("validate/64");
}
