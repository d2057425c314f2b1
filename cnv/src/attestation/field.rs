//! What a text field may hold: bounded, not empty, and printable as it stands.

use crate::plain::is_plain;

/// Why a text was refused as a subject, an audience, a metadata entry or a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextFault {
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// It is longer than the field allows.
    #[error("is {len_bytes} bytes long, at most {max_bytes} are allowed")]
    TooLong {
        /// Its length in bytes of UTF-8.
        len_bytes: usize,
        /// The longest that the field allows.
        max_bytes: usize,
    },
    /// It has a character that could hide or rearrange what a log or a terminal shows.
    #[error("has the character {character:?}, which is not allowed")]
    Forbidden {
        /// The first such character.
        character: char,
    },
}

/// Checks a text of at least one and at most `max_bytes` bytes whose characters are all `allowed`.
pub(super) fn check(
    text: &str,
    max_bytes: usize,
    allowed: fn(char) -> bool,
) -> Result<(), TextFault> {
    if text.is_empty() {
        return Err(TextFault::Empty);
    }
    if text.len() > max_bytes {
        return Err(TextFault::TooLong {
            len_bytes: text.len(),
            max_bytes,
        });
    }
    match text.chars().find(|&character| !allowed(character)) {
        Some(character) => Err(TextFault::Forbidden { character }),
        None => Ok(()),
    }
}

/// Whether a character can stand in a name that is one word of a line with `#` comments.
pub(super) fn is_word(character: char) -> bool {
    is_plain(character) && !character.is_whitespace() && character != '#'
}
