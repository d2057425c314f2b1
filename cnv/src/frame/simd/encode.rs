//! Lines made of a template and columns.
//!
//! Half a line is four words of 8 bytes. Which of them come from columns is one of 16 patterns, each with
//! a loop of its own: two elements of a column are loaded for two lines, and unpacked with those of its
//! neighbour.

use super::level::Level;
use super::routine;

/// Bytes of the lines that [`Encode`] writes.
pub const LINE: usize = 64;

/// The words of a line.
pub struct Words<'a> {
    /// What stands where there is no column.
    pub template: [u8; LINE],
    /// For each word of 8 bytes the column that it comes from.
    pub columns: [Option<&'a [u64]>; 8],
}

/// Lines made of a template, with columns in place of some of its words, these from the element `start`
/// on. It is fastest where the lines fit in the first-level cache: each is written in two halves.
///
/// It panics if a column has no element for a line.
pub type Encode = unsafe fn(words: &Words<'_>, start: usize, lines: &mut [[u8; LINE]]);

routine! {
    /// Lines made of a template and columns: see [`Encode`].
    pub fn encode(words: &Words<'_>, start: usize, lines: &mut [[u8; LINE]]) -> () = select as Encode;
}

fn select(level: Level) -> Encode {
    match level {
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        Level::Avx2 | Level::Avx512 => x86_64::avx2,
        _ => scalar,
    }
}

/// Every implementation that this CPU runs, the oracle first.
pub fn kernels() -> impl Iterator<Item = (Level, Encode)> {
    [Level::Scalar, Level::Avx2]
        .into_iter()
        .filter(|level| level.is_available())
        .map(|level| (level, select(level)))
}

/// The oracle.
pub fn scalar(words: &Words<'_>, start: usize, lines: &mut [[u8; LINE]]) {
    for line in lines.iter_mut() {
        *line = words.template;
    }
    for (word, column) in words.columns.iter().enumerate() {
        if let Some(column) = column {
            let values = &column[start..][..lines.len()];
            for (line, value) in lines.iter_mut().zip(values) {
                line[word * 8..][..8].copy_from_slice(&value.to_le_bytes());
            }
        }
    }
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86_64 {
    use core::arch::x86_64::*;

    use super::{LINE, Words, scalar};

    /// Lines of a block: a loop over a number that the compiler knows tests no bounds.
    const BLOCK: usize = 64;

    /// The elements of a column for a block, by pairs of lines.
    type Pairs = [[u64; 2]; BLOCK / 2];

    /// A block from half a line in its first line to the same half in its last.
    type Half = [u8; (BLOCK - 1) * LINE + LINE / 2];

    /// Blocks, half a line at a time; plain code for what is no block.
    #[target_feature(enable = "avx2")]
    pub fn avx2(words: &Words<'_>, start: usize, lines: &mut [[u8; LINE]]) {
        let (blocks, rest) = lines.as_chunks_mut::<BLOCK>();
        let behind = start + blocks.len() * BLOCK;
        for (number, block) in blocks.iter_mut().enumerate() {
            avx2_block(words, start + number * BLOCK, block);
        }
        if !rest.is_empty() {
            scalar(words, behind, rest);
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn avx2_block(words: &Words<'_>, start: usize, block: &mut [[u8; LINE]; BLOCK]) {
        let block = block.as_flattened_mut();
        for half in 0..2 {
            let mut template = [0; 4];
            let mut columns: [&Pairs; 4] = [&[[0; 2]; BLOCK / 2]; 4];
            let mut from_columns = 0;
            for word in 0..4 {
                let index = half * 4 + word;
                template[word] = i64::from_le_bytes(words.template.as_chunks().0[index]);
                if let Some(column) = words.columns[index] {
                    columns[word] = of_block(column, start);
                    from_columns |= 1 << word;
                }
            }
            let out = block[half * LINE / 2..].first_chunk_mut();
            let out = out.expect("a block");
            macro_rules! by_pattern {
                ($($pattern:literal)*) => {
                    match from_columns {
                        $($pattern => avx2_half::<$pattern>(&template, &columns, out),)*
                        _ => unreachable!("four bits"),
                    }
                };
            }
            by_pattern!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        }
    }

    #[inline]
    fn of_block(column: &[u64], start: usize) -> &Pairs {
        let pairs = column[start..].as_chunks().0.first_chunk();
        pairs.expect("an element for each line")
    }

    /// Half of each line: the words whose bit `FROM_COLUMNS` has from their columns.
    #[inline(never)]
    #[target_feature(enable = "avx2")]
    fn avx2_half<const FROM_COLUMNS: u8>(
        template: &[i64; 4],
        columns: &[&Pairs; 4],
        out: &mut Half,
    ) {
        let fixed = [
            _mm256_set1_epi64x(template[0]),
            _mm256_set1_epi64x(template[1]),
            _mm256_set1_epi64x(template[2]),
            _mm256_set1_epi64x(template[3]),
        ];
        for pair in 0..BLOCK / 2 {
            let even = two::<FROM_COLUMNS, 0, 2>(&fixed, columns, pair);
            let odd = two::<FROM_COLUMNS, 1, 3>(&fixed, columns, pair);
            let first = pair * 2 * LINE;
            store32(part_mut(out, first), _mm256_unpacklo_epi64(even, odd));
            store32(
                part_mut(out, first + LINE),
                _mm256_unpackhi_epi64(even, odd),
            );
        }
    }

    /// The `N` bytes at `at`.
    #[inline]
    fn part_mut<const N: usize>(bytes: &mut [u8], at: usize) -> &mut [u8; N] {
        let bytes = bytes[at..][..N].first_chunk_mut();
        bytes.expect("a slice of N bytes")
    }

    /// The word `LOW` of two lines in the lower half, and the word `HIGH` in the upper. Their numbers are
    /// constants, so that what is left is small enough to be inlined.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn two<const FROM_COLUMNS: u8, const LOW: usize, const HIGH: usize>(
        fixed: &[__m256i; 4],
        columns: &[&Pairs; 4],
        pair: usize,
    ) -> __m256i {
        let vector = if FROM_COLUMNS >> LOW & 1 == 1 {
            _mm256_castsi128_si256(load2(&columns[LOW][pair]))
        } else {
            fixed[LOW]
        };
        if FROM_COLUMNS >> HIGH & 1 == 1 {
            _mm256_inserti128_si256::<1>(vector, load2(&columns[HIGH][pair]))
        } else {
            _mm256_blend_epi32::<0xf0>(vector, fixed[HIGH])
        }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load2(words: &[u64; 2]) -> __m128i {
        // SAFETY: 16 bytes are readable behind the reference, and the load needs no alignment.
        unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx")]
    fn store32(out: &mut [u8; 32], bytes: __m256i) {
        // SAFETY: 32 bytes are writable behind the reference, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_writes_what_the_oracle_does() {
        let counts = if cfg!(miri) {
            vec![0, 1, 4, 9]
        } else {
            (0..=17).chain([63, 64, 65]).collect()
        };
        let column: Vec<u64> = (0..80).map(|value| value * 0x0101_0101_0101_0101).collect();
        for mask in 0..=u8::MAX {
            if cfg!(miri) && !mask.is_multiple_of(37) {
                continue;
            }
            for &count in &counts {
                let words = Words {
                    template: core::array::from_fn(|at| 100 + at as u8),
                    columns: core::array::from_fn(|index| {
                        (mask >> index & 1 == 1).then(|| &column[index % 3..])
                    }),
                };
                for start in [0, 5] {
                    let mut expected = vec![[0; LINE]; count + 1];
                    scalar(&words, start, &mut expected[..count]);
                    for (level, kernel) in kernels() {
                        let mut found = vec![[0; LINE]; count + 1];
                        // SAFETY: `kernels` lists those whose features this CPU has.
                        unsafe { kernel(&words, start, &mut found[..count]) };
                        assert_eq!(
                            found, expected,
                            "{level:?}, {count} lines, columns {mask:#b}"
                        );
                    }
                }
            }
        }
    }
}
