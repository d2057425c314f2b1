//! The verified list, made ready to be asked.

use core::fmt;

use crate::attestation::{AttestationId, KeyId, NOT_BEFORE_SKEW_SECONDS, PublicKey, Timestamp};

use super::entries;
use super::id_index::IdIndex;
use super::list::Header;
use super::{RevocationDelta, RevocationError, RevocationList, RevocationListDigest};

/// What is revoked, from a list whose signature, number and age were checked.
///
/// A set does not change: the next list makes the next set beside it, and whoever shares it exchanges one for the other.
///
/// ```
/// use cnv::attestation::{AttestationId, KeyId, PrivateKey, Timestamp};
/// use cnv::attestation::revocation::{Revoked, RevocationEntry, RevocationList, RevocationSet};
///
/// let (key, public) = PrivateKey::generate();
/// let now = Timestamp::from_unix_seconds(1_000);
/// let next_update = Timestamp::from_unix_seconds(4_600);
/// let stolen = AttestationId::from_bytes([9; 32]);
/// let list = RevocationList::sign(
///     [RevocationEntry::Link(stolen)].into_iter().collect(), 1, now, next_update, &key,
/// )?;
///
/// let set = RevocationSet::new(list, &public, now)?;
/// let issuer = KeyId::from_bytes([7; 16]);
/// assert_eq!(set.find(&stolen, &issuer, now, None), Some(Revoked::Link { id: stolen }));
/// assert!(set.freshness(now).is_fresh());
/// assert!(!set.freshness(next_update).is_fresh());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RevocationSet {
    list: RevocationList,
    keys: IdIndex,
    links: IdIndex,
}

impl RevocationSet {
    /// The set of the first list.
    ///
    /// # Errors
    ///
    /// [`RevocationError::WrongIssuer`], [`BadSignature`](RevocationError::BadSignature),
    /// [`StaleList`](RevocationError::StaleList) where its next update is due, or
    /// [`FutureList`](RevocationError::FutureList) where it was issued in the future.
    pub fn new(
        list: RevocationList,
        issuer: &PublicKey,
        now: Timestamp,
    ) -> Result<Self, RevocationError> {
        list.verify(issuer)?;
        list.header.check_fresh(now)?;
        Ok(Self::index(list))
    }

    /// The set of a later list. Takes as long as hashing and indexing the list's entries; this set can be asked meanwhile.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), [`Older`](RevocationError::Older) for a lower number, [`Fork`](RevocationError::Fork) for
    /// this number with another content. The same list again makes the same set.
    pub fn apply(
        &self,
        list: RevocationList,
        issuer: &PublicKey,
        now: Timestamp,
    ) -> Result<Self, RevocationError> {
        list.verify(issuer)?;
        self.position()
            .check_successor(&Position::of(&list.header))?;
        list.header.check_fresh(now)?;
        Ok(Self::index(list))
    }

    /// The set of the list that a delta leads to. Takes as long as [`apply`](Self::apply).
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply), [`OtherBase`](RevocationError::OtherBase) where it does not lead on from this set's
    /// list, [`Delta`](RevocationError::Delta) where it does not lead to the list that was signed. The signature comes
    /// first: a forged delta costs no more than that.
    pub fn apply_delta(
        &self,
        delta: &RevocationDelta,
        issuer: &PublicKey,
        now: Timestamp,
    ) -> Result<Self, RevocationError> {
        delta.verify(issuer)?;
        delta.check_base(&self.list)?;
        self.position()
            .check_successor(&Position::of(&delta.header))?;
        delta.header.check_fresh(now)?;
        Ok(Self::index(delta.complete(&self.list)?))
    }

    /// The set of a list that was checked.
    fn index(list: RevocationList) -> Self {
        Self {
            keys: IdIndex::new(&list.entries.keys),
            links: IdIndex::new(&list.entries.links),
            list,
        }
    }

    /// Why a link is revoked, or `None` where it is not: by its id, by its issuer's key, by its subject's key, or because
    /// the issuer revoked what it issued before some moment.
    ///
    /// `subject` is the key that the link delegates to, or `None` for a link that cannot be passed on. Ask about each
    /// link of a chain. Whether the answer can be relied on is for [`freshness`](Self::freshness) to say.
    #[must_use]
    pub fn find(
        &self,
        link: &AttestationId,
        issuer: &KeyId,
        issued_at: Timestamp,
        subject: Option<&KeyId>,
    ) -> Option<Revoked> {
        let entries = &self.list.entries;
        if self.links.contains(&entries.links, link.as_bytes()) {
            return Some(Revoked::Link { id: *link });
        }
        if let Some(key) = [Some(issuer), subject]
            .into_iter()
            .flatten()
            .find(|key| self.keys.contains(&entries.keys, key.as_bytes()))
        {
            return Some(Revoked::Key { key: *key });
        }
        let before = self.issued_before(issuer)?;
        (issued_at < before).then_some(Revoked::IssuedBefore {
            issuer: *issuer,
            before,
        })
    }

    fn issued_before(&self, issuer: &KeyId) -> Option<Timestamp> {
        let issued_before = &self.list.entries.issued_before;
        let place = issued_before
            .binary_search_by(|entry| entries::issuer_of(entry).cmp(issuer.as_bytes()))
            .ok()?;
        Some(entries::moment_of(&issued_before[place]))
    }

    /// Whether the list still counts at `now`.
    #[must_use]
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        self.list.header.freshness(now)
    }

    /// The first moment at which it is stale.
    #[must_use]
    pub fn next_update(&self) -> Timestamp {
        self.list.next_update()
    }

    /// The id of the key that issued the list.
    #[must_use]
    pub fn issuer(&self) -> KeyId {
        self.list.issuer()
    }

    pub(in crate::attestation) fn position(&self) -> Position {
        Position::of(&self.list.header)
    }

    /// The number of the list.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.list.number()
    }

    /// What names exactly the list that this set was made of.
    #[must_use]
    pub fn digest(&self) -> RevocationListDigest {
        self.list.digest()
    }

    /// The list that this set was made of.
    #[must_use]
    pub fn list(&self) -> &RevocationList {
        &self.list
    }

    /// The memory that it takes, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + self.list.entries.heap_bytes()
            + self.keys.heap_bytes()
            + self.links.heap_bytes()
    }
}

impl fmt::Debug for RevocationSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationSet")
            .field("list", &self.list)
            .finish_non_exhaustive()
    }
}

impl Header {
    pub(super) fn freshness(&self, now: Timestamp) -> Freshness {
        let in_seconds = self.issued_at.seconds_since(now);
        if in_seconds > NOT_BEFORE_SKEW_SECONDS {
            return Freshness::Future {
                issued_at: self.issued_at,
                in_seconds,
            };
        }
        if now < self.next_update {
            return Freshness::Fresh;
        }
        Freshness::Stale {
            since: self.next_update,
            for_seconds: now.seconds_since(self.next_update),
        }
    }

    pub(super) fn check_fresh(&self, now: Timestamp) -> Result<(), RevocationError> {
        let number = self.number;
        match self.freshness(now) {
            Freshness::Fresh => Ok(()),
            Freshness::Stale { since, for_seconds } => Err(RevocationError::StaleList {
                number,
                since,
                for_seconds,
            }),
            Freshness::Future {
                issued_at,
                in_seconds,
            } => Err(RevocationError::FutureList {
                number,
                issued_at,
                in_seconds,
            }),
        }
    }
}

/// How far the lists of an issuer have come: what the next one is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::attestation) struct Position {
    pub(in crate::attestation) number: u64,
    pub(in crate::attestation) digest: RevocationListDigest,
}

impl Position {
    pub(in crate::attestation) fn new(number: u64, digest: [u8; 32]) -> Self {
        Self {
            number,
            digest: RevocationListDigest(digest),
        }
    }

    pub(super) fn of(header: &Header) -> Self {
        Self {
            number: header.number,
            digest: header.digest(),
        }
    }

    /// Whether a list may follow: it has a higher number, or is the same list.
    pub(in crate::attestation) fn check_successor(
        &self,
        next: &Self,
    ) -> Result<(), RevocationError> {
        if next.number < self.number {
            return Err(RevocationError::Older {
                number: next.number,
                have: self.number,
            });
        }
        if next.number == self.number && next.digest != self.digest {
            return Err(RevocationError::Fork {
                number: next.number,
                digest: next.digest,
                have: self.digest,
            });
        }
        Ok(())
    }
}

/// Why a link does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revoked {
    /// The link itself is revoked.
    Link {
        /// Its id.
        id: AttestationId,
    },
    /// The key that issued it, or that it was issued to, is revoked.
    Key {
        /// The id of the key.
        key: KeyId,
    },
    /// Its issuer revoked what it had issued up to then.
    IssuedBefore {
        /// The id of the issuer's key.
        issuer: KeyId,
        /// The first moment whose links count.
        before: Timestamp,
    },
}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link { id } => write!(f, "the link {id} is revoked"),
            Self::Key { key } => write!(f, "the key {key} is revoked"),
            Self::IssuedBefore { issuer, before } => {
                write!(f, "what the key {issuer} issued before {before} is revoked")
            }
        }
    }
}

/// Whether a list still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freshness {
    /// Its next update is not due.
    Fresh,
    /// Its next update was due and is not here: what was revoked since is not known.
    Stale {
        /// When it was due.
        since: Timestamp,
        /// How long ago that is.
        for_seconds: u64,
    },
    /// It was issued in the future, clock skew allowed for: its next update would say nothing.
    Future {
        /// When it says that it was issued.
        issued_at: Timestamp,
        /// How long that is from now.
        in_seconds: u64,
    },
}

impl Freshness {
    /// Whether it still counts.
    #[must_use]
    pub const fn is_fresh(self) -> bool {
        matches!(self, Self::Fresh)
    }
}
