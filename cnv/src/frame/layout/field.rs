//! One field of a frame: where it stands, and which values it may have.

use super::FrameLayout;
use super::tables::FREE_SPAN;
use crate::frame::range::{ByteRange, Integer, ValueRange};

/// What the bytes of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldKind {
    /// An unsigned integer, little-endian.
    Unsigned,
    /// A signed integer, little-endian, in two's complement.
    Signed,
    /// An IEEE 754 float, little-endian: every bit pattern.
    Float,
    /// A number with its most significant byte first.
    BigEndian(&'static FieldKind),
    /// One byte, 0 or 1.
    Bool,
    /// `len` numbers, one after the other: every bit pattern.
    Array {
        /// What each element is.
        element: &'static FieldKind,
        /// How many elements there are.
        len: usize,
    },
    /// An unsigned integer of 1, 2 or 4 bytes, little-endian, that is one of some values.
    Enum {
        /// The values of the variants, from the lowest to the highest.
        values: &'static [u32],
    },
    /// Another frame, whose own constraints hold for its bytes.
    Frame(&'static FrameLayout),
    /// Bytes that are all 0.
    Reserved,
}

/// What a field is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum FieldRole {
    /// It is the sender's to fill.
    #[default]
    Value,
    /// It holds the version of the layout: `#[frame(version)]`.
    Version,
    /// It holds the CRC32C of all bytes before it: `#[frame(crc32c)]`.
    Checksum,
}

/// One field of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldLayout {
    name: &'static str,
    offset: usize,
    size: usize,
    align: usize,
    kind: FieldKind,
    role: FieldRole,
    range: Option<ValueRange>,
}

impl FieldLayout {
    pub(in crate::frame) const fn new(
        name: &'static str,
        offset: usize,
        size: usize,
        align: usize,
        kind: FieldKind,
    ) -> Self {
        Self {
            name,
            offset,
            size,
            align,
            kind,
            role: FieldRole::Value,
            range: None,
        }
    }

    pub(in crate::frame) const fn with_role(self, role: FieldRole) -> Self {
        Self { role, ..self }
    }

    pub(in crate::frame) const fn with_range(self, range: ValueRange) -> Self {
        Self {
            range: Some(range),
            ..self
        }
    }

    /// The field's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Bytes from the start of the frame to the field.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes of the field.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Natural alignment of the field in bytes.
    #[must_use]
    pub const fn align(&self) -> usize {
        self.align
    }

    /// What the field's bytes are.
    #[must_use]
    pub const fn kind(&self) -> FieldKind {
        self.kind
    }

    /// What the field is for.
    #[must_use]
    pub const fn role(&self) -> FieldRole {
        self.role
    }

    /// The values allowed, where the author or the version says which; `None` where the
    /// [`kind`](Self::kind) alone does.
    #[must_use]
    pub const fn range(&self) -> Option<ValueRange> {
        self.range
    }

    /// The bytes behind the field.
    pub(in crate::frame) const fn end(&self) -> usize {
        self.offset + self.size
    }

    /// How the field stands in memory, if it is an integer of at most 8 bytes.
    pub(in crate::frame) const fn integer(&self) -> Option<Integer> {
        let (is_signed, is_big_endian) = match self.kind {
            FieldKind::Unsigned | FieldKind::Enum { .. } => (false, false),
            FieldKind::Signed => (true, false),
            FieldKind::BigEndian(FieldKind::Unsigned) => (false, true),
            FieldKind::BigEndian(FieldKind::Signed) => (true, true),
            _ => return None,
        };
        if self.size > 8 {
            return None;
        }
        Some(Integer {
            size: self.size,
            is_signed,
            is_big_endian,
        })
    }

    /// The one range of all values allowed, where there is one.
    pub(in crate::frame) const fn values(&self) -> Option<ValueRange> {
        match self.kind {
            FieldKind::Enum { values } => contiguous(values),
            _ => self.range,
        }
    }

    /// The values allowed as a range for each byte, where that says exactly them.
    pub(super) const fn byte_ranges(&self) -> Option<[ByteRange; 8]> {
        match (self.values(), self.integer()) {
            (Some(values), Some(integer)) => values.byte_ranges(integer),
            _ => None,
        }
    }

    /// From the first byte that a byte range constrains to behind the last, counted from its start.
    pub(in crate::frame) const fn constrained(&self) -> Option<(usize, usize)> {
        let (mut first, mut end) = (None, 0);
        let mut at = 0;
        while at < self.size {
            let is_free = match self.kind {
                FieldKind::Bool | FieldKind::Reserved => false,
                FieldKind::Frame(inner) => inner.span()[at] == FREE_SPAN,
                _ => match self.byte_ranges() {
                    Some(ranges) => ranges[at].span == FREE_SPAN,
                    None => true,
                },
            };
            if !is_free {
                first = match first {
                    None => Some(at),
                    first => first,
                };
                end = at + 1;
            }
            at += 1;
        }
        match first {
            Some(first) => Some((first, end)),
            None => None,
        }
    }

    pub(in crate::frame) const fn is_checksum(&self) -> bool {
        matches!(self.role, FieldRole::Checksum)
    }

    /// Whether its bytes are tested by more than a range for each.
    pub(in crate::frame) const fn needs_check(&self) -> bool {
        match self.kind {
            FieldKind::Frame(inner) => inner.needs_check(),
            FieldKind::Enum { .. } => self.byte_ranges().is_none(),
            _ => self.is_checksum() || self.range.is_some() && self.byte_ranges().is_none(),
        }
    }
}

/// The range of `values`, which ascend, if it has no gap.
pub(in crate::frame) const fn contiguous(values: &[u32]) -> Option<ValueRange> {
    let [first, .., last] = values else {
        return match values {
            [only] => Some(ValueRange::new(*only as i128, *only as i128)),
            _ => None,
        };
    };
    if (*last - *first) as usize == values.len() - 1 {
        Some(ValueRange::new(*first as i128, *last as i128))
    } else {
        None
    }
}
