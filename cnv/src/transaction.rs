//! The number that several calls share because they are one piece of work.

use std::fmt;
use std::str::FromStr;

/// A 128-bit number that the caller gives to the calls of one transaction: `--transaction`, `CNV_TRANSACTION`.
///
/// It is written as 32 hexadecimal digits, also with the hyphens of a UUID, and printed as 32 digits in lower case. It
/// says nothing about who is calling; the audit log and the receipt repeat it.
///
/// ```
#[cfg_attr(
    feature = "command",
    doc = "use cnv::command::{TransactionId, TransactionIdError};"
)]
#[cfg_attr(
    not(feature = "command"),
    doc = "use cnv::trace::{TransactionId, TransactionIdError};"
)]
///
/// let id: TransactionId = "8C1F7A3E-0D52-4B6A-9E11-5F2D70C4A9B3".parse()?;
/// assert_eq!(id.to_string(), "8c1f7a3e0d524b6a9e115f2d70c4a9b3");
/// # Ok::<(), TransactionIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId([u8; 16]);

impl TransactionId {
    /// The number, big-endian.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

/// Where the hyphens of a UUID stand (RFC 9562, section 4).
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl FromStr for TransactionId {
    type Err = TransactionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hyphenated = text.len() == 36;
        if text.len() != 32 && !is_hyphenated {
            return Err(TransactionIdError::Length { len: text.len() });
        }
        let mut number: u128 = 0;
        for (at, character) in text.char_indices() {
            if is_hyphenated && HYPHENS.contains(&at) && character == '-' {
                continue;
            }
            let digit = character
                .to_digit(16)
                .ok_or(TransactionIdError::Digit { at })?;
            // At most 32 digits come here, or one of the hyphens was none.
            number = number << 4 | u128::from(digit);
        }
        if is_hyphenated && HYPHENS.iter().any(|&at| text.as_bytes()[at] != b'-') {
            return Err(TransactionIdError::Length { len: text.len() });
        }
        Ok(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransactionId({self})")
    }
}

/// Why a text is no [`TransactionId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionIdError {
    /// It is too short or too long.
    #[error("a transaction is 32 hexadecimal digits, or a UUID; this has {len} bytes")]
    Length {
        /// Its length in bytes.
        len: usize,
    },
    /// A character is no hexadecimal digit.
    #[error(
        "a transaction is 32 hexadecimal digits, or a UUID; at byte {at} stands something else"
    )]
    Digit {
        /// The byte at which the character starts, from 0.
        at: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_two_forms_are_read() {
        let parse = |text: &str| text.parse::<TransactionId>().map(|id| id.to_string());
        let digits = "00112233445566778899aabbccddeeff";
        for text in [digits, "00112233-4455-6677-8899-AABBCCDDEEFF"] {
            assert_eq!(parse(text).as_deref(), Ok(digits));
        }
        let length = |len| Err(TransactionIdError::Length { len });
        let digit = |at| Err(TransactionIdError::Digit { at });
        assert_eq!(parse(""), length(0));
        assert_eq!(parse(&digits[1..]), length(31));
        assert_eq!(parse("00112233445566778899aabbccddeeff0011"), length(36));
        assert_eq!(parse("0011223-34455-6677-8899-aabbccddeeff"), digit(7));
        assert_eq!(parse("+0112233445566778899aabbccddeeff"), digit(0));
        assert_eq!(parse("0011223344556677889\u{e9}abbccddeeff"), digit(19));
    }
}
