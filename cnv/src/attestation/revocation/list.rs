//! The signed list.
//!
//! ```text
//! list    = form(1) = 1 | header | signature(64) | entries
//! header  = issuer(16) | number(8) | issued_at(8) | next_update(8) | counts | SHA-256(entries)(32)
//! counts  = issued_before(4) | keys(4) | links(4)
//! entries = { issuer(16) | before(8) }   issued_before times, strictly ascending by issuer
//!         | { key id(16) }               keys times, strictly ascending
//!         | { link id(32) }              links times, strictly ascending
//! signed  = "cnv revocation list 1\0" | header
//! digest  = SHA-256(signed)
//! ```
//!
//! Numbers are big-endian. The signature covers the digest of the entries instead of the entries: it is checked before
//! anything grows with their number, and a delta can carry the signature of the list that it leads to.

use core::fmt;
use core::str::FromStr;

use sha2::{Digest, Sha256};

use crate::attestation::armour::{self, ArmourError};
use crate::attestation::binary::Reader;
use crate::attestation::{KeyId, PrivateKey, PublicKey, Signature, Timestamp, hex};

use super::entries::{self, COUNTS_BYTES, RevocationEntries};
use super::{RevocationError, RevocationListError};

pub(super) const FORM_LIST: u8 = 1;

/// Tells a list's signature from every other signature that the same key makes.
const TAG: &[u8] = b"cnv revocation list 1\0";

pub(super) const HEADER_BYTES: usize = KeyId::LEN_BYTES + 3 * 8 + COUNTS_BYTES + 32;

/// The longest time from a list's issue to its next update, in seconds: 366 days.
pub const MAX_UPDATE_SECONDS: u64 = 366 * 24 * 60 * 60;

/// A numbered list of what its issuer has revoked, signed, and good until its next update.
///
/// `Display` and `FromStr` use its text form: `cnvrev1.` and base64url without padding, one line.
///
/// A value of this type is well-formed; that it is its issuer's is decided by [`verify`](Self::verify) or by the
/// [`RevocationSet`](super::RevocationSet) that is made of it.
///
/// ```
/// use cnv::attestation::{KeyId, PrivateKey, Timestamp};
/// use cnv::attestation::revocation::{RevocationEntry, RevocationList};
///
/// let (key, public) = PrivateKey::generate();
/// let (now, next_update) = (Timestamp::from_unix_seconds(1_000), Timestamp::from_unix_seconds(4_600));
/// let lost = RevocationEntry::Key(KeyId::from_bytes([7; 16]));
/// let list = RevocationList::sign([lost].into_iter().collect(), 1, now, next_update, &key)?;
///
/// let read: RevocationList = list.to_string().parse()?;
/// assert_eq!(read, list);
/// assert!(read.verify(&public).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RevocationList {
    pub(super) header: Header,
    pub(super) signature: Signature,
    pub(super) entries: RevocationEntries,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) issuer: KeyId,
    pub(super) number: u64,
    pub(super) issued_at: Timestamp,
    pub(super) next_update: Timestamp,
    pub(super) counts: [u32; 3],
    pub(super) entries_digest: [u8; 32],
}

impl RevocationList {
    /// What the text form starts with.
    pub const PREFIX: &'static str = "cnvrev1.";

    /// The longest binary form, in bytes: 64 MiB, some two million link ids.
    pub const MAX_LEN_BYTES: usize = 64 << 20;

    /// The longest text form, in characters: what the longest binary form needs.
    pub const MAX_TEXT_LEN: usize = Self::PREFIX.len() + (Self::MAX_LEN_BYTES * 8).div_ceil(6);

    /// Signs a list. `next_update` is the moment from which it is stale: after `issued_at`, by at most
    /// [`MAX_UPDATE_SECONDS`].
    ///
    /// A number is used once. To sign another list with a number that was given out makes a fork, which every verifier
    /// that has seen both reports.
    ///
    /// # Errors
    ///
    /// [`RevocationListError::NextUpdate`] for another `next_update`, [`Oversized`](RevocationListError::Oversized) for
    /// more entries than have room.
    pub fn sign(
        entries: RevocationEntries,
        number: u64,
        issued_at: Timestamp,
        next_update: Timestamp,
        key: &PrivateKey,
    ) -> Result<Self, RevocationListError> {
        check_len(len_bytes(&entries), Self::MAX_LEN_BYTES)?;
        let header = Header {
            issuer: key.public_key().id(),
            number,
            issued_at,
            next_update,
            counts: entries.counts(),
            entries_digest: entries.digest(),
        };
        header.check()?;
        let signature = key.sign(&header.signed());
        Ok(Self {
            header,
            signature,
            entries,
        })
    }

    /// Reads the binary form. The signature is not checked.
    ///
    /// # Errors
    ///
    /// [`RevocationListError`] where the bytes are no list: cut off, too long, out of order, not in their one form, or
    /// with entries that are not those of the header. At most as much as `bytes` is allocated.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RevocationListError> {
        check_len(bytes.len(), Self::MAX_LEN_BYTES)?;
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            FORM_LIST => {}
            form => return Err(RevocationListError::UnknownForm { form }),
        }
        let header = Header::read(&mut reader)?;
        let signature = Signature::from_bytes(reader.array()?);
        let entries = RevocationEntries::read(&mut reader, header.counts)?;
        finish(&reader)?;
        Self::new(header, signature, entries)
    }

    /// The list of these parts, if the header is that of the entries.
    pub(super) fn new(
        header: Header,
        signature: Signature,
        entries: RevocationEntries,
    ) -> Result<Self, RevocationListError> {
        if entries.counts() != header.counts || entries.digest() != header.entries_digest {
            return Err(RevocationListError::EntriesDigest);
        }
        Ok(Self {
            header,
            signature,
            entries,
        })
    }

    /// The binary form, at most 64 MiB.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(len_bytes(&self.entries));
        out.push(FORM_LIST);
        self.header.write(&mut out);
        out.extend_from_slice(self.signature.as_bytes());
        for section in self.entries.sections() {
            out.extend_from_slice(section);
        }
        out
    }

    /// Whether `key` issued exactly this list. Says nothing about time.
    ///
    /// # Errors
    ///
    /// [`RevocationError::WrongIssuer`] or [`BadSignature`](RevocationError::BadSignature).
    pub fn verify(&self, key: &PublicKey) -> Result<(), RevocationError> {
        self.header.verify(&self.signature, key)
    }

    /// What is revoked.
    #[must_use]
    pub fn entries(&self) -> &RevocationEntries {
        &self.entries
    }

    /// The number of the list: each has a higher one than the lists before it.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.header.number
    }

    /// The id of the key that it says it was signed with.
    #[must_use]
    pub fn issuer(&self) -> KeyId {
        self.header.issuer
    }

    /// The moment of issue.
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        self.header.issued_at
    }

    /// The first moment at which it is stale.
    #[must_use]
    pub fn next_update(&self) -> Timestamp {
        self.header.next_update
    }

    /// What names exactly this list: the SHA-256 of its signed bytes.
    #[must_use]
    pub fn digest(&self) -> RevocationListDigest {
        self.header.digest()
    }
}

pub(super) fn len_bytes(entries: &RevocationEntries) -> usize {
    1 + HEADER_BYTES + Signature::LEN_BYTES + entries.len_bytes()
}

pub(super) fn check_len(len: usize, max: usize) -> Result<(), RevocationListError> {
    if len > max {
        return Err(RevocationListError::Oversized { len, max });
    }
    Ok(())
}

pub(super) fn finish(reader: &Reader<'_>) -> Result<(), RevocationListError> {
    match reader.remaining() {
        0 => Ok(()),
        extra_bytes => Err(RevocationListError::TrailingBytes { extra_bytes }),
    }
}

impl Header {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, RevocationListError> {
        let header = Self {
            issuer: KeyId::from_bytes(reader.array()?),
            number: reader.u64()?,
            issued_at: reader.moment()?,
            next_update: reader.moment()?,
            counts: entries::read_counts(reader)?,
            entries_digest: reader.array()?,
        };
        header.check()?;
        Ok(header)
    }

    fn check(&self) -> Result<(), RevocationListError> {
        let seconds = self.next_update.seconds_since(self.issued_at);
        if !(1..=MAX_UPDATE_SECONDS).contains(&seconds) {
            return Err(RevocationListError::NextUpdate {
                issued_at: self.issued_at,
                next_update: self.next_update,
            });
        }
        Ok(())
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.issuer.as_bytes());
        out.extend_from_slice(&self.number.to_be_bytes());
        for moment in [self.issued_at, self.next_update] {
            out.extend_from_slice(&moment.as_unix_seconds().to_be_bytes());
        }
        entries::write_counts(self.counts, out);
        out.extend_from_slice(&self.entries_digest);
    }

    fn signed(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(TAG.len() + HEADER_BYTES);
        out.extend_from_slice(TAG);
        self.write(&mut out);
        out
    }

    pub(super) fn digest(&self) -> RevocationListDigest {
        RevocationListDigest(Sha256::digest(self.signed()).into())
    }

    pub(super) fn verify(
        &self,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<(), RevocationError> {
        if self.issuer != key.id() {
            return Err(RevocationError::WrongIssuer {
                issuer: self.issuer,
                expected: key.id(),
            });
        }
        key.verify(&self.signed(), signature)
            .map_err(|_| RevocationError::BadSignature {
                issuer: self.issuer,
            })
    }
}

/// The text form.
impl fmt::Display for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&armour::write(Self::PREFIX, &self.to_bytes()))
    }
}

/// Reads the text form. The signature is not checked. Surrounding spaces and line ends are not part of it.
impl FromStr for RevocationList {
    type Err = RevocationListError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_bytes(&read_text(Self::PREFIX, text, Self::MAX_TEXT_LEN)?)
    }
}

pub(super) fn read_text(
    prefix: &'static str,
    text: &str,
    max_len: usize,
) -> Result<Vec<u8>, RevocationListError> {
    check_len(text.len(), max_len)?;
    armour::read(prefix, text).map_err(|error| match error {
        ArmourError::Prefix => RevocationListError::Prefix { prefix },
        ArmourError::Encoding => RevocationListError::Encoding,
    })
}

/// Shows the header and how many entries there are; a list can have a million.
impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationList")
            .field("issuer", &self.header.issuer)
            .field("number", &self.header.number)
            .field("issued_at", &self.header.issued_at)
            .field("next_update", &self.header.next_update)
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

/// The SHA-256 of a list's signed bytes. `Display` prints 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RevocationListDigest(pub(super) [u8; 32]);

impl RevocationListDigest {
    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for RevocationListDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for RevocationListDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevocationListDigest({self})")
    }
}
