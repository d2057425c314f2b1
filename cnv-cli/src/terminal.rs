//! What a terminal may be given.

/// Whether a terminal, or whoever reads what it shows, would take the character for something else than text: control
/// characters, and those that turn the order of what is read around.
pub(crate) fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text from elsewhere on one line, of so many characters at most.
pub(crate) fn line(text: &str, max_chars: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(4 * max_chars));
    for (number, c) in text.chars().enumerate() {
        if number == max_chars {
            shown.push('\u{2026}');
            break;
        }
        if is_obeyed(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_text_and_ends() {
        assert_eq!(line("plain \u{e9}", 7), "plain \u{e9}");
        assert_eq!(line("plain \u{e9}", 5), "plain\u{2026}");
        assert_eq!(
            line("\u{1b}[2J\r\n\t\u{9b}m\u{202e}", 99),
            "\\u{1b}[2J\\u{d}\\u{a}\\u{9}\\u{9b}m\\u{202e}"
        );
    }
}
