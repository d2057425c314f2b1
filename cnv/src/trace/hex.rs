//! Lower-case hexadecimal digits, without branches: the loops become vector instructions.

/// The digit's value, or a number above 15.
#[inline]
const fn value(digit: u8) -> u8 {
    let number = digit.wrapping_sub(b'0');
    let letter = digit.wrapping_sub(b'a');
    if number < 10 {
        number
    } else if letter < 6 {
        letter + 10
    } else {
        0xff
    }
}

/// Whether this is a lower-case hexadecimal digit.
pub(super) const fn is_digit(byte: u8) -> bool {
    value(byte) < 16
}

/// The bytes that `digits` spell. Nothing if one is no digit.
#[inline]
pub(super) fn read<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (pairs, odd) = digits.as_chunks::<2>();
    let pairs: &[[u8; 2]; N] = pairs.try_into().ok()?;
    let mut bytes = [0; N];
    let mut seen = 0;
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (high, low) = (value(*high), value(*low));
        seen |= high | low;
        *byte = high << 4 | (low & 15);
    }
    (seen < 16 && odd.is_empty()).then_some(bytes)
}

/// The digits of `bytes`.
#[inline]
pub(super) fn digits<const N: usize>(bytes: [u8; N]) -> [[u8; 2]; N] {
    let digit = |value: u8| value + if value < 10 { b'0' } else { b'a' - 10 };
    bytes.map(|byte| [digit(byte >> 4), digit(byte & 15)])
}
