//! Words of many frames to columns.
//!
//! A store for each element is what limits plain code. Two neighbouring words of four lines come with
//! four loads of 16 bytes, and two shuffles make two stores of 32 bytes of them.

use super::level::Level;
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

/// Every implementation that this CPU runs, the oracle first.
pub fn kernels() -> impl Iterator<Item = (Level, Extract)> {
    [Level::Scalar, Level::Avx2]
        .into_iter()
        .filter(|level| level.is_available())
        .map(|level| (level, select(level)))
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

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86_64 {
    use core::arch::x86_64::*;

    use super::{LINE, Places, part, scalar};

    /// Lines of a block, whose loops the compiler unrolls because it knows how many there are.
    const BLOCK: usize = 64;

    /// A block from the first byte of two words in its first line to behind them in its last. It is a
    /// parameter of functions that are not inlined, so that its address is one register: sums of two
    /// would take the loads an instruction each, and with it half of the gain.
    type Block = [u8; (BLOCK - 1) * LINE + 16];

    /// Columns of neighbouring words by twos, the others one by one; plain code for what is no block.
    #[target_feature(enable = "avx2")]
    pub fn avx2(lines: &[[u8; LINE]], places: &mut Places<'_>, start: usize) {
        let (blocks, rest) = lines.as_chunks::<BLOCK>();
        for (number, block) in blocks.iter().enumerate() {
            avx2_block(block.as_flattened(), places, start + number * BLOCK);
        }
        if !rest.is_empty() {
            scalar(rest, places, start + blocks.len() * BLOCK);
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn avx2_block(block: &[u8], places: &mut Places<'_>, start: usize) {
        let mut word = 0;
        while word < places.len() {
            match &mut places[word..] {
                [Some(low), Some(high), ..] => {
                    let bytes = part(block, word * 8);
                    avx2_pair(bytes, of_block(low, start), of_block(high, start));
                    word += 1;
                }
                // A word is loaded with the one behind it, and the last one with the one before.
                [Some(last)] => {
                    avx2_single::<true>(part(block, LINE - 16), of_block(last, start));
                }
                [Some(column), ..] => {
                    avx2_single::<false>(part(block, word * 8), of_block(column, start));
                }
                _ => {}
            }
            word += 1;
        }
    }

    #[inline]
    fn of_block(column: &mut [u64], start: usize) -> &mut [u64; BLOCK] {
        let values = column[start..].first_chunk_mut();
        values.expect("a place for each line")
    }

    #[inline(never)]
    #[target_feature(enable = "avx2")]
    fn avx2_pair(block: &Block, low: &mut [u64; BLOCK], high: &mut [u64; BLOCK]) {
        let places = low.as_chunks_mut().0.iter_mut();
        let places = places.zip(high.as_chunks_mut().0);
        for (four, (low, high)) in places.enumerate() {
            let (even, odd) = load_pairs(block, four * 4);
            store4(low, _mm256_unpacklo_epi64(even, odd));
            store4(high, _mm256_unpackhi_epi64(even, odd));
        }
    }

    #[inline(never)]
    #[target_feature(enable = "avx2")]
    fn avx2_single<const IS_HIGH: bool>(block: &Block, values: &mut [u64; BLOCK]) {
        for (four, values) in values.as_chunks_mut().0.iter_mut().enumerate() {
            let (even, odd) = load_pairs(block, four * 4);
            if IS_HIGH {
                store4(values, _mm256_unpackhi_epi64(even, odd));
            } else {
                store4(values, _mm256_unpacklo_epi64(even, odd));
            }
        }
    }

    /// The two words of the lines `first` and the second after it in one vector, of the lines behind
    /// these in the other: unpacking them puts the low words and the high words next to each other in the
    /// lines' order.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load_pairs(block: &Block, first: usize) -> (__m256i, __m256i) {
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

    #[test]
    fn every_kernel_extracts_what_the_oracle_does() {
        let counts = if cfg!(miri) {
            vec![0, 9, 65]
        } else {
            (0..=17).chain([63, 64, 65, 130]).collect()
        };
        for count in counts {
            let lines: Vec<[u8; LINE]> = (0..count)
                .map(|line| core::array::from_fn(|at| (line * 64 + at * 7 % 251) as u8))
                .collect();
            for mask in [0_u8, 1, 0x80, 0b1_1000, 0b1010_0101, 0b1110, 0xc0, 0xff] {
                for start in [0, 3] {
                    let run = |kernel: Extract| {
                        let mut columns = [(); 8].map(|()| vec![9_u64; start + count + 1]);
                        let mut word = 0..8;
                        let mut places: Places<'_> = columns.each_mut().map(|column| {
                            let word = word.next().expect("eight words");
                            (mask >> word & 1 == 1).then_some(column.as_mut_slice())
                        });
                        // SAFETY: `kernels` lists those whose features this CPU has.
                        unsafe { kernel(&lines, &mut places, start) };
                        columns
                    };
                    let expected = run(scalar);
                    for (level, kernel) in kernels() {
                        let found = run(kernel);
                        assert_eq!(found, expected, "{level:?}, {count} lines, {mask:#b}");
                    }
                }
            }
        }
    }
}
