//! Commands that agents and people can call safely.

pub mod capability;
pub mod frame;
pub mod quota;

#[cfg(feature = "attestation")]
pub mod attestation;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
