//! Which values each byte of a frame may have.

use super::{FieldKind, FieldLayout, FrameLayout};
use crate::frame::range::ByteRange;

/// The span of a byte that may have any value.
pub(super) const FREE_SPAN: u8 = u8::MAX;

/// For each byte of a frame of `N` bytes, the lowest value allowed and how far above it a byte may be.
pub struct ByteTables<const N: usize> {
    lo: [u8; N],
    span: [u8; N],
}

impl<const N: usize> ByteTables<N> {
    /// The constraints of all fields, those of nested frames spliced in at their offsets.
    #[must_use]
    pub const fn new(fields: &[FieldLayout]) -> Self {
        let mut tables = Self {
            lo: [0; N],
            span: [FREE_SPAN; N],
        };
        let mut index = 0;
        while index < fields.len() {
            tables.constrain(&fields[index]);
            index += 1;
        }
        tables
    }

    /// The lowest value allowed for each byte.
    #[must_use]
    pub const fn lo(&self) -> &[u8] {
        &self.lo
    }

    /// How far above it each byte may be.
    #[must_use]
    pub const fn span(&self) -> &[u8] {
        &self.span
    }

    const fn constrain(&mut self, field: &FieldLayout) {
        let range = match field.kind() {
            FieldKind::Bool => ByteRange::new(0, 1),
            FieldKind::Reserved => ByteRange::new(0, 0),
            FieldKind::Frame(inner) => return self.splice(field.offset(), inner),
            _ => return self.place(field),
        };
        let mut at = field.offset();
        while at < field.end() {
            self.lo[at] = range.lo;
            self.span[at] = range.span;
            at += 1;
        }
    }

    /// The bytes of a field whose values a range for each byte says; all others stay free, and are
    /// tested by `check`.
    const fn place(&mut self, field: &FieldLayout) {
        let Some(ranges) = field.byte_ranges() else {
            return;
        };
        let mut at = 0;
        while at < field.size() {
            self.lo[field.offset() + at] = ranges[at].lo;
            self.span[field.offset() + at] = ranges[at].span;
            at += 1;
        }
    }

    const fn splice(&mut self, offset: usize, inner: &FrameLayout) {
        let mut at = 0;
        while at < inner.span().len() {
            self.lo[offset + at] = inner.lo()[at];
            self.span[offset + at] = inner.span()[at];
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &'static str, offset: usize, size: usize, kind: FieldKind) -> FieldLayout {
        FieldLayout::new(name, offset, size, 1, kind)
    }

    #[test]
    fn tables_hold_a_range_for_each_kind() {
        let tables = ByteTables::<6>::new(&[
            field("free", 0, 1, FieldKind::Unsigned),
            field("flag", 1, 1, FieldKind::Bool),
            field(
                "kind",
                2,
                1,
                FieldKind::Enum {
                    values: &[3, 4, 5, 6, 7, 8, 9],
                },
            ),
            field("_pad", 3, 3, FieldKind::Reserved),
        ]);
        assert_eq!(tables.lo(), [0, 0, 3, 0, 0, 0]);
        assert_eq!(tables.span(), [255, 1, 6, 0, 0, 0]);
    }
}
