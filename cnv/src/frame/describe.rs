//! What `#[derive(SimdFrame)]` and `#[derive(FrameEnum)]` call at compile time: the description of
//! each field, and the checks that make the description true.

use super::field::{FrameField, ReservedBytes};
use super::layout::{FieldKind, FieldLayout, FrameLayout};
use crate::const_text::Text;

/// Room for a sentence with two names in it.
type Message = Text<512>;

impl Message {
    /// `1 byte`, `2 bytes`.
    const fn bytes(self, bytes: usize) -> Self {
        self.number(bytes as u128)
            .str(if bytes == 1 { " byte" } else { " bytes" })
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

/// Describes the frame `F`. True only once `check_field` and `check_end` have passed.
pub const fn layout<F>(
    name: &'static str,
    fields: &'static [FieldLayout],
    lo: &'static [u8],
    span: &'static [u8],
) -> FrameLayout {
    FrameLayout::new(
        name,
        size_of::<F>(),
        natural_align::<F>(fields),
        fields,
        lo,
        span,
    )
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

/// Describes an enum whose variants have these values. True only once `check_enumeration` has passed.
pub const fn enumeration(values: &[u8]) -> FieldKind {
    let (mut first, mut last) = (values[0], values[0]);
    let mut index = 1;
    while index < values.len() {
        if values[index] < first {
            first = values[index];
        }
        if values[index] > last {
            last = values[index];
        }
        index += 1;
    }
    FieldKind::Enum { first, last }
}

/// Refuses an enum `E` that is not one byte, or whose values leave a gap.
///
/// # Panics
///
/// If it is one of these.
#[track_caller]
pub const fn check_enumeration<E>(name: &str, values: &[u8]) {
    assert!(
        size_of::<E>() == 1,
        "a frame enum is one byte: is it `#[repr(u8)]`?"
    );
    let FieldKind::Enum { first, last } = enumeration(values) else {
        return;
    };
    // The compiler refuses two variants with one value, so that counting them is enough.
    let missing = (last - first) as usize + 1 - values.len();
    if missing > 0 {
        let message = Message::new()
            .str("the values of `")
            .str(name)
            .str("` go from ")
            .number(first as u128)
            .str(" to ")
            .number(last as u128)
            .str(" and leave ")
            .number(missing as u128)
            .str(" of them out: number the variants without a gap, or make the field a plain `u8`");
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
    #[should_panic = "the values of `Sparse` go from 1 to 4 and leave 2 of them out"]
    fn a_gap_in_an_enum_is_refused() {
        check_enumeration::<u8>("Sparse", &[4, 1]);
    }

    #[test]
    #[should_panic = "one byte"]
    fn a_wide_enum_is_refused() {
        check_enumeration::<u16>("Wide", &[0]);
    }

    #[test]
    fn the_order_of_the_variants_does_not_matter() {
        check_enumeration::<u8>("Mixed", &[3, 1, 2]);
        assert_eq!(
            enumeration(&[3, 1, 2]),
            FieldKind::Enum { first: 1, last: 3 }
        );
    }
}
