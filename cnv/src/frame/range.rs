//! Ranges of values, and which of them a range for each byte can say.

use core::fmt;

/// The values that a field may have, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueRange {
    min: i128,
    max: i128,
}

impl ValueRange {
    pub(super) const fn new(min: i128, max: i128) -> Self {
        Self { min, max }
    }

    /// The lowest value allowed.
    #[must_use]
    pub const fn min(self) -> i128 {
        self.min
    }

    /// The highest value allowed.
    #[must_use]
    pub const fn max(self) -> i128 {
        self.max
    }

    /// Whether `value` is one of them.
    #[must_use]
    pub const fn contains(self, value: i128) -> bool {
        self.min <= value && value <= self.max
    }

    /// Whether each value of `other` is one of these.
    pub(super) const fn covers(self, other: Self) -> bool {
        self.min <= other.min && other.max <= self.max
    }

    /// A range for each byte of the integer, in the order of memory, if together they allow exactly
    /// these values. They do where the two ends have the same high bytes, differ in one byte, and
    /// leave the bytes below it free.
    pub(super) const fn byte_ranges(self, integer: Integer) -> Option<[ByteRange; 8]> {
        let limits = integer.limits();
        if self.min > self.max || !limits.covers(self) {
            return None;
        }
        // Counted from the lowest value of the type, the bytes of a signed integer are in order, too.
        let min = ((self.min - limits.min) as u64).to_be_bytes();
        let max = ((self.max - limits.min) as u64).to_be_bytes();
        let mut ranges = [ByteRange::FREE; 8];
        let mut is_prefix = true;
        let mut index = 0;
        while index < integer.size {
            let at = 8 - integer.size + index;
            let (low, high) = (min[at], max[at]);
            if is_prefix {
                is_prefix = low == high;
                let sign = if index == 0 && integer.is_signed {
                    0x80
                } else {
                    0
                };
                ranges[integer.place(index)] = ByteRange::new(low ^ sign, high - low);
            } else if low != 0 || high != u8::MAX {
                return None;
            }
            index += 1;
        }
        Some(ranges)
    }
}

impl fmt::Display for ValueRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            write!(f, "{}", self.min)
        } else {
            write!(f, "{}..={}", self.min, self.max)
        }
    }
}

/// The bytes from `lo` to `lo + span`, which wraps around after 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteRange {
    pub(super) lo: u8,
    pub(super) span: u8,
}

impl ByteRange {
    /// Every byte.
    pub(super) const FREE: Self = Self {
        lo: 0,
        span: u8::MAX,
    };

    pub(super) const fn new(lo: u8, span: u8) -> Self {
        if span == u8::MAX {
            Self::FREE
        } else {
            Self { lo, span }
        }
    }
}

/// How an integer of at most 8 bytes stands in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Integer {
    pub(super) size: usize,
    pub(super) is_signed: bool,
    pub(super) is_big_endian: bool,
}

impl Integer {
    /// All values that it can have.
    pub(super) const fn limits(self) -> ValueRange {
        let values = 1 << (8 * self.size);
        if self.is_signed {
            ValueRange::new(-values / 2, values / 2 - 1)
        } else {
            ValueRange::new(0, values - 1)
        }
    }

    /// Where its byte `index` stands, counted from the most significant one.
    const fn place(self, index: usize) -> usize {
        if self.is_big_endian {
            index
        } else {
            self.size - 1 - index
        }
    }

    /// Its value, from as many bytes as it has.
    pub(super) fn decode(self, bytes: &[u8]) -> i128 {
        let bits = (0..self.size).fold(0, |bits, index| {
            bits << 8 | i128::from(bytes[self.place(index)])
        });
        if bits > self.limits().max {
            bits - (1 << (8 * self.size))
        } else {
            bits
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integers(size: usize) -> impl Iterator<Item = Integer> {
        [(false, false), (false, true), (true, false), (true, true)]
            .into_iter()
            .map(move |(is_signed, is_big_endian)| Integer {
                size,
                is_signed,
                is_big_endian,
            })
    }

    fn accepts(ranges: &[ByteRange], bytes: &[u8]) -> bool {
        let within = |(byte, range): (&u8, &ByteRange)| byte.wrapping_sub(range.lo) <= range.span;
        bytes.iter().zip(ranges).all(within)
    }

    #[test]
    fn every_range_of_one_byte_is_a_byte_range() {
        for integer in integers(1) {
            let limits = integer.limits();
            let bounds = || (limits.min()..=limits.max()).step_by(15);
            for min in bounds() {
                for max in bounds().filter(|max| min <= *max) {
                    let range = ValueRange::new(min, max);
                    let ranges = range.byte_ranges(integer).expect("one byte");
                    for byte in 0..=u8::MAX {
                        let value = integer.decode(&[byte]);
                        assert_eq!(
                            accepts(&ranges, &[byte]),
                            range.contains(value),
                            "{range} {byte}"
                        );
                    }
                }
            }
        }
    }

    /// Whatever byte ranges are stated for two bytes allow exactly the values.
    #[test]
    fn byte_ranges_of_two_bytes_are_exact_or_not_stated() {
        let ends = [
            -32768, -257, -256, -255, -1, 0, 1, 24, 255, 256, 257, 511, 512, 32767, 65535,
        ];
        for integer in integers(2) {
            let mut stated = 0;
            for (min, max) in ends.iter().flat_map(|a| ends.iter().map(move |b| (*a, *b))) {
                let range = ValueRange::new(min, max);
                let Some(ranges) = range.byte_ranges(integer) else {
                    continue;
                };
                stated += 1;
                for value in 0..=u16::MAX {
                    let bytes = value.to_ne_bytes();
                    let is_in = range.contains(integer.decode(&bytes));
                    assert_eq!(accepts(&ranges, &bytes), is_in, "{range} {integer:?}");
                }
            }
            assert!(stated > 10, "{stated}");
        }
    }

    #[test]
    fn a_length_of_at_most_24_is_four_byte_ranges_in_either_order() {
        let length = |is_big_endian| Integer {
            size: 4,
            is_signed: false,
            is_big_endian,
        };
        let zero = ByteRange::new(0, 0);
        let range = ValueRange::new(0, 24);
        let little = range.byte_ranges(length(false)).unwrap();
        assert_eq!(little[..4], [ByteRange::new(0, 24), zero, zero, zero]);
        let big = range.byte_ranges(length(true)).unwrap();
        assert_eq!(big[..4], [zero, zero, zero, ByteRange::new(0, 24)]);
        assert_eq!(ValueRange::new(0, 300).byte_ranges(length(false)), None);
    }

    #[test]
    fn a_range_that_the_type_does_not_have_is_no_byte_range() {
        let byte = integers(1).next().unwrap();
        for (min, max) in [(0, 256), (-1, 3), (9, 1)] {
            assert_eq!(ValueRange::new(min, max).byte_ranges(byte), None);
        }
    }

    #[test]
    fn values_are_decoded_in_both_orders() {
        let [little, big, signed, _] = <[_; 4]>::try_from(integers(8).collect::<Vec<_>>()).unwrap();
        let bytes = [1, 2, 3, 4, 5, 6, 7, 0xf8];
        assert_eq!(little.decode(&bytes), i128::from(u64::from_le_bytes(bytes)));
        assert_eq!(big.decode(&bytes), i128::from(u64::from_be_bytes(bytes)));
        assert_eq!(signed.decode(&bytes), i128::from(i64::from_le_bytes(bytes)));
    }
}
