//! The sets in force, exchanged while they are asked.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use crate::attestation::{FloorError, Floors, KeyId, Timestamp, TrustStore};

use super::{
    RevocationError, RevocationListError, RevocationSet, RevocationSource, RevocationUpdate,
    SourceError,
};

/// The revocation sets that are in force, one for each trusted key, shared by whoever asks.
///
/// [`reload`](Self::reload) and [`update`](Self::update) build the next set of an issuer beside its present one and
/// exchange the two at once. What is refused changes nothing. The number of an issuer's list in force never goes down,
/// also not across a restart where [`with_floors`](Self::with_floors) has a folder to keep it in. A
/// [`Verifier`](crate::attestation::Verifier) that [follows](crate::attestation::Verifier::follow) it decides by a list
/// from the moment at which `update` has returned.
///
/// There is no set of an issuer before its first list: whoever asks decides what that means, and should deny.
///
/// ```
/// use cnv::attestation::{KeyId, PrivateKey, Timestamp, TrustStore};
/// use cnv::attestation::revocation::{Reloaded, RevocationEntry, RevocationList, RevocationMailbox, Revocations};
///
/// let (key, public) = PrivateKey::generate();
/// let (now, next_update) = (Timestamp::from_unix_seconds(1_000), Timestamp::from_unix_seconds(4_600));
/// let lost = RevocationEntry::Key(KeyId::from_bytes([7; 16]));
/// let list = RevocationList::sign([lost].into_iter().collect(), 5, now, next_update, &key)?;
///
/// let mut store = TrustStore::new();
/// store.add("root", public)?;
/// let revocations = Revocations::new(store);
/// assert!(revocations.current(&public.id()).is_none());
///
/// let mailbox = RevocationMailbox::new();
/// mailbox.push(list.to_bytes());
/// assert_eq!(revocations.reload(&mailbox, now)?, Reloaded::Replaced { number: 5 });
/// assert_eq!(revocations.current(&public.id()).unwrap().number(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Revocations {
    /// Those of keys that are no longer trusted stay: one that comes back does not start again from an older list.
    sets: RwLock<BTreeMap<KeyId, Arc<RevocationSet>>>,
    /// Held while a set is built and exchanged, so that one update follows the other.
    updating: Mutex<Updating>,
}

struct Updating {
    roots: Arc<TrustStore>,
    floors: Option<Arc<Floors>>,
    followers: Vec<Weak<dyn Follower>>,
}

/// What takes every list that is put in force.
pub(in crate::attestation) trait Follower: Send + Sync {
    /// Decides by this list from now on. The same list again changes nothing.
    fn take(&self, set: &Arc<RevocationSet>) -> Result<(), ReloadError>;
}

impl Revocations {
    /// Without a set, for the lists that the holders of these keys sign.
    #[must_use]
    pub fn new(roots: impl Into<Arc<TrustStore>>) -> Self {
        Self {
            sets: RwLock::new(BTreeMap::new()),
            updating: Mutex::new(Updating {
                roots: roots.into(),
                floors: None,
                followers: Vec::new(),
            }),
        }
    }

    /// The same, with a folder that keeps the numbers of the last lists across restarts. A verifier that has
    /// [`floors`](crate::attestation::VerifierBuilder::floors) of its own needs none here.
    #[must_use]
    pub fn with_floors(self, floors: Arc<Floors>) -> Self {
        self.updating().floors = Some(floors);
        self
    }

    /// Takes the lists of these keys from now on, and no others.
    pub fn set_trust_store(&self, roots: impl Into<Arc<TrustStore>>) {
        self.updating().roots = roots.into();
    }

    /// The set in force of the issuer whose key has this id, or `None` before its first list.
    #[must_use]
    pub fn current(&self, issuer: &KeyId) -> Option<Arc<RevocationSet>> {
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        sets.get(issuer).cloned()
    }

    /// Takes what `source` has, checks it and puts it in force. With lists of several issuers, reload each source.
    ///
    /// # Errors
    ///
    /// [`ReloadError`]. The set before stays in force.
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

    /// Checks a list or a delta and puts it in force for its issuer.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload). Where a verifier that follows refuses a list that is in force here, because it has a
    /// later one from elsewhere or cannot write down its number, it keeps the one it has; the same list again asks it
    /// again.
    pub fn update(
        &self,
        update: RevocationUpdate,
        now: Timestamp,
    ) -> Result<Reloaded, ReloadError> {
        let mut updating = self.updating();
        let header = match &update {
            RevocationUpdate::List(list) => &list.header,
            RevocationUpdate::Delta(delta) => &delta.header,
        };
        let issuer = header.issuer;
        let root = updating
            .roots
            .find(&issuer)
            .ok_or(RevocationError::UntrustedIssuer { issuer })?;
        let current = self.current(&issuer);
        if let Some(set) = &current
            && set.digest() == header.digest()
        {
            updating.tell(set)?;
            return Ok(Reloaded::Unchanged);
        }
        let set = match (current, update) {
            (None, RevocationUpdate::List(list)) => RevocationSet::new(list, root.key(), now)?,
            (Some(set), RevocationUpdate::List(list)) => set.apply(list, root.key(), now)?,
            (Some(set), RevocationUpdate::Delta(delta)) => {
                set.apply_delta(&delta, root.key(), now)?
            }
            (None, RevocationUpdate::Delta(delta)) => {
                return Err(ReloadError::NoBase {
                    base_number: delta.base_number(),
                });
            }
        };
        // Before it is in force: whoever decided by it once is not led back by a restart.
        if let Some(floors) = &updating.floors {
            floors.raise_list(&set)?;
        }
        let (number, set) = (set.number(), Arc::new(set));
        self.sets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(issuer, Arc::clone(&set));
        updating.tell(&set)?;
        Ok(Reloaded::Replaced { number })
    }

    /// Hands over what is in force, and from now on every list before the update returns that brings it.
    pub(in crate::attestation) fn add_follower(
        &self,
        follower: &Arc<impl Follower + 'static>,
    ) -> Result<(), ReloadError> {
        let mut updating = self.updating();
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        sets.values().try_for_each(|set| follower.take(set))?;
        let follower: Weak<dyn Follower> = Arc::downgrade(&(Arc::clone(follower) as _));
        updating.followers.push(follower);
        Ok(())
    }

    fn updating(&self) -> MutexGuard<'_, Updating> {
        self.updating.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Updating {
    /// Hands a list to all who follow and are still there. All are asked; the first who refuses is reported.
    fn tell(&mut self, set: &Arc<RevocationSet>) -> Result<(), ReloadError> {
        let mut told = Ok(());
        self.followers.retain(|follower| {
            let Some(follower) = follower.upgrade() else {
                return false;
            };
            let taken = follower.take(set);
            if told.is_ok() {
                told = taken;
            }
            true
        });
        told
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Revocations")
            .field("sets", &*sets)
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

/// Why a list was not put in force.
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
    /// The number of the last list cannot be read or written, so that a restart could go back.
    #[error(transparent)]
    Floor(#[from] FloorError),
}
