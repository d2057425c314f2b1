//! The description of a frame, computed by the compiler: sizes, offsets, which bytes are allowed
//! where, and a hash of it all.

use core::fmt;

/// What the bytes of a field may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldKind {
    /// An unsigned integer, little-endian: every bit pattern.
    Unsigned,
    /// A signed integer, little-endian, in two's complement: every bit pattern.
    Signed,
    /// An IEEE 754 float, little-endian: every bit pattern.
    Float,
    /// One byte, 0 or 1.
    Bool,
    /// `len` numbers, one after the other: every bit pattern.
    Array {
        /// What each element is.
        element: &'static FieldKind,
        /// How many elements there are.
        len: usize,
    },
    /// One byte, from `first` to `last`, both included.
    Enum {
        /// The lowest byte allowed.
        first: u8,
        /// The highest byte allowed.
        last: u8,
    },
    /// Another frame, whose own constraints hold for its bytes.
    Frame(&'static FrameLayout),
    /// Bytes that are all 0.
    Reserved,
}

/// One field of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldLayout {
    name: &'static str,
    offset: usize,
    size: usize,
    align: usize,
    kind: FieldKind,
}

impl FieldLayout {
    pub(super) const fn new(
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

    /// What the field's bytes may be.
    #[must_use]
    pub const fn kind(&self) -> FieldKind {
        self.kind
    }
}

/// The smallest run of 8, 16, 32 or 64 bytes that holds every constrained byte of a frame: what a
/// validating loop has to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Window {
    /// No byte is constrained: any bytes of the right length are a frame.
    Unconstrained,
    /// All constrained bytes are among the `len` bytes from `offset`, and all of these are in the frame.
    /// `offset` is a multiple of `len` wherever one window of that length can be.
    Bytes {
        /// Bytes from the start of the frame.
        offset: usize,
        /// 8, 16, 32 or 64.
        len: usize,
    },
    /// The frame is shorter than the window it would need, or its constraints are more than 64 bytes
    /// apart: look at the whole frame.
    Whole,
}

impl Window {
    /// Offset and length in bytes for a frame of `size` bytes; both 0 where there is nothing to look at.
    #[must_use]
    pub const fn bytes(self, size: usize) -> (usize, usize) {
        match self {
            Self::Unconstrained => (0, 0),
            Self::Bytes { offset, len } => (offset, len),
            Self::Whole => (0, size),
        }
    }

    /// The window over all bytes that `span` constrains.
    pub(super) const fn over(span: &[u8]) -> Self {
        let Some((first, last)) = constrained(span) else {
            return Self::Unconstrained;
        };
        let mut len = 8;
        while len <= 64 && len <= span.len() {
            let aligned = first / len * len;
            if last < aligned + len && aligned + len <= span.len() {
                return Self::Bytes {
                    offset: aligned,
                    len,
                };
            }
            if last - first < len {
                let latest = span.len() - len;
                let offset = if first < latest { first } else { latest };
                return Self::Bytes { offset, len };
            }
            len *= 2;
        }
        Self::Whole
    }
}

/// First and last byte that is not free.
const fn constrained(span: &[u8]) -> Option<(usize, usize)> {
    let mut ends = None;
    let mut at = 0;
    while at < span.len() {
        if span[at] != FREE_SPAN {
            ends = match ends {
                None => Some((at, at)),
                Some((first, _)) => Some((first, at)),
            };
        }
        at += 1;
    }
    ends
}

/// Everything about a frame type that does not depend on a value of it.
///
/// ```
/// use cnv::frame::{FrameHeader, SimdFrame};
///
/// const SEQUENCE: usize = FrameHeader::LAYOUT.offset_of("sequence").unwrap();
/// assert_eq!(SEQUENCE, 24);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FrameLayout {
    name: &'static str,
    size: usize,
    align: usize,
    fields: &'static [FieldLayout],
    lo: &'static [u8],
    span: &'static [u8],
    window: Window,
    hash: u64,
}

impl FrameLayout {
    /// Described here, and checked by `check_field` and `check_end`.
    pub(super) const fn new(
        name: &'static str,
        size: usize,
        align: usize,
        fields: &'static [FieldLayout],
        lo: &'static [u8],
        span: &'static [u8],
    ) -> Self {
        let window = Window::over(span);
        let hash = hash(size, fields);
        Self {
            name,
            size,
            align,
            fields,
            lo,
            span,
            window,
            hash,
        }
    }

    pub(super) const REFUSED: Self = Self::new("", 0, 1, &[], &[], &[]);

    /// The name of the type.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Bytes of one frame.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Natural alignment in bytes: the widest of its fields', or what `#[repr(align(..))]` asks for.
    #[must_use]
    pub const fn align(&self) -> usize {
        self.align
    }

    /// The fields in the order of their offsets, reserved ones included.
    #[must_use]
    pub const fn fields(&self) -> &'static [FieldLayout] {
        self.fields
    }

    /// The lowest value allowed for each byte.
    #[must_use]
    pub const fn lo(&self) -> &'static [u8] {
        self.lo
    }

    /// How far above [`lo`](Self::lo) each byte may be. A byte `b` at `i` is allowed if
    /// `b.wrapping_sub(lo[i]) <= span[i]`; a free byte has `lo` 0 and `span` 255.
    #[must_use]
    pub const fn span(&self) -> &'static [u8] {
        self.span
    }

    /// The smallest window that holds all constraints.
    #[must_use]
    pub const fn window(&self) -> Window {
        self.window
    }

    /// FNV-1a, 64 bits, over the size and each field's name, offset, size and kind, nested frames
    /// included. The name of the type and those of reserved fields do not count, so that two types
    /// with one hash read each other's bytes and mean the same by them. The same on every machine;
    /// no defence against somebody who wants two layouts to collide.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// Bytes from the start of the frame to the field `name`, or `None` where there is none.
    #[must_use]
    pub const fn offset_of(&self, name: &str) -> Option<usize> {
        let mut index = 0;
        while index < self.fields.len() {
            if same(self.fields[index].name, name) {
                return Some(self.fields[index].offset);
            }
            index += 1;
        }
        None
    }

    /// The field that the byte at `offset` belongs to.
    pub(super) fn field_at(&self, offset: usize) -> Option<&'static FieldLayout> {
        self.fields
            .iter()
            .find(|field| (field.offset..field.offset + field.size).contains(&offset))
    }
}

/// Without the tables, which are long and follow from the fields.
impl fmt::Debug for FrameLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameLayout")
            .field("name", &self.name)
            .field("size", &self.size)
            .field("align", &self.align)
            .field("fields", &self.fields)
            .field("window", &self.window)
            .field("hash", &format_args!("{:#018x}", self.hash))
            .finish_non_exhaustive()
    }
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// The field that a byte of a frame belongs to, written through nested frames: `header.kind`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FieldPath {
    layout: &'static FrameLayout,
    offset: usize,
}

impl FieldPath {
    pub(super) const fn new(layout: &'static FrameLayout, offset: usize) -> Self {
        Self { layout, offset }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            mut layout,
            mut offset,
        } = *self;
        while let Some(field) = layout.field_at(offset) {
            f.write_str(field.name)?;
            let FieldKind::Frame(inner) = field.kind else {
                break;
            };
            f.write_str(".")?;
            offset -= field.offset;
            layout = inner;
        }
        Ok(())
    }
}

impl fmt::Debug for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const FREE_SPAN: u8 = u8::MAX;

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
        let (lo, span) = match field.kind {
            FieldKind::Bool => (0, 1),
            FieldKind::Enum { first, last } => (first, last - first),
            FieldKind::Reserved => (0, 0),
            FieldKind::Frame(inner) => return self.splice(field.offset, inner),
            FieldKind::Unsigned
            | FieldKind::Signed
            | FieldKind::Float
            | FieldKind::Array { .. } => return,
        };
        let mut at = field.offset;
        while at < field.offset + field.size {
            self.lo[at] = lo;
            self.span[at] = span;
            at += 1;
        }
    }

    const fn splice(&mut self, offset: usize, inner: &FrameLayout) {
        let mut at = 0;
        while at < inner.span.len() {
            self.lo[offset + at] = inner.lo[at];
            self.span[offset + at] = inner.span[at];
            at += 1;
        }
    }
}

/// FNV-1a of the canonical description: a version, the size, then each field.
/// <http://www.isthe.com/chongo/tech/comp/fnv/>
const fn hash(size: usize, fields: &[FieldLayout]) -> u64 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325)
        .bytes(b"cnv frame layout 1")
        .number(size as u64);
    let mut index = 0;
    while index < fields.len() {
        let field = &fields[index];
        if !matches!(field.kind, FieldKind::Reserved) {
            hash = hash
                .number(field.name.len() as u64)
                .bytes(field.name.as_bytes());
        }
        hash = hash
            .number(field.offset as u64)
            .number(field.size as u64)
            .kind(&field.kind);
        index += 1;
    }
    hash.0
}

struct Fnv(u64);

impl Fnv {
    const PRIME: u64 = 0x0000_0100_0000_01b3;

    const fn bytes(mut self, bytes: &[u8]) -> Self {
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
            FieldKind::Enum { first, last } => self.bytes(b"e").bytes(&[first, last]),
            FieldKind::Frame(inner) => self.bytes(b"s").number(inner.hash),
            FieldKind::Reserved => self.bytes(b"r"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(size: usize, constrained: &[usize]) -> Window {
        let mut span = [FREE_SPAN; 256];
        for &at in constrained {
            span[at] = 0;
        }
        Window::over(&span[..size])
    }

    #[test]
    fn the_window_is_the_smallest_that_holds_every_constraint() {
        assert_eq!(window(64, &[]), Window::Unconstrained);
        assert_eq!(
            window(64, &[17, 18, 19]),
            Window::Bytes { offset: 16, len: 8 }
        );
        assert_eq!(window(64, &[0, 8]), Window::Bytes { offset: 0, len: 16 });
        assert_eq!(window(64, &[0, 63]), Window::Bytes { offset: 0, len: 64 });
        assert_eq!(
            window(128, &[70, 130 - 40]),
            Window::Bytes {
                offset: 64,
                len: 32
            }
        );
    }

    #[test]
    fn a_window_that_cannot_be_aligned_stays_inside_the_frame() {
        assert_eq!(window(64, &[6, 9]), Window::Bytes { offset: 6, len: 8 });
        assert_eq!(window(12, &[11]), Window::Bytes { offset: 4, len: 8 });
        assert_eq!(
            window(128, &[60, 123]),
            Window::Bytes {
                offset: 60,
                len: 64
            }
        );
    }

    #[test]
    fn a_frame_too_short_or_too_wide_for_a_window_is_looked_at_whole() {
        assert_eq!(window(4, &[1]), Window::Whole);
        assert_eq!(window(12, &[0, 11]), Window::Whole);
        assert_eq!(window(128, &[0, 64]), Window::Whole);
    }

    fn field(name: &'static str, offset: usize, size: usize, kind: FieldKind) -> FieldLayout {
        FieldLayout::new(name, offset, size, 1, kind)
    }

    #[test]
    fn tables_hold_a_range_for_each_kind() {
        let tables = ByteTables::<6>::new(&[
            field("free", 0, 1, FieldKind::Unsigned),
            field("flag", 1, 1, FieldKind::Bool),
            field("kind", 2, 1, FieldKind::Enum { first: 3, last: 9 }),
            field("_pad", 3, 3, FieldKind::Reserved),
        ]);
        assert_eq!(tables.lo(), [0, 0, 3, 0, 0, 0]);
        assert_eq!(tables.span(), [255, 1, 6, 0, 0, 0]);
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
