//! One field of many frames as a column: out of validated bytes, and into new ones.

use core::fmt;
use core::marker::PhantomData;

use super::buffer::AlignedBuffer;
use super::check::seal;
use super::error::FrameError;
use super::frames::{BadFrame, Frames, FramesError, try_for_each_block};
use super::layout::FieldKind;
use super::simd::encode::{self, LINE, Words};
use super::simd::extract::{self, Places, Strided};
use super::simd::number::{bits, bits_mut};
use super::simd::view;
use super::simd_frame::SimdFrame;

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

/// Values as integers of as many bytes.
enum Values<'a> {
    B1(&'a [u8]),
    B2(&'a [u16]),
    B4(&'a [u32]),
    B8(&'a [u64]),
}

/// Places for values, as integers of as many bytes.
enum ValuesMut<'a> {
    B1(&'a mut [u8]),
    B2(&'a mut [u16]),
    B4(&'a mut [u32]),
    B8(&'a mut [u64]),
    /// A kernel has them, as those of this word of a line.
    Taken {
        word: usize,
    },
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

/// The values of one field of `T`, to be written. [`encode_columns!`](crate::encode_columns) makes it.
pub struct Column<'a, T> {
    offset: usize,
    values: Values<'a>,
    frame: PhantomData<T>,
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

/// A place for the values of one field of `T`. [`columns!`](crate::columns) makes it.
pub struct ColumnMut<'a, T> {
    offset: usize,
    values: ValuesMut<'a>,
    frame: PhantomData<T>,
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

/// How new frames get to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Store {
    /// Through the caches: right for frames that are read or sent next.
    #[default]
    Temporal,
    /// Past the caches, meant for batches far larger than they are; slower at every size measured so far,
    /// so measure yours. It applies to frames of 64 bytes whose columns are words at multiples of 8 bytes,
    /// on CPUs with AVX2; others are written through the caches.
    Stream,
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
    store: Store,
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
    write(template, columns, out, store);
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
fn write<T: SimdFrame>(template: &T, columns: &[Column<'_, T>], out: &mut [u8], store: Store) {
    let is_streaming =
        store == Store::Stream && columns.iter().all(|column| column.word().is_some());
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
            Some(words) if is_streaming => {
                encode::encode_streaming(words, start, block.as_chunks_mut().0)
            }
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

/// Reads fields of many frames into columns: `columns!(bytes, Type => field: place, ..)`.
///
/// A place is a `&mut` to a slice or a `Vec` of the field's type that has an element for each frame; the byte of a
/// `bool` or an enum is a `u8`. A field that the frame lacks, or one of another type, does not compile.
/// It is [`extract_columns`](crate::frame::extract_columns), where costs and errors are told.
///
/// ```
/// use cnv::frame::{AlignedBuffer, SimdFrame, Store};
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
///     &mut buffer, Store::Temporal)?;
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

/// Writes frames from a template and columns:
/// `encode_columns!(template, Type => field: values, ..; buffer, store)`.
///
/// It is [`encode_columns`](crate::frame::encode_columns), where costs and errors are told;
/// [`columns!`](crate::columns) has an example.
#[macro_export]
macro_rules! encode_columns {
    ($template:expr, $frame:ty => $($field:ident: $values:expr),+ $(,)?; $buffer:expr, $store:expr) => {
        $crate::frame::encode_columns::<$frame>(
            $template,
            &[$($crate::frame::Column::new(
                const { $crate::frame::ColumnField::<$frame, _>::named(::core::stringify!($field)) },
                $values,
            )),+],
            $buffer,
            $store,
        )
    };
}

impl<T, V> fmt::Debug for ColumnField<T, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe("ColumnField", self.offset, f)
    }
}

impl<T> fmt::Debug for Column<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe("Column", self.offset, f)
    }
}

impl<T> fmt::Debug for ColumnMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe("ColumnMut", self.offset, f)
    }
}

fn describe(name: &str, offset: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_struct(name)
        .field("offset", &offset)
        .finish_non_exhaustive()
}
