//! The bytes of a frame that have to be looked at.

use super::tables::FREE_SPAN;

/// The smallest run of 8, 16, 32 or 64 bytes that holds every constrained byte of a frame: what a
/// validating loop has to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Window {
    /// No byte is constrained: any bytes of the right length are a frame.
    Unconstrained,
    /// All constrained bytes are among the `len` bytes from `offset`, and all of these are in the frame.
    /// `offset` is a multiple of `len` wherever one window of that length can be.
    Bytes {
        /// Bytes from the start of the frame.
        offset: usize,
        /// 8, 16, 32 or 64.
        len: usize,
    },
    /// The frame is shorter than the window it would need, or its constraints are more than 64 bytes
    /// apart: look at the whole frame.
    Whole,
}

impl Window {
    /// Offset and length in bytes for a frame of `size` bytes; both 0 where there is nothing to look at.
    #[must_use]
    pub const fn bytes(self, size: usize) -> (usize, usize) {
        match self {
            Self::Unconstrained => (0, 0),
            Self::Bytes { offset, len } => (offset, len),
            Self::Whole => (0, size),
        }
    }

    /// The window over all bytes that `span` constrains.
    pub(in crate::frame) const fn over(span: &[u8]) -> Self {
        match constrained(span) {
            Some((first, last)) => Self::around(first, last + 1, span.len()),
            None => Self::Unconstrained,
        }
    }

    /// The window over the bytes from `first` to before `end`, in a frame of `size` bytes.
    pub(in crate::frame) const fn around(first: usize, end: usize, size: usize) -> Self {
        let mut len = 8;
        while len <= 64 && len <= size {
            let aligned = first / len * len;
            if end <= aligned + len && aligned + len <= size {
                return Self::Bytes {
                    offset: aligned,
                    len,
                };
            }
            if end - first <= len {
                let latest = size - len;
                let offset = if first < latest { first } else { latest };
                return Self::Bytes { offset, len };
            }
            len *= 2;
        }
        Self::Whole
    }
}

/// First and last byte that is not free.
const fn constrained(span: &[u8]) -> Option<(usize, usize)> {
    let mut ends = None;
    let mut at = 0;
    while at < span.len() {
        if span[at] != FREE_SPAN {
            ends = match ends {
                None => Some((at, at)),
                Some((first, _)) => Some((first, at)),
            };
        }
        at += 1;
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(size: usize, constrained: &[usize]) -> Window {
        let mut span = [FREE_SPAN; 256];
        for &at in constrained {
            span[at] = 0;
        }
        Window::over(&span[..size])
    }

    #[test]
    fn the_window_is_the_smallest_that_holds_every_constraint() {
        assert_eq!(window(64, &[]), Window::Unconstrained);
        assert_eq!(
            window(64, &[17, 18, 19]),
            Window::Bytes { offset: 16, len: 8 }
        );
        assert_eq!(window(64, &[0, 8]), Window::Bytes { offset: 0, len: 16 });
        assert_eq!(window(64, &[0, 63]), Window::Bytes { offset: 0, len: 64 });
        assert_eq!(
            window(128, &[70, 130 - 40]),
            Window::Bytes {
                offset: 64,
                len: 32
            }
        );
    }

    #[test]
    fn a_window_that_cannot_be_aligned_stays_inside_the_frame() {
        assert_eq!(window(64, &[6, 9]), Window::Bytes { offset: 6, len: 8 });
        assert_eq!(window(12, &[11]), Window::Bytes { offset: 4, len: 8 });
        assert_eq!(
            window(128, &[60, 123]),
            Window::Bytes {
                offset: 60,
                len: 64
            }
        );
    }

    #[test]
    fn a_frame_too_short_or_too_wide_for_a_window_is_looked_at_whole() {
        assert_eq!(window(4, &[1]), Window::Whole);
        assert_eq!(window(12, &[0, 11]), Window::Whole);
        assert_eq!(window(128, &[0, 64]), Window::Whole);
    }
}
