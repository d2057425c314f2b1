//! Text files that others read: revocation lists and key sets, which are replaced while they do, and public keys.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cnv::quota::{File, charge_io};

/// Reads a file of at most `max_bytes`.
pub(crate) fn read(
    path: &Path,
    what: &'static str,
    max_bytes: usize,
) -> Result<Vec<u8>, FileError> {
    let mut content = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(max_bytes as u64 + 1).read_to_end(&mut content));
    match read {
        Err(source) => Err(FileError::Read {
            what,
            path: path.into(),
            source,
        }),
        Ok(len) if len > max_bytes => Err(FileError::TooLarge {
            what,
            path: path.into(),
            max_bytes,
        }),
        Ok(_) => Ok(content),
    }
}

/// Writes `text` and the end of a line to `path`: whoever reads it meanwhile gets all of the old file or all of the new.
///
/// A file that is there already is replaced where it starts with `prefix`, and nothing else is ever overwritten.
pub(crate) fn replace(
    path: &Path,
    what: &'static str,
    prefix: &str,
    text: &str,
) -> Result<(), FileError> {
    let write_error = |source| FileError::Write {
        what,
        path: path.into(),
        source,
    };
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(write_error(error)),
        Ok(file) => {
            let mut start = Vec::new();
            file.take(prefix.len() as u64)
                .read_to_end(&mut start)
                .map_err(write_error)?;
            if start != prefix.as_bytes() {
                return Err(FileError::Other {
                    what,
                    path: path.into(),
                });
            }
        }
    }
    let mut beside = path.to_path_buf().into_os_string();
    beside.push(format!(".{}.new", std::process::id()));
    let written = write_new(Path::new(&beside), text).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(write_error)
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
    #[error("cannot read the {what} `{}`", path.display())]
    Read {
        /// What was to be read.
        what: &'static str,
        /// The file.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// There is too much of it.
    #[error("`{}` has more than {max_bytes} bytes, so it is no {what}", path.display())]
    TooLarge {
        /// What was to be read.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The longest that it can be.
        max_bytes: usize,
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
