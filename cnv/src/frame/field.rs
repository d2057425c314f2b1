//! What can stand in a frame.
#![allow(
    unsafe_code,
    reason = "the trait vouches for bytes, and its impls are where that is done"
)]

use super::layout::{FieldKind, FrameLayout};

/// A type that can be a field of a frame: an integer, a float, either in [`Be`](super::Be) or
/// [`Le`](super::Le), a `bool`, an array of these but `bool`, an enum with `#[derive(FrameEnum)]`, or a
/// struct with `#[derive(SimdFrame)]`.
///
/// Plain numbers of more than one byte are fields on little-endian targets only, where their bytes in
/// memory are those on the wire.
///
/// Nobody implements it by hand: the derives do, for the types they accept.
///
/// # Safety
///
/// The implementor promises for `Self`:
/// - every byte of it is initialised, so there is no padding;
/// - any bytes that are as [`KIND`](Self::KIND) states are a valid value, and others are never
///   produced by safe code unless they are reserved bytes;
/// - there is no interior mutability and no pointer in it, and making a value of it from bytes
///   breaks no promise of its author;
/// - [`ALIGN`](Self::ALIGN) is a power of two and at least the type's real alignment.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a frame",
    label = "this type is not a frame field",
    note = "use an integer, a float, a `bool`, an array of integers, an enum with `#[repr(u8)]` and `#[derive(FrameEnum)]`, or a struct with `#[repr(C)]` and `#[derive(SimdFrame)]`"
)]
pub unsafe trait FrameField: Sized + 'static {
    /// Which bytes are values of this type.
    const KIND: FieldKind;

    /// Natural alignment in bytes: the same on every target, and so at least that of this one.
    const ALIGN: usize;
}

/// An element of an array in a frame: an integer or a float.
///
/// # Safety
///
/// As for [`FrameField`], and every bit pattern is a value.
#[diagnostic::on_unimplemented(
    message = "an array of `{Self}` cannot be a field of a frame",
    label = "the elements of this array are neither integers nor floats",
    note = "use an array of integers, or one field for each element"
)]
pub unsafe trait FrameElement: FrameField {}

macro_rules! elements {
    ($kind:ident: $($element:ident)*) => {$(
        // SAFETY: a primitive number has no padding, no pointer and no interior mutability, every bit
        // pattern is a value, and no target aligns it to more than its size.
        unsafe impl FrameField for $element {
            const KIND: FieldKind = FieldKind::$kind;
            const ALIGN: usize = size_of::<$element>();
        }

        // SAFETY: as above.
        unsafe impl FrameElement for $element {}
    )*};
}

elements!(Unsigned: u8);
elements!(Signed: i8);
#[cfg(target_endian = "little")]
elements!(Unsigned: u16 u32 u64 u128);
#[cfg(target_endian = "little")]
elements!(Signed: i16 i32 i64 i128);
#[cfg(target_endian = "little")]
elements!(Float: f32 f64);

// SAFETY: a `bool` is one byte, 0 or 1, as `FieldKind::Bool` says.
unsafe impl FrameField for bool {
    const KIND: FieldKind = FieldKind::Bool;
    const ALIGN: usize = 1;
}

// SAFETY: an array has the alignment of its elements and nothing between them, and every bit pattern
// of an element is a value.
unsafe impl<T: FrameElement, const N: usize> FrameField for [T; N] {
    const KIND: FieldKind = FieldKind::Array {
        element: &T::KIND,
        len: N,
    };
    const ALIGN: usize = T::ALIGN;
}

/// A byte array: what `#[frame(reserved)]` takes.
///
/// # Safety
///
/// As for [`FrameField`], and a value of all zeros is valid.
#[diagnostic::on_unimplemented(
    message = "reserved bytes are an array of `u8`, not `{Self}`",
    label = "this type is not `[u8; N]`",
    note = "write `[u8; N]` with the number of bytes to reserve"
)]
pub unsafe trait ReservedBytes: FrameField {}

// SAFETY: every bit pattern of a byte array is valid.
unsafe impl<const N: usize> ReservedBytes for [u8; N] {}

/// An integer of at most 8 bytes: what `range` and `version` take.
///
/// # Safety
///
/// As for [`FrameField`]; also every bit pattern is a value, and [`KIND`](FrameField::KIND) is that of
/// an integer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot have a range",
    label = "not an integer of at most 64 bits",
    note = "`range` and `version` are for `u8` to `u64`, `i8` to `i64`, and these in `Be` or `Le`"
)]
pub unsafe trait RangedField: FrameField {}

macro_rules! ranged {
    ($($integer:ident)*) => {$(
        // SAFETY: an integer of at most 8 bytes.
        unsafe impl RangedField for $integer {}
    )*};
}

ranged!(u8 i8);
#[cfg(target_endian = "little")]
ranged!(u16 u32 u64 i16 i32 i64);

/// Four bytes that hold a checksum: what `crc32c` takes.
///
/// # Safety
///
/// As for [`RangedField`], and `Self` is 4 bytes and unsigned.
#[diagnostic::on_unimplemented(
    message = "a CRC32C is a `u32`, not `{Self}`",
    label = "not a `u32`",
    note = "write `u32`, or `Be<u32>` in a big-endian frame"
)]
pub unsafe trait ChecksumField: FrameField {}

// SAFETY: an unsigned integer of 4 bytes.
#[cfg(target_endian = "little")]
unsafe impl ChecksumField for u32 {}

/// An enum whose variants are values of a `u8`, `u16` or `u32`. `#[derive(FrameEnum)]` implements it.
///
/// # Safety
///
/// As for [`FrameField`]; also `Self` is 1, 2 or 4 bytes, its [`KIND`](FrameField::KIND) is
/// [`FieldKind::Enum`], its values ascend, and each of them is a variant.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a frame enum",
    label = "not a frame enum",
    note = "put `#[repr(u8)]` and `#[derive(FrameEnum)]` on it"
)]
pub unsafe trait FrameEnum: FrameField {
    /// The values of the variants, from the lowest to the highest.
    const VALUES: &'static [u32] = values(&Self::KIND);

    /// The lowest value.
    const FIRST: u32 = Self::VALUES[0];

    /// The highest value.
    const LAST: u32 = Self::VALUES[Self::VALUES.len() - 1];

    /// The variant with this value, or `None` where none has it.
    ///
    /// ```
    /// use cnv::frame::FrameEnum;
    ///
    /// #[derive(Debug, PartialEq, FrameEnum)]
    /// #[repr(u16)]
    /// enum Status {
    ///     Ok = 200,
    ///     NotFound = 404,
    /// }
    ///
    /// assert_eq!(Status::from_value(404), Some(Status::NotFound));
    /// assert_eq!(Status::from_value(403), None);
    /// ```
    #[must_use]
    fn from_value(value: u32) -> Option<Self> {
        const { assert!(matches!(size_of::<Self>(), 1 | 2 | 4)) };
        is_one_of(value, Self::VALUES).then(|| {
            let bytes = value.to_ne_bytes();
            let start = if cfg!(target_endian = "big") {
                bytes.len() - size_of::<Self>()
            } else {
                0
            };
            // SAFETY: `value` is one of those of which the implementor promises that each is a
            // variant. It fits `Self`, whose bytes are the low ones of `value`: they are in `bytes`
            // from `start` on, at least as many as `Self` has (1, 2 or 4, asserted above).
            unsafe { bytes.as_ptr().add(start).cast::<Self>().read_unaligned() }
        })
    }

    /// [`from_value`](Self::from_value) of one byte.
    ///
    /// ```
    /// use cnv::frame::FrameEnum;
    ///
    /// #[derive(Debug, PartialEq, FrameEnum)]
    /// #[repr(u8)]
    /// enum Direction {
    ///     In = 1,
    ///     Out,
    /// }
    ///
    /// assert_eq!(Direction::from_byte(2), Some(Direction::Out));
    /// assert_eq!(Direction::from_byte(3), None);
    /// ```
    #[must_use]
    fn from_byte(byte: u8) -> Option<Self> {
        Self::from_value(u32::from(byte))
    }
}

const fn values(kind: &FieldKind) -> &'static [u32] {
    match *kind {
        FieldKind::Enum { values } => values,
        _ => panic!("a frame enum is described as an enum"),
    }
}

/// Whether `value` is one of `values`, which ascend.
#[inline]
pub(super) fn is_one_of(value: u32, values: &[u32]) -> bool {
    match values {
        // The usual enum leaves no gap, and its values are known when this is compiled.
        [first, .., last] if (last - first) as usize == values.len() - 1 => {
            (*first..=*last).contains(&value)
        }
        values if values.len() <= 8 => values.contains(&value),
        values => values.binary_search(&value).is_ok(),
    }
}

/// What the uses of a refused frame see while the compiler reports why it was refused.
pub const REFUSED: &FrameLayout = &FrameLayout::REFUSED;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Be, Le};

    #[test]
    fn numbers_are_aligned_to_their_size_on_every_target() {
        assert_eq!(<Le<u64> as FrameField>::ALIGN, 8);
        assert_eq!(<[Be<u16>; 5] as FrameField>::ALIGN, 2);
        assert_eq!(<bool as FrameField>::ALIGN, 1);
    }

    #[test]
    fn an_array_knows_its_elements() {
        assert_eq!(
            <[Le<i32>; 3] as FrameField>::KIND,
            FieldKind::Array {
                element: &FieldKind::Signed,
                len: 3
            }
        );
    }
}
