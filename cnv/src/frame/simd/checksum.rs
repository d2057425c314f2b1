//! CRC32C by a table, and by the instruction that `x86_64` and `aarch64` have for it.

use super::level::Level;
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
use super::level::has;
use super::routine;

/// Bytes of a line that its checksum covers; the checksum stands in the last four, little-endian.
pub const COVERED: usize = 60;

/// One line.
pub type Line = [u8; 64];

/// The remainder after `bytes`, from the remainder before them; neither is inverted.
pub type Update = unsafe fn(state: u32, bytes: &[u8]) -> u32;

/// Whether every line ends with the checksum of what stands before it.
pub type Verify = unsafe fn(lines: &[Line]) -> bool;

routine! {
    /// The remainder after `bytes`, from the remainder before them; neither is inverted.
    pub fn update(state: u32, bytes: &[u8]) -> u32 = select_update as Update;
}

routine! {
    /// Whether every line ends with the checksum of what stands before it.
    pub fn are_intact(lines: &[Line]) -> bool = select_verify as Verify;
}

fn select_update(level: Level) -> Update {
    match level {
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        Level::Sse42 | Level::Avx2 | Level::Avx512 => x86_64::update,
        #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
        Level::Neon if has!("crc") => aarch64::update,
        _ => table,
    }
}

fn select_verify(level: Level) -> Verify {
    match level {
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        Level::Sse42 | Level::Avx2 | Level::Avx512 => x86_64::are_intact,
        #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
        Level::Neon if has!("crc") => aarch64::are_intact,
        _ => table_are_intact,
    }
}

/// Every implementation that this CPU runs, the one with a table first.
pub fn kernels() -> impl Iterator<Item = (Level, Update, Verify)> {
    [Level::Scalar, Level::Sse42, Level::Neon]
        .into_iter()
        .filter(|level| level.is_available())
        .map(|level| (level, select_update(level), select_verify(level)))
}

/// The Castagnoli polynomial with its bits reversed: RFC 3720, appendix B.4 has test vectors.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The oracle: one bit at a time, by the definition.
#[must_use]
pub const fn bitwise(mut state: u32, bytes: &[u8]) -> u32 {
    let mut at = 0;
    while at < bytes.len() {
        state ^= bytes[at] as u32;
        let mut bit = 0;
        while bit < 8 {
            state = (state >> 1) ^ (POLYNOMIAL & (state & 1).wrapping_neg());
            bit += 1;
        }
        at += 1;
    }
    state
}

/// `TABLES[n][b]` is the remainder of the byte `b` with `n` zeros behind it.
static TABLES: [[u32; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let zeros = [0; 7];
    let mut byte = 0;
    while byte < 256 {
        tables[0][byte] = bitwise(0, &[byte as u8]);
        let mut count = 1;
        while count < 8 {
            tables[count][byte] = bitwise(tables[0][byte], zeros.split_at(count).0);
            count += 1;
        }
        byte += 1;
    }
    tables
};

/// Eight bytes at a time through eight tables.
#[must_use]
pub fn table(mut state: u32, bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word) ^ u64::from(state);
        let bytes = word.to_le_bytes().into_iter().zip(TABLES.iter().rev());
        state = bytes.fold(0, |state, (byte, table)| state ^ table[usize::from(byte)]);
    }
    let step = |state: u32, byte: &u8| (state >> 8) ^ TABLES[0][usize::from(state as u8 ^ byte)];
    rest.iter().fold(state, step)
}

/// Bytes of each of several lanes whose remainders are computed side by side.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
const LANE_BYTES: usize = 1024;

/// `LANE[n][b]` is the remainder of byte `n` of a remainder, where it is `b`, with a lane of zeros behind it.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
static LANE: [[u32; 256]; 4] = {
    // What becomes of each bit of a remainder by one byte of zeros, and by twice as many each time.
    let mut bits = [0; 32];
    let mut bit = 0;
    while bit < 32 {
        bits[bit] = bitwise(1 << bit, &[0]);
        bit += 1;
    }
    let mut bytes = 1;
    while bytes < LANE_BYTES {
        let mut twice = [0; 32];
        let mut bit = 0;
        while bit < 32 {
            twice[bit] = sum_of(&bits, bits[bit]);
            bit += 1;
        }
        bits = twice;
        bytes *= 2;
    }
    let mut tables = [[0; 256]; 4];
    let mut at = 0;
    while at < 4 * 256 {
        tables[at / 256][at % 256] = sum_of(&bits, ((at % 256) as u32) << (8 * (at / 256)));
        at += 1;
    }
    tables
};

/// What becomes of a remainder, as the sum of what becomes of its bits.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
const fn sum_of(bits: &[u32; 32], remainder: u32) -> u32 {
    let mut sum = 0;
    let mut bit = 0;
    while bit < 32 {
        if remainder & (1 << bit) != 0 {
            sum ^= bits[bit];
        }
        bit += 1;
    }
    sum
}

/// The remainder with a lane of zeros behind it.
#[inline]
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
fn after_lane(remainder: u32) -> u32 {
    let bytes = remainder.to_le_bytes().into_iter().zip(&LANE);
    bytes.fold(0, |sum, (byte, table)| sum ^ table[usize::from(byte)])
}

fn table_are_intact(lines: &[Line]) -> bool {
    lines
        .iter()
        .all(|line| !table(!0, &line[..COVERED]) == stated(line))
}

/// The checksum that a line states.
#[inline]
fn stated(line: &Line) -> u32 {
    u32::from_le_bytes(*line.last_chunk().expect("a line has more than 4 bytes"))
}

/// The word at `index` of a line.
#[inline]
#[cfg(any(
    all(target_arch = "x86_64", target_feature = "sse2"),
    all(target_arch = "aarch64", target_feature = "neon")
))]
fn word(line: &Line, index: usize) -> u64 {
    line.as_chunks::<8>()
        .0
        .get(index)
        .map_or(0, |word| u64::from_le_bytes(*word))
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86_64 {
    use core::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u32, _mm_crc32_u64};

    use super::{LANE_BYTES, Line, after_lane, stated, word};

    /// The instruction takes three cycles and starts one in each, so that three lanes at a time leave none of them idle.
    #[target_feature(enable = "sse4.2")]
    pub fn update(mut state: u32, bytes: &[u8]) -> u32 {
        let (blocks, rest) = bytes.as_chunks::<{ 3 * LANE_BYTES }>();
        for block in blocks {
            let (first, others) = block.split_at(LANE_BYTES);
            let (second, third) = others.split_at(LANE_BYTES);
            let mut states = [u64::from(state), 0, 0];
            let words = first.as_chunks::<8>().0.iter();
            let others = second
                .as_chunks::<8>()
                .0
                .iter()
                .zip(third.as_chunks::<8>().0);
            for (first, (second, third)) in words.zip(others) {
                states[0] = _mm_crc32_u64(states[0], u64::from_le_bytes(*first));
                states[1] = _mm_crc32_u64(states[1], u64::from_le_bytes(*second));
                states[2] = _mm_crc32_u64(states[2], u64::from_le_bytes(*third));
            }
            let [first, second, third] = states.map(|state| state as u32);
            state = after_lane(after_lane(first) ^ second) ^ third;
        }
        one_lane(state, rest)
    }

    #[inline]
    #[target_feature(enable = "sse4.2")]
    fn one_lane(state: u32, bytes: &[u8]) -> u32 {
        let (words, rest) = bytes.as_chunks::<8>();
        let state = words.iter().fold(u64::from(state), |state, word| {
            _mm_crc32_u64(state, u64::from_le_bytes(*word))
        });
        rest.iter()
            .fold(state as u32, |state, &byte| _mm_crc32_u8(state, byte))
    }

    /// The instruction takes three cycles and starts one in each, so that four lines at a time leave
    /// none of them idle.
    #[target_feature(enable = "sse4.2")]
    pub fn are_intact(lines: &[Line]) -> bool {
        let (groups, rest) = lines.as_chunks::<4>();
        let mut bad = 0;
        for group in groups {
            bad |= excess(group);
        }
        for line in rest {
            bad |= excess(&[*line]);
        }
        bad == 0
    }

    /// 0 if every line is intact.
    #[inline]
    #[target_feature(enable = "sse4.2")]
    fn excess<const N: usize>(lines: &[Line; N]) -> u32 {
        let mut states = [u64::from(!0_u32); N];
        for index in 0..7 {
            for (state, line) in states.iter_mut().zip(lines) {
                *state = _mm_crc32_u64(*state, word(line, index));
            }
        }
        let mut bad = 0;
        for (state, line) in states.into_iter().zip(lines) {
            bad |= !_mm_crc32_u32(state as u32, word(line, 7) as u32) ^ stated(line);
        }
        bad
    }
}

#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
mod aarch64 {
    use core::arch::aarch64::{__crc32cb, __crc32cd, __crc32cw};

    use super::{Line, stated, word};

    #[target_feature(enable = "crc")]
    pub fn update(state: u32, bytes: &[u8]) -> u32 {
        let (words, rest) = bytes.as_chunks::<8>();
        let state = words.iter().fold(state, |state, word| {
            __crc32cd(state, u64::from_le_bytes(*word))
        });
        rest.iter()
            .fold(state, |state, &byte| __crc32cb(state, byte))
    }

    #[target_feature(enable = "crc")]
    pub fn are_intact(lines: &[Line]) -> bool {
        let mut bad = 0;
        for line in lines {
            let state = (0..7).fold(!0, |state, index| __crc32cd(state, word(line, index)));
            bad |= !__crc32cw(state, word(line, 7) as u32) ^ stated(line);
        }
        bad == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
    const VECTORS: [(&[u8], u32); 5] = [
        (b"", 0),
        (b"123456789", 0xe306_9283),
        (&[0; 32], 0x8a91_36aa),
        (&[0xff; 32], 0x62a8_ab43),
        (&[0xff; 0], 0),
    ];

    /// Every implementation says what the oracle says.
    fn agree(bytes: &[u8]) -> u32 {
        let expected = !bitwise(!0, bytes);
        for (level, kernel, _) in kernels() {
            // SAFETY: `kernels` lists those whose features this CPU has.
            let found = !unsafe { kernel(!0, bytes) };
            assert_eq!(found, expected, "{level:?}, {} bytes", bytes.len());
        }
        assert_eq!(!update(!0, bytes), expected);
        expected
    }

    fn lines(count: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        for index in 0..count {
            let mut line = [index as u8; 64];
            let checksum = !bitwise(!0, &line[..COVERED]);
            line[COVERED..].copy_from_slice(&checksum.to_le_bytes());
            lines.push(line);
        }
        lines
    }

    fn are_all_intact(lines: &[Line]) -> bool {
        let found = are_intact(lines);
        for (level, _, kernel) in kernels() {
            // SAFETY: `kernels` lists those whose features this CPU has.
            let agrees = unsafe { kernel(lines) } == found;
            assert!(agrees, "{level:?}, {} lines", lines.len());
        }
        found
    }

    #[test]
    fn every_implementation_reproduces_the_published_values() {
        for (bytes, expected) in VECTORS {
            assert_eq!(agree(bytes), expected);
        }
    }

    #[test]
    fn every_length_and_every_alignment_agrees() {
        let bytes: Vec<u8> = (0..100).collect();
        for start in 0..9 {
            for end in start..if cfg!(miri) { 30 } else { bytes.len() } {
                agree(&bytes[start..end]);
            }
        }
    }

    /// Long inputs go through several lanes side by side.
    #[test]
    fn lengths_around_a_block_of_lanes_agree() {
        let bytes: Vec<u8> = (0..7000_u32).map(|at| ((at * 31) >> 3) as u8).collect();
        let lens: &[usize] = if cfg!(miri) {
            &[3073]
        } else {
            &[3071, 3072, 3073, 4096, 6143, 6144, 6145, 6999]
        };
        for &len in lens {
            for start in 0..if cfg!(miri) { 1 } else { 2 } {
                agree(&bytes[start..start + len]);
            }
        }
    }

    #[test]
    fn one_flipped_bit_anywhere_is_found() {
        let counts = if cfg!(miri) { 4..6 } else { 0..10 };
        for count in counts {
            let mut lines = lines(count);
            assert!(are_all_intact(&lines));
            let step = if cfg!(miri) { 61 } else { 1 };
            for bit in (0..count * 512).step_by(step) {
                lines[bit / 512][bit / 8 % 64] ^= 1 << (bit % 8);
                assert!(!are_all_intact(&lines));
                lines[bit / 512][bit / 8 % 64] ^= 1 << (bit % 8);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn random_bytes_agree(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            agree(&bytes);
        }
    }
}
