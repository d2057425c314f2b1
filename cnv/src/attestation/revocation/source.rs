//! Where lists come from.

use core::fmt;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::delta::FORM_DELTA;
use super::{RevocationDelta, RevocationList, RevocationListError};

/// A list or a delta, in any of their forms.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationUpdate {
    /// A whole list.
    List(RevocationList),
    /// What a later list has more than an earlier one.
    Delta(RevocationDelta),
}

impl RevocationUpdate {
    /// The longest that any of the forms is, in bytes.
    pub const MAX_LEN_BYTES: usize = RevocationDelta::MAX_TEXT_LEN + 64;

    /// Reads a list or a delta, as binary or as text. Spaces and line ends around a text are left out, at most 64 of them.
    /// Signatures are not checked.
    ///
    /// # Errors
    ///
    /// [`RevocationListError`] where it is neither.
    pub fn read(bytes: &[u8]) -> Result<Self, RevocationListError> {
        super::list::check_len(bytes.len(), Self::MAX_LEN_BYTES)?;
        let text = bytes.trim_ascii();
        if text.starts_with(b"cnvrev") {
            let text = str::from_utf8(text).map_err(|_| RevocationListError::Encoding)?;
            if text.starts_with(RevocationDelta::PREFIX) {
                return text.parse().map(Self::Delta);
            }
            return text.parse().map(Self::List);
        }
        if bytes.first() == Some(&FORM_DELTA) {
            return RevocationDelta::from_bytes(bytes).map(Self::Delta);
        }
        RevocationList::from_bytes(bytes).map(Self::List)
    }
}

/// Something that has the newest list or delta: a file, a channel, a service.
///
/// What it gives is not believed until its signature is checked, so a source needs no trust; one that withholds lists is
/// noticed when the last list's next update is due.
///
/// ```
/// use cnv::attestation::revocation::{RevocationSource, SourceError};
///
/// /// Asks a program of one's own.
/// struct FromMemory(Vec<u8>);
///
/// impl RevocationSource for FromMemory {
///     fn load(&self) -> Result<Option<Vec<u8>>, SourceError> {
///         Ok(Some(self.0.clone()))
///     }
/// }
/// ```
pub trait RevocationSource: Send + Sync {
    /// The newest list or delta, in any of their forms, or `None` where there is nothing new.
    ///
    /// At most [`RevocationUpdate::MAX_LEN_BYTES`] are of use; a source that reads from elsewhere stops there.
    ///
    /// # Errors
    ///
    /// [`SourceError`] where it cannot tell.
    fn load(&self) -> Result<Option<Vec<u8>>, SourceError>;
}

/// A list or a delta in a file, as text or as binary.
///
/// Replace the file by renaming another one to its name; one that is being written is read as cut off, and refused.
#[derive(Clone, Debug)]
pub struct RevocationFile {
    path: PathBuf,
}

impl RevocationFile {
    /// The file with this path. It is not looked at yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl RevocationSource for RevocationFile {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// [`SourceError::Io`], [`NotAFile`](SourceError::NotAFile), [`TooLarge`](SourceError::TooLarge), and
    /// [`WritableByAll`](SourceError::WritableByAll) (on Unix) where anybody could put an older list in its place. A file
    /// that is not there is an error: somebody may have taken it away.
    fn load(&self) -> Result<Option<Vec<u8>>, SourceError> {
        read_file(&self.path).map(Some)
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, SourceError> {
    let io_error = |source| SourceError::Io {
        path: path.into(),
        source,
    };
    let not_a_file = || SourceError::NotAFile { path: path.into() };
    let too_large = || SourceError::TooLarge { path: path.into() };

    // Looked at before it is opened, because opening a pipe would wait for a writer.
    if !fs::metadata(path).map_err(io_error)?.is_file() {
        return Err(not_a_file());
    }
    let file = File::open(path).map_err(io_error)?;
    let metadata = file.metadata().map_err(io_error)?;
    if !metadata.is_file() {
        return Err(not_a_file());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let mode = metadata.mode() & 0o7777;
        if mode & 0o002 != 0 {
            return Err(SourceError::WritableByAll {
                path: path.into(),
                mode,
            });
        }
    }
    let max_len = RevocationUpdate::MAX_LEN_BYTES as u64;
    if metadata.len() > max_len {
        return Err(too_large());
    }
    let mut content = Vec::new();
    file.take(max_len + 1)
        .read_to_end(&mut content)
        .map_err(io_error)?;
    if content.len() as u64 > max_len {
        return Err(too_large());
    }
    Ok(content)
}

/// Lists and deltas that another part of the process hands over.
///
/// It holds one: what is pushed while another waits takes its place. After a delta was replaced unread, the next one does
/// not lead on from the list in force and is refused; push a whole list then.
///
/// ```
/// use cnv::attestation::revocation::{RevocationMailbox, RevocationSource};
///
/// let mailbox = RevocationMailbox::new();
/// mailbox.push(b"cnvrev1.".to_vec());
/// assert!(mailbox.load()?.is_some());
/// assert!(mailbox.load()?.is_none());
/// # Ok::<(), cnv::attestation::revocation::SourceError>(())
/// ```
#[derive(Default)]
pub struct RevocationMailbox {
    waiting: Mutex<Option<Vec<u8>>>,
}

impl RevocationMailbox {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            waiting: Mutex::new(None),
        }
    }

    /// Hands over a list or a delta, in any of their forms. It is not looked at yet.
    pub fn push(&self, update: Vec<u8>) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(update);
    }
}

impl RevocationSource for RevocationMailbox {
    /// Takes what was pushed last.
    fn load(&self) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take())
    }
}

impl fmt::Debug for RevocationMailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationMailbox").finish_non_exhaustive()
    }
}

/// Why a source has nothing to give.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file cannot be read.
    #[error("cannot read the revocation list {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The path is a folder, a pipe or a device.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Anybody can write to the file.
    #[error("the revocation list {} has mode {mode:04o}: anybody could put an older one in its place; run `chmod o-w` on it", path.display())]
    WritableByAll {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is longer than a list can be.
    #[error("{} has more than {} bytes, so it is not a revocation list", path.display(), RevocationUpdate::MAX_LEN_BYTES)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A source of another kind failed.
    #[error("the source of revocation lists failed")]
    Other(#[source] Box<dyn Error + Send + Sync>),
}
