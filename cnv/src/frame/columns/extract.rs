//! Fields of many frames into columns.

use core::fmt;
use core::marker::PhantomData;

use super::{ColumnElement, ColumnField, ColumnsError, describe};
use crate::frame::frames::{FramesError, try_for_each_block};
use crate::frame::simd::extract::{self, LINE, Places, Strided};
use crate::frame::simd::view;
use crate::frame::simd_frame::SimdFrame;

/// Reads fields of many frames into columns: `columns!(bytes, Type => field: place, ..)`.
///
/// A place is a `&mut` to a slice or a `Vec` of the field's type that has an element for each frame; the byte of a
/// `bool` or an enum is a `u8`. A field that the frame lacks, or one of another type, does not compile.
/// It is [`extract_columns`](crate::frame::extract_columns), where costs and errors are told.
///
/// ```
/// use cnv::frame::{AlignedBuffer, SimdFrame};
/// use cnv::{columns, encode_columns};
///
/// #[derive(SimdFrame)]
/// #[repr(C)]
/// struct Reading {
///     sequence: u64,
///     value: i64,
///     unit: u16,
///     #[frame(reserved)]
///     _pad: [u8; 6],
/// }
///
/// let template = Reading { sequence: 0, value: 0, unit: 3, _pad: [0; 6] };
/// let mut buffer = AlignedBuffer::new();
/// encode_columns!(&template, Reading => sequence: &[1_u64, 2, 3], value: &[-10_i64, 20, 30];
///     &mut buffer)?;
///
/// let (mut values, mut units) = ([0_i64; 3], [0_u16; 3]);
/// let frames = columns!(buffer.as_slice(), Reading => value: &mut values, unit: &mut units)?;
/// assert_eq!((frames, values, units), (3, [-10, 20, 30], [3, 3, 3]));
/// # Ok::<(), cnv::frame::ColumnsError>(())
/// ```
///
/// ```compile_fail,E0080
/// use cnv::frame::FrameHeader;
///
/// let mut kinds = [0_u64; 3];
/// let _ = cnv::columns!(&[0; 192], FrameHeader => kind: &mut kinds);
/// ```
#[macro_export]
macro_rules! columns {
    ($bytes:expr, $frame:ty => $($field:ident: $place:expr),+ $(,)?) => {
        $crate::frame::extract_columns::<$frame>(
            $bytes,
            &mut [$($crate::frame::ColumnMut::new(
                const { $crate::frame::ColumnField::<$frame, _>::named(::core::stringify!($field)) },
                $place,
            )),+],
        )
    };
}

/// A place for the values of one field of `T`. [`columns!`](crate::columns) makes it.
pub struct ColumnMut<'a, T> {
    pub(super) offset: usize,
    pub(super) values: ValuesMut<'a>,
    pub(super) frame: PhantomData<T>,
}

impl<'a, T: SimdFrame> ColumnMut<'a, T> {
    /// A place for the values of the field `field`.
    #[must_use]
    #[inline]
    pub fn new<V: ColumnElement>(field: ColumnField<T, V>, values: &'a mut [V]) -> Self {
        V::column_mut(field.offset, values)
    }

    #[inline]
    fn len(&self) -> usize {
        match &self.values {
            ValuesMut::B1(values) => values.len(),
            ValuesMut::B2(values) => values.len(),
            ValuesMut::B4(values) => values.len(),
            ValuesMut::B8(values) => values.len(),
            ValuesMut::Taken { .. } => 0,
        }
    }

    /// Fills the elements from `start` on.
    fn extract(&mut self, start: usize, frames: &[u8]) {
        let words = Strided {
            frames,
            size: T::SIZE,
            offset: self.offset,
        };
        match &mut self.values {
            ValuesMut::B1(values) => {
                extract::strided(words, &mut values[start..], u8::from_le_bytes)
            }
            ValuesMut::B2(values) => {
                extract::strided(words, &mut values[start..], u16::from_le_bytes)
            }
            ValuesMut::B4(values) => {
                extract::strided(words, &mut values[start..], u32::from_le_bytes)
            }
            ValuesMut::B8(values) => {
                extract::strided(words, &mut values[start..], u64::from_le_bytes)
            }
            ValuesMut::Taken { .. } => {}
        }
    }

    /// The number of the word of a line that the column is.
    #[inline]
    fn word(&self) -> Option<usize> {
        let is_word = matches!(self.values, ValuesMut::B8(_));
        (is_word && self.offset.is_multiple_of(8) && T::SIZE == LINE).then_some(self.offset / 8)
    }
}

impl<T> fmt::Debug for ColumnMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe("ColumnMut", self.offset, f)
    }
}

/// Fills columns with fields of the frames in `bytes`, which may start at any address, and returns how
/// many frames there are. Each block of 64 frames is validated and read while it is in the first-level cache.
/// [`columns!`](crate::columns) is the short way to call it.
///
/// Of frames of 64 bytes, two and more columns of 8 bytes each, at multiples of 8, are read together by
/// a kernel; others are read one after the other.
///
/// # Errors
///
/// [`ColumnsError::Length`] if a column is too short, with nothing written, and
/// [`ColumnsError::Frames`].
#[inline]
pub fn extract_columns<T: SimdFrame>(
    bytes: &[u8],
    columns: &mut [ColumnMut<'_, T>],
) -> Result<usize, ColumnsError> {
    let frames = bytes.len() / view::size::<T>();
    for (column, place) in columns.iter().enumerate() {
        let len = place.len();
        if len < frames {
            return Err(ColumnsError::Length {
                column,
                len,
                frames,
            });
        }
    }
    let mut places = take_words(columns);
    let read = extract_blocks(bytes, columns, &mut places);
    for column in columns {
        if let ValuesMut::Taken { word } = column.values
            && let Some(values) = places[word].take()
        {
            column.values = ValuesMut::B8(values);
        }
    }
    read?;
    Ok(frames)
}

/// Takes the values out of the columns that a kernel fills: one for each word. For a single one plain code is
/// faster, and nothing is taken.
#[inline]
fn take_words<'a, T: SimdFrame>(columns: &mut [ColumnMut<'a, T>]) -> Places<'a> {
    let mut places = Places::default();
    if columns.iter().filter_map(ColumnMut::word).count() < 2 {
        return places;
    }
    for column in columns {
        if let Some(word) = column.word()
            && places[word].is_none()
            && let ValuesMut::B8(values) =
                core::mem::replace(&mut column.values, ValuesMut::Taken { word })
        {
            places[word] = Some(values);
        }
    }
    places
}

/// Fills the columns block by block, those in `places` by a kernel.
#[inline]
fn extract_blocks<T: SimdFrame>(
    bytes: &[u8],
    columns: &mut [ColumnMut<'_, T>],
    places: &mut Places<'_>,
) -> Result<(), FramesError> {
    let is_taken = |column: &ColumnMut<'_, T>| matches!(column.values, ValuesMut::Taken { .. });
    let (any_taken, all_taken) = (columns.iter().any(is_taken), columns.iter().all(is_taken));
    let mut start = 0;
    try_for_each_block::<T>(bytes, |block| {
        let is_valid = if any_taken && !T::HAS_CHECK {
            extract::valid_words(block.as_chunks().0, places, start, view::table::<T>())
        } else {
            view::are_frames::<T>(block)
        };
        if !is_valid {
            return false;
        }
        if any_taken && T::HAS_CHECK {
            extract::words(block.as_chunks().0, places, start);
        }
        if !all_taken {
            for column in &mut *columns {
                column.extract(start, block);
            }
        }
        start += block.len() / view::size::<T>();
        true
    })
}

/// Places for values, as integers of as many bytes.
pub(super) enum ValuesMut<'a> {
    B1(&'a mut [u8]),
    B2(&'a mut [u16]),
    B4(&'a mut [u32]),
    B8(&'a mut [u64]),
    /// A kernel has them, as those of this word of a line.
    Taken {
        word: usize,
    },
}
