//! The highest number that was seen, kept across restarts.
//!
//! ```text
//! cnvrevfloor1 ISSUER NUMBER DIGEST
//! ```
//!
//! One line: the id of the issuer's key, the number of the last list, and what names it. Not signed: who can write here can
//! as well replace the program's trust store.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::attestation::{KeyId, hex};

use super::RevocationListDigest;
use super::set::Position;

const FIRST_WORD: &str = "cnvrevfloor1";

/// Longer than any line that is written: a word, 32 digits, 20 digits and 64 digits.
const MAX_LEN_BYTES: usize = 256;

/// A floor's file. It is replaced as a whole, so that it has either the line before or the line after.
#[derive(Debug)]
pub(super) struct FloorFile {
    path: PathBuf,
    issuer: KeyId,
}

impl FloorFile {
    pub(super) fn new(path: &Path, issuer: KeyId) -> Self {
        Self {
            path: path.into(),
            issuer,
        }
    }

    /// What was written last, or `None` where nothing ever was.
    pub(super) fn read(&self) -> Result<Option<Position>, FloorError> {
        let io_error = |source| FloorError::Io {
            path: self.path.clone(),
            source,
        };
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(io_error)?,
        };
        let mut line = Vec::new();
        file.take(MAX_LEN_BYTES as u64 + 1)
            .read_to_end(&mut line)
            .map_err(io_error)?;
        let (issuer, position) = parse(&line).ok_or_else(|| FloorError::Content {
            path: self.path.clone(),
        })?;
        if issuer != self.issuer {
            return Err(FloorError::OtherIssuer {
                path: self.path.clone(),
                issuer,
                expected: self.issuer,
            });
        }
        Ok(Some(position))
    }

    pub(super) fn write(&self, position: &Position) -> Result<(), FloorError> {
        self.replace(position).map_err(|source| FloorError::Io {
            path: self.path.clone(),
            source,
        })
    }

    fn replace(&self, position: &Position) -> io::Result<()> {
        let Position { number, digest } = position;
        let line = format!("{FIRST_WORD} {} {number} {digest}\n", self.issuer);
        let mut beside = self.path.clone().into_os_string();
        beside.push(format!(".{}.new", std::process::id()));
        // What a process of this id left behind when it was killed.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        let replaced = file
            .write_all(line.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&beside, &self.path));
        if replaced.is_err() {
            // The first error is the one to report.
            let _ = fs::remove_file(&beside);
        } else {
            sync_folder(&self.path);
        }
        replaced
    }
}

fn parse(line: &[u8]) -> Option<(KeyId, Position)> {
    let line = str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let mut words = line.split(' ');
    if words.next()? != FIRST_WORD {
        return None;
    }
    let issuer = words.next()?.parse().ok()?;
    let number = words.next()?.parse().ok()?;
    let digest = RevocationListDigest(hex::read(words.next()?).ok()?);
    let position = Position { number, digest };
    words.next().is_none().then_some((issuer, position))
}

/// Makes the file's new name durable as well, where the file system can.
#[cfg(unix)]
fn sync_folder(path: &Path) {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) {}

/// Why the highest number that was seen is not known, or was not written down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FloorError {
    /// The operating system refused.
    #[error("cannot use the file {} with the number of the last revocation list", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file has something else in it.
    #[error("{} does not hold the number of a revocation list; if it is damaged, find out why before you remove it", path.display())]
    Content {
        /// The file.
        path: PathBuf,
    },
    /// The file is another issuer's.
    #[error("{} has the number of a revocation list of the key {issuer}, expected was {expected}", path.display())]
    OtherIssuer {
        /// The file.
        path: PathBuf,
        /// The id of the key that it names.
        issuer: KeyId,
        /// The id of the key that is believed.
        expected: KeyId,
    },
}
