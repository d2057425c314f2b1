//! Where lists come from.

use core::fmt;
use std::error::Error;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::attestation::trusted_file::{self, TrustedFileError};

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
    /// [`SourceError::File`], also where others could put an older list in its place. A file that is not there is an
    /// error: somebody may have taken it away.
    fn load(&self) -> Result<Option<Vec<u8>>, SourceError> {
        let content = trusted_file::read(&self.path, RevocationUpdate::MAX_LEN_BYTES)?;
        Ok(Some(content))
    }
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
    /// The file is refused.
    #[error("cannot read the revocation list")]
    File(#[from] TrustedFileError),
    /// A source of another kind failed.
    #[error("the source of revocation lists failed")]
    Other(#[source] Box<dyn Error + Send + Sync>),
}
