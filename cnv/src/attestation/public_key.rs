//! Public keys, key ids and signatures.

use core::fmt;
use core::str::FromStr;

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::{DecodePublicKey, PublicKeyBytes};
use sha2::{Digest, Sha256};

use super::armour::{self, ArmourError};
use super::hex::{self, IdError};

/// An Ed25519 public key that passed the import check.
///
/// `Display` and `FromStr` use its text form: `cnvpub1.` and the 32 bytes as base64url without padding, 51 characters.
///
/// Every value of this type is a canonically encoded point of the prime-order subgroup. The check stands at import
/// because verification alone does not replace it: the strict equation still accepts keys with a small-order component,
/// with which a signature can be made to mean different things to different verifiers ("Taming the many EdDSAs",
/// <https://eprint.iacr.org/2020/1244>; vectors: <https://github.com/C2SP/CCTV/tree/main/ed25519>).
///
/// ```
/// use cnv::attestation::{PrivateKey, PublicKey, PublicKeyError};
///
/// let (_private, public) = PrivateKey::generate();
/// assert_eq!(public.to_string().parse::<PublicKey>()?, public);
///
/// // The neutral element signs for everybody, so it is no key.
/// let mut neutral = [0; 32];
/// neutral[0] = 1;
/// assert_eq!(PublicKey::from_bytes(&neutral), Err(PublicKeyError::SmallOrder));
/// # Ok::<(), PublicKeyError>(())
/// ```
#[derive(Clone, Copy)]
pub struct PublicKey {
    key: VerifyingKey,
    id: KeyId,
}

impl PublicKey {
    /// The length of a key in bytes.
    pub const LEN_BYTES: usize = 32;

    /// What the text form starts with.
    pub const PREFIX: &'static str = "cnvpub1.";

    /// Imports a key from the 32 bytes of RFC 8032 section 5.1.2.
    ///
    /// # Errors
    ///
    /// [`PublicKeyError::NotAPoint`], [`NonCanonical`](PublicKeyError::NonCanonical),
    /// [`SmallOrder`](PublicKeyError::SmallOrder) or [`MixedOrder`](PublicKeyError::MixedOrder). No retry helps.
    pub fn from_bytes(bytes: &[u8; Self::LEN_BYTES]) -> Result<Self, PublicKeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| PublicKeyError::NotAPoint)?;
        let point = key.to_edwards();
        if point.compress().as_bytes() != bytes {
            return Err(PublicKeyError::NonCanonical);
        }
        if key.is_weak() {
            return Err(PublicKeyError::SmallOrder);
        }
        if !point.is_torsion_free() {
            return Err(PublicKeyError::MixedOrder);
        }
        Ok(Self::from_checked(key))
    }

    /// Imports a key from PEM as other tools write it (RFC 8410, `-----BEGIN PUBLIC KEY-----`), with the same checks.
    ///
    /// # Errors
    ///
    /// [`PublicKeyError::Pem`] where the text is no such PEM or has another kind of key, and those of
    /// [`from_bytes`](Self::from_bytes).
    pub fn from_spki_pem(pem: &str) -> Result<Self, PublicKeyError> {
        let bytes = PublicKeyBytes::from_public_key_pem(pem).map_err(|_| PublicKeyError::Pem)?;
        Self::from_bytes(&bytes.0)
    }

    /// A key that is known to be a point of the prime-order subgroup, because it was derived from a private key.
    pub(super) fn from_checked(key: VerifyingKey) -> Self {
        Self {
            key,
            id: KeyId::of(key.as_bytes()),
        }
    }

    /// The 32 bytes of RFC 8032 section 5.1.2.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN_BYTES] {
        self.key.as_bytes()
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Checks an Ed25519 signature over exactly these bytes, in the strict form: S is reduced, R is canonical and not of
    /// small order, and the equation holds without a cofactor.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] where the signature is not this key's over this message.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.key
            .verify_strict(message, &signature)
            .map_err(|_| SignatureError)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for PublicKey {}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&armour::write(Self::PREFIX, self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        /// The prefix and 32 bytes at 6 bits a character.
        const TEXT_LEN: usize = PublicKey::PREFIX.len() + (PublicKey::LEN_BYTES * 8).div_ceil(6);
        if !text.starts_with(Self::PREFIX) {
            return Err(PublicKeyError::Prefix);
        }
        if text.len() != TEXT_LEN {
            return Err(PublicKeyError::Length {
                len: text.len(),
                expected: TEXT_LEN,
            });
        }
        let bytes = armour::read(Self::PREFIX, text).map_err(|error| match error {
            ArmourError::Prefix => PublicKeyError::Prefix,
            ArmourError::Encoding => PublicKeyError::Encoding,
        })?;
        let bytes: [u8; Self::LEN_BYTES] =
            bytes.try_into().map_err(|_| PublicKeyError::Encoding)?;
        Self::from_bytes(&bytes)
    }
}

/// Why bytes or a text were refused as a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// The text does not start with `cnvpub1.`.
    #[error("a public key starts with `{}`", PublicKey::PREFIX)]
    Prefix,
    /// The text is too short or too long.
    #[error("a public key has {expected} characters, this has {len} bytes")]
    Length {
        /// The length of the text in bytes.
        len: usize,
        /// The length that it has to have.
        expected: usize,
    },
    /// The text is not base64url without padding, in its one spelling.
    #[error("the public key is not base64url without padding")]
    Encoding,
    /// The text is no PEM with an Ed25519 public key.
    #[error("not an Ed25519 public key in PEM (`-----BEGIN PUBLIC KEY-----`)")]
    Pem,
    /// No point of the curve has this encoding.
    #[error("the public key is no point of the curve")]
    NotAPoint,
    /// The point has another, shorter encoding.
    #[error("the public key is not canonically encoded")]
    NonCanonical,
    /// The point has small order: signatures for it can be made by anybody.
    #[error("the public key has small order: anybody could sign for it")]
    SmallOrder,
    /// The point has a small-order component: verifiers would disagree about its signatures.
    #[error("the public key is not in the prime-order subgroup")]
    MixedOrder,
}

/// A short name for a public key: the first 16 bytes of a domain-tagged SHA-256 of it.
///
/// 128 bits make a second key with the same id infeasible to find (2^128 work); the id only selects a key, and the
/// signature is then checked with the whole key. `Display` prints 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; Self::LEN_BYTES]);

impl KeyId {
    /// The length of an id in bytes.
    pub const LEN_BYTES: usize = 16;

    /// Tells this digest from every other that is made of a key's bytes.
    const TAG: &'static [u8] = b"cnv key id 1\0";

    pub(super) fn of(key: &[u8; PublicKey::LEN_BYTES]) -> Self {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(Self::TAG)
            .chain_update(key)
            .finalize()
            .into();
        let mut id = [0; Self::LEN_BYTES];
        id.copy_from_slice(&digest[..Self::LEN_BYTES]);
        Self(id)
    }

    /// The id with these bytes. Any 16 bytes are one.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN_BYTES]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN_BYTES] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Reads what `Display` prints.
impl FromStr for KeyId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hex::read(text).map(Self)
    }
}

/// The 64 bytes of an Ed25519 signature, R then S (RFC 8032 section 5.1.6). Any 64 bytes are a value of this type;
/// [`PublicKey::verify`] decides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; Self::LEN_BYTES]);

impl Signature {
    /// The length of a signature in bytes.
    pub const LEN_BYTES: usize = 64;

    /// A signature as it was transmitted.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes to transmit.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(")?;
        hex::write(&self.0, f)?;
        f.write_str(")")
    }
}

/// A signature is not the key's over the message. There is nothing more to say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match")]
pub struct SignatureError;
