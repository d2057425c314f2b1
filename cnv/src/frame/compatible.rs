//! Whether one program reads the frames of another, whose type is of another version.

use core::fmt;

use super::layout::{FieldKind, FieldLayout, FieldPath, FieldRole, FrameLayout};
use super::range::ValueRange;

/// How the frames of two compatible layouts relate. All of it is about which frames are accepted: what
/// both accept means the same to both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compatibility {
    /// Each reads every frame of the other.
    Identical,
    /// This one reads every frame of the other, which refuses some of this one's.
    Wider {
        /// The first thing that this one allows and the other does not.
        by: Difference,
    },
    /// This one refuses some frames of the other, which reads all of this one's.
    Narrower {
        /// The first thing that the other allows and this one does not.
        by: Difference,
    },
    /// Each refuses some frames of the other.
    Overlapping {
        /// The first thing that this one allows and the other does not.
        wider: Difference,
        /// The first thing that the other allows and this one does not.
        narrower: Difference,
    },
}

impl Compatibility {
    /// Whether every frame of the other is read.
    #[must_use]
    pub const fn reads_all(self) -> bool {
        matches!(self, Self::Identical | Self::Wider { .. })
    }

    /// Whether the other reads every frame of this one.
    #[must_use]
    pub const fn is_read_by_all(self) -> bool {
        matches!(self, Self::Identical | Self::Narrower { .. })
    }
}

/// Where two compatible layouts differ in what they allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// A field that has other values, or that the other layout has reserved bytes for.
    Field(FieldPath),
    /// A check of the author's own, which the other layout does not have.
    Check(&'static str),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(path) => write!(f, "field `{path}`"),
            Self::Check(name) => write!(f, "check `{name}`"),
        }
    }
}

/// Why no frame of one layout can be taken for one of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Incompatible {
    /// One is longer.
    #[error("a frame is {ours} bytes, and one of the other is {theirs}")]
    Size {
        /// Bytes of a frame of this one, or of the nested frame in it.
        ours: usize,
        /// Bytes of one of the other.
        theirs: usize,
    },
    /// They are different versions.
    #[error("this is version {ours}, and the other is version {theirs}")]
    Version {
        /// Of this one.
        ours: u64,
        /// Of the other.
        theirs: u64,
    },
    /// One field has two names.
    #[error("field `{ours}` is called `{theirs}` by the other")]
    Name {
        /// Its name here.
        ours: FieldPath,
        /// Its name there.
        theirs: FieldPath,
    },
    /// One field is two kinds of thing: another type, order of bytes, or role.
    #[error("field `{field}` is of another type in the other")]
    Type {
        /// The field.
        field: FieldPath,
    },
    /// A field stands where the other has parts of fields.
    #[error("field `{field}` overlaps field `{other}` of the other")]
    Overlap {
        /// The field here.
        field: FieldPath,
        /// The field there.
        other: FieldPath,
    },
    /// No value of a field is allowed by both.
    #[error("field `{field}` has no value that both allow")]
    Disjoint {
        /// The field.
        field: FieldPath,
    },
    /// A field stands where the other has reserved bytes, and does not allow their 0.
    #[error("field `{field}` stands on reserved bytes of the other, and does not allow 0")]
    RefusesZero {
        /// The field, of the one or the other.
        field: FieldPath,
    },
}

impl FrameLayout {
    /// Whether frames of `other` can be read as frames of `self`, and those of `self` as frames of
    /// `other`.
    ///
    /// They can if both are of one size and version, have the same fields in the same places, and one
    /// has further fields only where the other has reserved bytes. Ranges and the variants of enums may
    /// differ as long as some value is allowed by both. The check of an author is known by its name
    /// alone.
    ///
    /// ```
    /// use cnv::frame::{Compatibility, SimdFrame};
    ///
    /// #[derive(SimdFrame)]
    /// #[repr(C)]
    /// struct Old {
    ///     value: u32,
    ///     #[frame(reserved)]
    ///     _free: [u8; 4],
    /// }
    ///
    /// #[derive(SimdFrame)]
    /// #[repr(C)]
    /// struct New {
    ///     value: u32,
    ///     unit: u16,
    ///     #[frame(reserved)]
    ///     _free: [u8; 2],
    /// }
    ///
    /// let compatibility = New::LAYOUT.compatible_with(Old::LAYOUT)?;
    /// assert!(compatibility.reads_all() && !compatibility.is_read_by_all());
    /// let Compatibility::Wider { by } = compatibility else { panic!() };
    /// assert_eq!(by.to_string(), "field `unit`");
    /// # Ok::<(), cnv::frame::Incompatible>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Incompatible`], with the first reason in the order of the fields.
    pub fn compatible_with(
        &'static self,
        other: &'static Self,
    ) -> Result<Compatibility, Incompatible> {
        let mut comparison = Comparison::default();
        comparison.frames(
            Part::of(self, FieldPath::new(self, 0)),
            Part::of(other, FieldPath::new(other, 0)),
        )?;
        Ok(match (comparison.wider, comparison.narrower) {
            (None, None) => Compatibility::Identical,
            (Some(by), None) => Compatibility::Wider { by },
            (None, Some(by)) => Compatibility::Narrower { by },
            (Some(wider), Some(narrower)) => Compatibility::Overlapping { wider, narrower },
        })
    }
}

/// A frame inside the outermost one, and where it starts.
#[derive(Clone, Copy)]
struct Part {
    layout: &'static FrameLayout,
    start: FieldPath,
}

impl Part {
    fn of(layout: &'static FrameLayout, start: FieldPath) -> Self {
        Self { layout, start }
    }

    fn path(self, field: &FieldLayout) -> FieldPath {
        self.start.plus(field.offset())
    }

    /// The fields that are not reserved.
    fn fields(self) -> impl Iterator<Item = &'static FieldLayout> {
        let fields = self.layout.fields().iter();
        fields.filter(|field| field.kind() != FieldKind::Reserved && field.size() > 0)
    }

    /// The first field that shares a byte with `field`.
    fn overlapping(self, field: &FieldLayout) -> Option<&'static FieldLayout> {
        self.fields()
            .find(|other| other.offset() < field.end() && field.offset() < other.end())
    }
}

/// What was found so far.
#[derive(Default)]
struct Comparison {
    wider: Option<Difference>,
    narrower: Option<Difference>,
}

impl Comparison {
    fn frames(&mut self, ours: Part, theirs: Part) -> Result<(), Incompatible> {
        if ours.layout.size() != theirs.layout.size() {
            return Err(Incompatible::Size {
                ours: ours.layout.size(),
                theirs: theirs.layout.size(),
            });
        }
        if let (Some(our), Some(their)) = (ours.layout.version(), theirs.layout.version())
            && our != their
        {
            return Err(Incompatible::Version {
                ours: our,
                theirs: their,
            });
        }
        for field in ours.fields() {
            match theirs.overlapping(field) {
                Some(other) => self.fields((ours, field), (theirs, other))?,
                None => self.wider(on_reserved(ours, field)?),
            }
        }
        for field in theirs.fields() {
            if ours.overlapping(field).is_none() {
                self.narrower(on_reserved(theirs, field)?);
            }
        }
        self.checks(ours.layout.check_name(), theirs.layout.check_name());
        Ok(())
    }

    fn fields(
        &mut self,
        (ours, our): (Part, &'static FieldLayout),
        (theirs, their): (Part, &'static FieldLayout),
    ) -> Result<(), Incompatible> {
        let (field, other) = (ours.path(our), theirs.path(their));
        if (our.offset(), our.size()) != (their.offset(), their.size()) {
            return Err(Incompatible::Overlap { field, other });
        }
        if our.name() != their.name() {
            return Err(Incompatible::Name {
                ours: field,
                theirs: other,
            });
        }
        if our.role() != their.role() {
            return Err(Incompatible::Type { field });
        }
        match (our.kind(), their.kind()) {
            (FieldKind::Frame(our), FieldKind::Frame(their)) => {
                self.frames(Part::of(our, field), Part::of(their, other))
            }
            (FieldKind::Enum { values: our }, FieldKind::Enum { values: their }) => {
                let has_all =
                    |some: &[u32], of: &[u32]| of.iter().all(|value| some.contains(value));
                if !our.iter().any(|value| their.contains(value)) {
                    return Err(Incompatible::Disjoint { field });
                }
                self.note(field, has_all(our, their), has_all(their, our));
                Ok(())
            }
            (our_kind, their_kind) if our_kind == their_kind => {
                self.ranges(field, values(our), values(their))
            }
            _ => Err(Incompatible::Type { field }),
        }
    }

    fn ranges(
        &mut self,
        field: FieldPath,
        ours: ValueRange,
        theirs: ValueRange,
    ) -> Result<(), Incompatible> {
        if ours.max() < theirs.min() || theirs.max() < ours.min() {
            return Err(Incompatible::Disjoint { field });
        }
        self.note(field, ours.covers(theirs), theirs.covers(ours));
        Ok(())
    }

    fn note(&mut self, field: FieldPath, covers: bool, is_covered: bool) {
        if !is_covered {
            self.wider(Difference::Field(field));
        }
        if !covers {
            self.narrower(Difference::Field(field));
        }
    }

    /// Whoever has a check refuses frames of whoever does not.
    fn checks(&mut self, ours: Option<&'static str>, theirs: Option<&'static str>) {
        if ours == theirs {
            return;
        }
        if let Some(name) = ours {
            self.narrower(Difference::Check(name));
        }
        if let Some(name) = theirs {
            self.wider(Difference::Check(name));
        }
    }

    fn wider(&mut self, by: Difference) {
        self.wider.get_or_insert(by);
    }

    fn narrower(&mut self, by: Difference) {
        self.narrower.get_or_insert(by);
    }
}

/// The difference that a field makes that the other layout has reserved bytes for.
fn on_reserved(part: Part, field: &'static FieldLayout) -> Result<Difference, Incompatible> {
    let path = part.path(field);
    if allows_zero(field) {
        Ok(Difference::Field(path))
    } else {
        Err(Incompatible::RefusesZero { field: path })
    }
}

/// Whether bytes that are all 0 are a value of the field. Of an author's check nobody knows.
fn allows_zero(field: &FieldLayout) -> bool {
    match field.kind() {
        FieldKind::Enum { values } => values.contains(&0),
        FieldKind::Frame(inner) => {
            inner.check_name().is_none() && inner.fields().iter().all(allows_zero)
        }
        _ => field.role() != FieldRole::Checksum && values(field).contains(0),
    }
}

/// The values of a field that is not an enum; those of the widest integer where it is none.
fn values(field: &FieldLayout) -> ValueRange {
    let limits = field.integer().map(|integer| integer.limits());
    let any = ValueRange::new(i128::MIN, i128::MAX);
    field.range().or(limits).unwrap_or(any)
}
