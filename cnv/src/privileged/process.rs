//! Child processes, behind a permit for [`Dangerous`]: what a child does, no class and no meter of this process sees.

use std::io;
use std::process::{Child, Command, ExitStatus, Output};

use crate::attestation::{Covers, Dangerous, Permit};
use crate::quota::charge_io;

/// Starts the child. Charged as one I/O operation; what goes through its pipes is not, unless a
/// [`Metered`](crate::quota::Metered) is put around them.
///
/// # Errors
///
/// What [`Command::spawn`] fails with, or [`BudgetExceeded`](crate::quota::BudgetExceeded) where no operation is left.
pub fn spawn(_: &Permit<'_, impl Covers<Dangerous>>, command: &mut Command) -> io::Result<Child> {
    charge_io(1)?;
    command.spawn()
}

/// Runs the child to its end. Charged as one I/O operation.
///
/// # Errors
///
/// As [`spawn`].
pub fn status(
    _: &Permit<'_, impl Covers<Dangerous>>,
    command: &mut Command,
) -> io::Result<ExitStatus> {
    charge_io(1)?;
    command.status()
}

/// Runs the child to its end and keeps all that it prints. Charged as one I/O operation.
///
/// # Errors
///
/// As [`spawn`].
pub fn output(_: &Permit<'_, impl Covers<Dangerous>>, command: &mut Command) -> io::Result<Output> {
    charge_io(1)?;
    command.output()
}
