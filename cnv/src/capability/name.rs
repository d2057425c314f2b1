//! Names and codes: what all four dimensions have in common.

use alloc::string::String;
use core::fmt;

/// A name that belongs to no value of its dimension.
///
/// ```
/// use cnv::capability::CapabilityClass;
///
/// let error = "netwrok".parse::<CapabilityClass>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"unknown capability class "netwrok"; expected one of `pure`, `read_only`, `read_write`, `network`, `dangerous`"#
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    dimension: &'static str,
    expected: &'static [&'static str],
    given: String,
}

impl UnknownName {
    /// How much of a rejected name is kept for the message, in characters.
    const KEPT_CHARS: usize = 64;

    pub(super) fn new(
        dimension: &'static str,
        expected: &'static [&'static str],
        given: &str,
    ) -> Self {
        let given = given.chars().take(Self::KEPT_CHARS).collect();
        Self {
            dimension,
            expected,
            given,
        }
    }

    /// The dimension that was being read, for example `"capability class"`.
    #[must_use]
    pub fn dimension(&self) -> &'static str {
        self.dimension
    }

    /// The names that would have been accepted, in the order of the dimension.
    #[must_use]
    pub fn expected(&self) -> &'static [&'static str] {
        self.expected
    }

    /// The name that was given, cut after 64 characters.
    #[must_use]
    pub fn given(&self) -> &str {
        &self.given
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown {} {:?}; expected one of ",
            self.dimension, self.given
        )?;
        for (place, name) in self.expected.iter().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            write!(f, "{separator}`{name}`")?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownName {}

/// Gives an enum its names and codes: the list of values, both conversions, `Display` and `FromStr`.
///
/// Codes start at 1, so that a zeroed byte is never a permission, and are part of the signed encoding: a value's code
/// never changes and is never used again.
macro_rules! named {
    ($type:ident, $dimension:literal, { $($variant:ident = $code:literal, $name:literal;)+ }) => {
        impl $type {
            /// Every value, lowest code first.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            const NAMES: &'static [&'static str] = &[$($name),+];

            /// The value's name, as `Display` prints it and `FromStr` reads it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The value's code in a signed encoding. Codes never change; 0 is never one.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// The value with this code, or `None` where no value has it.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.name())
            }
        }

        impl core::str::FromStr for $type {
            type Err = $crate::capability::UnknownName;

            /// Reads a name, exactly as `Display` prints it: lower case, without surrounding spaces.
            fn from_str(name: &str) -> Result<Self, Self::Err> {
                match name {
                    $($name => Ok(Self::$variant),)+
                    _ => Err($crate::capability::UnknownName::new($dimension, Self::NAMES, name)),
                }
            }
        }
    };
}

pub(super) use named;
