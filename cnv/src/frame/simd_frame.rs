//! Structs that are their own wire format.
#![allow(
    unsafe_code,
    reason = "a checked struct is viewed as bytes, and checked bytes as a struct"
)]

use core::mem::ManuallyDrop;

use super::check::{self, Checksums};
use super::cross_check::{CheckResult, CrossCheck};
use super::field::FrameField;
use super::layout::{FieldPath, FrameLayout, Window};
use super::layout_error::LayoutError;
use super::simd::bits;

/// A struct whose bytes in memory are its encoding. `#[derive(SimdFrame)]` implements it, nobody else.
///
/// Encoding is a borrow ([`as_bytes`](Self::as_bytes)) or a copy. Decoding is one test of each
/// constrained byte against a range, [`check`](Self::check) where a range for each byte does not say
/// it all, and then a borrow ([`parse`](Self::parse)) or a copy from any address
/// ([`read`](Self::read)).
///
/// # Safety
///
/// As for [`FrameField`]; also [`LAYOUT`](Self::LAYOUT) describes `Self` truly: the size is that of
/// `Self`, the fields fill it without a gap, any bytes that are within `lo` and `span` and whose enums
/// have values of their variants are a valid value of `Self`, and the layout's check is that of `Self`.
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

    /// Whether [`check`](Self::check) has anything to do.
    const HAS_CHECK: bool = Self::LAYOUT.needs_check();

    /// What the function of `#[frame(check = ..)]` says. The derive writes it.
    #[doc(hidden)]
    fn cross_check(&self) -> CheckResult {
        Ok(())
    }

    /// Tests what [`LO`](Self::LO) and [`SPAN`](Self::SPAN) do not say: ranges that are no byte
    /// ranges, enums with gaps, checksums and the author's own check. For whoever has tested the byte
    /// ranges already, such as of many frames at a time; [`validate`](Self::validate) does both.
    ///
    /// Bytes of any kind are fine. Before the author's own check, which sees a value, the byte ranges
    /// are tested here, too.
    ///
    /// # Errors
    ///
    /// As for [`validate`](Self::validate), without [`LayoutError::OutOfRange`] where there is no
    /// check of the author's own.
    #[inline]
    fn check(bytes: &[u8]) -> Result<(), LayoutError> {
        length::<Self>(bytes)?;
        if const { Self::LAYOUT.needs_cross_check() } {
            byte_ranges::<Self>(bytes)?;
        }
        // SAFETY: where there is an author's check, the byte ranges have passed (just above).
        unsafe { beyond_byte_ranges::<Self>(bytes, Checksums::Verify) }
    }

    /// Tests the length of `bytes`, each constrained byte, and what [`check`](Self::check) does.
    ///
    /// # Errors
    ///
    /// [`LayoutError::Length`]; [`LayoutError::OutOfRange`] for the first byte that is refused, or
    /// [`LayoutError::Value`], [`LayoutError::NoVariant`] and [`LayoutError::Version`] for the integer
    /// or enum that it belongs to; [`LayoutError::Checksum`]; [`LayoutError::Check`] from the author's
    /// own check, which runs last.
    #[inline]
    fn validate(bytes: &[u8]) -> Result<(), LayoutError> {
        validate::<Self>(bytes, Checksums::Verify)
    }

    /// Borrows a frame from exactly its bytes.
    ///
    /// # Errors
    ///
    /// [`LayoutError::Length`] if `bytes` are not [`SIZE`](Self::SIZE) bytes,
    /// [`LayoutError::Misaligned`] if they do not start at a multiple of the type's alignment, and
    /// [`LayoutError::OutOfRange`] for the first byte that is refused.
    #[inline]
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
        // bytes (`validate`) that the result borrows from. They are within `LO` and `SPAN` and their
        // enums have values of their variants (`validate`), for which the implementor promises a valid
        // value, and that there is no interior mutability.
        Ok(unsafe { &*frame })
    }

    /// Copies a frame from exactly its bytes, at any address.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse), without [`LayoutError::Misaligned`].
    #[inline]
    fn read(bytes: &[u8]) -> Result<Self, LayoutError> {
        Self::validate(bytes)?;
        // SAFETY: `bytes` are `SIZE` initialised bytes within `LO` and `SPAN` whose enums have values of
        // their variants (`validate`), for which the implementor promises a valid value, which may be
        // made from any such bytes.
        Ok(unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() })
    }

    /// The frame's [`SIZE`](Self::SIZE) bytes, as they stand in memory. Reserved bytes that this
    /// program set to something other than 0 are in it, and so are integers out of their range and a
    /// checksum that is not [sealed](Self::seal); [`encode_into`](Self::encode_into) sees to all that.
    #[inline]
    fn as_bytes(&self) -> &[u8] {
        // SAFETY: the implementor promises that every one of the `size_of::<Self>()` bytes is
        // initialised and that there is no interior mutability; the result borrows `self`.
        unsafe { core::slice::from_raw_parts((&raw const *self).cast::<u8>(), size_of::<Self>()) }
    }

    /// Sets each field with `#[frame(crc32c)]`, in nested frames, too, so that
    /// [`as_bytes`](Self::as_bytes) are what [`encode_into`](Self::encode_into) writes.
    fn seal(&mut self) {
        // SAFETY: as for `as_bytes`; the borrow is exclusive, and `seal` writes fields that hold a
        // checksum and nothing else, of which every bit pattern is a value (`ChecksumField`).
        let bytes = unsafe {
            core::slice::from_raw_parts_mut((&raw mut *self).cast::<u8>(), size_of::<Self>())
        };
        check::seal(Self::LAYOUT, bytes);
    }

    /// Copies the frame to the start of `out`, computes its checksum there if it has one, and returns
    /// how many bytes that were, [`SIZE`](Self::SIZE).
    ///
    /// # Errors
    ///
    /// [`LayoutError::Length`] if `out` is shorter, and the others of [`validate`](Self::validate) if a
    /// reserved byte is not 0, an integer is out of its range, or the author's own check refuses the
    /// frame. What stands in the field of the checksum does not matter. `out` is unchanged then.
    #[inline]
    fn encode_into(&self, out: &mut [u8]) -> Result<usize, LayoutError> {
        let bytes = self.as_bytes();
        validate::<Self>(bytes, Checksums::Ignore)?;
        let available = out.len();
        let out = out.get_mut(..Self::SIZE).ok_or(LayoutError::Length {
            frame: Self::LAYOUT.name(),
            expected: Self::SIZE,
            actual: available,
        })?;
        out.copy_from_slice(bytes);
        if const { Self::HAS_CHECK } {
            check::seal(Self::LAYOUT, out);
        }
        Ok(Self::SIZE)
    }
}

#[inline]
fn validate<F: SimdFrame>(bytes: &[u8], checksums: Checksums) -> Result<(), LayoutError> {
    length::<F>(bytes)?;
    byte_ranges::<F>(bytes)?;
    // SAFETY: the byte ranges have passed (just above).
    unsafe { beyond_byte_ranges::<F>(bytes, checksums) }
}

#[inline]
fn length<F: SimdFrame>(bytes: &[u8]) -> Result<(), LayoutError> {
    if bytes.len() == F::SIZE {
        return Ok(());
    }
    Err(LayoutError::Length {
        frame: F::LAYOUT.name(),
        expected: F::SIZE,
        actual: bytes.len(),
    })
}

/// Tests each byte against `LO` and `SPAN`. `bytes` are as many as `F` has.
#[inline]
fn byte_ranges<F: SimdFrame>(bytes: &[u8]) -> Result<(), LayoutError> {
    if bits::is_within::<F>(bytes) {
        Ok(())
    } else {
        Err(first_violation(F::LAYOUT, bytes))
    }
}

/// Tests what the byte ranges do not say. `bytes` are as many as `F` has.
///
/// # Safety
///
/// If `F` has an author's check, its own or in a nested frame, `bytes` are within `LO` and `SPAN`.
#[inline]
unsafe fn beyond_byte_ranges<F: SimdFrame>(
    bytes: &[u8],
    checksums: Checksums,
) -> Result<(), LayoutError> {
    if const { F::HAS_CHECK } {
        check::values(F::LAYOUT, bytes, checksums)?;
    }
    if const { F::LAYOUT.needs_cross_check() } {
        // SAFETY: the bytes are within `LO` and `SPAN` (the caller's promise) and each enum has a value
        // of its variants (`values`), for which the implementor promises a valid value.
        unsafe { check::cross(F::LAYOUT, FieldPath::new(F::LAYOUT, 0), bytes) }?;
    }
    Ok(())
}

impl CrossCheck {
    /// The check of `F`.
    #[must_use]
    pub const fn of<F: SimdFrame>(name: &'static str) -> Self {
        Self::new(name, cross_check::<F>)
    }
}

/// # Safety
///
/// `bytes` are those of a valid value of `F`.
unsafe fn cross_check<F: SimdFrame>(bytes: &[u8]) -> CheckResult {
    assert!(bytes.len() == size_of::<F>(), "the bytes of one frame");
    // SAFETY: `bytes` are as many as `F` has (asserted above), and a valid value of it (the caller's
    // promise), which may be made from bytes (`FrameField`). It is a copy, and so is not dropped.
    let value = unsafe { bytes.as_ptr().cast::<ManuallyDrop<F>>().read_unaligned() };
    value.cross_check()
}

/// The first byte of `bytes` that its range refuses, as an error that says what its field is.
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
    let path = FieldPath::new(layout, offset);
    if let Some((field, start)) = path.leaf() {
        let is_byte_of_more = field.range().is_some() || field.size() > 1;
        if let (Some(integer), true) = (field.integer(), is_byte_of_more) {
            let value = integer.decode(&bytes[start..start + field.size()]);
            return check::refused_value(field, FieldPath::new(layout, start), value);
        }
    }
    LayoutError::OutOfRange {
        frame: layout.name(),
        field: path,
        offset,
        value,
        min: lo,
        max: lo + span,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{AlignedBuffer, FrameEnum, Le, LogLevel};

    #[derive(Debug, Clone, Copy, PartialEq, cnv_macros::SimdFrame)]
    #[frame(crate = "crate")]
    #[repr(C)]
    struct Line {
        sequence: Le<u64>,
        level: LogLevel,
        is_last: bool,
        #[frame(reserved)]
        _pad: [u8; 2],
        value: Le<f32>,
    }

    const LINE: Line = Line {
        sequence: Le::<u64>::new(7),
        level: LogLevel::Warn,
        is_last: true,
        _pad: [0; 2],
        value: Le::<f32>::new(1.5),
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
