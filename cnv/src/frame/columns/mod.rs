//! One field of many frames as a column: out of validated bytes, and into new ones.

mod encode;
mod extract;

use core::fmt;
use core::marker::PhantomData;

use super::error::FrameError;
use super::frames::FramesError;
use super::layout::FieldKind;
use super::simd::number::{bits, bits_mut};
use super::simd_frame::SimdFrame;

pub use encode::{Column, encode_columns};
pub use extract::{ColumnMut, extract_columns};

use encode::Values;
use extract::ValuesMut;

/// Columns that could not be read or written. Only [`OutOfMemory`](Self::OutOfMemory) can be worth a
/// retry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnsError {
    /// The bytes are not frames. Columns hold the values of the blocks before the one that is refused; what
    /// they hold for later ones is of no meaning.
    #[error("the frames are not valid")]
    Frames(#[from] FramesError),
    /// A column to be filled has fewer elements than there are frames, or columns to be written have
    /// not the same number of elements.
    #[error("column {column} has {len} elements, and there are {frames} frames")]
    Length {
        /// Number of the column in the list, from 0.
        column: usize,
        /// Its elements.
        len: usize,
        /// Frames in the bytes, or elements of the first column.
        frames: usize,
    },
    /// The buffer could not grow.
    #[error("no memory for the frames")]
    OutOfMemory(#[source] FrameError),
}

/// An integer or a float that a column holds.
///
/// It is sealed: the integers from 8 to 64 bits, `f32` and `f64` are all there are.
pub trait ColumnElement: Copy + 'static + sealed::Element {}

mod sealed {
    use super::{Column, ColumnMut, FieldKind};

    pub trait Element: Sized {
        const KIND: FieldKind;
        fn column<T>(offset: usize, values: &[Self]) -> Column<'_, T>;
        fn column_mut<T>(offset: usize, values: &mut [Self]) -> ColumnMut<'_, T>;
    }
}

macro_rules! elements {
    ($($element:ident $kind:ident $bits:ident)*) => {$(
        impl ColumnElement for $element {}

        impl sealed::Element for $element {
            const KIND: FieldKind = FieldKind::$kind;

            #[inline]
            fn column<T>(offset: usize, values: &[Self]) -> Column<'_, T> {
                let values = Values::$bits(bits(values));
                Column { offset, values, frame: PhantomData }
            }

            #[inline]
            fn column_mut<T>(offset: usize, values: &mut [Self]) -> ColumnMut<'_, T> {
                let values = ValuesMut::$bits(bits_mut(values));
                ColumnMut { offset, values, frame: PhantomData }
            }
        }
    )*};
}

elements! {
    u8 Unsigned B1 u16 Unsigned B2 u32 Unsigned B4 u64 Unsigned B8
    i8 Signed B1 i16 Signed B2 i32 Signed B4 i64 Signed B8
    f32 Float B4 f64 Float B8
}

/// A field of the frame type `T` whose values are `V`. [`columns!`](crate::columns) makes it.
pub struct ColumnField<T, V> {
    offset: usize,
    types: PhantomData<fn() -> (T, V)>,
}

impl<T: SimdFrame, V: ColumnElement> ColumnField<T, V> {
    /// The field `name`. In a `const` block a mistake is an error of the compiler.
    ///
    /// # Panics
    ///
    /// If `T` has no such field, or one whose values are not `V`. The byte of a `bool` or of an enum is a
    /// `u8`.
    #[must_use]
    #[track_caller]
    pub const fn named(name: &str) -> Self {
        let Some(offset) = T::LAYOUT.offset_of(name) else {
            panic!("the frame has no field of this name");
        };
        let fields = T::LAYOUT.fields();
        let mut index = 0;
        while fields[index].offset() != offset || fields[index].size() == 0 {
            index += 1;
        }
        let field = &fields[index];
        let is_same = matches!(
            (field.kind(), V::KIND),
            (FieldKind::Unsigned, FieldKind::Unsigned)
                | (FieldKind::Signed, FieldKind::Signed)
                | (FieldKind::Float, FieldKind::Float)
                | (
                    FieldKind::Bool | FieldKind::Enum { .. },
                    FieldKind::Unsigned
                )
        );
        assert!(
            is_same && field.size() == size_of::<V>(),
            "the elements of the column are of another type than the field"
        );
        Self {
            offset,
            types: PhantomData,
        }
    }
}

impl<T, V> fmt::Debug for ColumnField<T, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe("ColumnField", self.offset, f)
    }
}

fn describe(name: &str, offset: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_struct(name)
        .field("offset", &offset)
        .finish_non_exhaustive()
}
