//! What must never go down, kept across restarts: the time, and the numbers of revocation lists.
//!
//! ```text
//! cnvfloors1
//! clock SECONDS
//! list ISSUER NUMBER DIGEST
//! ```
//!
//! One line for the latest moment that was seen, and one for each issuer's last list: the id of its key, the list's number
//! and what names it, in ascending order of the ids. Not signed: who can write here can as well replace the program's
//! trust store.

use core::fmt::Write as _;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::revocation::{Position, ReloadError, RevocationSet};
use super::trusted_file::{self, TrustedFileError};
use super::{KeyId, Timestamp, hex};

const FIRST_LINE: &str = "cnvfloors1";

/// The file in the folder.
const FILE: &str = "floors";

/// More than a line for every key that a trust store can have.
const MAX_LEN_BYTES: usize = 2 << 20;

/// How far the time goes on until it is written down again, in seconds.
const CLOCK_STEP_SECONDS: u64 = 60;

/// The latest moment and the numbers of the last revocation lists, in a folder that outlives the program.
///
/// Give it to [`VerifierBuilder::floors`](super::VerifierBuilder::floors), and to
/// [`Revocations::with_floors`](super::revocation::Revocations::with_floors) where that is used alone. A list is written
/// down before it is in force; the time at most once a minute, by the call that comes then and waits for the disk, and at
/// the end. Several processes can share a folder: what
/// is there only rises, whoever writes it.
///
/// A folder that is not there, or is empty, is a first start. A file that cannot be read is an error, because then it is
/// not known what was seen. A clock that was far ahead once is remembered, too: then everything is expired until somebody
/// corrects the line `clock`.
///
/// ```
/// use std::sync::Arc;
/// use cnv::attestation::{Floors, ManualClock, Timestamp, TrustStore, Verifier};
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path().join("state");
/// let noon = Timestamp::from_unix_seconds(1_800_000_000);
/// let start = |clock| -> Result<Verifier, Box<dyn std::error::Error>> {
///     let floors = Arc::new(Floors::open(&folder)?);
///     Ok(Verifier::builder(TrustStore::new(), Arc::new(ManualClock::at(clock))).floors(floors)?.build())
/// };
/// assert_eq!(start(noon)?.latest_moment(), noon);
/// // The clock was set back before the next start.
/// assert_eq!(start(Timestamp::from_unix_seconds(1))?.latest_moment(), noon);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Floors {
    path: PathBuf,
    known: Mutex<Known>,
    /// When the time is to be written down next, in seconds since 1970.
    due: AtomicU64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    moment: Timestamp,
    lists: BTreeMap<KeyId, Position>,
}

impl Floors {
    /// Reads what is in the folder, which is made where it is not there, for its owner alone.
    ///
    /// # Errors
    ///
    /// [`FloorError`] where it cannot be read, or has something else in it.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, FloorError> {
        let folder = folder.as_ref();
        let path = folder.join(FILE);
        trusted_file::create_folder(folder).map_err(|source| FloorError::Io {
            path: folder.into(),
            source,
        })?;
        let known = read(&path)?;
        Ok(Self {
            due: AtomicU64::new(next_due(known.moment)),
            known: Mutex::new(known),
            path,
        })
    }

    /// The latest moment that is written down; 1970 at a first start.
    #[must_use]
    pub fn moment(&self) -> Timestamp {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .moment
    }

    /// Writes a moment down where it is later than the one that is there.
    pub(super) fn raise_moment(&self, moment: Timestamp) -> Result<(), FloorError> {
        self.raise(
            |known| known.moment >= moment,
            |known| {
                known.moment = known.moment.max(moment);
                Ok(())
            },
        )
    }

    /// The same once a minute. What cannot be written is tried again a minute later, and at the end of the program:
    /// whether a call is allowed does not hang on it, since this process knows the time.
    pub(super) fn keep_moment(&self, now: Timestamp) {
        let due = self.due.load(Ordering::Relaxed);
        if now.as_unix_seconds() < due {
            return;
        }
        let is_mine =
            self.due
                .compare_exchange(due, next_due(now), Ordering::Relaxed, Ordering::Relaxed);
        if is_mine.is_ok() {
            let _ = self.raise_moment(now);
        }
    }

    /// Writes a list's number down, unless its issuer's list there has a higher one, or is another with this number.
    pub(super) fn raise_list(&self, set: &RevocationSet) -> Result<(), ReloadError> {
        let (issuer, position) = (set.issuer(), set.position());
        self.raise(
            |known| known.lists.get(&issuer) == Some(&position),
            |known| {
                if let Some(have) = known.lists.get(&issuer) {
                    have.check_successor(&position)?;
                }
                known.lists.insert(issuer, position);
                Ok(())
            },
        )
    }

    /// Changes what is in the file, unless that is the case already.
    fn raise<E: From<FloorError>>(
        &self,
        is_done: impl Fn(&Known) -> bool,
        change: impl FnOnce(&mut Known) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if is_done(&known) {
            return Ok(());
        }
        let io_error = |source| FloorError::Io {
            path: self.path.clone(),
            source,
        };
        let _lock = trusted_file::lock(&self.path).map_err(io_error)?;
        let mut next = read(&self.path)?;
        next.join(&known);
        if !is_done(&next) {
            change(&mut next)?;
            trusted_file::replace(&self.path, next.text().as_bytes()).map_err(io_error)?;
        }
        *known = next;
        Ok(())
    }
}

impl Known {
    /// Keeps the higher of everything: another process may have written meanwhile, or somebody removed the file.
    fn join(&mut self, other: &Self) {
        self.moment = self.moment.max(other.moment);
        for (issuer, position) in &other.lists {
            let have = self.lists.entry(*issuer).or_insert(*position);
            if have.number < position.number {
                *have = *position;
            }
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\nclock {}\n", self.moment.as_unix_seconds());
        for (issuer, Position { number, digest }) in &self.lists {
            // Writing to a text never fails.
            let _ = writeln!(text, "list {issuer} {number} {digest}");
        }
        text
    }

    fn parse(content: &[u8]) -> Option<Self> {
        let text = str::from_utf8(content).ok()?.strip_suffix('\n')?;
        let mut lines = text.split('\n');
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let seconds = lines.next()?.strip_prefix("clock ")?.parse().ok()?;
        let mut known = Self {
            moment: Timestamp::from_unix_seconds(seconds),
            lists: BTreeMap::new(),
        };
        for line in lines {
            let mut words = line.strip_prefix("list ")?.split(' ');
            let issuer = words.next()?.parse().ok()?;
            let number = words.next()?.parse().ok()?;
            let digest = hex::read(words.next()?).ok()?;
            let position = Position::new(number, digest);
            if words.next().is_some() || known.lists.insert(issuer, position).is_some() {
                return None;
            }
        }
        Some(known)
    }
}

fn read(path: &Path) -> Result<Known, FloorError> {
    let content = match trusted_file::read(path, MAX_LEN_BYTES) {
        Err(TrustedFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(Known::default());
        }
        content => content?,
    };
    Known::parse(&content).ok_or_else(|| FloorError::Content { path: path.into() })
}

fn next_due(moment: Timestamp) -> u64 {
    moment.as_unix_seconds().saturating_add(CLOCK_STEP_SECONDS)
}

/// Why it is not known what was seen last, or was not written down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FloorError {
    /// The file is refused.
    #[error("what was seen last, the time and the numbers of revocation lists, is not known")]
    File(#[from] TrustedFileError),
    /// The operating system refused.
    #[error("cannot write down in {} what was seen last, the time and the numbers of revocation lists", path.display())]
    Io {
        /// The file or its folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file has something else in it.
    #[error("{} does not hold the time and the numbers of revocation lists; if it is damaged, find out why before you remove it", path.display())]
    Content {
        /// The file.
        path: PathBuf,
    },
}
