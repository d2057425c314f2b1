//! Words of many frames to columns.
//!
//! A store for each element is what limits plain code. Two neighbouring words of four lines come with
//! four loads of 16 bytes, and two shuffles make two stores of 32 bytes of them. Where one of the two is the
//! window of the frame's constrained bytes, it is validated on the way.

use super::level::Level;
use super::ranges::{self, RangeTable};
use super::routine;

/// Bytes of the lines that [`Extract`] reads.
pub const LINE: usize = 64;

/// For each word of 8 bytes of a line the column that it goes to.
pub type Places<'a> = [Option<&'a mut [u64]>; LINE / 8];

/// Words of each line to columns, from their element `start` on. Kernels are made for blocks of 64 lines:
/// they read a block once for each two columns, and fewer lines with plain code.
///
/// It panics if a column has no place for a line.
pub type Extract = unsafe fn(lines: &[[u8; LINE]], places: &mut Places<'_>, start: usize);

routine! {
    /// Words of each line to columns, from their element `start` on: see [`Extract`].
    pub fn words(lines: &[[u8; LINE]], places: &mut Places<'_>, start: usize) -> () = select as Extract;
}

fn select(level: Level) -> Extract {
    match level {
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        Level::Avx2 | Level::Avx512 => x86_64::avx2,
        _ => scalar,
    }
}

/// As [`Extract`] of lines that are of the table's type, and whether every byte is within its range. Where it
/// is not, what the columns have from `start` on is of no meaning.
pub type ExtractValid = unsafe fn(
    lines: &[[u8; LINE]],
    places: &mut Places<'_>,
    start: usize,
    table: &RangeTable,
) -> bool;

routine! {
    /// Words of lines that are validated: see [`ExtractValid`].
    pub fn valid_words(lines: &[[u8; LINE]], places: &mut Places<'_>, start: usize, table: &RangeTable) -> bool = select_valid as ExtractValid;
}

fn select_valid(level: Level) -> ExtractValid {
    match level {
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        Level::Avx2 | Level::Avx512 => x86_64::avx2_valid,
        _ => valid_apart,
    }
}

/// Every implementation that this CPU runs, the oracle first: without validation, and with it.
pub fn kernels() -> impl Iterator<Item = (Level, Extract, ExtractValid)> {
    [Level::Scalar, Level::Avx2]
        .into_iter()
        .filter(|level| level.is_available())
        .map(|level| (level, select(level), select_valid(level)))
}

/// Where the elements of a column are.
#[derive(Clone, Copy)]
pub struct Strided<'a> {
    /// A whole number of frames.
    pub frames: &'a [u8],
    /// Bytes of a frame.
    pub size: usize,
    /// Bytes from the start of each frame.
    pub offset: usize,
}

/// `N` bytes at `offset` of each frame, to a column of integers of that size.
#[inline]
pub fn strided<const N: usize, V>(place: Strided<'_>, out: &mut [V], from: impl Fn([u8; N]) -> V) {
    let frames = place.frames.chunks_exact(place.size);
    for (frame, out) in frames.zip(out) {
        *out = from(*part(frame, place.offset));
    }
}

/// The `N` bytes at `at`.
#[inline]
fn part<const N: usize>(bytes: &[u8], at: usize) -> &[u8; N] {
    bytes[at..][..N].first_chunk().expect("a slice of N bytes")
}

/// The oracle.
pub fn scalar(lines: &[[u8; LINE]], places: &mut Places<'_>, start: usize) {
    for (word, column) in places.iter_mut().enumerate() {
        if let Some(column) = column {
            let values = &mut column[start..][..lines.len()];
            for (line, value) in lines.iter().zip(values) {
                *value = u64::from_le_bytes(*part(line, word * 8));
            }
        }
    }
}

/// Validates the lines and then extracts.
fn valid_apart(
    lines: &[[u8; LINE]],
    places: &mut Places<'_>,
    start: usize,
    table: &RangeTable,
) -> bool {
    let are_within = ranges::are_within(lines.as_flattened(), table);
    if are_within {
        scalar(lines, places, start);
    }
    are_within
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86_64 {
    use core::arch::x86_64::*;

    use super::{LINE, Places, RangeTable, part, scalar};
    use crate::frame::simd::ranges::x86_64::{avx2 as are_within, excess32, is_zero32, load32};

    /// Lines of a block, whose loops the compiler unrolls because it knows how many there are.
    const BLOCK: usize = 64;

    /// Bytes from two words in the first line of a block to behind them in its last.
    const TWO_WORDS: usize = (BLOCK - 1) * LINE + 16;

    /// Elements of a column for a block, by fours.
    const FOURS: usize = BLOCK / 4;

    /// A place for each of them.
    type Column = [[u64; 4]; FOURS];

    /// Columns of neighbouring words by twos, the others one by one; plain code for what is no block.
    #[target_feature(enable = "avx2")]
    pub fn avx2(lines: &[[u8; LINE]], places: &mut Places<'_>, start: usize) {
        let (blocks, rest) = lines.as_chunks::<BLOCK>();
        for (number, block) in blocks.iter().enumerate() {
            avx2_block(block.as_flattened(), places, start + number * BLOCK, NONE);
        }
        if !rest.is_empty() {
            scalar(rest, places, start + blocks.len() * BLOCK);
        }
    }

    /// No word of a line.
    const NONE: usize = LINE / 8;

    /// The same of blocks that are validated first. Where the column of the window or of the word behind it
    /// is wanted, its pass is the one that validates.
    #[target_feature(enable = "avx2")]
    pub fn avx2_valid(
        lines: &[[u8; LINE]],
        places: &mut Places<'_>,
        start: usize,
        table: &RangeTable,
    ) -> bool {
        let (blocks, rest) = lines.as_chunks::<BLOCK>();
        for (number, block) in blocks.iter().enumerate() {
            let block = block.as_flattened();
            let start = start + number * BLOCK;
            let mut checked = table.word().unwrap_or(NONE);
            let window = block.get(checked * 8..).unwrap_or_default();
            let is_within = match places.get_mut(checked..).unwrap_or_default() {
                [Some(low), Some(high), ..] => {
                    avx2_checked(window, of_block(low, start), of_block(high, start), table)
                }
                [Some(low), None, ..] => avx2_checked(window, of_block(low, start), &mut [], table),
                [None, Some(high), ..] => {
                    avx2_checked(window, &mut [], of_block(high, start), table)
                }
                _ => {
                    checked = NONE;
                    are_within(block, table)
                }
            };
            if !is_within {
                return false;
            }
            avx2_block(block, places, start, checked);
        }
        if rest.is_empty() {
            return true;
        }
        let is_within = are_within(rest.as_flattened(), table);
        if is_within {
            scalar(rest, places, start + blocks.len() * BLOCK);
        }
        is_within
    }

    /// All words but `done` and the one behind it.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn avx2_block(block: &[u8], places: &mut Places<'_>, start: usize, done: usize) {
        let mut word = 0;
        while word < places.len() {
            let bytes = &block[word * 8..];
            match &mut places[word..] {
                _ if word == done => word += 1,
                [Some(low), Some(high), ..] if word + 1 != done => {
                    avx2_two(bytes, of_block(low, start), of_block(high, start));
                    word += 1;
                }
                // A word is loaded with the one behind it, and the last one with the one before.
                [Some(last)] => avx2_two(&block[LINE - 16..], &mut [], of_block(last, start)),
                [Some(column), ..] => avx2_two(bytes, of_block(column, start), &mut []),
                _ => {}
            }
            word += 1;
        }
    }

    #[inline]
    fn of_block(column: &mut [u64], start: usize) -> &mut Column {
        let values = column[start..].as_chunks_mut().0.first_chunk_mut();
        values.expect("a place for each line")
    }

    /// Two words of a block that starts with them, or one: a column of no elements is none.
    ///
    /// It is not inlined, so that the address of the block is one register: sums of two would take the loads an
    /// instruction each, and with it half of the gain. The block is a slice, since of what it knows to be
    /// there the compiler loads 32 bytes for the 16 that are asked for, across the ends of lines.
    #[inline(never)]
    #[target_feature(enable = "avx2")]
    fn avx2_two<const LOW: usize, const HIGH: usize>(
        block: &[u8],
        low: &mut [[u64; 4]; LOW],
        high: &mut [[u64; 4]; HIGH],
    ) {
        let block = &block[..TWO_WORDS];
        for four in 0..FOURS {
            let (even, odd) = load_pairs(block, four * 4);
            if LOW == FOURS {
                store4(&mut low[four], _mm256_unpacklo_epi64(even, odd));
            }
            if HIGH == FOURS {
                store4(&mut high[four], _mm256_unpackhi_epi64(even, odd));
            }
        }
    }

    /// The same, and whether the lower words are within the ranges of the table, whose window they are.
    #[inline(never)]
    #[target_feature(enable = "avx2")]
    fn avx2_checked<const LOW: usize, const HIGH: usize>(
        block: &[u8],
        low: &mut [[u64; 4]; LOW],
        high: &mut [[u64; 4]; HIGH],
        table: &RangeTable,
    ) -> bool {
        let block = &block[..TWO_WORDS];
        let [lo, span] = table.half();
        let (lo, span) = (load32(lo), load32(span));
        let mut bad = _mm256_setzero_si256();
        for four in 0..FOURS {
            let (even, odd) = load_pairs(block, four * 4);
            let windows = _mm256_unpacklo_epi64(even, odd);
            bad = _mm256_or_si256(bad, excess32(windows, lo, span));
            if LOW == FOURS {
                store4(&mut low[four], windows);
            }
            if HIGH == FOURS {
                store4(&mut high[four], _mm256_unpackhi_epi64(even, odd));
            }
        }
        is_zero32(bad)
    }

    /// The two words of the lines `first` and the second after it in one vector, of the lines behind
    /// these in the other: unpacking them puts the low words and the high words next to each other in the
    /// lines' order.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load_pairs(block: &[u8], first: usize) -> (__m256i, __m256i) {
        let words = |line: usize| load2(part(block, (first + line) * LINE));
        (
            _mm256_set_m128i(words(2), words(0)),
            _mm256_set_m128i(words(3), words(1)),
        )
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load2(bytes: &[u8; 16]) -> __m128i {
        // SAFETY: 16 bytes are readable behind the reference, and the load needs no alignment.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx")]
    fn store4(out: &mut [u64; 4], words: __m256i) {
        // SAFETY: 32 bytes are writable behind the reference, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), words) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::layout::Window;
    use crate::frame::{FrameHeader, SimdFrame};

    /// Columns for the words whose bits `mask` has, as `fill` leaves them, and what it returns.
    fn filled<R>(
        mask: u8,
        len: usize,
        fill: impl FnOnce(&mut Places<'_>) -> R,
    ) -> ([Vec<u64>; 8], R) {
        let mut columns = [(); 8].map(|()| vec![9_u64; len]);
        let mut word = 0..8;
        let mut places: Places<'_> = columns.each_mut().map(|column| {
            let word = word.next().expect("eight words");
            (mask >> word & 1 == 1).then_some(column.as_mut_slice())
        });
        let filled = fill(&mut places);
        (columns, filled)
    }

    fn lines(count: usize) -> Vec<[u8; LINE]> {
        (0..count)
            .map(|line| core::array::from_fn(|at| (line * 64 + at * 7 % 251) as u8))
            .collect()
    }

    const MASKS: [u8; 8] = [0, 1, 0x80, 0b1_1000, 0b1010_0101, 0b1110, 0xc0, 0xff];

    #[test]
    fn every_kernel_extracts_what_the_oracle_does() {
        let counts = if cfg!(miri) {
            vec![0, 9, 65]
        } else {
            (0..=17).chain([63, 64, 65, 130]).collect()
        };
        for count in counts {
            let lines = lines(count);
            for mask in MASKS {
                for start in [0, 3] {
                    let run = |kernel: Extract| {
                        filled(mask, start + count + 1, |places| {
                            // SAFETY: `kernels` lists those whose features this CPU has.
                            unsafe { kernel(&lines, places, start) }
                        })
                    };
                    let expected = run(scalar);
                    for (level, kernel, _) in kernels() {
                        let found = run(kernel);
                        assert_eq!(found, expected, "{level:?}, {count} lines, {mask:#b}");
                    }
                }
            }
        }
    }

    /// A line whose window is the last word, behind which there is none to read it with.
    #[derive(cnv_macros::SimdFrame)]
    #[frame(crate = "crate")]
    #[repr(C)]
    struct Last {
        rest: [u8; 56],
        is_set: bool,
        is_first: bool,
        #[frame(reserved)]
        _pad: [u8; 6],
    }

    fn agrees<T: SimdFrame>() {
        let table = &RangeTable::new(T::LAYOUT);
        for count in if cfg!(miri) {
            vec![65]
        } else {
            vec![0, 1, 64, 65, 130]
        } {
            let mut lines = lines(count);
            for line in &mut lines {
                for at in (0..LINE).filter(|&at| T::SPAN[at] < u8::MAX) {
                    line[at] = T::LO[at];
                }
            }
            for mask in MASKS.into_iter().chain([0b100, 0b1000, 0b1100]) {
                let expected = filled(mask, count + 3, |places| scalar(&lines, places, 3)).0;
                for (level, _, kernel) in kernels() {
                    // SAFETY: `kernels` lists those whose features this CPU has.
                    let (found, is_within) = filled(mask, count + 3, |places| unsafe {
                        kernel(&lines, places, 3, table)
                    });
                    assert!(is_within, "{level:?}, {count} lines, {mask:#b}");
                    assert_eq!(found, expected, "{level:?}, {count} lines, {mask:#b}");
                    for bad in [0, 1, 2, 3, 63, 64, 129] {
                        let Some(line) = lines.get_mut(bad) else {
                            continue;
                        };
                        let at = (0..LINE).rfind(|&at| T::SPAN[at] < u8::MAX);
                        let byte = &mut line[at.expect("a constrained byte")];
                        let legal = core::mem::replace(byte, 0x80);
                        // SAFETY: as above.
                        let (found, is_within) = filled(mask, count + 3, |places| unsafe {
                            kernel(&lines, places, 3, table)
                        });
                        assert!(!is_within, "{level:?}, line {bad} of {count}, {mask:#b}");
                        for (found, expected) in found.iter().zip(&expected) {
                            assert_eq!(found[..3], expected[..3]);
                        }
                        lines[bad][at.expect("a constrained byte")] = legal;
                    }
                }
            }
        }
    }

    #[test]
    fn every_kernel_extracts_valid_lines_and_refuses_others() {
        assert_eq!(FrameHeader::WINDOW, Window::Bytes { offset: 16, len: 8 });
        assert_eq!(Last::WINDOW, Window::Bytes { offset: 56, len: 8 });
        agrees::<FrameHeader>();
        agrees::<Last>();
    }
}
