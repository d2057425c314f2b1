//! What comes from another machine, as a terminal may have it: characters that it would obey are shown instead.

use std::fmt::Write as _;
use std::str::Chars;

use cnv::session::{CallError, Close, SessionError};

use crate::terminal::is_obeyed;

/// A text. Line feeds and tabs stay.
pub(super) fn text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) && !matches!(c, '\n' | '\t') {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A JSON text, whose texts then show what they had. The line feeds and tabs in them stay.
pub(super) fn json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    let mut characters = json.chars();
    while let Some(c) = characters.next() {
        if c == '\\' {
            put_escaped(&mut characters, &mut shown);
        } else if is_obeyed(c) && !matches!(c, '\n' | '\t' | '\r') {
            // Between texts there is only white space of JSON's own.
            put_shown(c, &mut shown);
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Puts what follows a backslash.
fn put_escaped(characters: &mut Chars<'_>, shown: &mut String) {
    match characters.next() {
        Some('u') => {
            let digits = characters.as_str().get(..4).unwrap_or_default();
            let number = u32::from_str_radix(digits, 16).ok();
            match number.and_then(char::from_u32).filter(|&c| is_obeyed(c)) {
                Some('\n') => shown.push_str("\\n"),
                Some('\t') => shown.push_str("\\t"),
                Some(c) => put_shown(c, shown),
                // Also half of a pair, which the other half makes a character of.
                None => {
                    shown.push_str("\\u");
                    shown.push_str(digits);
                }
            }
            characters
                .by_ref()
                .take(digits.chars().count())
                .for_each(drop);
        }
        Some('r') => put_shown('\r', shown),
        Some('b') => put_shown('\u{8}', shown),
        Some('f') => put_shown('\u{c}', shown),
        Some(c) => {
            shown.push('\\');
            shown.push(c);
        }
        None => shown.push('\\'),
    }
}

/// Puts a character's name in place of it, with the backslash that JSON needs before the name's own.
fn put_shown(c: char, shown: &mut String) {
    // Writing to a text cannot fail.
    let _ = write!(shown, "\\{}", c.escape_unicode());
}

/// Why a session did not begin, or is over.
pub(super) fn session_error(error: SessionError) -> SessionError {
    match error {
        SessionError::Closed(reason) => SessionError::Closed(close(&reason)),
        SessionError::Refused(reason) => SessionError::Refused(close(&reason)),
        error => error,
    }
}

fn close(reason: &Close) -> Close {
    Close::new(reason.code(), text(&reason.to_string()))
}

/// Why a call has no result.
pub(super) fn call_error(error: CallError) -> CallError {
    match error {
        CallError::Failed(mut failure) => {
            failure.message = text(&failure.message);
            CallError::Failed(failure)
        }
        CallError::Session(error) => CallError::Session(session_error(error)),
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_shown_what_it_would_obey() {
        assert_eq!(text("plain é\n\tx"), "plain é\n\tx");
        assert_eq!(text("\u{1b}[2J\r"), "\\u{1b}[2J\\u{d}");
        assert_eq!(text("\u{9b}31m \u{202e}"), "\\u{9b}31m \\u{202e}");
    }

    #[test]
    fn texts_in_json_show_it_too() {
        for (sent, shown) in [
            (r#"{"a": [1, "b\n\t"]}"#, r#"{"a": [1, "b\n\t"]}"#),
            (r#""\u001b[2J""#, r#""\\u{1b}[2J""#),
            (r#""\u001B\u000a\u0009\u000d""#, r#""\\u{1b}\n\t\\u{d}""#),
            (
                r#"{"\u001b": "\b\f\r"}"#,
                r#"{"\\u{1b}": "\\u{8}\\u{c}\\u{d}"}"#,
            ),
            ("\"\u{9b}\u{7f}\"", r#""\\u{9b}\\u{7f}""#),
            (r#""\\u001b \" \/""#, r#""\\u001b \" \/""#),
            (r#""\ud83d\ude00 é""#, r#""\ud83d\ude00 é""#),
        ] {
            assert_eq!(json(sent), shown);
            let value: serde_json::Value = serde_json::from_str(&json(sent)).unwrap();
            assert!(!value.to_string().contains("u001b\""), "{value}");
        }
        // What is no JSON is no reason to fail.
        for broken in [r#""\u00"#, "\\", r#""\u"#, r#""\uéééé""#] {
            assert!(!json(broken).chars().any(is_obeyed));
        }
    }
}
