//! Text that const functions build. The compiler's messages are panics in const evaluation, where
//! `format!` does not exist.

/// Text of at most `N` bytes that a const function can build. What does not fit is cut off at a
/// character boundary.
#[derive(Clone, Copy)]
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    pub(crate) const fn str(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut fits = text.len();
        if fits > N - self.len {
            fits = N - self.len;
            // A continuation byte here means that the cut would split a character.
            while fits > 0 && text[fits] & 0xC0 == 0x80 {
                fits -= 1;
            }
        }
        let mut i = 0;
        while i < fits {
            self.bytes[self.len] = text[i];
            self.len += 1;
            i += 1;
        }
        self
    }

    /// `name` in backticks.
    pub(crate) const fn code(self, name: &str) -> Self {
        self.str("`").str(name).str("`")
    }

    pub(crate) const fn number(self, value: u128) -> Self {
        self.digits(value, 1)
    }

    /// Decimal digits of `value`, at least `width` of them.
    pub(crate) const fn digits(self, value: u128, width: usize) -> Self {
        let mut digits = [b'0'; 39];
        let mut start = digits.len();
        let mut rest = value;
        while rest > 0 || digits.len() - start < width {
            start -= 1;
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let (_, digits) = digits.split_at(start);
        match core::str::from_utf8(digits) {
            Ok(digits) => self.str(digits),
            Err(_) => unreachable!(),
        }
    }

    pub(crate) const fn as_str(&self) -> &str {
        let (text, _) = self.bytes.split_at(self.len);
        match core::str::from_utf8(text) {
            Ok(text) => text,
            Err(_) => unreachable!(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal() {
        let text = Text::<64>::new()
            .number(0)
            .str(" ")
            .number(1907)
            .str(" ")
            .digits(7, 3);
        assert_eq!(text.as_str(), "0 1907 007");
    }

    #[test]
    fn what_does_not_fit_is_cut_between_characters() {
        assert_eq!(Text::<4>::new().str("abc").str("def").as_str(), "abcd");
        assert_eq!(Text::<4>::new().str("abé").str("x").as_str(), "abé");
        assert_eq!(Text::<4>::new().str("abcé").as_str(), "abc");
    }
}
