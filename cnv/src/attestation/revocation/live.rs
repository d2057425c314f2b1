//! The set in force, exchanged while it is asked.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::attestation::{PublicKey, Timestamp};

use super::floor::FloorFile;
use super::set::Position;
use super::{
    FloorError, RevocationError, RevocationListError, RevocationSet, RevocationSource,
    RevocationUpdate, SourceError,
};

/// The revocation set of one issuer that is in force, shared by whoever asks.
///
/// [`reload`](Self::reload) and [`update`](Self::update) build the next set beside it and exchange the two at once. What
/// is refused changes nothing. The number of the list in force never goes down, also not across a restart where
/// [`with_floor`](Self::with_floor) names a file to keep it in.
///
/// There is no set before the first list: whoever asks decides what that means, and should deny.
///
/// ```
/// use cnv::attestation::{KeyId, PrivateKey, Timestamp};
/// use cnv::attestation::revocation::{Reloaded, RevocationEntry, RevocationList, RevocationMailbox, Revocations};
///
/// let (key, public) = PrivateKey::generate();
/// let (now, next_update) = (Timestamp::from_unix_seconds(1_000), Timestamp::from_unix_seconds(4_600));
/// let lost = RevocationEntry::Key(KeyId::from_bytes([7; 16]));
/// let list = RevocationList::sign([lost].into_iter().collect(), 5, now, next_update, &key)?;
///
/// let revocations = Revocations::new(public);
/// assert!(revocations.current().is_none());
///
/// let mailbox = RevocationMailbox::new();
/// mailbox.push(list.to_bytes());
/// assert_eq!(revocations.reload(&mailbox, now)?, Reloaded::Replaced { number: 5 });
/// assert_eq!(revocations.current().unwrap().number(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Revocations {
    issuer: PublicKey,
    current: RwLock<Option<Arc<RevocationSet>>>,
    epoch: AtomicU64,
    /// Held while a set is built and exchanged, so that one update follows the other.
    floor: Mutex<Option<FloorFile>>,
}

impl Revocations {
    /// Without a set, for the lists that the holder of `issuer` signs.
    #[must_use]
    pub fn new(issuer: PublicKey) -> Self {
        Self {
            issuer,
            current: RwLock::new(None),
            epoch: AtomicU64::new(0),
            floor: Mutex::new(None),
        }
    }

    /// The same, with a file that keeps the number of the last list across restarts. It is made with the first list where
    /// it is not there; use it in one process at a time.
    ///
    /// # Errors
    ///
    /// [`FloorError`] where the file cannot be read, is damaged, or belongs to another issuer.
    pub fn with_floor(self, path: impl AsRef<Path>) -> Result<Self, FloorError> {
        let floor = FloorFile::new(path.as_ref(), self.issuer.id());
        floor.read()?;
        *self.floor.lock().unwrap_or_else(PoisonError::into_inner) = Some(floor);
        Ok(self)
    }

    /// The set in force, or `None` before the first.
    #[must_use]
    pub fn current(&self) -> Option<Arc<RevocationSet>> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A number that changes whenever the set in force does: what was decided under another number has to be decided
    /// again. It changes before [`current`](Self::current) does; read it first.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Takes what `source` has, checks it and puts it in force.
    ///
    /// # Errors
    ///
    /// [`ReloadError`]. The set before stays in force, with one exception: after [`ReloadError::Floor`] from writing the
    /// file, the new one is.
    pub fn reload(
        &self,
        source: &dyn RevocationSource,
        now: Timestamp,
    ) -> Result<Reloaded, ReloadError> {
        match source.load()? {
            Some(bytes) => self.update(RevocationUpdate::read(&bytes)?, now),
            None => Ok(Reloaded::Unchanged),
        }
    }

    /// Checks a list or a delta and puts it in force.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload).
    pub fn update(
        &self,
        update: RevocationUpdate,
        now: Timestamp,
    ) -> Result<Reloaded, ReloadError> {
        let floor = self.floor.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current();
        let header = match &update {
            RevocationUpdate::List(list) => &list.header,
            RevocationUpdate::Delta(delta) => &delta.header,
        };
        if current
            .as_ref()
            .is_some_and(|set| set.digest() == header.digest())
        {
            return Ok(Reloaded::Unchanged);
        }
        let lowest = floor.as_ref().map(FloorFile::read).transpose()?.flatten();
        let set = match (current, update) {
            (None, RevocationUpdate::List(list)) => RevocationSet::new(list, &self.issuer, now)?,
            (Some(set), RevocationUpdate::List(list)) => set.apply(list, &self.issuer, now)?,
            (Some(set), RevocationUpdate::Delta(delta)) => {
                set.apply_delta(&delta, &self.issuer, now)?
            }
            (None, RevocationUpdate::Delta(delta)) => {
                return Err(ReloadError::NoBase {
                    base_number: delta.base_number(),
                });
            }
        };
        let header = &set.list().header;
        let position = Position::of(header);
        if let Some(lowest) = lowest {
            lowest.check_successor(header)?;
        }
        self.put_in_force(set);
        if let Some(floor) = &*floor {
            floor.write(&position)?;
        }
        Ok(Reloaded::Replaced {
            number: position.number,
        })
    }

    fn put_in_force(&self, set: RevocationSet) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        self.epoch.fetch_add(1, Ordering::Release);
        *current = Some(Arc::new(set));
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations")
            .field("issuer", &self.issuer)
            .field("current", &self.current())
            .finish_non_exhaustive()
    }
}

/// What came of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reloaded {
    /// A later list is in force.
    Replaced {
        /// Its number.
        number: u64,
    },
    /// The source has nothing, or the list that is in force.
    Unchanged,
}

/// Why an update was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The source has no list.
    #[error("what the source has is no revocation list")]
    Malformed(#[from] RevocationListError),
    /// The list is refused.
    #[error(transparent)]
    Refused(#[from] RevocationError),
    /// A delta came before the first list.
    #[error("a delta from the revocation list {base_number} came, and no list is in force yet")]
    NoBase {
        /// The number of the list that it was made from.
        base_number: u64,
    },
    /// The number of the last list cannot be read, or not be written: then the new list is in force, and a restart could
    /// go back.
    #[error(transparent)]
    Floor(#[from] FloorError),
}
