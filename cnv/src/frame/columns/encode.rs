//! Columns into new frames.

use core::fmt;
use core::marker::PhantomData;

use super::{ColumnElement, ColumnField, ColumnsError, describe};
use crate::frame::buffer::AlignedBuffer;
use crate::frame::check::seal;
use crate::frame::frames::{BadFrame, Frames, FramesError};
use crate::frame::simd::encode::{self, LINE, Words};
use crate::frame::simd::view;
use crate::frame::simd_frame::SimdFrame;

/// Writes frames from a template and columns:
/// `encode_columns!(template, Type => field: values, ..; buffer)`.
///
/// It is [`encode_columns`](crate::frame::encode_columns), where costs and errors are told;
/// [`columns!`](crate::columns) has an example.
#[macro_export]
macro_rules! encode_columns {
    ($template:expr, $frame:ty => $($field:ident: $values:expr),+ $(,)?; $buffer:expr) => {
        $crate::frame::encode_columns::<$frame>(
            $template,
            &[$($crate::frame::Column::new(
                const { $crate::frame::ColumnField::<$frame, _>::named(::core::stringify!($field)) },
                $values,
            )),+],
            $buffer,
        )
    };
}

/// The values of one field of `T`, to be written. [`encode_columns!`](crate::encode_columns) makes it.
pub struct Column<'a, T> {
    pub(super) offset: usize,
    pub(super) values: Values<'a>,
    pub(super) frame: PhantomData<T>,
}

impl<'a, T: SimdFrame> Column<'a, T> {
    /// `values` of the field `field`.
    #[must_use]
    #[inline]
    pub fn new<V: ColumnElement>(field: ColumnField<T, V>, values: &'a [V]) -> Self {
        V::column(field.offset, values)
    }

    #[inline]
    fn len(&self) -> usize {
        match &self.values {
            Values::B1(values) => values.len(),
            Values::B2(values) => values.len(),
            Values::B4(values) => values.len(),
            Values::B8(values) => values.len(),
        }
    }

    /// The number of the word of a line that the column is, and its values.
    #[inline]
    fn word(&self) -> Option<(usize, &'a [u64])> {
        match self.values {
            Values::B8(values) if self.offset.is_multiple_of(8) && T::SIZE == LINE => {
                Some((self.offset / 8, values))
            }
            _ => None,
        }
    }

    /// Writes the values from `start` on into frames that are there.
    fn insert(&self, start: usize, frames: &mut [u8]) {
        fn each<const N: usize>(
            (size, offset): (usize, usize),
            frames: &mut [u8],
            values: impl Iterator<Item = [u8; N]>,
        ) {
            for (frame, value) in frames.chunks_exact_mut(size).zip(values) {
                frame[offset..][..N].copy_from_slice(&value);
            }
        }
        let at = (T::SIZE, self.offset);
        match self.values {
            Values::B1(values) => each(at, frames, values[start..].iter().map(|v| v.to_le_bytes())),
            Values::B2(values) => each(at, frames, values[start..].iter().map(|v| v.to_le_bytes())),
            Values::B4(values) => each(at, frames, values[start..].iter().map(|v| v.to_le_bytes())),
            Values::B8(values) => each(at, frames, values[start..].iter().map(|v| v.to_le_bytes())),
        }
    }

    /// Whether every value is allowed, whatever it is.
    #[inline]
    fn is_free(&self) -> bool {
        let size = match self.values {
            Values::B1(_) => 1,
            Values::B2(_) => 2,
            Values::B4(_) => 4,
            Values::B8(_) => 8,
        };
        T::SPAN[self.offset..self.offset + size]
            .iter()
            .all(|&span| span == u8::MAX)
    }
}

impl<T> fmt::Debug for Column<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe("Column", self.offset, f)
    }
}

/// Replaces the content of `buffer` with a copy of `template` for each element of the columns, with these
/// in place of the fields that they name, and returns how many frames that are.
/// [`encode_columns!`](crate::encode_columns) is the short way to call it. Checksums are computed for each
/// frame.
///
/// # Errors
///
/// [`ColumnsError::Length`] if the columns are not of one length, [`ColumnsError::OutOfMemory`], and
/// [`ColumnsError::Frames`] if the template has a reserved byte that is not 0 or a column a value that
/// its field does not allow. The buffer is empty then.
#[inline]
pub fn encode_columns<T: SimdFrame>(
    template: &T,
    columns: &[Column<'_, T>],
    buffer: &mut AlignedBuffer,
) -> Result<usize, ColumnsError> {
    buffer.clear();
    let frames = columns.first().map_or(0, Column::len);
    for (column, values) in columns.iter().enumerate() {
        let len = values.len();
        if len != frames {
            return Err(ColumnsError::Length {
                column,
                len,
                frames,
            });
        }
    }
    // What goes beyond the bytes of the template is decided by the frames made of it.
    if !T::HAS_CHECK
        && let Err(reason) = T::validate(template.as_bytes())
    {
        return Err(FramesError::BadFrame(BadFrame { index: 0, reason }).into());
    }
    let bytes = frames.saturating_mul(view::size::<T>());
    let out = buffer
        .resize_to_overwrite(bytes)
        .map_err(ColumnsError::OutOfMemory)?;
    write(template, columns, out);
    if T::HAS_CHECK {
        for frame in out.chunks_exact_mut(view::size::<T>()) {
            seal(T::LAYOUT, frame);
        }
    }
    if (T::HAS_CHECK || !columns.iter().all(Column::is_free))
        && let Err(error) =
            Frames::<T>::views(buffer.as_slice()).try_for_each(|block| block.map(drop))
    {
        buffer.clear();
        return Err(error.into());
    }
    Ok(frames)
}

/// Writes the frames, a block at a time.
#[inline]
fn write<T: SimdFrame>(template: &T, columns: &[Column<'_, T>], out: &mut [u8]) {
    let line = template
        .as_bytes()
        .first_chunk::<LINE>()
        .filter(|_| T::SIZE == LINE);
    let mut words = line.map(|template| Words {
        template: *template,
        columns: [None; 8],
    });
    if let Some(words) = &mut words {
        for (index, values) in columns.iter().filter_map(Column::word) {
            words.columns[index] = Some(values);
        }
    }
    let mut start = 0;
    for block in out.chunks_mut(Frames::<T>::BLOCK_FRAMES * T::SIZE) {
        match &words {
            Some(words) => encode::encode(words, start, block.as_chunks_mut().0),
            None => {
                for frame in block.chunks_exact_mut(T::SIZE) {
                    frame.copy_from_slice(template.as_bytes());
                }
            }
        }
        for column in columns {
            if words.is_none() || column.word().is_none() {
                column.insert(start, block);
            }
        }
        start += block.len() / T::SIZE;
    }
}

/// Values as integers of as many bytes.
pub(super) enum Values<'a> {
    B1(&'a [u8]),
    B2(&'a [u16]),
    B4(&'a [u32]),
    B8(&'a [u64]),
}
