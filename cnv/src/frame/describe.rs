//! What `#[derive(SimdFrame)]` and `#[derive(FrameEnum)]` call at compile time: the description of
//! each field, and the checks that make the description true.

use core::ops::Bound;

use super::cross_check::CrossCheck;
use super::field::{ChecksumField, FrameField, RangedField, ReservedBytes};
use super::layout::{FieldKind, FieldLayout, FieldRole, FrameLayout};
use super::range::ValueRange;
use crate::const_text::Text;

/// Room for a sentence with some names in it.
pub(super) type Message = Text<1024>;

impl Message {
    /// `1 byte`, `2 bytes`.
    pub(super) const fn bytes(self, bytes: usize) -> Self {
        self.number(bytes as u128)
            .str(if bytes == 1 { " byte" } else { " bytes" })
    }

    const fn signed(self, value: i128) -> Self {
        let text = if value < 0 { self.str("-") } else { self };
        text.number(value.unsigned_abs())
    }

    const fn range(self, range: ValueRange) -> Self {
        let text = self.signed(range.min());
        if range.min() == range.max() {
            text
        } else {
            text.str("..=").signed(range.max())
        }
    }
}

/// Describes the field of `F` that `projection` leads to, whose type the compiler infers from it.
pub const fn field<F, T: FrameField>(
    name: &'static str,
    offset: usize,
    _projection: fn(&F) -> &T,
) -> FieldLayout {
    FieldLayout::new(name, offset, size_of::<T>(), T::ALIGN, T::KIND)
}

/// Describes reserved bytes.
pub const fn reserved<F, T: ReservedBytes>(
    name: &'static str,
    offset: usize,
    _projection: fn(&F) -> &T,
) -> FieldLayout {
    FieldLayout::new(name, offset, size_of::<T>(), 1, FieldKind::Reserved)
}

/// Describes an integer with a range. True only once `check_range` has passed.
pub const fn ranged<F, T: RangedField>(
    name: &'static str,
    offset: usize,
    projection: fn(&F) -> &T,
    min: Bound<i128>,
    max: Bound<i128>,
) -> FieldLayout {
    let field = field(name, offset, projection);
    let limits = limits(&field);
    let min = match min {
        Bound::Included(min) => min,
        Bound::Excluded(min) => min.saturating_add(1),
        Bound::Unbounded => limits.min(),
    };
    let max = match max {
        Bound::Included(max) => max,
        Bound::Excluded(max) => max.saturating_sub(1),
        Bound::Unbounded => limits.max(),
    };
    field.with_range(ValueRange::new(min, max))
}

/// Describes the field that holds the version of the layout. True only once `check_range` has passed.
pub const fn version<F, T: RangedField>(
    name: &'static str,
    offset: usize,
    projection: fn(&F) -> &T,
    version: i128,
) -> FieldLayout {
    field(name, offset, projection)
        .with_role(FieldRole::Version)
        .with_range(ValueRange::new(version, version))
}

/// Describes the field that holds the checksum of all bytes before it.
pub const fn checksum<F, T: ChecksumField>(
    name: &'static str,
    offset: usize,
    projection: fn(&F) -> &T,
) -> FieldLayout {
    field(name, offset, projection).with_role(FieldRole::Checksum)
}

/// All values of an integer; those of the widest where it is none, which `RangedField` rules out.
const fn limits(field: &FieldLayout) -> ValueRange {
    match field.integer() {
        Some(integer) => integer.limits(),
        None => ValueRange::new(i128::MIN, i128::MAX),
    }
}

/// Describes the frame `F`, with the author's check of `F` if it has one. True only once all the
/// checks of this module have passed.
pub const fn layout<F>(
    name: &'static str,
    fields: &'static [FieldLayout],
    lo: &'static [u8],
    span: &'static [u8],
    check: Option<CrossCheck>,
) -> FrameLayout {
    let layout = FrameLayout::new(
        name,
        size_of::<F>(),
        natural_align::<F>(fields),
        fields,
        lo,
        span,
    );
    match check {
        Some(check) => layout.with_cross_check(check),
        None => layout,
    }
}

/// Refuses a range that is empty, or is not within its type, or is all of it.
///
/// # Panics
///
/// If it is one of these, saying what the type has.
#[track_caller]
pub const fn check_range(fields: &[FieldLayout], index: usize) {
    let field = &fields[index];
    let Some(range) = field.range() else {
        return;
    };
    let limits = limits(field);
    let message = Message::new();
    let message = match field.role() {
        FieldRole::Version => message.str("version "),
        _ => message.str("the range "),
    };
    let message = message
        .range(range)
        .str(" of field `")
        .str(field.name())
        .str("`");
    let message = if range.min() > range.max() {
        message.str(" is empty: write the lowest value first, and the highest after `..=`")
    } else if !limits.covers(range) {
        message
            .str(" is not within its type, which goes from ")
            .signed(limits.min())
            .str(" to ")
            .signed(limits.max())
            .str(": change the one or the other")
    } else if limits.min() < 0 && matches!(field.role(), FieldRole::Version) {
        message.str(" is in a signed integer: write an unsigned one, such as `u8`")
    } else if range.covers(limits) {
        message.str(" is every value of its type: remove `range`")
    } else {
        return;
    };
    panic!("{}", message.as_str());
}

/// Refuses a number with its least significant byte first in a frame that is `endian = "big"`.
///
/// # Panics
///
/// If the field is one, or contains one.
#[track_caller]
pub const fn check_big_endian(fields: &[FieldLayout], index: usize) {
    let field = &fields[index];
    if !is_little_endian(&field.kind(), field.size()) {
        return;
    }
    let message = Message::new()
        .str("field `")
        .str(field.name())
        .str("` has its least significant byte first, and this frame is `endian = \"big\"`: ");
    let message = match field.kind() {
        FieldKind::Enum { .. } => {
            message.str("write `#[repr(u8)]` for the enum, or make the field a plain `Be`")
        }
        FieldKind::Frame(_) => message.str("make the nested frame `endian = \"big\"`, too"),
        _ => message.str("write `Be<..>` around the number"),
    };
    panic!("{}", message.as_str());
}

/// Whether there is a number of more than one byte in it that is not [`FieldKind::BigEndian`].
const fn is_little_endian(kind: &FieldKind, size: usize) -> bool {
    match *kind {
        FieldKind::Unsigned | FieldKind::Signed | FieldKind::Float | FieldKind::Enum { .. } => {
            size > 1
        }
        FieldKind::Array { element, len } => len > 0 && is_little_endian(element, size / len),
        FieldKind::Frame(inner) => {
            let mut index = 0;
            while index < inner.fields().len() {
                let field = &inner.fields()[index];
                if is_little_endian(&field.kind(), field.size()) {
                    return true;
                }
                index += 1;
            }
            false
        }
        FieldKind::BigEndian(_) | FieldKind::Bool | FieldKind::Reserved => false,
    }
}

/// Refuses a frame whose alignment is not the one that `#[frame(align = ..)]` states.
///
/// # Panics
///
/// If it is not, saying what to write.
#[track_caller]
pub const fn check_align<F>(name: &str, fields: &[FieldLayout], stated: usize) {
    let align = natural_align::<F>(fields);
    if align == stated {
        return;
    }
    let message = Message::new()
        .code(name)
        .str(" is aligned to ")
        .bytes(align)
        .str(" and not to ")
        .number(stated as u128);
    let message = if align < stated {
        message
            .str(": write `#[repr(C, align(")
            .number(stated as u128)
            .str("))]`")
    } else {
        message
            .str(": write `align = ")
            .number(align as u128)
            .str("`, or make its widest field narrower")
    };
    panic!("{}", message.as_str());
}

/// Refuses padding before the field `index`.
///
/// # Panics
///
/// If there is any, saying how many bytes to reserve and where.
#[track_caller]
pub const fn check_field<F>(fields: &[FieldLayout], index: usize) {
    let end = natural_end(fields, index);
    let field = &fields[index];
    let padding = end.next_multiple_of(field.align()) - end;
    if padding > 0 {
        let message = Message::new()
            .str("field `")
            .str(field.name())
            .str("` is aligned to ")
            .number(field.align() as u128)
            .str(" bytes, which leaves ")
            .bytes(padding)
            .str(" of undeclared padding before it: write `#[frame(reserved)] _pad")
            .number(end as u128)
            .str(": [u8; ")
            .number(padding as u128)
            .str("],` above it");
        panic!("{}", message.as_str());
    }
}

/// Refuses padding after the last field, and a struct that is not where its fields say.
///
/// # Panics
///
/// If there is any, saying how many bytes to reserve.
#[track_caller]
pub const fn check_end<F>(name: &str, fields: &[FieldLayout]) {
    let end = natural_end(fields, fields.len());
    let padding = end.next_multiple_of(natural_align::<F>(fields)) - end;
    if padding > 0 {
        let message = Message::new()
            .str("`")
            .str(name)
            .str("` is aligned to ")
            .number(natural_align::<F>(fields) as u128)
            .str(" bytes, which leaves ")
            .bytes(padding)
            .str(" of undeclared padding at its end: write `#[frame(reserved)] _pad")
            .number(end as u128)
            .str(": [u8; ")
            .number(padding as u128)
            .str("],` as its last field");
        panic!("{}", message.as_str());
    }
    let mut at: usize = 0;
    let mut index = 0;
    while index < fields.len() {
        let field = &fields[index];
        if !at.is_multiple_of(field.align()) {
            // Padding before this field, which `check_field` reports.
            return;
        }
        assert!(
            field.offset() == at,
            "the compiler placed a field elsewhere: is the struct `#[repr(C)]` and nothing more?"
        );
        at += field.size();
        index += 1;
    }
    assert!(
        at == size_of::<F>(),
        "the struct is larger than its fields: is it `#[repr(C)]` and nothing more?"
    );
}

/// Where the first `count` fields end, if padding stands wherever natural alignment wants it.
const fn natural_end(fields: &[FieldLayout], count: usize) -> usize {
    let mut end: usize = 0;
    let mut index = 0;
    while index < count {
        end = end.next_multiple_of(fields[index].align()) + fields[index].size();
        index += 1;
    }
    end
}

/// At least the real alignment of `F`, which `#[repr(align(..))]` raises and some 32-bit targets lower.
const fn natural_align<F>(fields: &[FieldLayout]) -> usize {
    let mut align = align_of::<F>();
    let mut index = 0;
    while index < fields.len() {
        if fields[index].align() > align {
            align = fields[index].align();
        }
        index += 1;
    }
    align
}

/// The values of an enum's variants, from the lowest to the highest.
pub const fn sorted<const N: usize>(mut values: [u32; N]) -> [u32; N] {
    let mut end = 1;
    while end < N {
        let mut at = end;
        while at > 0 && values[at - 1] > values[at] {
            values.swap(at - 1, at);
            at -= 1;
        }
        end += 1;
    }
    values
}

/// Refuses an enum `E` that is not 1, 2 or 4 bytes, or whose bytes in memory are not little-endian.
///
/// # Panics
///
/// If it is one of these.
#[track_caller]
pub const fn check_enumeration<E>(name: &str) {
    assert!(
        matches!(size_of::<E>(), 1 | 2 | 4),
        "a frame enum is 1, 2 or 4 bytes: is it `#[repr(u8)]`, `#[repr(u16)]` or `#[repr(u32)]`?"
    );
    if size_of::<E>() > 1 && cfg!(target_endian = "big") {
        let message = Message::new()
            .code(name)
            .str(" has more than one byte, and this target has the most significant one first: write `#[repr(u8)]`, or make the field a plain `Le` or `Be`");
        panic!("{}", message.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(name: &'static str, offset: usize, size: usize) -> FieldLayout {
        FieldLayout::new(name, offset, size, size, FieldKind::Unsigned)
    }

    #[test]
    #[should_panic = "field `b` is aligned to 8 bytes, which leaves 7 bytes of undeclared padding before it: write `#[frame(reserved)] _pad1: [u8; 7],` above it"]
    fn padding_before_a_field_is_named() {
        check_field::<(u8, u64)>(&[at("a", 0, 1), at("b", 8, 8)], 1);
    }

    #[test]
    #[should_panic = "`Pair` is aligned to 2 bytes, which leaves 1 byte of undeclared padding at its end: write `#[frame(reserved)] _pad3: [u8; 1],` as its last field"]
    fn padding_at_the_end_is_named() {
        check_end::<u16>("Pair", &[at("a", 0, 2), at("b", 2, 1)]);
    }

    #[test]
    #[should_panic = "placed a field elsewhere"]
    fn an_offset_that_does_not_follow_from_the_fields_is_refused() {
        check_end::<u16>("Swapped", &[at("a", 1, 1), at("b", 0, 1)]);
    }

    #[test]
    #[should_panic = "larger than its fields"]
    fn bytes_that_no_field_declares_are_refused() {
        check_end::<[u8; 2]>("Short", &[at("a", 0, 1)]);
    }

    #[test]
    #[should_panic = "1, 2 or 4 bytes"]
    fn an_enum_that_is_too_wide_is_refused() {
        check_enumeration::<u64>("Wide");
    }

    #[test]
    fn values_are_sorted() {
        assert_eq!(sorted([3, 1, 2, 0, 9]), [0, 1, 2, 3, 9]);
        assert_eq!(sorted([7]), [7]);
    }

    const fn in_range(min: i128, max: i128) -> FieldLayout {
        FieldLayout::new("level", 0, 1, 1, FieldKind::Unsigned)
            .with_range(ValueRange::new(min, max))
    }

    #[test]
    #[should_panic = "the range 9..=1 of field `level` is empty"]
    fn an_empty_range_is_refused() {
        check_range(&[in_range(9, 1)], 0);
    }

    #[test]
    #[should_panic = "the range -1..=9 of field `level` is not within its type, which goes from 0 to 255"]
    fn a_range_that_the_type_does_not_have_is_refused() {
        check_range(&[in_range(-1, 9)], 0);
    }

    #[test]
    #[should_panic = "the range 0..=255 of field `level` is every value of its type: remove `range`"]
    fn a_range_that_says_nothing_is_refused() {
        check_range(&[in_range(0, 255)], 0);
    }

    #[test]
    #[should_panic = "`Pair` is aligned to 2 bytes and not to 64: write `#[repr(C, align(64))]`"]
    fn another_alignment_is_refused() {
        check_align::<u16>("Pair", &[at("a", 0, 2)], 64);
    }
}
