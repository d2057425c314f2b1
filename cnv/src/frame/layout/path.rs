//! The way to a field, through nested frames.

use core::fmt;

use super::{FieldKind, FieldLayout, FrameLayout};

/// The field that a byte of a frame belongs to, written through nested frames: `header.kind`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FieldPath {
    layout: &'static FrameLayout,
    offset: usize,
}

impl FieldPath {
    pub(in crate::frame) const fn new(layout: &'static FrameLayout, offset: usize) -> Self {
        Self { layout, offset }
    }

    /// The field that is `bytes` behind this byte.
    pub(in crate::frame) const fn plus(self, bytes: usize) -> Self {
        Self::new(self.layout, self.offset + bytes)
    }

    /// The name of the outermost frame.
    pub(in crate::frame) const fn frame(self) -> &'static str {
        self.layout.name()
    }

    /// Bytes from the start of the outermost frame.
    pub(in crate::frame) const fn offset(self) -> usize {
        self.offset
    }

    /// The fields from the outermost to the one that is no frame.
    fn fields(self) -> impl Iterator<Item = &'static FieldLayout> {
        let mut next = Some(self);
        core::iter::from_fn(move || {
            let Self { layout, offset } = next.take()?;
            let field = layout.field_at(offset)?;
            if let FieldKind::Frame(inner) = field.kind() {
                next = Some(Self::new(inner, offset - field.offset()));
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
    pub(in crate::frame) fn leaf(self) -> Option<(&'static FieldLayout, usize)> {
        self.fields().fold(None, |outer, field| {
            let (_, start) = outer.unwrap_or((field, 0));
            Some((field, start + field.offset()))
        })
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, field) in self.fields().enumerate() {
            f.write_str(if depth == 0 { "" } else { "." })?;
            f.write_str(field.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
