//! Ranges of bytes as bits of words, for one frame at a time.
//!
//! A range such as 0 to 3, or one value, leaves some bits of a byte free and says what the others are: a mask
//! and a comparison for each eight bytes test them. A range such as 0 to 24 allows only some values of its free
//! bits: 7 is added, which carries 25 to 31 into a bit that is not free.

use crate::frame::SimdFrame;
use crate::frame::layout::Window;

/// Which bits of a window are not free, what they are, and which values of the others are too large.
struct FixedBits {
    mask: [u64; 8],
    value: [u64; 8],
    /// For a range from 0 whose free bits have a largest value, what that value lacks of all of them. Where a
    /// sum reaches the next byte, the byte that it comes from has bits that are not free.
    missing: [u64; 8],
    words: usize,
}

impl FixedBits {
    /// The bits of the window over `lo` and `span`, `None` where they do not say the same as the ranges.
    const fn new(lo: &[u8], span: &[u8], window: Window) -> Option<Self> {
        let Window::Bytes { offset, len } = window else {
            return None;
        };
        let mut bits = Self {
            mask: [0; 8],
            value: [0; 8],
            missing: [0; 8],
            words: len / 8,
        };
        let mut at = 0;
        while at < len {
            let (lo, span) = (lo[offset + at], span[offset + at]);
            // The free bits are the lowest ones, and where they are 0 the range starts.
            let free = u8::MAX.unbounded_shr(span.leading_zeros());
            let is_limited = span != free;
            if lo & free != 0 || is_limited && (lo != 0 || free == u8::MAX) {
                return None;
            }
            let shift = at % 8 * 8;
            bits.mask[at / 8] |= (!free as u64) << shift;
            bits.value[at / 8] |= (lo as u64) << shift;
            bits.missing[at / 8] |= ((free - span) as u64) << shift;
            at += 1;
        }
        Some(bits)
    }

    /// 0 if the word with the number `index` is within the ranges, and else something else.
    #[inline]
    const fn excess(&self, index: usize, word: u64) -> u64 {
        let sum = word.wrapping_add(self.missing[index]);
        (word | sum) & self.mask[index] ^ self.value[index]
    }
}

/// Whether bits say the same as the ranges of `F`.
pub const fn say_all_of<F: SimdFrame>() -> bool {
    FixedBits::new(F::LO, F::SPAN, F::WINDOW).is_some()
}

/// Whether every byte of `frame`, which are as many as `F` has, is within its range. Compiled for the type.
#[inline]
pub fn is_within<F: SimdFrame>(frame: &[u8]) -> bool {
    let (offset, len) = const { F::WINDOW.bytes(F::SIZE) };
    if let Some(bits) = const { &FixedBits::new(F::LO, F::SPAN, F::WINDOW) } {
        let (words, _) = frame[offset..offset + len].as_chunks();
        let excess = |index: usize| bits.excess(index, u64::from_le_bytes(words[index]));
        return (0..bits.words).fold(0, |bad, index| bad | excess(index)) == 0;
    }
    let excess = |at: usize| {
        frame[at]
            .wrapping_sub(F::LO[at])
            .saturating_sub(F::SPAN[at])
    };
    // All bytes of the window, without a branch: the tables are constants, and so is its length.
    (offset..offset + len).fold(0, |bad, at| bad | excess(at)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameHeader, Le};

    /// Every range of a byte that bits can say, and no other; and they allow the same values.
    #[test]
    fn bits_allow_what_the_range_does() {
        let window = Window::Bytes { offset: 0, len: 8 };
        let step = if cfg!(miri) { 41 } else { 1 };
        let mut exact = 0;
        for lo in (0..=u8::MAX).step_by(step) {
            for span in 0..=u8::MAX - lo {
                let allowed = |byte: u8| byte.wrapping_sub(lo) <= span;
                let (los, spans) = (
                    [0, 0, 0, lo, 0, 0, 0, 0],
                    [255, 255, 255, span, 255, 255, 255, 255],
                );
                let Some(bits) = FixedBits::new(&los, &spans, window) else {
                    continue;
                };
                exact += 1;
                for byte in 0..=u8::MAX {
                    let word = u64::from_le_bytes([9, 9, 9, byte, 9, 9, 9, 9]);
                    let is_same = bits.excess(0, word) == 0;
                    assert_eq!(is_same, allowed(byte), "{byte} from {lo}, {span} above");
                }
            }
        }
        // One value, two from an even one, four from a multiple of four, and so on; and up to 128 from 0.
        assert_eq!(exact, if cfg!(miri) { 139 } else { 631 });
    }

    #[derive(cnv_macros::SimdFrame)]
    #[frame(crate = "crate")]
    #[repr(C)]
    struct Uneven {
        #[frame(range = 1..=9)]
        level: u8,
        is_last: bool,
        #[frame(reserved)]
        _pad: [u8; 6],
        value: Le<u64>,
    }

    /// Limited bytes next to each other, so that a sum would reach the next one.
    #[derive(cnv_macros::SimdFrame)]
    #[frame(crate = "crate")]
    #[repr(C)]
    struct Limited {
        #[frame(range = 0..=24)]
        first: u8,
        #[frame(range = 0..=100)]
        second: u8,
        #[frame(range = 0..=2)]
        third: u8,
        is_last: bool,
        rest: [u8; 4],
    }

    #[test]
    fn a_sum_that_reaches_the_next_byte_makes_no_word_legal() {
        assert!(say_all_of::<Limited>());
        let values = [0, 1, 2, 3, 24, 25, 100, 101, 127, 128, 248, 249, 254, 255];
        for first in values {
            for second in values {
                for third in values {
                    for last in [0, 1, 2, 255] {
                        let frame = [first, second, third, last, 255, 0, 255, 0];
                        let is_legal = first <= 24 && second <= 100 && third <= 2 && last <= 1;
                        assert_eq!(is_within::<Limited>(&frame), is_legal, "{frame:?}");
                    }
                }
            }
        }
    }

    /// A window of 32 bytes.
    #[derive(cnv_macros::SimdFrame)]
    #[frame(crate = "crate")]
    #[repr(C)]
    struct Apart {
        is_first: bool,
        between: [u8; 29],
        #[frame(range = 0..=24)]
        len: u8,
        is_last: bool,
    }

    /// A window of 64 bytes.
    #[derive(cnv_macros::SimdFrame)]
    #[frame(crate = "crate")]
    #[repr(C)]
    struct FarApart {
        #[frame(reserved)]
        flags: [u8; 1],
        between: [u8; 62],
        is_last: bool,
    }

    fn agrees<F: SimdFrame>() {
        let mut frame = F::LO.to_vec();
        assert!(is_within::<F>(&frame));
        for at in 0..F::SIZE {
            for value in 0..=u8::MAX {
                frame[at] = value;
                let is_allowed = value.wrapping_sub(F::LO[at]) <= F::SPAN[at];
                assert_eq!(is_within::<F>(&frame), is_allowed, "byte {at} is {value}");
            }
            frame[at] = F::LO[at];
        }
    }

    #[test]
    fn each_byte_of_a_frame_is_tested_by_bits_and_by_ranges() {
        assert!(say_all_of::<FrameHeader>() && say_all_of::<Apart>() && say_all_of::<FarApart>());
        assert!(!say_all_of::<Uneven>());
        agrees::<FrameHeader>();
        agrees::<Uneven>();
        agrees::<Limited>();
        agrees::<Apart>();
        agrees::<FarApart>();
    }
}
