//! One number that differs where two layouts do.

use super::field::contiguous;
use super::{FieldKind, FieldLayout, FieldRole};

/// FNV-1a of the canonical description: a version, the size, then each field.
/// <http://www.isthe.com/chongo/tech/comp/fnv/>
pub(super) const fn hash(size: usize, fields: &[FieldLayout]) -> u64 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325)
        .bytes(b"cnv frame layout 1")
        .number(size as u64);
    let mut index = 0;
    while index < fields.len() {
        let field = &fields[index];
        if !matches!(field.kind(), FieldKind::Reserved) {
            hash = hash
                .number(field.name().len() as u64)
                .bytes(field.name().as_bytes());
        }
        hash = hash
            .number(field.offset() as u64)
            .number(field.size() as u64)
            .kind(&field.kind());
        hash = match field.role() {
            FieldRole::Value => hash,
            FieldRole::Version => hash.bytes(b"v"),
            FieldRole::Checksum => hash.bytes(b"k"),
        };
        if let Some(range) = field.range() {
            hash = hash
                .bytes(b"[")
                .number(range.min() as u64)
                .number(range.max() as u64);
        }
        index += 1;
    }
    hash.0
}

/// The hash so far.
pub(super) struct Fnv(pub(super) u64);

impl Fnv {
    const PRIME: u64 = 0x0000_0100_0000_01b3;

    pub(super) const fn bytes(mut self, bytes: &[u8]) -> Self {
        let mut at = 0;
        while at < bytes.len() {
            self.0 = (self.0 ^ bytes[at] as u64).wrapping_mul(Self::PRIME);
            at += 1;
        }
        self
    }

    const fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    const fn kind(self, kind: &FieldKind) -> Self {
        match *kind {
            FieldKind::Unsigned => self.bytes(b"u"),
            FieldKind::Signed => self.bytes(b"i"),
            FieldKind::Float => self.bytes(b"f"),
            FieldKind::Bool => self.bytes(b"b"),
            FieldKind::Array { element, len } => self.bytes(b"a").number(len as u64).kind(element),
            FieldKind::BigEndian(number) => self.bytes(b"B").kind(number),
            FieldKind::Enum { values } => self.values(values),
            FieldKind::Frame(inner) => self.bytes(b"s").number(inner.hash()),
            FieldKind::Reserved => self.bytes(b"r"),
        }
    }

    /// The ends of a range within one byte, or every value.
    const fn values(mut self, values: &[u32]) -> Self {
        if let (Some(range), [first, ..]) = (contiguous(values), values) {
            let last = range.max();
            if last <= u8::MAX as i128 {
                return self.bytes(b"e").bytes(&[*first as u8, last as u8]);
            }
        }
        self = self.bytes(b"g").number(values.len() as u64);
        let mut index = 0;
        while index < values.len() {
            self = self.number(values[index] as u64);
            index += 1;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &'static str, offset: usize, size: usize, kind: FieldKind) -> FieldLayout {
        FieldLayout::new(name, offset, size, 1, kind)
    }

    #[test]
    fn the_hash_moves_with_each_thing_it_covers_and_stays_with_the_rest() {
        let base = [
            field("a", 0, 1, FieldKind::Unsigned),
            field("_pad", 1, 1, FieldKind::Reserved),
        ];
        let of = |fields: &[FieldLayout]| hash(2, fields);
        assert_ne!(
            of(&base),
            of(&[field("b", 0, 1, FieldKind::Unsigned), base[1]])
        );
        assert_ne!(
            of(&base),
            of(&[field("a", 0, 1, FieldKind::Signed), base[1]])
        );
        assert_ne!(
            of(&base),
            of(&[field("a", 1, 1, FieldKind::Unsigned), base[1]])
        );
        assert_ne!(
            of(&base),
            of(&[field("a", 0, 2, FieldKind::Unsigned), base[1]])
        );
        assert_ne!(of(&base), hash(3, &base));
        assert_eq!(
            of(&base),
            of(&[base[0], field("_end", 1, 1, FieldKind::Reserved)])
        );
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // From the reference test vectors of the hash's authors.
        assert_eq!(
            Fnv(0xcbf2_9ce4_8422_2325).bytes(b"foobar").0,
            0x8594_4171_f739_67e8
        );
    }
}
