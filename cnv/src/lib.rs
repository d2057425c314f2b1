//! Commands that agents and people can call safely.

pub mod capability;
pub mod frame;
pub mod quota;

#[cfg(feature = "attestation")]
pub mod attestation;
#[cfg(feature = "command")]
pub mod command;
pub mod prelude;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

#[cfg(feature = "command")]
pub use cnv_macros::{verb, verbs};
#[cfg(feature = "attestation")]
pub use cnv_macros::requires_attestation;
pub use cnv_macros::{budget, run, spend};
