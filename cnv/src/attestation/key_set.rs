//! Keys that change: numbered sets, each authorised by the one before it.
//!
//! A key in use has to be replaced one day, and whoever believes it has to hear of the new one from somebody they believe.
//! Here the set of keys as a whole has a version, and version N + 1 is accepted where a key of version N signed it and
//! every key that is new in it signed it as well. The one proves authority; the other proves that the new key is held by
//! somebody, so that nobody is made to answer for a key of another.
//!
//! One key of version N is enough. A rule of several was left out: each of these keys alone can issue any attestation, so
//! it would guard the smaller door.
//!
//! ```
//! use cnv::attestation::{KeySet, PrivateKey, TrustedKeys};
//!
//! let (old, old_public) = PrivateKey::generate();
//! let mut first = KeySet::first([("ops-2026".to_owned(), old_public)])?;
//! first.sign(&old)?;
//! let trusted = TrustedKeys::pin(first)?;
//!
//! // A year later, by the holders of both keys.
//! let (new, new_public) = PrivateKey::generate();
//! let mut next = trusted.key_set().next([("ops-2027".to_owned(), new_public)])?;
//! next.sign(&old)?;
//! next.sign(&new)?;
//!
//! // By whoever has the first set, from the text of the next.
//! let trusted = trusted.rotate(next.to_string().parse()?)?;
//! assert_eq!(trusted.key_set().version(), 2);
//! assert!(trusted.store().find(&new_public.id()).is_some());
//! assert!(trusted.store().find(&old_public.id()).is_none());
//! # Ok::<(), cnv::attestation::KeySetError>(())
//! ```
//!
//! ```text
//! key set    = form(1) = 1 | body | count(1) | { key id(16) | signature(64) }    (ascending by key id)
//! body       = version(8) | previous(32) | count(1) | { key(32) | name_len(1) | name }    (ascending by key id)
//! signed     = "cnv key set 1\0" | body
//! digest     = SHA-256(signed)
//! ```
//!
//! `previous` is the digest of the version before, zeros for version 1. Numbers are big-endian.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::armour::{self, ArmourError};
use super::binary::{Reader, Truncated};
use super::{
    KeyId, PrivateKey, PublicKey, PublicKeyError, RootError, Signature, TrustStore, TrustedRoot,
    hex,
};

/// Tells a key set's signature from every other signature that the same key makes.
const TAG: &[u8] = b"cnv key set 1\0";
const FORM: u8 = 1;
const NO_PREVIOUS: [u8; 32] = [0; 32];

// Names and counts fit their prefixes, so the casts below lose nothing.
const _: () = assert!(TrustedRoot::MAX_NAME_BYTES <= u8::MAX as usize);
const _: () = assert!(KeySet::MAX_KEYS <= u8::MAX as usize);

/// A version of the keys that are believed, with the signatures that were collected for it.
///
/// A value of this type is well-formed, and nothing more: [`TrustedKeys`] decides whether to believe it. It can be passed
/// on while signatures are still missing, as the text that `Display` and `FromStr` use: `cnvkeys1.` and base64url without
/// padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    version: u64,
    previous: [u8; 32],
    keys: TrustStore,
    signatures: BTreeMap<KeyId, Signature>,
}

impl KeySet {
    /// What the text form starts with.
    pub const PREFIX: &'static str = "cnvkeys1.";

    /// The most keys in a set.
    pub const MAX_KEYS: usize = 64;

    /// The most signatures: those of all keys of one version and of all keys of the one before.
    pub const MAX_SIGNATURES: usize = 2 * Self::MAX_KEYS;

    /// The longest binary form, in bytes.
    pub const MAX_LEN_BYTES: usize = 1
        + BODY_START_BYTES
        + Self::MAX_KEYS * (PublicKey::LEN_BYTES + 1 + TrustedRoot::MAX_NAME_BYTES)
        + 1
        + Self::MAX_SIGNATURES * (KeyId::LEN_BYTES + Signature::LEN_BYTES);

    /// The longest text form, in characters.
    pub const MAX_TEXT_LEN: usize = Self::PREFIX.len() + (Self::MAX_LEN_BYTES * 8).div_ceil(6);

    /// Version 1 with these names and keys, not signed yet.
    ///
    /// # Errors
    ///
    /// [`KeySetError::KeyCount`] for none or more than 64, [`Root`](KeySetError::Root) where a trust store would not take
    /// one of them.
    pub fn first(keys: impl IntoIterator<Item = (String, PublicKey)>) -> Result<Self, KeySetError> {
        Self::new(1, NO_PREVIOUS, keys)
    }

    /// The version after this one, with these names and keys, not signed yet.
    ///
    /// # Errors
    ///
    /// As [`first`](Self::first), and [`KeySetError::LastVersion`] where there is no higher number.
    pub fn next(
        &self,
        keys: impl IntoIterator<Item = (String, PublicKey)>,
    ) -> Result<Self, KeySetError> {
        let version = self
            .version
            .checked_add(1)
            .ok_or(KeySetError::LastVersion)?;
        Self::new(version, *self.digest().as_bytes(), keys)
    }

    fn new(
        version: u64,
        previous: [u8; 32],
        keys: impl IntoIterator<Item = (String, PublicKey)>,
    ) -> Result<Self, KeySetError> {
        let mut store = TrustStore::new();
        for (name, key) in keys {
            check_count(store.len() + 1)?;
            store.add(name, key)?;
        }
        check_count(store.len())?;
        Ok(Self {
            version,
            previous,
            keys: store,
            signatures: BTreeMap::new(),
        })
    }

    /// Adds the signature of a key, of this version or of the one before.
    ///
    /// # Errors
    ///
    /// [`KeySetError::SignatureCount`] where there are as many as there can be.
    pub fn sign(&mut self, key: &PrivateKey) -> Result<(), KeySetError> {
        let id = key.public_key().id();
        if self.signatures.len() == Self::MAX_SIGNATURES && !self.signatures.contains_key(&id) {
            return Err(KeySetError::SignatureCount {
                count: Self::MAX_SIGNATURES + 1,
            });
        }
        self.signatures.insert(id, key.sign(&self.signed()));
        Ok(())
    }

    /// Reads the binary form. The keys are checked as every imported key is; the signatures are not.
    ///
    /// # Errors
    ///
    /// [`KeySetError`] where the bytes are no key set: cut off, too long, out of order, not in their one form, or with a
    /// key or a name that no trust store would take.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeySetError> {
        check_len(bytes.len(), Self::MAX_LEN_BYTES)?;
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            FORM => {}
            form => return Err(KeySetError::UnknownForm { form }),
        }
        let version = reader.u64()?;
        let previous = reader.array()?;
        if version == 0 || (version == 1) != (previous == NO_PREVIOUS) {
            return Err(KeySetError::Previous { version });
        }
        let keys = read_keys(&mut reader)?;
        let signatures = read_signatures(&mut reader)?;
        match reader.remaining() {
            0 => {}
            extra_bytes => return Err(KeySetError::TrailingBytes { extra_bytes }),
        }
        Ok(Self {
            version,
            previous,
            keys,
            signatures,
        })
    }

    /// The binary form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![FORM];
        self.write_body(&mut out);
        out.push(self.signatures.len() as u8);
        for (id, signature) in &self.signatures {
            out.extend_from_slice(id.as_bytes());
            out.extend_from_slice(signature.as_bytes());
        }
        out
    }

    fn write_body(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.previous);
        out.push(self.keys.len() as u8);
        for root in self.keys.iter() {
            out.extend_from_slice(root.key().as_bytes());
            out.push(root.name().len() as u8);
            out.extend_from_slice(root.name().as_bytes());
        }
    }

    fn signed(&self) -> Vec<u8> {
        let mut out = TAG.to_vec();
        self.write_body(&mut out);
        out
    }

    /// The number of this version, from 1.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The keys and their names, in ascending order of the keys' ids.
    pub fn keys(&self) -> impl Iterator<Item = &TrustedRoot> {
        self.keys.iter()
    }

    /// The ids of the keys whose signatures were collected, in ascending order. Whether they hold is another question.
    pub fn signers(&self) -> impl Iterator<Item = KeyId> {
        self.signatures.keys().copied()
    }

    /// What names exactly this version, whoever signed it: the SHA-256 of its signed bytes.
    #[must_use]
    pub fn digest(&self) -> KeySetDigest {
        KeySetDigest(Sha256::digest(self.signed()).into())
    }

    /// Checks every signature with the key that it names, which is in this set or in `before`.
    fn check_signatures(&self, before: Option<&TrustStore>) -> Result<(), KeySetError> {
        let signed = self.signed();
        for (&signer, signature) in &self.signatures {
            let root = self
                .keys
                .find(&signer)
                .or_else(|| before?.find(&signer))
                .ok_or(KeySetError::UnknownSigner { signer })?;
            root.key()
                .verify(&signed, signature)
                .map_err(|_| KeySetError::BadSignature { signer })?;
        }
        Ok(())
    }

    /// Checks that each key that is not in `before` signed.
    fn check_possession(&self, before: &TrustStore) -> Result<(), KeySetError> {
        let silent = self.keys.iter().find(|root| {
            let id = root.key().id();
            before.find(&id).is_none() && !self.signatures.contains_key(&id)
        });
        match silent {
            Some(root) => Err(KeySetError::NotProven {
                name: root.name().to_owned(),
                key: root.key().id(),
            }),
            None => Ok(()),
        }
    }
}

const BODY_START_BYTES: usize = 8 + 32 + 1;

fn check_len(len: usize, max: usize) -> Result<(), KeySetError> {
    if len > max {
        return Err(KeySetError::Oversized { len, max });
    }
    Ok(())
}

fn check_count(count: usize) -> Result<(), KeySetError> {
    if !(1..=KeySet::MAX_KEYS).contains(&count) {
        return Err(KeySetError::KeyCount { count });
    }
    Ok(())
}

fn read_keys(reader: &mut Reader<'_>) -> Result<TrustStore, KeySetError> {
    let count = reader.u8()?;
    check_count(count.into())?;
    let mut keys = TrustStore::new();
    let mut last = None;
    for place in 0..count {
        let key = PublicKey::from_bytes(&reader.array()?)
            .map_err(|source| KeySetError::Key { place, source })?;
        let name_len = reader.u8()?;
        let name = str::from_utf8(reader.take(name_len.into())?)
            .map_err(|_| KeySetError::NotUtf8 { place })?;
        if last.replace(key.id()) >= Some(key.id()) {
            return Err(KeySetError::Order);
        }
        keys.add(name, key)?;
    }
    Ok(keys)
}

fn read_signatures(reader: &mut Reader<'_>) -> Result<BTreeMap<KeyId, Signature>, KeySetError> {
    let count = reader.u8()?;
    if usize::from(count) > KeySet::MAX_SIGNATURES {
        return Err(KeySetError::SignatureCount {
            count: count.into(),
        });
    }
    let mut signatures = BTreeMap::new();
    let mut last = None;
    for _ in 0..count {
        let id = KeyId::from_bytes(reader.array()?);
        if last.replace(id) >= Some(id) {
            return Err(KeySetError::Order);
        }
        signatures.insert(id, Signature::from_bytes(reader.array()?));
    }
    Ok(signatures)
}

/// The text form.
impl fmt::Display for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&armour::write(Self::PREFIX, &self.to_bytes()))
    }
}

/// Reads the text form. Surrounding spaces and line ends are not part of it.
impl FromStr for KeySet {
    type Err = KeySetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check_len(text.len(), Self::MAX_TEXT_LEN)?;
        let bytes = armour::read(Self::PREFIX, text).map_err(|error| match error {
            ArmourError::Prefix => KeySetError::Prefix,
            ArmourError::Encoding => KeySetError::Encoding,
        })?;
        Self::from_bytes(&bytes)
    }
}

/// The version of the keys that is believed.
///
/// It starts with a set that somebody vouches for by configuring it, and goes on version by version: none can be left out,
/// taken back or replaced. Keep the text of [`key_set`](Self::key_set) to start again from where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKeys {
    set: KeySet,
}

impl TrustedKeys {
    /// Starts with a set that the caller vouches for: nothing in it tells whose it is.
    ///
    /// # Errors
    ///
    /// [`KeySetError::NotProven`] where a key of version 1 did not sign it, [`UnknownSigner`](KeySetError::UnknownSigner)
    /// and [`BadSignature`](KeySetError::BadSignature) for signatures that do not hold. Keys of the version before are not
    /// known here, so their signatures are not checked for a later version.
    pub fn pin(set: KeySet) -> Result<Self, KeySetError> {
        if set.version == 1 {
            set.check_signatures(None)?;
            set.check_possession(&TrustStore::new())?;
        }
        Ok(Self { set })
    }

    /// Goes on to the next version. The same version again changes nothing.
    ///
    /// # Errors
    ///
    /// [`KeySetError::Rollback`] for an earlier version, [`Skipped`](KeySetError::Skipped) for one that is not the next,
    /// [`Fork`](KeySetError::Fork) for another set of this version or one that was made from another,
    /// [`NotAuthorised`](KeySetError::NotAuthorised) where no key of this version signed it,
    /// [`NotProven`](KeySetError::NotProven) where a new key did not, [`UnknownSigner`](KeySetError::UnknownSigner) and
    /// [`BadSignature`](KeySetError::BadSignature) for signatures that do not hold.
    pub fn rotate(&self, next: KeySet) -> Result<Self, KeySetError> {
        let (have, version) = (self.set.version, next.version);
        if version < have {
            return Err(KeySetError::Rollback { version, have });
        }
        if version == have {
            if next.digest() != self.set.digest() {
                return Err(KeySetError::Fork { version });
            }
            return Ok(self.clone());
        }
        if version - have > 1 {
            return Err(KeySetError::Skipped { version, have });
        }
        if next.previous != *self.set.digest().as_bytes() {
            return Err(KeySetError::Fork { version });
        }
        let before = &self.set.keys;
        if !next.signers().any(|signer| before.find(&signer).is_some()) {
            return Err(KeySetError::NotAuthorised { version });
        }
        next.check_possession(before)?;
        next.check_signatures(Some(before))?;
        Ok(Self { set: next })
    }

    /// The set that is believed.
    #[must_use]
    pub fn key_set(&self) -> &KeySet {
        &self.set
    }

    /// The trust store with its keys.
    #[must_use]
    pub fn store(&self) -> &TrustStore {
        &self.set.keys
    }
}

impl From<TrustedKeys> for TrustStore {
    fn from(trusted: TrustedKeys) -> Self {
        trusted.set.keys
    }
}

/// The SHA-256 of a key set's signed bytes. `Display` prints 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeySetDigest([u8; 32]);

impl KeySetDigest {
    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for KeySetDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for KeySetDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySetDigest({self})")
    }
}

/// Why bytes are no key set, or a key set is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// It is longer than any key set. Nothing of it was read.
    #[error("the key set is {len} bytes long, at most {max} are allowed")]
    Oversized {
        /// Its length in bytes.
        len: usize,
        /// The longest allowed.
        max: usize,
    },
    /// The text does not start with `cnvkeys1.`.
    #[error("a key set starts with `{}`", KeySet::PREFIX)]
    Prefix,
    /// The text is not base64url without padding, in its one spelling.
    #[error("the key set is not base64url without padding")]
    Encoding,
    /// It ends too early.
    #[error("the key set is cut off: at least {missing_bytes} more bytes are needed")]
    Truncated {
        /// How many bytes the field that is being read still needs.
        missing_bytes: u64,
    },
    /// There is something after its end.
    #[error("the key set has {extra_bytes} bytes after its end")]
    TrailingBytes {
        /// How many bytes are left over.
        extra_bytes: usize,
    },
    /// It has a form that this release does not know.
    #[error("the key set has form {form}, this release reads form {FORM}")]
    UnknownForm {
        /// The form it gives.
        form: u8,
    },
    /// Version 1, and it alone, comes after nothing.
    #[error("the key set has version {version} and does not say right what it comes after")]
    Previous {
        /// Its version.
        version: u64,
    },
    /// It has no key or too many.
    #[error("the key set has {count} keys, 1 to {} are allowed", KeySet::MAX_KEYS)]
    KeyCount {
        /// How many it has.
        count: usize,
    },
    /// It has too many signatures.
    #[error(
        "the key set has {count} signatures, at most {} are allowed",
        KeySet::MAX_SIGNATURES
    )]
    SignatureCount {
        /// How many it has.
        count: usize,
    },
    /// A key in it is refused.
    #[error("key number {place} of the key set is refused")]
    Key {
        /// The place of the key, from 0.
        place: u8,
        /// What is wrong with it.
        source: PublicKeyError,
    },
    /// A name in it is not UTF-8.
    #[error("the name of key number {place} of the key set is not UTF-8")]
    NotUtf8 {
        /// The place of the key, from 0.
        place: u8,
    },
    /// A name or a key in it cannot be trusted beside the others.
    #[error("the key set has an entry that cannot be: {0}")]
    Root(#[from] RootError),
    /// Its keys or its signatures are not in strictly ascending order.
    #[error("the key set is not in ascending order of its key ids")]
    Order,
    /// There is no version after it.
    #[error("the key set has the last version that there is")]
    LastVersion,
    /// It is earlier than the one that is believed.
    #[error("the key set has version {version}, version {have} is in use already")]
    Rollback {
        /// Its version.
        version: u64,
        /// The version that is believed.
        have: u64,
    },
    /// It is not the next version.
    #[error("the key set has version {version}; version {} has to come first", have + 1)]
    Skipped {
        /// Its version.
        version: u64,
        /// The version that is believed.
        have: u64,
    },
    /// There are two sets of one version.
    #[error(
        "the key set {version} does not come from the sets that were in use here: somebody made another one"
    )]
    Fork {
        /// Its version.
        version: u64,
    },
    /// No key of the version before signed it.
    #[error("no key of the version before signed the key set {version}")]
    NotAuthorised {
        /// Its version.
        version: u64,
    },
    /// A new key did not sign it.
    #[error("the new key `{name}` ({key}) did not sign the key set")]
    NotProven {
        /// The name of the key.
        name: String,
        /// Its id.
        key: KeyId,
    },
    /// A signature names a key of neither version.
    #[error("the key {signer} signed the key set and is in neither version")]
    UnknownSigner {
        /// The id of the key.
        signer: KeyId,
    },
    /// A signature does not hold.
    #[error("the key set is not signed by the key {signer} that it names")]
    BadSignature {
        /// The id of the key.
        signer: KeyId,
    },
}

impl From<Truncated> for KeySetError {
    fn from(Truncated { missing_bytes }: Truncated) -> Self {
        Self::Truncated { missing_bytes }
    }
}
