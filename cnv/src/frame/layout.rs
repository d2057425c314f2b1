//! The description of a frame, computed by the compiler: sizes, offsets, which bytes are allowed
//! where, and a hash of it all.

use core::fmt;

use super::check::CrossCheck;
use super::range::{ByteRange, Integer, ValueRange};

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
            role: FieldRole::Value,
            range: None,
        }
    }

    pub(super) const fn with_role(self, role: FieldRole) -> Self {
        Self { role, ..self }
    }

    pub(super) const fn with_range(self, range: ValueRange) -> Self {
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
    pub(super) const fn end(&self) -> usize {
        self.offset + self.size
    }

    /// How the field stands in memory, if it is an integer of at most 8 bytes.
    pub(super) const fn integer(&self) -> Option<Integer> {
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
    pub(super) const fn values(&self) -> Option<ValueRange> {
        match self.kind {
            FieldKind::Enum { values } => contiguous(values),
            _ => self.range,
        }
    }

    /// The values allowed as a range for each byte, where that says exactly them.
    const fn byte_ranges(&self) -> Option<[ByteRange; 8]> {
        match (self.values(), self.integer()) {
            (Some(values), Some(integer)) => values.byte_ranges(integer),
            _ => None,
        }
    }

    /// From the first byte that a byte range constrains to behind the last, counted from its start.
    pub(super) const fn constrained(&self) -> Option<(usize, usize)> {
        let (mut first, mut end) = (None, 0);
        let mut at = 0;
        while at < self.size {
            let is_free = match self.kind {
                FieldKind::Bool | FieldKind::Reserved => false,
                FieldKind::Frame(inner) => inner.span[at] == FREE_SPAN,
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

    pub(super) const fn is_checksum(&self) -> bool {
        matches!(self.role, FieldRole::Checksum)
    }

    /// Whether its bytes are tested by more than a range for each.
    pub(super) const fn needs_check(&self) -> bool {
        match self.kind {
            FieldKind::Frame(inner) => inner.needs_check,
            FieldKind::Enum { .. } => self.byte_ranges().is_none(),
            _ => self.is_checksum() || self.range.is_some() && self.byte_ranges().is_none(),
        }
    }
}

/// The range of `values`, which ascend, if it has no gap.
pub(super) const fn contiguous(values: &[u32]) -> Option<ValueRange> {
    let [first, .., last] = values else {
        return match values {
            [only] => Some(ValueRange::new(*only as i128, *only as i128)),
            _ => None,
        };
    };
    if (*last - *first) as usize + 1 == values.len() {
        Some(ValueRange::new(*first as i128, *last as i128))
    } else {
        None
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
        match constrained(span) {
            Some((first, last)) => Self::around(first, last + 1, span.len()),
            None => Self::Unconstrained,
        }
    }

    /// The window over the bytes from `first` to before `end`, in a frame of `size` bytes.
    pub(super) const fn around(first: usize, end: usize, size: usize) -> Self {
        let mut len = 8;
        while len <= 64 && len <= size {
            let aligned = first / len * len;
            if end <= aligned + len && aligned + len <= size {
                return Self::Bytes {
                    offset: aligned,
                    len,
                };
            }
            if end - first <= len {
                let latest = size - len;
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
#[derive(Clone, Copy)]
pub struct FrameLayout {
    name: &'static str,
    size: usize,
    align: usize,
    fields: &'static [FieldLayout],
    lo: &'static [u8],
    span: &'static [u8],
    window: Window,
    hash: u64,
    needs_check: bool,
    cross_check: Option<CrossCheck>,
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
            needs_check: any_needs_check(fields),
            cross_check: None,
        }
    }

    /// With a check of the author's own, whose name counts for the hash.
    pub(super) const fn with_cross_check(self, check: CrossCheck) -> Self {
        let hash = Fnv(self.hash).bytes(b"c").bytes(check.name.as_bytes());
        Self {
            hash: hash.0,
            needs_check: true,
            cross_check: Some(check),
            ..self
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

    /// Whether the byte tables leave something to
    /// [`SimdFrame::check`](super::SimdFrame::check): a range that no byte ranges say, an enum with
    /// gaps, a checksum, a check of the author's own, or one of these in a nested frame.
    #[must_use]
    pub const fn needs_check(&self) -> bool {
        self.needs_check
    }

    /// Whether a check of the author's own is among it, here or in a nested frame.
    pub(super) const fn needs_cross_check(&self) -> bool {
        let mut needs = self.cross_check.is_some();
        let mut index = 0;
        while index < self.fields.len() {
            if let FieldKind::Frame(inner) = self.fields[index].kind {
                needs = needs || inner.needs_cross_check();
            }
            index += 1;
        }
        needs
    }

    pub(super) const fn cross_check(&self) -> Option<CrossCheck> {
        self.cross_check
    }

    /// The name of the author's own check, `#[frame(check = ..)]`, as it was written.
    #[must_use]
    pub const fn check_name(&self) -> Option<&'static str> {
        match self.cross_check {
            Some(check) => Some(check.name),
            None => None,
        }
    }

    /// The version that the frame says it is: `#[frame(version = N)]`.
    #[must_use]
    pub const fn version(&self) -> Option<u64> {
        match self.with_role(FieldRole::Version) {
            Some(FieldLayout {
                range: Some(range), ..
            }) => Some(range.min() as u64),
            _ => None,
        }
    }

    /// Bytes before the checksum, which are what it is of; `None` where there is none.
    #[must_use]
    pub const fn checksum_offset(&self) -> Option<usize> {
        match self.with_role(FieldRole::Checksum) {
            Some(field) => Some(field.offset),
            None => None,
        }
    }

    const fn with_role(&self, role: FieldRole) -> Option<&'static FieldLayout> {
        let mut index = 0;
        while index < self.fields.len() {
            if self.fields[index].role as u8 == role as u8 {
                return Some(&self.fields[index]);
            }
            index += 1;
        }
        None
    }

    /// FNV-1a, 64 bits, over the size and each field's name, offset, size, kind, role and range, nested
    /// frames included, and the name of the author's own check. The name of the type and those of
    /// reserved fields do not count, so that two types with one hash read each other's bytes and mean
    /// the same by them. The same on every machine. It is there to notice that two programs differ, and
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

/// Equal where everything that [`hash`](FrameLayout::hash) covers is, and the name and alignment of
/// the type and the names of reserved fields.
impl PartialEq for FrameLayout {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.size, self.align, self.fields, self.hash)
            == (
                other.name,
                other.size,
                other.align,
                other.fields,
                other.hash,
            )
    }
}

impl Eq for FrameLayout {}

const fn any_needs_check(fields: &[FieldLayout]) -> bool {
    let mut index = 0;
    while index < fields.len() {
        if fields[index].needs_check() {
            return true;
        }
        index += 1;
    }
    false
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

pub(super) const fn same(a: &str, b: &str) -> bool {
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

    /// The field that is `bytes` behind this byte.
    pub(super) const fn plus(self, bytes: usize) -> Self {
        Self::new(self.layout, self.offset + bytes)
    }

    /// The name of the outermost frame.
    pub(super) const fn frame(self) -> &'static str {
        self.layout.name
    }

    /// Bytes from the start of the outermost frame.
    pub(super) const fn offset(self) -> usize {
        self.offset
    }

    /// The fields from the outermost to the one that is no frame.
    fn fields(self) -> impl Iterator<Item = &'static FieldLayout> {
        let mut next = Some(self);
        core::iter::from_fn(move || {
            let Self { layout, offset } = next.take()?;
            let field = layout.field_at(offset)?;
            if let FieldKind::Frame(inner) = field.kind {
                next = Some(Self::new(inner, offset - field.offset));
            }
            Some(field)
        })
    }

    /// The innermost field, whose offset is from the start of its own frame.
    #[must_use]
    pub fn layout(self) -> Option<&'static FieldLayout> {
        self.fields().last()
    }

    /// The innermost field, and where it starts.
    pub(super) fn leaf(self) -> Option<(&'static FieldLayout, usize)> {
        self.fields().fold(None, |outer, field| {
            let (_, start) = outer.unwrap_or((field, 0));
            Some((field, start + field.offset))
        })
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, field) in self.fields().enumerate() {
            f.write_str(if depth == 0 { "" } else { "." })?;
            f.write_str(field.name)?;
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
        let range = match field.kind {
            FieldKind::Bool => ByteRange::new(0, 1),
            FieldKind::Reserved => ByteRange::new(0, 0),
            FieldKind::Frame(inner) => return self.splice(field.offset, inner),
            _ => return self.place(field),
        };
        let mut at = field.offset;
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
        while at < field.size {
            self.lo[field.offset + at] = ranges[at].lo;
            self.span[field.offset + at] = ranges[at].span;
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
        hash = match field.role {
            FieldRole::Value => hash,
            FieldRole::Version => hash.bytes(b"v"),
            FieldRole::Checksum => hash.bytes(b"k"),
        };
        if let Some(range) = field.range {
            hash = hash
                .bytes(b"[")
                .number(range.min() as u64)
                .number(range.max() as u64);
        }
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
            FieldKind::BigEndian(number) => self.bytes(b"B").kind(number),
            FieldKind::Enum { values } => self.values(values),
            FieldKind::Frame(inner) => self.bytes(b"s").number(inner.hash),
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
