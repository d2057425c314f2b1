//! A layout as a table for people.

use core::fmt::{self, Write};

use super::layout::{FieldKind, FieldLayout, FieldRole, FrameLayout, Window, contiguous};

/// Values of an enum with gaps that are written out; of more, the first ones and how many there are.
const SHOWN_VALUES: usize = 8;

impl FieldLayout {
    /// The type of the field as one writes it, such as `u16`, `Be<u32>` or `[u8; 4]`; `enum u8` for an
    /// enum of one byte, the name of a nested frame, and `reserved` for reserved bytes.
    pub fn type_name(&self) -> impl fmt::Display + use<> {
        TypeName {
            kind: self.kind(),
            size: self.size(),
            role: self.role(),
        }
    }

    /// The values that the field allows, such as `1..=9`; `any` where all are.
    pub fn allowed(&self) -> impl fmt::Display + use<> {
        Allowed(*self)
    }
}

struct TypeName {
    kind: FieldKind,
    size: usize,
    role: FieldRole,
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |kind: &FieldKind, size| Self {
            kind: *kind,
            size,
            role: FieldRole::Value,
        };
        let bits = self.size * 8;
        match self.kind {
            FieldKind::Unsigned => write!(f, "u{bits}")?,
            FieldKind::Signed => write!(f, "i{bits}")?,
            FieldKind::Float => write!(f, "f{bits}")?,
            FieldKind::BigEndian(number) => write!(f, "Be<{}>", of(number, self.size))?,
            FieldKind::Bool => f.write_str("bool")?,
            FieldKind::Array { element, len } => {
                let size = self.size.checked_div(len).unwrap_or(0);
                write!(f, "[{}; {len}]", of(element, size))?;
            }
            FieldKind::Enum { .. } => write!(f, "enum u{bits}")?,
            FieldKind::Frame(inner) => f.write_str(inner.name())?,
            FieldKind::Reserved => f.write_str("reserved")?,
        }
        f.write_str(match self.role {
            FieldRole::Value => "",
            FieldRole::Version => " version",
            FieldRole::Checksum => " crc32c",
        })
    }
}

struct Allowed(FieldLayout);

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.0;
        match (field.kind(), field.range()) {
            (FieldKind::Bool, _) => f.write_str("0..=1"),
            (FieldKind::Reserved, _) => f.write_str("0"),
            (FieldKind::Frame(_), _) => f.write_str("as below"),
            (FieldKind::Enum { values }, _) => match contiguous(values) {
                Some(range) => range.fmt(f),
                None => list(values, f),
            },
            (_, Some(range)) => range.fmt(f),
            _ if field.role() == FieldRole::Checksum => {
                write!(f, "of bytes 0..{}", field.offset())
            }
            _ => f.write_str("any"),
        }
    }
}

fn list(values: &[u32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, value) in values.iter().take(SHOWN_VALUES).enumerate() {
        f.write_str(if index == 0 { "" } else { ", " })?;
        write!(f, "{value}")?;
    }
    match values.len().checked_sub(SHOWN_VALUES) {
        None | Some(0) => Ok(()),
        Some(more) => write!(f, " and {more} more"),
    }
}

/// A line about the frame, a heading, and a line for each field, those of nested frames below theirs.
///
/// ```
/// use cnv::frame::{Be, SimdFrame};
///
/// #[derive(SimdFrame)]
/// #[repr(C)]
/// struct Reading {
///     id: Be<u32>,
///     #[frame(range = 1..=9)]
///     level: u8,
///     #[frame(reserved)]
///     _pad: [u8; 3],
/// }
///
/// let table = Reading::LAYOUT.to_string();
/// assert!(table.starts_with("Reading: 8 bytes, aligned to 4, checked at bytes 0..8, hash 0x"));
/// assert!(table.ends_with("
/// offset  size  field  type      allowed
///      0     4  id     Be<u32>   any
///      4     1  level  u8        1..=9
///      5     3  _pad   reserved  0
/// "));
/// ```
impl fmt::Display for FrameLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} bytes, ", self.name(), self.size())?;
        write!(f, "aligned to {}, ", self.align())?;
        match (self.window(), self.window().bytes(self.size())) {
            (Window::Unconstrained, _) => f.write_str("no byte constrained, ")?,
            (_, (offset, len)) => write!(f, "checked at bytes {offset}..{}, ", offset + len)?,
        }
        if let Some(name) = self.check_name() {
            write!(f, "checked by `{name}`, ")?;
        }
        writeln!(f, "hash {:#018x}", self.hash())?;

        let mut names = "field".len();
        let mut types = "type".len();
        each(self, 0, 0, &mut |depth, _, field| {
            names = names.max(2 * depth + field.name().chars().count());
            types = types.max(width(&field.type_name()));
            Ok(())
        })?;
        writeln!(
            f,
            "offset  size  {:names$}  {:types$}  allowed",
            "field", "type"
        )?;
        each(self, 0, 0, &mut |depth, start, field| {
            let indent = 2 * depth;
            let offset = start + field.offset();
            write!(f, "{offset:6}  {:4}  {:indent$}", field.size(), "")?;
            write!(f, "{:1$}  ", field.name(), names - indent)?;
            write!(f, "{}", field.type_name())?;
            let padding = types - width(&field.type_name());
            writeln!(f, "{:padding$}  {}", "", field.allowed())
        })
    }
}

type Visit<'a> = &'a mut dyn FnMut(usize, usize, &FieldLayout) -> fmt::Result;

/// Calls `visit` with how deep each field is nested, where its frame starts, and the field.
fn each(layout: &FrameLayout, depth: usize, start: usize, visit: Visit<'_>) -> fmt::Result {
    for field in layout.fields() {
        visit(depth, start, field)?;
        if let FieldKind::Frame(inner) = field.kind() {
            each(inner, depth + 1, start + field.offset(), visit)?;
        }
    }
    Ok(())
}

/// Characters that `text` has when it is written.
fn width(text: &impl fmt::Display) -> usize {
    struct Count(usize);

    impl Write for Count {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.chars().count();
            Ok(())
        }
    }

    let mut count = Count(0);
    write!(count, "{text}").map_or(0, |()| count.0)
}
