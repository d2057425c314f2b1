//! Text files that others read: revocation lists and key sets, which are replaced while they do, and public keys.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cnv::attestation::trusted_file::{self, FileLock, TrustedFileError};
use cnv::prelude::*;
use cnv::quota::{File, charge_io};

/// Reads a file of at most `max_bytes` that only its owner can change.
pub(crate) fn read(path: &Path, what: &'static str, max_bytes: usize) -> Result<Vec<u8>, Failure> {
    // Opening and reading it.
    charge_io(2)?;
    Ok(trusted_file::read(path, max_bytes).map_err(|source| FileError::Read { what, source })?)
}

/// Whether a file that only its owner can change starts like this. No more of it is read.
pub(crate) fn starts_with(path: &Path, what: &'static str, prefix: &[u8]) -> Result<bool, Failure> {
    charge_io(2)?;
    let refused = |source| FileError::Read { what, source };
    let file = trusted_file::open(path).map_err(refused)?;
    let mut start = Vec::new();
    file.take(prefix.len() as u64)
        .read_to_end(&mut start)
        .map_err(|source| TrustedFileError::Io {
            path: path.into(),
            source,
        })
        .map_err(refused)?;
    Ok(start == prefix)
}

/// Waits until nobody else changes a file, from reading what is there to replacing it.
pub(crate) fn lock(path: &Path, what: &'static str) -> Result<FileLock, Failure> {
    charge_io(1)?;
    Ok(trusted_file::lock(path).map_err(|source| FileError::Write {
        what,
        path: path.into(),
        source,
    })?)
}

/// Writes `text` and the end of a line to `path`: whoever reads it meanwhile gets all of the old file or all of the new.
///
/// A file that is there already is replaced where it starts with `prefix`, and nothing else is ever overwritten.
pub(crate) fn replace(
    path: &Path,
    what: &'static str,
    prefix: &str,
    text: &str,
) -> Result<(), Failure> {
    let write_error = |source| FileError::Write {
        what,
        path: path.into(),
        source,
    };
    // A dangling link is something, too.
    let is_there = fs::symlink_metadata(path).map(drop);
    match is_there {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(write_error(error).into()),
        Ok(()) => {
            if !starts_with(path, what, prefix.as_bytes())? {
                return Err(FileError::Other {
                    what,
                    path: path.into(),
                }
                .into());
            }
        }
    }
    // Opening, writing, making it durable and giving it its name.
    charge_io(4)?;
    Ok(trusted_file::replace(path, format!("{text}\n").as_bytes()).map_err(write_error)?)
}

/// Writes `text` and the end of a line to a new file; one that cannot be written whole is removed again.
pub(crate) fn create(path: &Path, what: &'static str, text: &str) -> Result<(), FileError> {
    let mut is_there = false;
    let written = write_new(path, text).inspect_err(|error| {
        is_there = error.kind() == io::ErrorKind::AlreadyExists;
    });
    if written.is_err() && !is_there {
        // The first error is the one to report.
        let _ = fs::remove_file(path);
    }
    written.map_err(|source| FileError::Write {
        what,
        path: path.into(),
        source,
    })
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    // Others may read it, and what others can write is not believed.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
    let mut file = File::open_with(&options, path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    charge_io(1).map_err(io::Error::other)?;
    file.get_ref().sync_all()
}

/// Why a file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It could not be read.
    #[error("cannot read the {what}")]
    Read {
        /// What was to be read.
        what: &'static str,
        #[source]
        source: TrustedFileError,
    },
    /// Something else is there.
    #[error("`{}` exists and is no {what}, so it is not replaced; give another name", path.display())]
    Other {
        /// What was to be written.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// It could not be written.
    #[error("cannot write the {what} `{}`", path.display())]
    Write {
        /// What was to be written.
        what: &'static str,
        /// The file.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}
