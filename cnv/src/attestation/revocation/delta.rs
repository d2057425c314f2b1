//! From one list to the next without sending all of it.
//!
//! ```text
//! delta = form(1) = 2 | base_number(8) | base_digest(32) | header(84) | signature(64) | counts | entries
//! ```
//!
//! The header and the signature are those of the list that it leads to, byte for byte; counts and entries are what that
//! list has and the base has not. So a delta has no authority of its own: it is a short way to write a list that its
//! issuer signed, and whoever has both lists can make it. Signing deltas as statements of their own was rejected, because
//! a list and a chain of deltas could then disagree under one number.

use core::fmt;
use core::str::FromStr;

use crate::attestation::armour;
use crate::attestation::binary::Reader;
use crate::attestation::{KeyId, PublicKey, Signature, Timestamp};

use super::entries::{self, COUNTS_BYTES, RevocationEntries};
use super::list::{self, HEADER_BYTES, Header, check_len, finish, read_text};
use super::{RevocationError, RevocationList, RevocationListDigest, RevocationListError};

pub(super) const FORM_DELTA: u8 = 2;

/// What a later list has more than an earlier one, with the later one's signature.
///
/// It only adds. To take an entry off a list, because what it names has expired, send the whole list.
///
/// `Display` and `FromStr` use its text form: `cnvrevdelta1.` and base64url without padding.
///
/// ```
/// use cnv::attestation::{KeyId, PrivateKey, Timestamp};
/// use cnv::attestation::revocation::{RevocationDelta, RevocationEntry, RevocationList, RevocationSet};
///
/// let (key, public) = PrivateKey::generate();
/// let moment = Timestamp::from_unix_seconds;
/// let lost = |byte| RevocationEntry::Key(KeyId::from_bytes([byte; 16]));
/// let first = RevocationList::sign([lost(1)].into_iter().collect(), 1, moment(100), moment(200), &key)?;
/// let second = RevocationList::sign([lost(1), lost(2)].into_iter().collect(), 2, moment(150), moment(250), &key)?;
///
/// let delta = RevocationDelta::between(&first, &second)?;
/// assert_eq!(delta.additions().len(), 1);
///
/// let set = RevocationSet::new(first, &public, moment(100))?;
/// let set = set.apply_delta(&delta, &public, moment(150))?;
/// assert_eq!(set.digest(), second.digest());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RevocationDelta {
    pub(super) base_number: u64,
    pub(super) base_digest: RevocationListDigest,
    pub(super) header: Header,
    pub(super) signature: Signature,
    pub(super) additions: RevocationEntries,
}

impl RevocationDelta {
    /// What the text form starts with.
    pub const PREFIX: &'static str = "cnvrevdelta1.";

    /// The longest text form, in characters. The binary form is at most as long as a list's.
    pub const MAX_TEXT_LEN: usize =
        Self::PREFIX.len() + (RevocationList::MAX_LEN_BYTES * 8).div_ceil(6);

    /// The way from `base` to `list`.
    ///
    /// # Errors
    ///
    /// [`DeltaError`] where there is none: another issuer, no higher number, or an entry that was taken off.
    pub fn between(base: &RevocationList, list: &RevocationList) -> Result<Self, DeltaError> {
        if base.issuer() != list.issuer() {
            return Err(DeltaError::Issuer {
                base: base.issuer(),
                list: list.issuer(),
            });
        }
        if base.number() >= list.number() {
            return Err(DeltaError::Number {
                base: base.number(),
                list: list.number(),
            });
        }
        let additions = list
            .entries
            .additions_to(&base.entries)
            .ok_or(DeltaError::TakenOff)?;
        Ok(Self {
            base_number: base.number(),
            base_digest: base.digest(),
            header: list.header,
            signature: list.signature,
            additions,
        })
    }

    /// Reads the binary form. The signature is not checked.
    ///
    /// # Errors
    ///
    /// [`RevocationListError`] where the bytes are no delta. At most as much as `bytes` is allocated.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RevocationListError> {
        check_len(bytes.len(), RevocationList::MAX_LEN_BYTES)?;
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            FORM_DELTA => {}
            form => return Err(RevocationListError::UnknownForm { form }),
        }
        let base_number = reader.u64()?;
        let base_digest = RevocationListDigest(reader.array()?);
        let header = Header::read(&mut reader)?;
        let signature = Signature::from_bytes(reader.array()?);
        let counts = entries::read_counts(&mut reader)?;
        let additions = RevocationEntries::read(&mut reader, counts)?;
        finish(&reader)?;
        Ok(Self {
            base_number,
            base_digest,
            header,
            signature,
            additions,
        })
    }

    /// The binary form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        const FIXED_BYTES: usize = 1 + 8 + 32 + HEADER_BYTES + Signature::LEN_BYTES + COUNTS_BYTES;
        let mut out = Vec::with_capacity(FIXED_BYTES + self.additions.len_bytes());
        out.push(FORM_DELTA);
        out.extend_from_slice(&self.base_number.to_be_bytes());
        out.extend_from_slice(self.base_digest.as_bytes());
        self.header.write(&mut out);
        out.extend_from_slice(self.signature.as_bytes());
        entries::write_counts(self.additions.counts(), &mut out);
        for section in self.additions.sections() {
            out.extend_from_slice(section);
        }
        out
    }

    /// Whether `key` issued the list that it leads to. That it leads there is checked when it is applied.
    ///
    /// # Errors
    ///
    /// [`RevocationError::WrongIssuer`] or [`BadSignature`](RevocationError::BadSignature).
    pub fn verify(&self, key: &PublicKey) -> Result<(), RevocationError> {
        self.header.verify(&self.signature, key)
    }

    /// What it adds.
    #[must_use]
    pub fn additions(&self) -> &RevocationEntries {
        &self.additions
    }

    /// The number of the list that it was made from.
    #[must_use]
    pub fn base_number(&self) -> u64 {
        self.base_number
    }

    /// The number of the list that it leads to.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.header.number
    }

    /// The id of the key that it says that list was signed with.
    #[must_use]
    pub fn issuer(&self) -> KeyId {
        self.header.issuer
    }

    /// The first moment at which that list is stale.
    #[must_use]
    pub fn next_update(&self) -> Timestamp {
        self.header.next_update
    }

    /// The list that it leads to from `base`, which has to be the list that it was made from.
    ///
    /// # Errors
    ///
    /// [`RevocationError::OtherBase`] for another base, [`Delta`](RevocationError::Delta) where it does not lead to the
    /// list that was signed.
    pub fn apply_to(&self, base: &RevocationList) -> Result<RevocationList, RevocationError> {
        self.check_base(base)?;
        self.complete(base)
    }

    pub(super) fn check_base(&self, base: &RevocationList) -> Result<(), RevocationError> {
        if (self.base_number, self.base_digest) != (base.number(), base.digest()) {
            return Err(RevocationError::OtherBase {
                base_number: self.base_number,
                base_digest: self.base_digest,
                have_number: base.number(),
                have_digest: base.digest(),
            });
        }
        Ok(())
    }

    /// The list of what `base` and the additions say.
    pub(super) fn complete(
        &self,
        base: &RevocationList,
    ) -> Result<RevocationList, RevocationError> {
        let base = &base.entries;
        let entries = base.union(&self.additions);
        // There is one delta between two lists, and none that repeats what the base says.
        if entries.beyond(base) != self.additions {
            return Err(RevocationError::Delta(RevocationListError::EntriesDigest));
        }
        list::check_len(list::len_bytes(&entries), RevocationList::MAX_LEN_BYTES)
            .and_then(|()| RevocationList::new(self.header, self.signature, entries))
            .map_err(RevocationError::Delta)
    }
}

/// The text form.
impl fmt::Display for RevocationDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&armour::write(Self::PREFIX, &self.to_bytes()))
    }
}

/// Reads the text form. The signature is not checked. Surrounding spaces and line ends are not part of it.
impl FromStr for RevocationDelta {
    type Err = RevocationListError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_bytes(&read_text(Self::PREFIX, text, Self::MAX_TEXT_LEN)?)
    }
}

impl fmt::Debug for RevocationDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationDelta")
            .field("issuer", &self.header.issuer)
            .field("base_number", &self.base_number)
            .field("number", &self.header.number)
            .field("additions", &self.additions.len())
            .finish_non_exhaustive()
    }
}

/// Why there is no delta between two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// They are two issuers'.
    #[error("the lists were issued by two keys, {base} and {list}")]
    Issuer {
        /// The id of the key that signed the earlier list.
        base: KeyId,
        /// The id of the key that signed the later list.
        list: KeyId,
    },
    /// The later list has no higher number.
    #[error("the list {list} does not come after the list {base}")]
    Number {
        /// The number of the earlier list.
        base: u64,
        /// The number of the later list.
        list: u64,
    },
    /// The earlier list has an entry that the later one has not.
    #[error("an entry was taken off the list, which takes a whole list to say")]
    TakenOff,
}
