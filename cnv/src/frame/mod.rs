//! Frames: messages whose bytes in memory are their bytes on the wire.
//!
//! Output that is text on a pipe is encoded, escaped, parsed and copied at every hop. A frame is a
//! 64-byte line with everything a reader needs in order to route it, so that writing one is a copy
//! and checking one looks at eight bytes. A general format (JSON, Protocol Buffers) was the other
//! way: it encodes any shape, and has a reader decode every field before it can route a message.
//!
//! There are two levels:
//! - [`Frame`], which [`Frame::parse`] borrows from bytes, with [`FrameSerializer`] to write it to a
//!   buffer, [`FrameReader`] and [`FrameWriter`] for a stream, and [`FrameDecoder`] and [`FrameEncoder`]
//!   for a socket's buffers. This is what commands send.
//! - `#[derive(`[`SimdFrame`](derive@SimdFrame)`)]`, for a struct of your own that is to be its own
//!   wire format, with `#[derive(`[`FrameEnum`](derive@FrameEnum)`)]` for its enums. [`FrameHeader`]
//!   is made with it.
//!
//! ```
//! use cnv::frame::{AlignedBuffer, Frame, FramePayload, FrameSerializer};
//!
//! let frame = Frame::new([7; 16], 0, 1, 0, FramePayload::Data(b"hello".to_vec()));
//! let mut serializer = FrameSerializer::new();
//! let mut buffer = AlignedBuffer::with_capacity(4096);
//! serializer.serialize(&frame, &mut buffer)?;
//! assert_eq!(serializer.deserialize(buffer.as_slice())?, frame);
//! # Ok::<(), cnv::frame::FrameError>(())
//! ```
//!
//! # Costs and limits
//!
//! A payload of up to [`INLINE_PAYLOAD_BYTES`] (24) stands in the line; a longer one follows it. It
//! is at most 1 MiB, unless [`FrameSerializer::with_max_payload_bytes`] says otherwise. A [`Frame`]
//! carries no checksum and no signature; a frame of your own has a checksum if it says so. Bytes are
//! little-endian on every target; a frame of your own is in network order if it says so.
//!
//! # Features
//!
//! Frames need an allocator and no standard library: the module is there without any feature, the derives
//! included.
//!
//! | feature | what it adds |
//! |---|---|
//! | `std` | [`FrameReader`] and [`FrameWriter`]; kernels for the CPU that the program runs on, or those that the environment variable `CNV_SIMD` names |
//! | `bytes` | [`FrameDecoder`] and [`FrameEncoder`] |
//!
//! Without `std` the kernels are those for the CPU features that the compiler was told of, such as by `-C
//! target-feature=+avx2`.

mod batch;
mod borrowed;
mod buffer;
mod check;
#[cfg(feature = "bytes")]
mod codec;
mod columns;
mod compatible;
mod crc32c;
mod cross_check;
mod describe;
mod endian;
mod error;
mod field;
mod frames;
mod header;
mod kind;
mod layout;
mod layout_error;
mod order;
mod owned;
mod payload;
mod range;
mod serializer;
#[doc(hidden)]
pub mod simd;
mod simd_frame;
mod split_batch;
#[cfg(feature = "std")]
mod stream;
mod table;

pub use batch::BatchProcessor;
pub use borrowed::FrameRef;
pub use buffer::AlignedBuffer;
#[cfg(feature = "bytes")]
pub use codec::{Decoded, FrameDecoder, FrameEncoder, SharedFrame};
pub use columns::{
    Column, ColumnElement, ColumnField, ColumnMut, ColumnsError, encode_columns, extract_columns,
};
pub use compatible::{Compatibility, Difference, Incompatible};
pub use crc32c::{crc32c, first_corrupt_line, seal_line};
pub use cross_check::CheckOutcome;
pub use endian::{Be, Le, Number};
pub use error::FrameError;
pub use field::{FrameElement, FrameEnum, FrameField};
pub use frames::{BadFrame, Blocks, Frames, FramesError, FramesView, Views};
pub use header::{FrameHeader, FrameVersion, INLINE_PAYLOAD_BYTES, SessionId};
pub use kind::FrameKind;
pub use layout::{FieldKind, FieldLayout, FieldPath, FieldRole, FrameLayout, Window};
pub use layout_error::LayoutError;
pub use owned::Frame;
pub use payload::{FramePayload, LogLevel};
pub use range::ValueRange;
pub use serializer::FrameSerializer;
pub use simd_frame::SimdFrame;
pub use split_batch::{SplitBatch, SplitBatchError, SplitBatchLimits, SplitBatchWriter};
#[cfg(feature = "std")]
pub use stream::{FrameReader, FrameWriter};

/// Makes a struct its own wire format: implements the [`SimdFrame`] trait.
///
/// ```
/// use cnv::frame::{FrameEnum, LayoutError, SimdFrame};
///
/// /// What a sensor does.
/// #[derive(Debug, PartialEq, FrameEnum)]
/// #[repr(u8)]
/// enum Mode {
///     Idle,
///     Active,
/// }
///
/// /// One measurement.
/// #[derive(Debug, PartialEq, SimdFrame)]
/// #[repr(C)]
/// struct Reading {
///     sensor: u32,
///     mode: Mode,
///     is_valid: bool,
///     #[frame(reserved)]
///     _pad: [u8; 2],
///     values: [i64; 2],
/// }
///
/// let reading = Reading { sensor: 7, mode: Mode::Active, is_valid: true, _pad: [0; 2], values: [-1, 1] };
/// let mut bytes = reading.as_bytes().to_vec();
/// assert_eq!(Reading::read(&bytes)?, reading);
///
/// bytes[5] = 2;
/// let error = Reading::read(&bytes).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`Reading`: field `is_valid`, byte 5, is 2, and 0 to 1 are allowed"
/// );
/// # Ok::<(), LayoutError>(())
/// ```
///
/// # The struct
///
/// It has named fields and no generics, and is `#[repr(C)]` (with `align(N)` if you like).
/// Fields are placed by natural alignment: a field starts at a multiple of its own size, an array or
/// a nested frame at a multiple of its widest element's. Where that leaves a gap, the gap is declared
/// as reserved bytes; the error for an undeclared one says how many bytes are missing and where.
///
/// | field | its bytes |
/// |---|---|
/// | `u8` to `u128`, `i8` to `i128`, `f32`, `f64` | any |
/// | an array of these | any |
/// | `bool` | 0 or 1 |
/// | an enum with `#[derive(FrameEnum)]` | the values of its variants |
/// | a struct with `#[derive(SimdFrame)]` | as its own fields say |
/// | `#[frame(reserved)] _pad: [u8; N]` | 0 |
///
/// A number may stand in [`Be`] or [`Le`], which say the order of its bytes; a plain one of more than a
/// byte is little-endian, and a field on little-endian targets only. Anything else is an error that
/// says what to use instead.
///
/// # Keys of the struct
///
/// | `#[frame(..)]` | what |
/// |---|---|
/// | `version = N` | the version of the layout, a number or the path of a constant; one field holds it |
/// | `align = N` | the struct is aligned to N bytes, or an error says which `#[repr(C, align(N))]` to write |
/// | `endian = "big"` | every number is in network order: one that is not in [`Be`] is an error. `"little"` is the default |
/// | `check = path` | a function of `&Self` that returns `bool` or `Result<(), &'static str>`: see [`CheckOutcome`] |
/// | `reorder` | up to 32 fields stand in an order that is checked fastest of those that are tried, or an error names a better one |
/// | `crate = "path"` | where this crate is, if not at `::cnv` |
///
/// # Keys of a field
///
/// | `#[frame(..)]` | what |
/// |---|---|
/// | `reserved` | its bytes are 0 |
/// | `range = 1..=9` | the values of an integer of at most 64 bits. Any range; bounds are numbers or constants |
/// | `version` | an integer that holds the version |
/// | `crc32c` | the last field, a `u32`: the CRC32C of all bytes before it. [`encode_into`](SimdFrame::encode_into) computes it, whatever stands there |
///
/// ```
/// use cnv::frame::{LayoutError, SimdFrame};
///
/// /// A part of a file.
/// #[derive(Debug, PartialEq, SimdFrame)]
/// #[frame(version = 2, check = Self::is_ordered)]
/// #[repr(C)]
/// struct Extent {
///     start: u32,
///     end: u32,
///     #[frame(version)]
///     version: u8,
///     #[frame(range = 1..=9)]
///     level: u8,
///     #[frame(reserved)]
///     _pad: [u8; 2],
///     #[frame(crc32c)]
///     crc: u32,
/// }
///
/// impl Extent {
///     fn is_ordered(&self) -> Result<(), &'static str> {
///         if self.start <= self.end { Ok(()) } else { Err("it ends before it starts") }
///     }
/// }
///
/// let extent = Extent { start: 3, end: 7, version: 2, level: 1, _pad: [0; 2], crc: 0 };
/// let mut bytes = [0; Extent::SIZE];
/// extent.encode_into(&mut bytes)?;
/// assert_eq!(Extent::read(&bytes)?.end, 7);
///
/// bytes[0] ^= 1;
/// assert!(matches!(Extent::read(&bytes), Err(LayoutError::Checksum { .. })));
///
/// let wrong = Extent { start: 9, ..extent };
/// assert_eq!(
///     wrong.encode_into(&mut bytes).unwrap_err().to_string(),
///     "`Extent`, at byte 0: `Self::is_ordered` refuses it: it ends before it starts"
/// );
/// # Ok::<(), LayoutError>(())
/// ```
///
/// # What is tested, and when
///
/// 1. A range for each byte, over the smallest window that holds all constraints: `bool`, enums without
///    a gap, reserved bytes, the version, and every range that ranges of its bytes say exactly, such as
///    all of one byte and `0..=24` in a `u32`. Many frames can be tested at once.
/// 2. [`SimdFrame::check`], where [`HAS_CHECK`](SimdFrame::HAS_CHECK): other ranges, enums with gaps,
///    and checksums, on the bytes.
/// 3. The function of `check`, nested frames first. It sees a value whose fields are all allowed.
///
/// The order of `#[repr(C)]` fields is the order of bytes on the wire, so that a macro cannot change
/// the one without the other: `reorder` says the better order and leaves it to you to write it.
///
/// # What it proves
///
/// The expansion takes types, sizes and offsets from the compiler, so that a type alias, a name that
/// shadows `u8`, or another macro that rewrites the struct cannot make it describe something else.
/// Padding is never read, and a byte that a field's type does not allow is never seen as a value of it.
/// A range, a version and a check hold for what was read; a program that sets such a field to something
/// else learns of it when it encodes. The impls are `unsafe`, and `#![forbid(unsafe_code)]` in the
/// caller's crate accepts them, because they come from the macro.
pub use cnv_macros::SimdFrame;

/// Makes an enum a field of frames: implements the [`FrameEnum`] trait.
///
/// The enum is `#[repr(u8)]`, `#[repr(u16)]` or `#[repr(u32)]`, and its variants carry no fields. They
/// may have any values. Values without a gap are tested fastest: often one range for each byte says
/// which bytes are values, and so many frames are tested at once. An enum of more than one byte is
/// little-endian, and a field on little-endian targets only.
///
/// ```
/// use cnv::frame::FrameEnum;
///
/// #[derive(Debug, PartialEq, FrameEnum)]
/// #[repr(u8)]
/// enum Priority {
///     Low = 1,
///     High,
///     Urgent = 100,
/// }
///
/// assert_eq!(Priority::VALUES, [1, 2, 100]);
/// assert_eq!(Priority::from_byte(2), Some(Priority::High));
/// assert_eq!(Priority::from_byte(3), None);
/// ```
///
/// `#[frame(crate = "path")]` says where this crate is, if not at `::cnv`.
pub use cnv_macros::FrameEnum;

#[doc(hidden)]
pub(crate) mod expansion {
    //! Re-exported for expansions by `crate::__private::frame`.

    pub use super::cross_check::{CheckOutcome, CheckResult, CrossCheck};
    pub use super::describe::{
        check_align, check_big_endian, check_end, check_enumeration, check_field, check_range,
        checksum, field, layout, ranged, reserved, sorted, version,
    };
    pub use super::field::{FrameEnum, FrameField, REFUSED};
    pub use super::layout::{ByteTables, FieldKind, FieldLayout, FrameLayout};
    pub use super::order::check_order;
    pub use super::simd_frame::SimdFrame;
    pub use core::mem::{offset_of, size_of};
    pub use core::ops::Bound;
    pub use core::option::Option;
    pub use core::primitive;
}
