//! `traceparent`: which trace a call belongs to, and which span made it.

use core::fmt;
use core::str::FromStr;

use super::hex;
use super::ids::{SpanId, TraceFlags, TraceId};

/// Bytes of a `traceparent` of version 00, and the fewest of a higher version.
const LEN_BYTES: usize = 55;

/// Where the dashes stand.
const DASHES: [usize; 3] = [2, 35, 52];

/// The trace that a call belongs to, the span that made it, and what its maker says of the trace.
///
/// `Display` prints a `traceparent` of version 00; [`to_text`](Self::to_text) does so without a formatter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace_id: TraceId,
    span_id: SpanId,
    flags: TraceFlags,
}

impl TraceParent {
    /// A call in this trace, made by this span.
    #[inline]
    #[must_use]
    pub const fn new(trace_id: TraceId, span_id: SpanId, flags: TraceFlags) -> Self {
        Self {
            trace_id,
            span_id,
            flags,
        }
    }

    /// Reads a `traceparent`, which is exactly that: white space around it is the carrier's to take away.
    ///
    /// Of a higher version than 00, what follows the flags is not looked at, and must be apart from them by a dash.
    ///
    /// # Errors
    ///
    /// The first byte that is wrong. A retry does not help.
    #[inline]
    pub fn parse(text: &(impl AsRef<[u8]> + ?Sized)) -> Result<Self, TraceParentError> {
        let text = text.as_ref();
        Self::read(text).ok_or_else(|| TraceParentError::find(text))
    }

    #[inline]
    fn read(text: &[u8]) -> Option<Self> {
        let (fixed, rest) = text.split_first_chunk::<LEN_BYTES>()?;
        let is_end = match [fixed[0], fixed[1]] {
            [b'0', b'0'] => rest.is_empty(),
            [b'f', b'f'] => false,
            _ => rest.first().is_none_or(|byte| *byte == b'-'),
        };
        let has_dashes = DASHES.iter().all(|at| fixed[*at] == b'-');
        hex::read_byte([fixed[0], fixed[1]]).filter(|_| is_end && has_dashes)?;
        Some(Self {
            trace_id: TraceId::read(fixed[3..].first_chunk()?)?,
            span_id: SpanId::read(fixed[36..].first_chunk()?)?,
            flags: TraceFlags::from_bits(hex::read_byte([fixed[53], fixed[54]])?),
        })
    }

    /// The trace that the call belongs to.
    #[inline]
    #[must_use]
    pub const fn trace_id(self) -> TraceId {
        self.trace_id
    }

    /// The span that made the call: the standard calls it parent-id.
    #[inline]
    #[must_use]
    pub const fn span_id(self) -> SpanId {
        self.span_id
    }

    /// What its maker says of the trace.
    #[inline]
    #[must_use]
    pub const fn flags(self) -> TraceFlags {
        self.flags
    }

    /// It as the 55 bytes of a `traceparent` of version 00.
    #[inline]
    #[must_use]
    pub fn to_text(self) -> TraceParentText {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.trace_id.to_bytes());
        bytes[16..24].copy_from_slice(&self.span_id.to_bytes());
        bytes[24] = self.flags.bits();
        let digits = hex::digits(&bytes);
        let mut text = [b'-'; LEN_BYTES];
        text[..2].copy_from_slice(b"00");
        text[3..35].copy_from_slice(&digits[..32]);
        text[36..52].copy_from_slice(&digits[32..48]);
        text[53..].copy_from_slice(&digits[48..50]);
        TraceParentText(text)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_text().as_str())
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        Self::parse(text)
    }
}

/// A `traceparent` as text: 55 bytes of ASCII.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceParentText([u8; LEN_BYTES]);

impl TraceParentText {
    /// Its bytes.
    #[inline]
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; LEN_BYTES] {
        &self.0
    }

    /// It as a text.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("digits and dashes are ASCII")
    }
}

impl fmt::Display for TraceParentText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TraceParentText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceParentText({})", self.as_str())
    }
}

/// A text is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at} of the traceparent {fault}")]
pub struct TraceParentError {
    at: usize,
    fault: TraceParentFault,
}

/// What is wrong with a `traceparent`, after "byte 7 of the traceparent ".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceParentFault {
    /// The text ends too early.
    #[error("is missing")]
    TooShort,
    /// The text goes on where version 00 ends.
    #[error("is one too many for version 00")]
    TooLong,
    /// Something else stands where a digit has to.
    #[error("is no lower-case hexadecimal digit")]
    Digit,
    /// Something else stands where a dash has to.
    #[error("is no dash")]
    Dash,
    /// The version is ff.
    #[error("begins the version ff, which there is not")]
    Version,
    /// The trace's id is zero.
    #[error("begins a trace id of zeros")]
    TraceId,
    /// The span's id is zero.
    #[error("begins a parent id of zeros")]
    SpanId,
}

impl TraceParentError {
    /// What is wrong first with what was refused.
    #[cold]
    fn find(text: &[u8]) -> Self {
        let of = |at, fault| Self { at, fault };
        let is_zero = |id: &[u8]| id.iter().all(|byte| *byte == b'0');
        if text.starts_with(b"ff") {
            return of(0, TraceParentFault::Version);
        }
        for at in 0..LEN_BYTES {
            if at == DASHES[1] && is_zero(&text[3..at]) {
                return of(3, TraceParentFault::TraceId);
            }
            if at == DASHES[2] && is_zero(&text[36..at]) {
                return of(36, TraceParentFault::SpanId);
            }
            match text.get(at) {
                None => return of(at, TraceParentFault::TooShort),
                Some(b'-') if DASHES.contains(&at) => {}
                Some(_) if DASHES.contains(&at) => return of(at, TraceParentFault::Dash),
                Some(byte) if hex::is_digit(*byte) => {}
                Some(_) => return of(at, TraceParentFault::Digit),
            }
        }
        // All that is left is what follows.
        let is_first = text.starts_with(b"00");
        let fault = if is_first {
            TraceParentFault::TooLong
        } else {
            TraceParentFault::Dash
        };
        of(LEN_BYTES, fault)
    }

    /// Which byte is wrong: counted from 0; the length of a text that ends too early.
    #[must_use]
    pub const fn at(self) -> usize {
        self.at
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn fault(self) -> TraceParentFault {
        self.fault
    }
}
