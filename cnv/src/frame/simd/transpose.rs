//! Words of many frames to columns and back.

use super::level::Level;
use super::routine;

/// Bytes of the line that [`Encode`] writes.
pub const LINE: usize = 64;

/// Two neighbouring words of 8 bytes, at `offset` in each frame of `size` bytes, to two columns. Each
/// column has an element for each frame.
pub type Pair = unsafe fn(Strided<'_>, low: &mut [u64], high: &mut [u64]);

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
    /// Two neighbouring words of each frame to two columns. Frames without a place in the shorter
    /// column are left out.
    pub fn extract_pair(words: Strided<'_>, low: &mut [u64], high: &mut [u64]) -> () = select_pair as Pair;
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

fn select_pair(level: Level) -> Pair {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => x86_64::avx2_pair,
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => x86_64::avx512_pair,
        _ => scalar_pair,
    }
}

fn select_encode(level: Level) -> Encode {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 | Level::Avx512 => x86_64::avx2_encode::<false>,
        _ => scalar_encode,
    }
}

fn select_streaming(level: Level) -> Encode {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 | Level::Avx512 => x86_64::avx2_encode::<true>,
        _ => scalar_encode,
    }
}

/// Every implementation that this CPU runs: extracting, writing, and writing past the caches.
pub fn kernels() -> impl Iterator<Item = (Level, Pair, Encode, Encode)> {
    [Level::Scalar, Level::Avx2, Level::Avx512]
        .into_iter()
        .filter(|level| level.is_available())
        .map(|level| {
            (
                level,
                select_pair(level),
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
pub fn scalar_pair(words: Strided<'_>, low: &mut [u64], high: &mut [u64]) {
    let frames = words.frames.chunks_exact(words.size);
    for ((frame, low), high) in frames.zip(low).zip(high) {
        *low = u64::from_le_bytes(*part(frame, words.offset));
        *high = u64::from_le_bytes(*part(frame, words.offset + 8));
    }
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

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use core::arch::x86_64::*;

    use super::{LINE, Strided, Words, part, scalar_encode, scalar_pair};

    #[inline]
    #[target_feature(enable = "sse2")]
    fn load16(bytes: &[u8; 16]) -> __m128i {
        // SAFETY: 16 bytes are readable behind the reference, and the load needs no alignment.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx")]
    fn store4(out: &mut [u64; 4], words: __m256i) {
        // SAFETY: 32 bytes are writable behind the reference, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), words) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store8(out: &mut [u64; 8], words: __m512i) {
        // SAFETY: 64 bytes are writable behind the reference, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), words) }
    }

    #[inline]
    #[target_feature(enable = "avx")]
    fn load4(words: &[u64; 4]) -> __m256i {
        // SAFETY: 32 bytes are readable behind the reference, and the load needs no alignment.
        unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
    }

    /// Four frames at a time: both words of frames 0 and 2 in one vector, of 1 and 3 in another, and
    /// unpacking puts the low words and the high words next to each other in the frames' order.
    #[target_feature(enable = "avx2")]
    pub fn avx2_pair(words: Strided<'_>, low: &mut [u64], high: &mut [u64]) {
        let Strided {
            frames,
            size,
            offset,
        } = words;
        let mut rest = frames;
        let count = low.len().min(high.len()).min(frames.len() / size);
        let (low, high) = (&mut low[..count], &mut high[..count]);
        let (low_groups, low_rest) = low.as_chunks_mut::<4>();
        let (high_groups, high_rest) = high.as_chunks_mut::<4>();
        for (low, high) in low_groups.iter_mut().zip(high_groups) {
            let (group, tail) = rest.split_at(4 * size);
            let pair = |index: usize| load16(part(group, index * size + offset));
            let even = _mm256_set_m128i(pair(2), pair(0));
            let odd = _mm256_set_m128i(pair(3), pair(1));
            store4(low, _mm256_unpacklo_epi64(even, odd));
            store4(high, _mm256_unpackhi_epi64(even, odd));
            rest = tail;
        }
        let rest = Strided {
            frames: rest,
            size,
            offset,
        };
        scalar_pair(rest, low_rest, high_rest);
    }

    /// The same, eight frames at a time.
    #[target_feature(enable = "avx2,avx512f,avx512dq")]
    pub fn avx512_pair(words: Strided<'_>, low: &mut [u64], high: &mut [u64]) {
        let Strided {
            frames,
            size,
            offset,
        } = words;
        let mut rest = frames;
        let count = low.len().min(high.len()).min(frames.len() / size);
        let (low, high) = (&mut low[..count], &mut high[..count]);
        let (low_groups, low_rest) = low.as_chunks_mut::<8>();
        let (high_groups, high_rest) = high.as_chunks_mut::<8>();
        for (low, high) in low_groups.iter_mut().zip(high_groups) {
            let (group, tail) = rest.split_at(8 * size);
            let pair = |index: usize| load16(part(group, index * size + offset));
            let quad = |start: usize| {
                let lower = _mm256_set_m128i(pair(start + 2), pair(start));
                let upper = _mm256_set_m128i(pair(start + 6), pair(start + 4));
                _mm512_inserti64x4::<1>(_mm512_castsi256_si512(lower), upper)
            };
            let (even, odd) = (quad(0), quad(1));
            store8(low, _mm512_unpacklo_epi64(even, odd));
            store8(high, _mm512_unpackhi_epi64(even, odd));
            rest = tail;
        }
        avx2_pair(
            Strided {
                frames: rest,
                size,
                offset,
            },
            low_rest,
            high_rest,
        );
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
            _mm_sfence();
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
        for (size, offset) in [(16, 0), (24, 5), (64, 24), (64, 48)] {
            for count in counts() {
                let bytes: Vec<u8> = (0..count * size).map(|at| (at * 7 % 251) as u8).collect();
                // Columns that are shorter and longer than the frames, too.
                for (low_len, high_len) in [(count, count), (count + 1, count), (count / 2, count)]
                {
                    let words = Strided {
                        frames: &bytes,
                        size,
                        offset,
                    };
                    let mut expected = (vec![9; low_len], vec![9; high_len]);
                    scalar_pair(words, &mut expected.0, &mut expected.1);
                    for (level, kernel, ..) in kernels() {
                        let mut found = (vec![9; low_len], vec![9; high_len]);
                        // SAFETY: `kernels` lists those whose features this CPU has.
                        unsafe { kernel(words, &mut found.0, &mut found.1) };
                        assert_eq!(found, expected, "{level:?}, {count} frames of {size}");
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
