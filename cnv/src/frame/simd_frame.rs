//! Structs that are their own wire format.
#![allow(
    unsafe_code,
    reason = "a checked struct is viewed as bytes, and checked bytes as a struct"
)]

use super::error::LayoutError;
use super::field::FrameField;
use super::layout::{FieldPath, FrameLayout, Window};

/// A struct whose bytes in memory are its encoding. `#[derive(SimdFrame)]` implements it, nobody else.
///
/// Encoding is a borrow ([`as_bytes`](Self::as_bytes)) or a copy. Decoding is one test of each
/// constrained byte against a range, and then a borrow ([`parse`](Self::parse)) or a copy from any
/// address ([`read`](Self::read)).
///
/// # Safety
///
/// As for [`FrameField`]; also [`LAYOUT`](Self::LAYOUT) describes `Self` truly: the size is that of
/// `Self`, the fields fill it without a gap, and any bytes that are within `lo` and `span` are a
/// valid value of `Self`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a frame",
    label = "not a frame",
    note = "put `#[repr(C)]` and `#[derive(SimdFrame)]` on it"
)]
pub unsafe trait SimdFrame: FrameField {
    /// Size, fields, byte tables, window and hash.
    const LAYOUT: &'static FrameLayout;

    /// Bytes of one frame.
    const SIZE: usize = size_of::<Self>();

    /// The lowest value allowed for each byte.
    const LO: &'static [u8] = Self::LAYOUT.lo();

    /// How far above [`LO`](Self::LO) each byte may be; 255 where every value is allowed.
    const SPAN: &'static [u8] = Self::LAYOUT.span();

    /// The smallest window that holds every constrained byte.
    const WINDOW: Window = Self::LAYOUT.window();

    /// [`FrameLayout::hash`]: equal where two programs mean the same by the same bytes.
    const LAYOUT_HASH: u64 = Self::LAYOUT.hash();

    /// Tests the length of `bytes` and each constrained byte.
    ///
    /// # Errors
    ///
    /// [`LayoutError::Length`], or [`LayoutError::OutOfRange`] for the first byte that is refused.
    fn validate(bytes: &[u8]) -> Result<(), LayoutError> {
        if bytes.len() != Self::SIZE {
            return Err(LayoutError::Length {
                frame: Self::LAYOUT.name(),
                expected: Self::SIZE,
                actual: bytes.len(),
            });
        }
        let (offset, len) = const { Self::WINDOW.bytes(Self::SIZE) };
        let excess = |at: usize| {
            bytes[at]
                .wrapping_sub(Self::LO[at])
                .saturating_sub(Self::SPAN[at])
        };
        // All bytes of the window, without a branch: the tables are constants, and so is its length.
        let bad = (offset..offset + len).fold(0, |bad, at| bad | excess(at));
        if bad == 0 {
            Ok(())
        } else {
            Err(first_violation(Self::LAYOUT, bytes))
        }
    }

    /// Borrows a frame from exactly its bytes.
    ///
    /// # Errors
    ///
    /// [`LayoutError::Length`] if `bytes` are not [`SIZE`](Self::SIZE) bytes,
    /// [`LayoutError::Misaligned`] if they do not start at a multiple of the type's alignment, and
    /// [`LayoutError::OutOfRange`] for the first byte that is refused.
    fn parse(bytes: &[u8]) -> Result<&Self, LayoutError> {
        Self::validate(bytes)?;
        let frame = bytes.as_ptr().cast::<Self>();
        if !frame.is_aligned() {
            return Err(LayoutError::Misaligned {
                frame: Self::LAYOUT.name(),
                align: align_of::<Self>(),
                excess: frame.addr() % align_of::<Self>(),
            });
        }
        // SAFETY: the pointer is aligned (tested above) and comes from a slice of `SIZE` initialised
        // bytes (`validate`) that the result borrows from. They are within `LO` and `SPAN`
        // (`validate`), for which the implementor promises a valid value, and that there is no
        // interior mutability.
        Ok(unsafe { &*frame })
    }

    /// Copies a frame from exactly its bytes, at any address.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse), without [`LayoutError::Misaligned`].
    fn read(bytes: &[u8]) -> Result<Self, LayoutError> {
        Self::validate(bytes)?;
        // SAFETY: `bytes` are `SIZE` initialised bytes within `LO` and `SPAN` (`validate`), for which
        // the implementor promises a valid value, which may be made from any such bytes.
        Ok(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }

    /// The frame's [`SIZE`](Self::SIZE) bytes, as they stand in memory. Reserved bytes that this
    /// program set to something other than 0 are in it; [`encode_into`](Self::encode_into) tests
    /// them.
    fn as_bytes(&self) -> &[u8] {
        // SAFETY: the implementor promises that every one of the `size_of::<Self>()` bytes is
        // initialised and that there is no interior mutability; the result borrows `self`.
        unsafe { core::slice::from_raw_parts((&raw const *self).cast::<u8>(), size_of::<Self>()) }
    }

    /// Copies the frame to the start of `out` and returns how many bytes that were,
    /// [`SIZE`](Self::SIZE).
    ///
    /// # Errors
    ///
    /// [`LayoutError::Length`] if `out` is shorter, and [`LayoutError::OutOfRange`] if a reserved
    /// byte is not 0. `out` is unchanged then.
    fn encode_into(&self, out: &mut [u8]) -> Result<usize, LayoutError> {
        let bytes = self.as_bytes();
        Self::validate(bytes)?;
        let available = out.len();
        let out = out.get_mut(..Self::SIZE).ok_or(LayoutError::Length {
            frame: Self::LAYOUT.name(),
            expected: Self::SIZE,
            actual: available,
        })?;
        out.copy_from_slice(bytes);
        Ok(Self::SIZE)
    }
}

/// The first byte of `bytes` that its range refuses.
///
/// # Panics
///
/// If there is none, which the caller has found to be false.
#[cold]
fn first_violation(layout: &'static FrameLayout, bytes: &[u8]) -> LayoutError {
    let ranges = layout.lo().iter().zip(layout.span());
    let (offset, (&value, (&lo, &span))) = bytes
        .iter()
        .zip(ranges)
        .enumerate()
        .find(|(_, (byte, (lo, span)))| byte.wrapping_sub(**lo) > **span)
        .expect("a byte out of range");
    LayoutError::OutOfRange {
        frame: layout.name(),
        field: FieldPath::new(layout, offset),
        offset,
        value,
        min: lo,
        max: lo + span,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{AlignedBuffer, FrameEnum, LogLevel};

    #[derive(Debug, Clone, Copy, PartialEq, cnv_macros::SimdFrame)]
    #[frame(crate = "crate")]
    #[repr(C)]
    struct Line {
        sequence: u64,
        level: LogLevel,
        is_last: bool,
        #[frame(reserved)]
        _pad: [u8; 2],
        value: f32,
    }

    const LINE: Line = Line {
        sequence: 7,
        level: LogLevel::Warn,
        is_last: true,
        _pad: [0; 2],
        value: 1.5,
    };

    #[test]
    fn bytes_are_borrowed_where_they_are_aligned_and_copied_anywhere() {
        let mut buffer = AlignedBuffer::new();
        buffer.extend_from_slice(LINE.as_bytes()).unwrap();
        buffer.extend_from_slice(LINE.as_bytes()).unwrap();
        assert_eq!(Line::parse(&buffer.as_slice()[..16]), Ok(&LINE));
        for start in 1..8 {
            buffer.as_mut_slice()[start..][..16].copy_from_slice(LINE.as_bytes());
            let bytes = &buffer.as_slice()[start..][..16];
            assert_eq!(Line::read(bytes), Ok(LINE));
            let excess = start % align_of::<Line>();
            let frame = "Line";
            let align = align_of::<Line>();
            let misaligned = Err(LayoutError::Misaligned {
                frame,
                align,
                excess,
            });
            assert_eq!(
                Line::parse(bytes),
                if excess == 0 { Ok(&LINE) } else { misaligned }
            );
        }
    }

    #[test]
    fn a_byte_that_no_field_allows_is_never_seen_as_one() {
        for (at, value, min, max) in [(8, 5, 0, 4), (9, 2, 0, 1), (11, 1, 0, 0)] {
            let mut bytes = [0; 16];
            LINE.encode_into(&mut bytes).unwrap();
            bytes[at] = value;
            let expected = LayoutError::OutOfRange {
                frame: "Line",
                field: FieldPath::new(Line::LAYOUT, at),
                offset: at,
                value,
                min,
                max,
            };
            assert_eq!(Line::read(&bytes), Err(expected));
        }
    }

    #[test]
    fn every_byte_of_an_enum_is_a_variant_or_none() {
        let levels: Vec<LogLevel> = (0..=u8::MAX).filter_map(LogLevel::from_byte).collect();
        assert_eq!(levels.len(), 5);
        assert_eq!(levels.last(), Some(&LogLevel::Error));
    }
}
