//! Text that the compiler puts together, since formatting is not for constants.

/// Text of at most [`Message::CAPACITY`] bytes; what does not fit is cut at the end.
pub(super) struct Message {
    bytes: [u8; Self::CAPACITY],
    len: usize,
}

impl Message {
    const CAPACITY: usize = 512;

    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; Self::CAPACITY],
            len: 0,
        }
    }

    pub(super) const fn text(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut at = 0;
        while at < text.len() && self.len < Self::CAPACITY {
            self.bytes[self.len] = text[at];
            self.len += 1;
            at += 1;
        }
        self
    }

    /// In decimal.
    pub(super) const fn number(mut self, number: usize) -> Self {
        if number >= 10 {
            self = self.number(number / 10);
        }
        let digit = [b'0' + (number % 10) as u8];
        match core::str::from_utf8(&digit) {
            Ok(digit) => self.text(digit),
            Err(_) => self,
        }
    }

    /// `1 byte`, `2 bytes`.
    pub(super) const fn count(self, bytes: usize) -> Self {
        self.number(bytes)
            .text(if bytes == 1 { " byte" } else { " bytes" })
    }

    pub(super) const fn as_str(&self) -> &str {
        match core::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            // Cut inside a character, which takes a name of several hundred bytes.
            Err(_) => {
                "the layout of this frame cannot be used, and its names are too long to say why"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal() {
        assert_eq!(
            Message::new().number(0).text(" ").number(1907).as_str(),
            "0 1907"
        );
        assert_eq!(
            Message::new().count(1).text(", ").count(20).as_str(),
            "1 byte, 20 bytes"
        );
    }

    #[test]
    fn text_that_is_too_long_is_cut() {
        let long = "a".repeat(Message::CAPACITY + 1);
        assert_eq!(Message::new().text(&long).as_str().len(), Message::CAPACITY);
        let cut = "ä".repeat(Message::CAPACITY);
        assert!(
            Message::new()
                .text("a")
                .text(&cut)
                .as_str()
                .contains("too long")
        );
    }
}
