//! What an application imports with `use cnv::prelude::*`.

pub use crate::quota::Limits;
#[cfg(feature = "std")]
pub use crate::quota::MeteredAllocator;
pub use crate::{budget, run, spend};

#[cfg(feature = "attestation")]
pub use crate::attestation::{Denied, Permit};
#[cfg(feature = "attestation")]
pub use crate::requires_attestation;

#[cfg(feature = "command")]
pub use crate::command::{App, Context, Failure};
#[cfg(feature = "command")]
pub use crate::{verb, verbs};
