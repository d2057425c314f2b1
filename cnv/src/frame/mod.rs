//! Frames: messages whose bytes in memory are their bytes on the wire.
//!
//! Output that is text on a pipe is encoded, escaped, parsed and copied at every hop. A frame is a
//! 64-byte line with everything a reader needs in order to route it, so that writing one is a copy
//! and checking one looks at eight bytes. A general format (JSON, Protocol Buffers) was the other
//! way: it encodes any shape, and has a reader decode every field before it can route a message.
//!
//! There are two levels:
//! - [`Frame`], with [`FrameSerializer`] for a slice of bytes and [`FrameReader`] and
//!   [`FrameWriter`] for a stream of them. This is what commands send.
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
//! is at most 1 MiB, unless [`FrameSerializer::with_max_payload_bytes`] says otherwise. Frames carry
//! no checksum and no signature. Bytes are little-endian, and only little-endian targets are
//! supported. No feature is needed.

mod buffer;
mod check;
mod compatible;
mod crc32c;
mod describe;
mod endian;
mod error;
mod field;
mod header;
mod layout;
mod order;
mod owned;
mod payload;
mod range;
mod serializer;
mod simd_frame;
mod stream;
mod table;

pub use buffer::AlignedBuffer;
pub use check::CheckOutcome;
pub use compatible::{Compatibility, Difference, Incompatible};
pub use endian::{Be, Le, Number};
pub use error::{FrameError, LayoutError};
pub use field::{FrameElement, FrameEnum, FrameField};
pub use header::{FrameHeader, FrameKind, FrameVersion, SessionId};
pub use layout::{FieldKind, FieldLayout, FieldPath, FieldRole, FrameLayout, Window};
pub use owned::Frame;
pub use payload::{FramePayload, INLINE_PAYLOAD_BYTES, LogLevel};
pub use range::ValueRange;
pub use serializer::FrameSerializer;
pub use simd_frame::SimdFrame;
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
/// | an enum with `#[derive(FrameEnum)]` | its values |
/// | a struct with `#[derive(SimdFrame)]` | as its own fields say |
/// | `#[frame(reserved)] _pad: [u8; N]` | 0 |
///
/// Anything else is an error that says what to use instead.
///
/// # What it proves
///
/// The expansion takes types, sizes and offsets from the compiler, so that a type alias, a name that
/// shadows `u8`, or another macro that rewrites the struct cannot make it describe something else.
/// Padding is never read, and a byte that a field does not allow is never seen as a value of it. The
/// impls are `unsafe`, and `#![forbid(unsafe_code)]` in the caller's crate accepts them, because they
/// come from the macro.
///
/// # Attributes
///
/// - `#[frame(reserved)]` on a field: its bytes are 0.
/// - `#[frame(crate = "path")]` on the struct: where this crate is, if not at `::cnv`.
pub use cnv_macros::SimdFrame;

/// Makes an enum one byte of a frame: implements the [`FrameEnum`] trait.
///
/// The enum is `#[repr(u8)]`, its variants carry no fields, and their values leave no gap,
/// so that one range says which bytes are values. It may start at any value.
///
/// ```
/// use cnv::frame::FrameEnum;
///
/// #[derive(Debug, PartialEq, FrameEnum)]
/// #[repr(u8)]
/// enum Priority {
///     Low = 1,
///     High,
/// }
///
/// assert_eq!((Priority::FIRST, Priority::LAST), (1, 2));
/// assert_eq!(Priority::from_byte(0), None);
/// ```
///
/// `#[frame(crate = "path")]` says where this crate is, if not at `::cnv`.
pub use cnv_macros::FrameEnum;

#[doc(hidden)]
pub(crate) mod expansion {
    //! Re-exported for expansions by `crate::__private::frame`.

    pub use super::check::{CheckOutcome, CheckResult, CrossCheck};
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
