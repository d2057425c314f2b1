//! Bytes as lower-case hexadecimal digits.

use core::fmt;

pub(crate) fn write(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Them as a text.
#[cfg(feature = "session")]
pub(crate) fn text(bytes: &[u8]) -> String {
    struct Written<'a>(&'a [u8]);
    impl fmt::Display for Written<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write(self.0, f)
        }
    }
    Written(bytes).to_string()
}

/// Reads exactly `2 * N` lower-case digits: what [`write()`] writes has one spelling.
pub(crate) fn read<const N: usize>(text: &str) -> Result<[u8; N], IdError> {
    let error = IdError { digits: 2 * N };
    let digit = |character: u8| match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        _ => Err(error),
    };
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !odd.is_empty() {
        return Err(error);
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Ok(bytes)
}

/// A text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has {digits} lower-case hexadecimal digits")]
pub struct IdError {
    /// How many digits the id has.
    digits: usize,
}
