//! Variables of the environment, behind a permit.
//!
//! They are read only. To set one while other threads run is undefined behaviour on most systems, and no permit changes
//! that; the environment of a child is set on its [`Command`](std::process::Command).

use std::env::{self, VarError};
use std::ffi::{OsStr, OsString};

use crate::attestation::{Covers, Permit, ReadOnly};

/// The variable's value as text.
///
/// # Errors
///
/// [`VarError`] where it is not set or is no Unicode.
pub fn var(
    _: &Permit<'_, impl Covers<ReadOnly>>,
    name: impl AsRef<OsStr>,
) -> Result<String, VarError> {
    env::var(name)
}

/// The variable's value as the system has it, or `None` where it is not set.
#[must_use]
pub fn var_os(_: &Permit<'_, impl Covers<ReadOnly>>, name: impl AsRef<OsStr>) -> Option<OsString> {
    env::var_os(name)
}
