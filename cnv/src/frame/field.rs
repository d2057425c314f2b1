//! What can stand in a frame.
#![allow(
    unsafe_code,
    reason = "the trait vouches for bytes, and its impls are where that is done"
)]

use super::layout::{FieldKind, FrameLayout};

/// A type that can be a field of a frame: an integer, a float, a `bool`, an array of integers or
/// floats, a `#[repr(u8)]` enum with `#[derive(FrameEnum)]`, or a struct with `#[derive(SimdFrame)]`.
///
/// Nobody implements it by hand: the derives do, for the types they accept.
///
/// # Safety
///
/// The implementor promises for `Self`:
/// - every byte of it is initialised, so there is no padding;
/// - any bytes within the ranges that [`KIND`](Self::KIND) states are a valid value, and those
///   outside them are never produced by safe code unless they are reserved bytes;
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

elements!(Unsigned: u8 u16 u32 u64 u128);
elements!(Signed: i8 i16 i32 i64 i128);
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

/// An enum that is one byte of a contiguous range, so that one range check says whether a byte is a
/// value. `#[derive(FrameEnum)]` implements it.
///
/// # Safety
///
/// As for [`FrameField`]; also `Self` is one byte, its [`KIND`](FrameField::KIND) is
/// [`FieldKind::Enum`], and every byte from `first` to `last` is a variant.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a frame enum",
    label = "not a frame enum",
    note = "put `#[repr(u8)]` and `#[derive(FrameEnum)]` on it"
)]
pub unsafe trait FrameEnum: FrameField {
    /// The lowest byte that is a variant.
    const FIRST: u8 = bounds(&Self::KIND).0;

    /// The highest byte that is a variant.
    const LAST: u8 = bounds(&Self::KIND).1;

    /// The variant that `byte` stands for, or `None` where it stands for none.
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
        const { assert!(size_of::<Self>() == 1, "a frame enum is one byte") };
        (Self::FIRST..=Self::LAST).contains(&byte).then(|| {
            // SAFETY: `byte` is in the range of which the implementor promises that every byte is a
            // variant, and both types are one byte.
            unsafe { core::mem::transmute_copy::<u8, Self>(&byte) }
        })
    }
}

const fn bounds(kind: &FieldKind) -> (u8, u8) {
    match *kind {
        FieldKind::Enum { first, last } => (first, last),
        _ => panic!("a frame enum is described as an enum"),
    }
}

/// What the uses of a refused frame see while the compiler reports why it was refused.
pub const REFUSED: &FrameLayout = &FrameLayout::REFUSED;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_to_their_size_on_every_target() {
        assert_eq!(<u64 as FrameField>::ALIGN, 8);
        assert_eq!(<[u16; 5] as FrameField>::ALIGN, 2);
        assert_eq!(<bool as FrameField>::ALIGN, 1);
    }

    #[test]
    fn an_array_knows_its_elements() {
        assert_eq!(
            <[i32; 3] as FrameField>::KIND,
            FieldKind::Array {
                element: &FieldKind::Signed,
                len: 3
            }
        );
    }
}
