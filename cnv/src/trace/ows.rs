//! Optional white space, as RFC 9110 has it in section 5.6.3: spaces and tabs.

const fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// How many bytes of white space there are at the start.
pub(super) fn lead(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_white(**byte)).count()
}

/// `text` without the white space around it.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    trim_end(&text[lead(text)..])
}

/// `text` without the white space behind it.
pub(super) fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text
        && is_white(*last)
    {
        text = rest;
    }
    text
}

/// What stands before the first `separator`, without the white space around it, and what follows it.
pub(super) fn split(text: &str, separator: char) -> (&str, Option<&str>) {
    let (piece, rest) = match text.split_once(separator) {
        Some((piece, rest)) => (piece, Some(rest)),
        None => (text, None),
    };
    (trim_str(piece), rest)
}

/// `text` without the white space around it.
pub(super) fn trim_str(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}
