//! What names a trace and a span, and the flags that go with them.

use core::fmt;
use core::num::{NonZeroU64, NonZeroU128};
use core::str::FromStr;

use super::hex;

/// The name of a whole trace: 16 bytes, not all of them zero.
///
/// `Display` prints 32 lower-case hexadecimal digits, and `FromStr` reads exactly them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub(super) NonZeroU128);

/// The name of a span in its trace: 8 bytes, not all of them zero.
///
/// `Display` prints 16 lower-case hexadecimal digits, and `FromStr` reads exactly them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub(super) NonZeroU64);

macro_rules! id {
    ($id:ident, $number:ty, $of:ty, $bytes:literal, $digits:literal) => {
        impl $id {
            /// The id of these bytes, the highest first. Nothing if all are zero.
            #[inline]
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Option<Self> {
                match <$number>::new(<$of>::from_be_bytes(bytes)) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }

            /// Its bytes, the highest first.
            #[inline]
            #[must_use]
            pub const fn to_bytes(self) -> [u8; $bytes] {
                self.0.get().to_be_bytes()
            }

            /// The id that these digits spell.
            #[inline]
            pub(super) fn read(digits: &[u8; $digits]) -> Option<Self> {
                let number = <$of>::try_from(hex::read(digits)?).ok()?;
                <$number>::new(number).map(Self)
            }

            /// Its digits.
            #[inline]
            pub(super) fn digits(self) -> [u8; $digits] {
                let mut digits = [0; $digits];
                hex::write(&self.to_bytes(), &mut digits);
                digits
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let digits = self.digits();
                f.write_str(str::from_utf8(&digits).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($id), "({})"), self)
            }
        }

        impl FromStr for $id {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let digits = text.as_bytes().try_into().ok();
                digits
                    .and_then(Self::read)
                    .ok_or(ParseIdError { digits: $digits })
            }
        }
    };
}

id!(TraceId, NonZeroU128, u128, 16, 32);
id!(SpanId, NonZeroU64, u64, 8, 16);

/// A text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has {digits} lower-case hexadecimal digits, and one of them is not 0")]
pub struct ParseIdError {
    /// How many digits the id has.
    digits: usize,
}

/// What the caller says of a trace: whether it recorded its part, and whether the trace's id is random.
///
/// The other six bits have no meaning yet. What is sent has them at zero, so they are dropped when they are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TraceFlags(u8);

impl TraceFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// The caller may have recorded its part of the trace: bit 0.
    pub const SAMPLED: Self = Self(1);
    /// The last 7 bytes of the trace's id are random: bit 1, since Level 2.
    pub const RANDOM: Self = Self(2);

    /// The flags of these bits, of which those without a meaning are dropped.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0b11)
    }

    /// Its bits.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether the caller may have recorded its part of the trace.
    #[inline]
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLED.0 != 0
    }

    /// Whether the last 7 bytes of the trace's id are random.
    #[inline]
    #[must_use]
    pub const fn is_random(self) -> bool {
        self.0 & Self::RANDOM.0 != 0
    }

    /// These flags, with the one that says whether the trace is recorded set to `is_sampled`.
    #[inline]
    #[must_use]
    pub const fn with_sampled(self, is_sampled: bool) -> Self {
        Self(self.0 & !Self::SAMPLED.0 | is_sampled as u8)
    }
}
