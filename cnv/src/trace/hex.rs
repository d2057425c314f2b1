//! Lower-case hexadecimal digits: read eight at a time in one number, printed two at a time from a table.

/// Every byte is this.
const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The digits of values below 16, one a byte.
#[inline]
const fn spell(values: u64) -> u64 {
    // A value of 10 or more carries into the upper half of its byte when 6 is added.
    let letters = ((values + all(6)) >> 4) & all(1);
    values + all(b'0') + letters * (b'a' - 10 - b'0') as u64
}

/// The number that eight digits spell, or nothing if one is no digit.
#[inline]
const fn word(digits: [u8; 8]) -> Option<u32> {
    let digits = u64::from_be_bytes(digits);
    // Bit 6 is set in letters, whose lower halves begin at 1.
    let letters = (digits >> 6) & all(1);
    let values = (digits & all(0x0f)) + letters * 9;
    // Whatever is no digit is too large, or is spelt otherwise.
    if values & all(0xf0) != 0 || spell(values) != digits {
        return None;
    }
    let bytes = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let halves = (bytes | bytes >> 8) & 0x0000_ffff_0000_ffff;
    Some((halves | halves >> 16) as u32)
}

/// Whether this is a lower-case hexadecimal digit.
pub(super) const fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// The number that the digits spell, of which there are 8, 16, 24 or 32. Nothing if one is no digit.
#[inline]
pub(super) fn read<const DIGITS: usize>(digits: &[u8; DIGITS]) -> Option<u128> {
    const { assert!(DIGITS.is_multiple_of(8) && DIGITS <= 32) };
    let (words, _) = digits.as_chunks::<8>();
    let mut number = 0;
    for digits in words {
        number = number << 32 | u128::from(word(*digits)?);
    }
    Some(number)
}

/// The byte that two digits spell.
#[inline]
pub(super) fn read_byte([high, low]: [u8; 2]) -> Option<u8> {
    let digits = [b'0', b'0', b'0', b'0', b'0', b'0', high, low];
    word(digits).and_then(|number| u8::try_from(number).ok())
}

/// The two digits of every byte.
const PAIRS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    pairs
};

/// Writes the digits of `bytes` into `digits`, which are twice as many.
#[inline]
pub(super) fn write(bytes: &[u8], digits: &mut [u8]) {
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = PAIRS[usize::from(*byte)];
    }
}

/// The digits of 32 bytes. So many at once are worth vectors, which the compiler makes of this loop; for fewer the table is
/// faster.
#[inline]
pub(super) fn digits(bytes: &[u8; 32]) -> [u8; 64] {
    let digit = |value: u8| value + if value > 9 { b'a' - 10 } else { b'0' };
    let mut digits = [0; 64];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_a_digit_or_not_in_every_place() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut digits = *b"0123cdef";
                digits[at] = byte;
                let text = str::from_utf8(&digits).ok();
                let expected = text
                    .filter(|_| is_digit(byte))
                    .and_then(|text| u32::from_str_radix(text, 16).ok());
                assert_eq!(word(digits), expected, "{digits:?}");
                if let Some(number) = expected {
                    let mut printed = [0; 8];
                    write(&number.to_be_bytes(), &mut printed);
                    assert_eq!(printed, digits);
                }
            }
            assert_eq!(read_byte(PAIRS[usize::from(byte)]), Some(byte));
            for at in [0, 15, 31] {
                let mut bytes = [0x5a; 32];
                bytes[at] = byte;
                let mut expected = [0; 64];
                write(&bytes, &mut expected);
                assert_eq!(digits(&bytes), expected);
            }
        }
    }
}
