//! Network byte order to this machine's, and validation, in one pass.
//!
//! A field stands at a multiple of its element's size, so that swapping its bytes stays within 16
//! bytes, and one shuffle of each 16 bytes swaps all fields of a line.

use super::level::Level;
use super::routine;
use crate::frame::layout::{FieldKind, FrameLayout};

/// Bytes of the frames that the kernels take.
pub const LINE: usize = 64;

/// For each byte of a line, where it comes from and what it may be.
pub struct SwapTable {
    /// Index within the 16 bytes that the byte is one of.
    shuffle: [u8; LINE],
    lo: [u8; LINE],
    span: [u8; LINE],
    stages: Stages,
}

/// The same without a shuffle. A number of `2^n` bytes is turned around in `n` stages: neighbouring bytes
/// change places, then neighbouring pairs, and so on. For each stage and word the bits that take part.
type Stages = [[u64; LINE / 8]; 4];

impl SwapTable {
    /// The table of a layout of [`LINE`] bytes, and `None` for another.
    #[must_use]
    pub const fn new(layout: &FrameLayout) -> Option<Self> {
        if layout.size() != LINE {
            return None;
        }
        let mut table = Self {
            shuffle: [0; LINE],
            lo: [0; LINE],
            span: [0; LINE],
            stages: [[0; LINE / 8]; 4],
        };
        let mut at = 0;
        while at < LINE {
            table.shuffle[at] = at as u8 % 16;
            table.lo[at] = layout.lo()[at];
            table.span[at] = layout.span()[at];
            at += 1;
        }
        table.shuffle = swapped_in(layout, 0, table.shuffle);
        table.stages = stages(&table.shuffle);
        Some(table)
    }
}

/// A byte comes from as far away as the stages that it takes part in move it.
const fn stages(shuffle: &[u8; LINE]) -> Stages {
    let mut stages = [[0; LINE / 8]; 4];
    let mut at = 0;
    while at < LINE {
        let distance = shuffle[at] ^ (at % 16) as u8;
        let mut stage = 0;
        while stage < stages.len() {
            if distance >> stage & 1 == 1 {
                stages[stage][at / 8] |= 0xff << (at % 8 * 8);
            }
            stage += 1;
        }
        at += 1;
    }
    stages
}

const fn swapped_in(layout: &FrameLayout, start: usize, mut shuffle: [u8; LINE]) -> [u8; LINE] {
    let mut index = 0;
    while index < layout.fields().len() {
        let field = &layout.fields()[index];
        let offset = start + field.offset();
        if let FieldKind::Frame(inner) = field.kind() {
            shuffle = swapped_in(inner, offset, shuffle);
        }
        let width = element_bytes(field.kind(), field.size());
        let mut at = 0;
        while at < field.size() && width > 1 {
            let element = offset + at / width * width;
            shuffle[offset + at] = ((element + width - 1 - at % width) % 16) as u8;
            at += 1;
        }
        index += 1;
    }
    shuffle
}

/// Whether a number of the layout is in another order than that of the network.
pub const fn is_swapped(layout: &FrameLayout) -> bool {
    let mut index = 0;
    while index < layout.fields().len() {
        let field = &layout.fields()[index];
        let is_swapped_within =
            matches!(field.kind(), FieldKind::Frame(inner) if is_swapped(inner));
        if is_swapped_within || element_bytes(field.kind(), field.size()) > 1 {
            return true;
        }
        index += 1;
    }
    false
}

/// Bytes of a number in the field, 1 where none is longer.
const fn element_bytes(kind: FieldKind, size: usize) -> usize {
    match kind {
        FieldKind::Unsigned | FieldKind::Signed | FieldKind::Float | FieldKind::Enum { .. } => size,
        FieldKind::Array { element, len } if len > 0 => element_bytes(*element, size / len),
        // What is in network order already, in memory too, stays as it is.
        FieldKind::BigEndian(_) => 1,
        // Nested frames are swapped field by field; the rest is single bytes.
        FieldKind::Array { .. } | FieldKind::Bool | FieldKind::Frame(_) | FieldKind::Reserved => 1,
    }
}

/// Whether the swapped lines are within the ranges; `to` is as long as `from` and holds them either way.
pub type Swap = unsafe fn(from: &[[u8; LINE]], to: &mut [[u8; LINE]], table: &SwapTable) -> bool;

routine! {
    /// Swaps each line into `to` and returns whether all are within the ranges. Lines without a place
    /// are left out.
    pub fn swap(from: &[[u8; LINE]], to: &mut [[u8; LINE]], table: &SwapTable) -> bool = select as Swap;
}

fn select(level: Level) -> Swap {
    match level {
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        Level::Sse42 => x86_64::ssse3,
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        Level::Avx2 => x86_64::avx2,
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        Level::Avx512 => x86_64::avx512,
        #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
        Level::Neon => neon::neon,
        _ => scalar,
    }
}

/// Every implementation that this CPU runs, plain code first.
pub fn kernels() -> impl Iterator<Item = (Level, Swap)> {
    [
        Level::Scalar,
        Level::Sse42,
        Level::Avx2,
        Level::Avx512,
        Level::Neon,
    ]
    .into_iter()
    .filter(|level| level.is_available())
    .map(|level| (level, select(level)))
}

/// Plain code, in words of 8 bytes. Its oracle is [`swap_fields`].
pub fn scalar(from: &[[u8; LINE]], to: &mut [[u8; LINE]], table: &SwapTable) -> bool {
    let mut bad = [0; LINE];
    for (from, to) in from.iter().zip(to) {
        let mut words: [u64; LINE / 8] = [0; LINE / 8];
        for (word, bytes) in words.iter_mut().zip(from.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        let [bytes, pairs, halves, wholes] = &table.stages;
        // Most words are one number, or none of more than a byte; what they are is the same in each line.
        for (index, word) in words.iter_mut().enumerate() {
            if bytes[index] == 0 {
                continue;
            }
            if halves[index] == u64::MAX {
                *word = word.swap_bytes();
                continue;
            }
            let moved = (*word & EVEN_BYTES) << 8 | *word >> 8 & EVEN_BYTES;
            *word ^= (*word ^ moved) & bytes[index];
            let moved = (*word & EVEN_PAIRS) << 16 | *word >> 16 & EVEN_PAIRS;
            *word ^= (*word ^ moved) & pairs[index];
            *word ^= (*word ^ word.rotate_left(32)) & halves[index];
        }
        for (pair, is_whole) in words
            .as_chunks_mut::<2>()
            .0
            .iter_mut()
            .zip(wholes.as_chunks::<2>().0)
        {
            if is_whole[0] != 0 {
                pair.swap(0, 1);
            }
        }
        for (word, out) in words.iter().zip(to.as_chunks_mut().0) {
            *out = word.to_le_bytes();
        }
        let ranges = table.lo.iter().zip(&table.span);
        for ((bad, byte), (lo, span)) in bad.iter_mut().zip(to.iter()).zip(ranges) {
            *bad |= byte.wrapping_sub(*lo).saturating_sub(*span);
        }
    }
    bad == [0; LINE]
}

const EVEN_BYTES: u64 = 0x00ff_00ff_00ff_00ff;
const EVEN_PAIRS: u64 = 0x0000_ffff_0000_ffff;

/// Swaps one frame of any size in place, field by field.
pub fn swap_fields(layout: &FrameLayout, frame: &mut [u8]) {
    for field in layout.fields() {
        let bytes = &mut frame[field.offset()..field.offset() + field.size()];
        match field.kind() {
            FieldKind::Frame(inner) => swap_fields(inner, bytes),
            kind => bytes
                .chunks_exact_mut(element_bytes(kind, field.size()).max(1))
                .for_each(<[u8]>::reverse),
        }
    }
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86_64 {
    use core::arch::x86_64::*;

    use super::{LINE, SwapTable};

    macro_rules! kernel {
        (
            $name:ident, $feature:literal, $bytes:literal, $vector:ident,
            $load:ident $store:ident $shuffle:ident $sub:ident $subs:ident $or:ident $zero:ident, $is_zero:expr
        ) => {
            #[target_feature(enable = $feature)]
            pub fn $name(from: &[[u8; LINE]], to: &mut [[u8; LINE]], table: &SwapTable) -> bool {
                const PARTS: usize = LINE / $bytes;
                let load = |bytes: &[u8; $bytes]| -> $vector {
                    // SAFETY: that many bytes are readable behind the reference, and the load needs
                    // no alignment.
                    unsafe { $load(bytes.as_ptr().cast()) }
                };
                let parts = |bytes: &[u8; LINE]| -> [$vector; PARTS] {
                    let (parts, _) = bytes.as_chunks::<$bytes>();
                    core::array::from_fn(|part| load(&parts[part]))
                };
                let (shuffle, lo, span) =
                    (parts(&table.shuffle), parts(&table.lo), parts(&table.span));
                let mut bad = $zero();
                for (from, to) in from.iter().zip(to) {
                    let (to, _) = to.as_chunks_mut::<$bytes>();
                    let (from, _) = from.as_chunks::<$bytes>();
                    for part in 0..PARTS {
                        let bytes = $shuffle(load(&from[part]), shuffle[part]);
                        bad = $or(bad, $subs($sub(bytes, lo[part]), span[part]));
                        // SAFETY: that many bytes are writable behind the reference, and the store
                        // needs no alignment.
                        unsafe { $store(to[part].as_mut_ptr().cast(), bytes) }
                    }
                }
                $is_zero(bad)
            }
        };
    }

    kernel!(ssse3, "ssse3,sse4.1", 16, __m128i, _mm_loadu_si128 _mm_storeu_si128 _mm_shuffle_epi8
        _mm_sub_epi8 _mm_subs_epu8 _mm_or_si128 _mm_setzero_si128, |bad| _mm_testz_si128(bad, bad) == 1);
    kernel!(avx2, "avx2", 32, __m256i, _mm256_loadu_si256 _mm256_storeu_si256 _mm256_shuffle_epi8
        _mm256_sub_epi8 _mm256_subs_epu8 _mm256_or_si256 _mm256_setzero_si256, |bad| _mm256_testz_si256(bad, bad) == 1);
    kernel!(avx512, "avx512f,avx512bw", 64, __m512i, _mm512_loadu_si512 _mm512_storeu_si512 _mm512_shuffle_epi8
        _mm512_sub_epi8 _mm512_subs_epu8 _mm512_or_si512 _mm512_setzero_si512, |bad| _mm512_test_epi8_mask(bad, bad) == 0);
}

#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
mod neon {
    use core::arch::aarch64::*;

    use super::{LINE, SwapTable};

    #[target_feature(enable = "neon")]
    pub fn neon(from: &[[u8; LINE]], to: &mut [[u8; LINE]], table: &SwapTable) -> bool {
        let load = |bytes: &[u8; 16]| {
            // SAFETY: 16 bytes are readable behind the reference, and the load needs no alignment.
            unsafe { vld1q_u8(bytes.as_ptr()) }
        };
        let parts = |bytes: &[u8; LINE]| -> [uint8x16_t; 4] {
            let (parts, _) = bytes.as_chunks::<16>();
            core::array::from_fn(|part| load(&parts[part]))
        };
        let (shuffle, lo, span) = (parts(&table.shuffle), parts(&table.lo), parts(&table.span));
        let mut bad = vdupq_n_u8(0);
        for (from, to) in from.iter().zip(to) {
            let (to, _) = to.as_chunks_mut::<16>();
            let (from, _) = from.as_chunks::<16>();
            for part in 0..4 {
                let bytes = vqtbl1q_u8(load(&from[part]), shuffle[part]);
                bad = vorrq_u8(bad, vqsubq_u8(vsubq_u8(bytes, lo[part]), span[part]));
                // SAFETY: 16 bytes are writable behind the reference, and the store needs no alignment.
                unsafe { vst1q_u8(to[part].as_mut_ptr(), bytes) }
            }
        }
        vmaxvq_u8(bad) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameHeader, Le, SimdFrame};

    #[derive(cnv_macros::SimdFrame)]
    #[frame(crate = "crate")]
    #[repr(C)]
    struct Inner {
        small: Le<u16>,
        flag: bool,
        #[frame(reserved)]
        _pad: [u8; 1],
        value: Le<f32>,
    }

    #[derive(cnv_macros::SimdFrame)]
    #[frame(crate = "crate")]
    #[repr(C)]
    struct Line {
        inner: Inner,
        many: [Le<u16>; 4],
        wide: Le<u128>,
        word: Le<i64>,
        rest: [Le<u32>; 5],
        last: [u8; 4],
    }

    /// Every kernel against the swap of each field and the definition of the ranges.
    fn agree(layout: &'static FrameLayout, lines: &[[u8; LINE]]) {
        let table = SwapTable::new(layout).expect("a line");
        let mut expected = lines.to_vec();
        expected
            .iter_mut()
            .for_each(|line| swap_fields(layout, line));
        let is_within = expected.iter().flatten().enumerate().all(|(at, byte)| {
            byte.wrapping_sub(layout.lo()[at % LINE]) <= layout.span()[at % LINE]
        });
        for (level, kernel) in kernels() {
            let mut found = vec![[0; LINE]; lines.len()];
            // SAFETY: `kernels` lists those whose features this CPU has.
            let was_within = unsafe { kernel(lines, &mut found, &table) };
            assert_eq!((&found, was_within), (&expected, is_within), "{level:?}");
        }
    }

    #[test]
    fn every_kernel_swaps_and_checks_as_the_oracle_does() {
        for layout in [Line::LAYOUT, FrameHeader::LAYOUT] {
            let legal: [u8; LINE] = *layout.lo().first_chunk().expect("a line");
            for count in [0, 1, 2, 5] {
                agree(layout, &vec![legal; count]);
                for at in 0..count * LINE {
                    let mut lines = vec![legal; count];
                    lines[at / LINE][at % LINE] ^= 0x84;
                    agree(layout, &lines);
                }
                if cfg!(miri) && count == 1 {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_layout_of_another_size_has_no_table() {
        assert!(SwapTable::new(Inner::LAYOUT).is_none());
    }
}
