//! The description of a frame, computed by the compiler: sizes, offsets, which bytes are allowed
//! where, and a hash of it all.

mod field;
mod hash;
mod path;
mod tables;
mod window;

use core::fmt;

use self::hash::{Fnv, hash};
use super::cross_check::CrossCheck;

pub(super) use field::contiguous;
pub use field::{FieldKind, FieldLayout, FieldRole};
pub use path::FieldPath;
pub use tables::ByteTables;
pub use window::Window;

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

    /// Whether a checksum is among it, here or in a nested frame.
    pub(super) const fn has_checksum(&self) -> bool {
        let mut index = 0;
        while index < self.fields.len() {
            let field = &self.fields[index];
            if field.is_checksum()
                || matches!(field.kind(), FieldKind::Frame(inner) if inner.has_checksum())
            {
                return true;
            }
            index += 1;
        }
        false
    }

    /// Whether a check of the author's own is among it, here or in a nested frame.
    pub(super) const fn needs_cross_check(&self) -> bool {
        let mut needs = self.cross_check.is_some();
        let mut index = 0;
        while index < self.fields.len() {
            if let FieldKind::Frame(inner) = self.fields[index].kind() {
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
        let Some(field) = self.with_role(FieldRole::Version) else {
            return None;
        };
        match field.range() {
            Some(range) => Some(range.min() as u64),
            None => None,
        }
    }

    /// Bytes before the checksum, which are what it is of; `None` where there is none.
    #[must_use]
    pub const fn checksum_offset(&self) -> Option<usize> {
        match self.with_role(FieldRole::Checksum) {
            Some(field) => Some(field.offset()),
            None => None,
        }
    }

    const fn with_role(&self, role: FieldRole) -> Option<&'static FieldLayout> {
        let mut index = 0;
        while index < self.fields.len() {
            if self.fields[index].role() as u8 == role as u8 {
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
            if same(self.fields[index].name(), name) {
                return Some(self.fields[index].offset());
            }
            index += 1;
        }
        None
    }

    /// The field that the byte at `offset` belongs to.
    pub(super) fn field_at(&self, offset: usize) -> Option<&'static FieldLayout> {
        self.fields
            .iter()
            .find(|field| (field.offset()..field.end()).contains(&offset))
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
