//! What can be wrong with bytes that claim to be a value of a frame type.

use core::fmt;

use super::layout::{FieldLayout, FieldPath};

/// Bytes that are not a value of a frame type. None of these goes away by trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The slice is too short or too long.
    #[error("`{frame}` is {expected} bytes, and these are {actual}")]
    Length {
        /// The frame type.
        frame: &'static str,
        /// Bytes of one frame.
        expected: usize,
        /// Bytes that were there.
        actual: usize,
    },
    /// The slice starts at an address where the frame cannot be borrowed. `SimdFrame::read` copies
    /// it from any address.
    #[error(
        "`{frame}` is borrowed from a multiple of {align} bytes, and this address is {excess} bytes past one"
    )]
    Misaligned {
        /// The frame type.
        frame: &'static str,
        /// The alignment it needs, in bytes.
        align: usize,
        /// Bytes from the last aligned address to the start of the slice.
        excess: usize,
    },
    /// A byte has a value that its field does not have.
    #[error("`{frame}`: field `{field}`, byte {offset}, is {value}, and {} allowed", Allowed((*.min).into(), (*.max).into()))]
    OutOfRange {
        /// The frame type.
        frame: &'static str,
        /// The field, through nested frames.
        field: FieldPath,
        /// Bytes from the start of the frame.
        offset: usize,
        /// The byte that was there.
        value: u8,
        /// The lowest value allowed.
        min: u8,
        /// The highest value allowed.
        max: u8,
    },
    /// An integer has a value outside its range.
    #[error("`{frame}`: field `{field}`, at byte {offset}, is {value}, and {} allowed", AllowedOf(*.field))]
    Value {
        /// The frame type.
        frame: &'static str,
        /// The field, through nested frames.
        field: FieldPath,
        /// Bytes from the start of the frame.
        offset: usize,
        /// The value that was there. [`FieldPath::layout`] has the range.
        value: i128,
    },
    /// An enum has a value that is none of its variants.
    #[error(
        "`{frame}`: field `{field}`, at byte {offset}, is {value}, which is no variant of its enum"
    )]
    NoVariant {
        /// The frame type.
        frame: &'static str,
        /// The field, through nested frames.
        field: FieldPath,
        /// Bytes from the start of the frame.
        offset: usize,
        /// The value that was there.
        value: i128,
    },
    /// The bytes are of another version.
    #[error("`{frame}`: `{field}` says version {actual}, and this is version {expected}")]
    Version {
        /// The frame type.
        frame: &'static str,
        /// The field, through nested frames.
        field: FieldPath,
        /// The version of the type.
        expected: u64,
        /// The version that was there.
        actual: u64,
    },
    /// The checksum is not that of the bytes before it.
    #[error(
        "`{frame}`: `{field}` is {stated:#010x}, and the bytes before it have {computed:#010x}"
    )]
    Checksum {
        /// The frame type.
        frame: &'static str,
        /// The field, through nested frames.
        field: FieldPath,
        /// The checksum that was there.
        stated: u32,
        /// The CRC32C of the bytes.
        computed: u32,
    },
    /// Each field is allowed, and the author's own check refuses them together.
    #[error("`{frame}`, at byte {offset}: `{check}` refuses it{}", Reason(*.reason))]
    Check {
        /// The frame type that the check is of: the outermost one, or a nested one.
        frame: &'static str,
        /// Bytes from the start of the outermost frame to it.
        offset: usize,
        /// The check, as `#[frame(check = ..)]` names it.
        check: &'static str,
        /// What the check says.
        reason: Option<&'static str>,
    },
}

struct Allowed(i128, i128);

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self(min, max) if min == max => write!(f, "only {min} is"),
            Self(min, max) => write!(f, "{min} to {max} are"),
        }
    }
}

/// The range of a field.
struct AllowedOf(FieldPath);

impl fmt::Display for AllowedOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.layout().and_then(FieldLayout::range) {
            Some(range) => Allowed(range.min(), range.max()).fmt(f),
            None => f.write_str("others are"),
        }
    }
}

struct Reason(Option<&'static str>);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors are returned by value from every read.
    #[test]
    fn an_error_is_at_most_64_bytes() {
        assert!(
            size_of::<LayoutError>() <= 64,
            "{}",
            size_of::<LayoutError>()
        );
    }
}
