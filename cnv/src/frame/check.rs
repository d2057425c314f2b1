//! What the byte tables of a frame do not say: ranges across bytes, enums with gaps, checksums, and
//! the author's own check.
#![allow(
    unsafe_code,
    reason = "checked bytes are viewed as a value for the author's check"
)]

use super::crc32c;
use super::field::is_one_of;
use super::layout::{FieldKind, FieldLayout, FieldPath, FieldRole, FrameLayout};
use super::layout_error::LayoutError;

/// Whether checksums are looked at. A frame that is being written gets its own afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksums {
    Verify,
    Ignore,
}

/// Tests everything that bytes alone show, those of nested frames first. `bytes` are as many as
/// `layout` has.
#[inline]
pub(super) fn values(
    layout: &'static FrameLayout,
    bytes: &[u8],
    checksums: Checksums,
) -> Result<(), LayoutError> {
    part(layout, FieldPath::new(layout, 0), bytes, checksums)
}

/// The frame `layout` whose first byte is at `start`, in the whole.
#[inline]
fn part(
    layout: &'static FrameLayout,
    start: FieldPath,
    bytes: &[u8],
    checksums: Checksums,
) -> Result<(), LayoutError> {
    for field in layout.fields() {
        if !field.needs_check() {
            continue;
        }
        if let FieldKind::Frame(inner) = field.kind() {
            let bytes = &bytes[field.offset()..field.end()];
            part(inner, start.plus(field.offset()), bytes, checksums)?;
        } else if field.role() == FieldRole::Checksum {
            if checksums == Checksums::Verify {
                verify(field, start, bytes)?;
            }
        } else {
            number(field, start, bytes)?;
        }
    }
    Ok(())
}

#[inline]
fn number(field: &'static FieldLayout, start: FieldPath, bytes: &[u8]) -> Result<(), LayoutError> {
    let Some(integer) = field.integer() else {
        return Ok(());
    };
    let value = integer.decode(&bytes[field.offset()..field.end()]);
    let is_allowed = match (field.kind(), field.range()) {
        (FieldKind::Enum { values }, _) => u32::try_from(value).is_ok_and(|v| is_one_of(v, values)),
        (_, Some(range)) => range.contains(value),
        _ => true,
    };
    if is_allowed {
        Ok(())
    } else {
        Err(refused_value(field, start.plus(field.offset()), value))
    }
}

/// The error for an integer or enum whose value is not allowed.
#[cold]
pub(super) fn refused_value(
    field: &'static FieldLayout,
    path: FieldPath,
    value: i128,
) -> LayoutError {
    let (frame, offset) = (path.frame(), path.offset());
    match (field.role(), field.range()) {
        (FieldRole::Version, Some(range)) => LayoutError::Version {
            frame,
            field: path,
            // `check_range` refuses a signed field for a version.
            expected: range.min() as u64,
            actual: value as u64,
        },
        (_, Some(_)) => LayoutError::Value {
            frame,
            field: path,
            offset,
            value,
        },
        (_, None) => LayoutError::NoVariant {
            frame,
            field: path,
            offset,
            value,
        },
    }
}

#[inline]
fn verify(field: &'static FieldLayout, start: FieldPath, bytes: &[u8]) -> Result<(), LayoutError> {
    let (covered, rest) = bytes.split_at(field.offset());
    let computed = crc32c::crc32c(covered);
    if rest == to_bytes(field, computed) {
        return Ok(());
    }
    let stated = field
        .integer()
        .map_or(0, |integer| integer.decode(rest) as u32);
    Err(LayoutError::Checksum {
        frame: start.frame(),
        field: start.plus(field.offset()),
        stated,
        computed,
    })
}

fn to_bytes(field: &FieldLayout, checksum: u32) -> [u8; 4] {
    match field.kind() {
        FieldKind::BigEndian(_) => checksum.to_be_bytes(),
        _ => checksum.to_le_bytes(),
    }
}

/// Writes the checksums of a frame into its bytes, those of nested frames first.
pub(super) fn seal(layout: &'static FrameLayout, bytes: &mut [u8]) {
    for field in layout.fields() {
        if let FieldKind::Frame(inner) = field.kind() {
            if field.needs_check() {
                seal(inner, &mut bytes[field.offset()..field.end()]);
            }
        } else if field.role() == FieldRole::Checksum {
            let (covered, rest) = bytes.split_at_mut(field.offset());
            rest[..4].copy_from_slice(&to_bytes(field, crc32c::crc32c(covered)));
        }
    }
}

/// Runs the checks of authors, those of nested frames first, so that each sees a value whose parts
/// have passed theirs.
///
/// # Safety
///
/// `bytes` are those of a valid value of the type that `layout` describes.
pub(super) unsafe fn cross(
    layout: &'static FrameLayout,
    start: FieldPath,
    bytes: &[u8],
) -> Result<(), LayoutError> {
    for field in layout.fields() {
        if let FieldKind::Frame(inner) = field.kind()
            && inner.needs_cross_check()
        {
            let bytes = &bytes[field.offset()..field.end()];
            // SAFETY: the bytes of a field of a valid value are a valid value of its type.
            unsafe { cross(inner, start.plus(field.offset()), bytes) }?;
        }
    }
    let Some(check) = layout.cross_check() else {
        return Ok(());
    };
    // SAFETY: the caller's promise. A layout is made with the check of its own type: `describe::layout`.
    unsafe { (check.run)(bytes) }.map_err(|reason| LayoutError::Check {
        frame: layout.name(),
        offset: start.offset(),
        check: check.name,
        reason,
    })
}

#[cfg(test)]
mod tests {
    use crate::frame::{Be, Le, SimdFrame};

    #[derive(Debug, Clone, Copy, PartialEq, cnv_macros::FrameEnum)]
    #[frame(crate = "crate")]
    #[repr(u8)]
    enum Mode {
        Idle = 1,
        Failed = 200,
    }

    #[derive(Debug, Clone, Copy, PartialEq, cnv_macros::SimdFrame)]
    #[frame(crate = "crate", check = Self::is_ordered)]
    #[repr(C)]
    struct Extent {
        start: Le<u32>,
        #[frame(range = ..=300)]
        end: Be<u32>,
        mode: Mode,
        is_open: bool,
        #[frame(reserved)]
        _pad: [u8; 2],
    }

    impl Extent {
        fn is_ordered(&self) -> bool {
            // Each field is looked at, so that one with an invalid value would be noticed under Miri.
            matches!(self.mode, Mode::Idle | Mode::Failed)
                && self.is_open
                && self.start.get() <= self.end.get()
        }
    }

    #[derive(Debug, Clone, Copy, PartialEq, cnv_macros::SimdFrame)]
    #[frame(crate = "crate")]
    #[repr(C)]
    struct Sealed {
        inner: Extent,
        #[frame(crc32c)]
        crc: Be<u32>,
    }

    /// Also on big-endian targets, and at any address.
    #[test]
    fn a_check_sees_legal_values_only() {
        let inner = Extent {
            start: 7.into(),
            end: 300.into(),
            mode: Mode::Failed,
            is_open: true,
            _pad: [0; 2],
        };
        let mut sealed = Sealed {
            inner,
            crc: 0.into(),
        };
        sealed.seal();
        let mut buffer = [0; 17];
        sealed.encode_into(&mut buffer[1..]).unwrap();
        assert_eq!(Sealed::read(&buffer[1..]), Ok(sealed));
        for at in 1..13 {
            for value in [0, 1, 2, 199, 200, 201, 255] {
                let before = core::mem::replace(&mut buffer[at], value);
                let bytes = &buffer[1..13];
                assert_eq!(Extent::check(bytes).is_ok(), Extent::read(bytes).is_ok());
                assert_eq!(Sealed::read(&buffer[1..]).is_ok(), value == before);
                buffer[at] = before;
            }
        }
    }
}
