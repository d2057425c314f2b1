//! The operating system's randomness.

use std::io;

/// Fills `bytes` with what nobody can guess, or says why the operating system has none to give.
pub(crate) fn fill(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        error.raw_os_error().map_or_else(
            || io::Error::other(error.to_string()),
            io::Error::from_raw_os_error,
        )
    })
}
