//! Words of many frames to columns and back.

use super::level::Level;
use super::routine;

/// Bytes of the line that [`Encode`] writes.
pub const LINE: usize = 64;

/// Words of each line to columns. Lines without a place in the shortest column are left out.
pub type Extract = unsafe fn(lines: &[[u8; LINE]], columns: &mut Places<'_>);

/// For each word of 8 bytes of a line the column that it goes to.
pub type Places<'a> = [Option<&'a mut [u64]>; 8];

/// Lines made of a template, with columns in place of some of its words. Every column has an element
/// for each line.
pub type Encode = unsafe fn(&Words<'_>, lines: &mut [[u8; LINE]]);

/// Where the words are.
#[derive(Clone, Copy)]
pub struct Strided<'a> {
    /// A whole number of frames.
    pub frames: &'a [u8],
    /// Bytes of a frame.
    pub size: usize,
    /// Bytes from the start of each frame.
    pub offset: usize,
}

/// The words of a line.
pub struct Words<'a> {
    /// What stands where there is no column.
    pub template: [u8; LINE],
    /// For each word of 8 bytes the column that it comes from.
    pub columns: [Option<&'a [u64]>; 8],
}

routine! {
    /// Words of each line to columns. Lines without a place in the shortest column are left out.
    pub fn extract_words(lines: &[[u8; LINE]], columns: &mut Places<'_>) -> () = select_extract as Extract;
}

routine! {
    /// Lines made of a template and columns. Lines without an element in every column keep the
    /// template's word there.
    pub fn encode(words: &Words<'_>, lines: &mut [[u8; LINE]]) -> () = select_encode as Encode;
}

routine! {
    /// As [`encode`], past the caches.
    pub fn encode_streaming(words: &Words<'_>, lines: &mut [[u8; LINE]]) -> () = select_streaming as Encode;
}

fn select_extract(level: Level) -> Extract {
    match level {
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        Level::Avx2 | Level::Avx512 => x86_64::avx2_extract,
        _ => scalar_extract,
    }
}

fn select_encode(level: Level) -> Encode {
    match level {
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        Level::Avx2 | Level::Avx512 => x86_64::avx2_encode::<false>,
        _ => scalar_encode,
    }
}

fn select_streaming(level: Level) -> Encode {
    match level {
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        Level::Avx2 | Level::Avx512 => x86_64::avx2_encode::<true>,
        _ => scalar_encode,
    }
}

/// Every implementation that this CPU runs: extracting, writing, and writing past the caches.
pub fn kernels() -> impl Iterator<Item = (Level, Extract, Encode, Encode)> {
    [Level::Scalar, Level::Avx2]
        .into_iter()
        .filter(|level| level.is_available())
        .map(|level| {
            (
                level,
                select_extract(level),
                select_encode(level),
                select_streaming(level),
            )
        })
}

/// `N` bytes at `offset` of each frame, to a column of integers of that size.
#[inline]
pub fn extract<const N: usize, V>(words: Strided<'_>, out: &mut [V], from: impl Fn([u8; N]) -> V) {
    let frames = words.frames.chunks_exact(words.size);
    for (frame, out) in frames.zip(out) {
        *out = from(*part(frame, words.offset));
    }
}

/// The `N` bytes at `at`.
#[inline]
fn part<const N: usize>(bytes: &[u8], at: usize) -> &[u8; N] {
    bytes[at..][..N].first_chunk().expect("a slice of N bytes")
}

/// A number that is stored like an integer of type `Self::Bits`.
///
/// # Safety
///
/// Both types have one size and one alignment, no padding, and every bit pattern is a value of either.
pub unsafe trait Number: Copy {
    /// The integer.
    type Bits: Copy;
}

macro_rules! numbers {
    ($($number:ident $bits:ident),*) => {$(
        // SAFETY: primitive numbers of one size; they have no padding, every bit pattern is a value,
        // and the constants below fail to compile where size or alignment differ.
        unsafe impl Number for $number {
            type Bits = $bits;
        }
        const _: () = assert!(size_of::<$number>() == size_of::<$bits>());
        const _: () = assert!(align_of::<$number>() == align_of::<$bits>());
    )*};
}

numbers!(u8 u8, i8 u8, u16 u16, i16 u16, u32 u32, i32 u32, f32 u32, u64 u64, i64 u64, f64 u64);

/// Numbers as integers of as many bytes.
pub fn bits<N: Number>(numbers: &[N]) -> &[N::Bits] {
    // SAFETY: pointer and length come from a slice that the result borrows from; `Number` promises that
    // its elements are values of `Bits` and stand where those would.
    unsafe { core::slice::from_raw_parts(numbers.as_ptr().cast(), numbers.len()) }
}

/// Numbers as integers of as many bytes, to be written.
pub fn bits_mut<N: Number>(numbers: &mut [N]) -> &mut [N::Bits] {
    // SAFETY: as in `bits`; the borrow is exclusive, and whatever integer is written is a value of `N`.
    unsafe { core::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len()) }
}

/// The oracle.
pub fn scalar_extract(lines: &[[u8; LINE]], columns: &mut Places<'_>) {
    let count = places(lines, columns);
    for (index, column) in columns.iter_mut().enumerate() {
        for (line, place) in lines[..count]
            .iter()
            .zip(column.iter_mut().flat_map(|c| c.iter_mut()))
        {
            *place = u64::from_le_bytes(*part(line, index * 8));
        }
    }
}

/// Lines that have a place in every column.
fn places(lines: &[[u8; LINE]], columns: &Places<'_>) -> usize {
    let columns = columns.iter().flatten();
    columns.fold(lines.len(), |count, column| count.min(column.len()))
}

/// The oracle.
pub fn scalar_encode(words: &Words<'_>, lines: &mut [[u8; LINE]]) {
    lines.fill(words.template);
    for (index, column) in words.columns.iter().enumerate() {
        for (line, value) in lines.iter_mut().zip(column.iter().copied().flatten()) {
            line[index * 8..][..8].copy_from_slice(&value.to_le_bytes());
        }
    }
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86_64 {
    use core::arch::x86_64::*;

    use super::{LINE, Places, Words, part, places, scalar_encode, scalar_extract};

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load16(bytes: &[u8; 16]) -> __m128i {
        // SAFETY: 16 bytes are readable behind the reference, and the load needs no alignment.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx")]
    fn load4(words: &[u64; 4]) -> __m256i {
        // SAFETY: 32 bytes are readable behind the reference, and the load needs no alignment.
        unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
    }

    /// Lines that stay in the first-level cache while one pair of columns after the other is read.
    const BLOCK: usize = 64;

    /// Pairs of columns, one after the other for each block.
    #[target_feature(enable = "avx2")]
    pub fn avx2_extract(lines: &[[u8; LINE]], columns: &mut Places<'_>) {
        let count = places(lines, columns) / 4 * 4;
        for (number, block) in lines[..count].chunks(BLOCK).enumerate() {
            let from = number * BLOCK;
            for (pair, columns) in columns.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                match columns {
                    [Some(low), Some(high)] => {
                        avx2_pair(block, pair, &mut low[from..], &mut high[from..])
                    }
                    [Some(low), None] => avx2_single::<false>(block, pair, &mut low[from..]),
                    [None, Some(high)] => avx2_single::<true>(block, pair, &mut high[from..]),
                    [None, None] => {}
                }
            }
        }
        let mut rest = columns
            .each_mut()
            .map(|column| column.as_mut().map(|column| &mut column[count..]));
        scalar_extract(&lines[count..], &mut rest);
    }

    #[inline]
    #[target_feature(enable = "avx")]
    fn store4(out: &mut [u64; 4], words: __m256i) {
        // SAFETY: 32 bytes are writable behind the reference, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), words) }
    }

    /// Two words of lines 0 and 2 in one vector, of 1 and 3 in the other: unpacking them puts the low
    /// words and the high words next to each other in the lines' order.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load_pairs(group: &[[u8; LINE]; 4], pair: usize) -> (__m256i, __m256i) {
        let words = |line: usize| load16(&group[line].as_chunks::<16>().0[pair]);
        (
            _mm256_set_m128i(words(2), words(0)),
            _mm256_set_m128i(words(3), words(1)),
        )
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn avx2_pair(lines: &[[u8; LINE]], pair: usize, low: &mut [u64], high: &mut [u64]) {
        let places = low.as_chunks_mut::<4>().0.iter_mut();
        let places = places.zip(high.as_chunks_mut::<4>().0);
        for (group, (low, high)) in lines.as_chunks::<4>().0.iter().zip(places) {
            let (even, odd) = load_pairs(group, pair);
            store4(low, _mm256_unpacklo_epi64(even, odd));
            store4(high, _mm256_unpackhi_epi64(even, odd));
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn avx2_single<const IS_HIGH: bool>(lines: &[[u8; LINE]], pair: usize, out: &mut [u64]) {
        let places = out.as_chunks_mut::<4>().0;
        for (group, out) in lines.as_chunks::<4>().0.iter().zip(places) {
            let (even, odd) = load_pairs(group, pair);
            let words = if IS_HIGH {
                _mm256_unpackhi_epi64(even, odd)
            } else {
                _mm256_unpacklo_epi64(even, odd)
            };
            store4(out, words);
        }
    }

    /// Four lines at a time, in stores of 16 bytes that together write each line once.
    #[target_feature(enable = "avx2")]
    pub fn avx2_encode<const IS_STREAMING: bool>(words: &Words<'_>, lines: &mut [[u8; LINE]]) {
        // Stores past the caches need this, and the caller's buffer has it.
        let is_streaming = IS_STREAMING && lines.as_ptr().addr().is_multiple_of(16);
        let count = words
            .columns
            .iter()
            .flatten()
            .fold(lines.len(), |count, column| count.min(column.len()));
        let vector_lines = count / 4 * 4;
        let (groups, _) = lines[..vector_lines].as_chunks_mut::<4>();
        let template: [__m256i; 8] = core::array::from_fn(|index| {
            _mm256_set1_epi64x(i64::from_le_bytes(*part(&words.template, index * 8)))
        });
        for (number, group) in groups.iter_mut().enumerate() {
            let word = |index: usize| match words.columns[index] {
                Some(column) => load4(column[number * 4..][..4].first_chunk().expect("4 words")),
                None => template[index],
            };
            for pair in 0..4 {
                let (low, high) = (word(2 * pair), word(2 * pair + 1));
                let even = _mm256_unpacklo_epi64(low, high);
                let odd = _mm256_unpackhi_epi64(low, high);
                let parts = [
                    _mm256_castsi256_si128(even),
                    _mm256_castsi256_si128(odd),
                    _mm256_extracti128_si256::<1>(even),
                    _mm256_extracti128_si256::<1>(odd),
                ];
                for (line, part) in group.iter_mut().zip(parts) {
                    let out = &mut line.as_chunks_mut::<16>().0[pair];
                    if is_streaming {
                        // SAFETY: 16 bytes are writable behind the reference, and they are aligned,
                        // since the first line is (tested above) and a line is 64 bytes.
                        unsafe { _mm_stream_si128(out.as_mut_ptr().cast(), part) }
                    } else {
                        // SAFETY: 16 bytes are writable behind the reference, and the store needs
                        // no alignment.
                        unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), part) }
                    }
                }
            }
        }
        if is_streaming {
            // Whoever reads the lines next, on any core, finds them written.
            // SAFETY: it needs SSE, which AVX2 implies, and touches no memory.
            #[allow(unused_unsafe, reason = "older compilers say that it is unsafe")]
            unsafe {
                _mm_sfence();
            }
        }
        if vector_lines < lines.len() {
            let columns = words
                .columns
                .map(|column| column.map(|column| &column[vector_lines.min(column.len())..]));
            let rest = Words {
                template: words.template,
                columns,
            };
            scalar_encode(&rest, &mut lines[vector_lines..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> Vec<usize> {
        if cfg!(miri) {
            vec![0, 1, 4, 9]
        } else {
            (0..=17).chain([63, 64, 65]).collect()
        }
    }

    #[test]
    fn every_kernel_extracts_what_the_oracle_does() {
        for count in counts() {
            let lines: Vec<[u8; LINE]> = (0..count)
                .map(|line| core::array::from_fn(|at| (line * 64 + at * 7 % 251) as u8))
                .collect();
            for mask in [0_u8, 1, 0b1000, 0b0001_1000, 0b1010_0101, 0xff] {
                // Columns that are shorter and longer than the frames, too.
                for lens in [
                    [count; 8],
                    [count + 1; 8],
                    core::array::from_fn(|at| count / (at + 1)),
                ] {
                    let run = |kernel: Extract| {
                        let mut columns = lens.map(|len| vec![9_u64; len]);
                        let mut index = 0;
                        let mut places: Places<'_> = columns.each_mut().map(|column| {
                            index += 1;
                            (mask >> (index - 1) & 1 == 1).then_some(column.as_mut_slice())
                        });
                        // SAFETY: `kernels` lists those whose features this CPU has.
                        unsafe { kernel(&lines, &mut places) };
                        columns
                    };
                    let expected = run(scalar_extract);
                    for (level, kernel, ..) in kernels() {
                        assert_eq!(
                            run(kernel),
                            expected,
                            "{level:?}, {count} lines, columns {mask:#b}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn every_kernel_writes_what_the_oracle_does() {
        let column: Vec<u64> = (0..70).map(|value| value * 0x0101_0101_0101_0101).collect();
        for mask in [0_u8, 1, 0b1000, 0b0001_1000, 0b1010_0101, 0xff] {
            for count in counts() {
                let words = Words {
                    template: core::array::from_fn(|at| 100 + at as u8),
                    columns: core::array::from_fn(|index| {
                        (mask >> index & 1 == 1).then(|| &column[index % 3..][..count])
                    }),
                };
                let mut expected = vec![[0; LINE]; count + 1];
                scalar_encode(&words, &mut expected);
                for (level, _, encode, streaming) in kernels() {
                    // Miri has no stores past the caches.
                    for kernel in [Some(encode), (!cfg!(miri)).then_some(streaming)]
                        .into_iter()
                        .flatten()
                    {
                        let mut found = vec![[0; LINE]; count + 1];
                        // SAFETY: `kernels` lists those whose features this CPU has.
                        unsafe { kernel(&words, &mut found) };
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
