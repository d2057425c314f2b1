//! Private keys.

use core::fmt;
use std::error::Error;
use std::io;

use ed25519_dalek::pkcs8::{
    self, DecodePrivateKey, EncodePrivateKey, KeypairBytes, spki::der::pem::LineEnding,
};
use ed25519_dalek::{Signer, SigningKey};
#[cfg(feature = "audit")]
use hmac::{Hmac, KeyInit, Mac};
#[cfg(feature = "audit")]
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::{PublicKey, Signature, random};

/// An Ed25519 private key.
///
/// The secret is erased when the value is dropped, and `Debug` shows the public half only. Keep it in one place and
/// pass it by reference: a move copies bytes, and the copy left behind is not erased.
///
/// ```
/// use cnv::attestation::PrivateKey;
///
/// let (private, public) = PrivateKey::generate();
/// let signature = private.sign(b"a message");
/// assert!(public.verify(b"a message", &signature).is_ok());
/// assert!(public.verify(b"another message", &signature).is_err());
///
/// let restored = PrivateKey::from_pkcs8_pem(&private.to_pkcs8_pem())?;
/// assert_eq!(restored.public_key(), public);
/// # Ok::<(), cnv::attestation::PrivateKeyError>(())
/// ```
pub struct PrivateKey {
    key: SigningKey,
    public: PublicKey,
}

impl PrivateKey {
    /// The length of a seed in bytes.
    pub const SEED_LEN_BYTES: usize = 32;

    /// Makes a new key pair from the operating system's randomness.
    ///
    /// # Panics
    ///
    /// Where the operating system has no randomness to give. [`try_generate`](Self::try_generate) returns it as an error.
    #[must_use]
    pub fn generate() -> (Self, PublicKey) {
        match Self::try_generate() {
            Ok(pair) => pair,
            Err(error) => panic!("cannot make a key: {error}"),
        }
    }

    /// Makes a new key pair from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`PrivateKeyError::Randomness`] where the operating system gives none: early in the boot, or in a sandbox that
    /// denies the system call. The first passes by itself.
    pub fn try_generate() -> Result<(Self, PublicKey), PrivateKeyError> {
        let mut seed = Zeroizing::new([0; Self::SEED_LEN_BYTES]);
        random::fill(&mut *seed).map_err(|source| PrivateKeyError::Randomness { source })?;
        let key = Self::from_seed(&seed);
        let public = key.public_key();
        Ok((key, public))
    }

    /// The key with this seed (the "private key" of RFC 8032 section 5.1.5): 32 bytes that nobody can guess.
    ///
    /// For keys that another system made, and for tests that have to be repeatable.
    #[must_use]
    pub fn from_seed(seed: &[u8; Self::SEED_LEN_BYTES]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let public = PublicKey::from_checked(key.verifying_key());
        Self { key, public }
    }

    /// Reads a key from PKCS#8 (RFC 5958, RFC 8410) in PEM, with or without the public half; one that is there has to
    /// match.
    ///
    /// # Errors
    ///
    /// [`PrivateKeyError::Pkcs8`] where the text is no such PEM: another label, an encrypted key, another algorithm,
    /// a public half of another key.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, PrivateKeyError> {
        let pkcs8_error = |error: pkcs8::Error| PrivateKeyError::Pkcs8 {
            source: error.into(),
        };
        let mut pair = KeypairBytes::from_pkcs8_pem(pem).map_err(pkcs8_error)?;
        let key = SigningKey::try_from(&pair);
        // The crate erases this copy only with a feature that its own dependents do not turn on.
        pair.secret_key.zeroize();
        let key = key.map_err(pkcs8_error)?;
        let public = PublicKey::from_checked(key.verifying_key());
        Ok(Self { key, public })
    }

    /// The key as PKCS#8 version 1 in PEM, which other tools read too (`openssl pkey -in FILE -pubout`). The text is
    /// erased when it is dropped.
    ///
    /// To keep a key in a file use [`key_file::create`](super::key_file::create), which sets the file's mode.
    #[must_use]
    pub fn to_pkcs8_pem(&self) -> Zeroizing<String> {
        // Without the public half, because not every tool reads version 2 of the format.
        let mut pair = KeypairBytes {
            secret_key: self.key.to_bytes(),
            public_key: None,
        };
        let pem = pair.to_pkcs8_pem(LineEnding::LF);
        pair.secret_key.zeroize();
        pem.expect("48 bytes of DER have room in PEM")
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// Signs exactly these bytes with Ed25519 (RFC 8032 section 5.1.6): no prehash, no context, deterministic.
    ///
    /// Never sign bytes that somebody else chose with a key that a trust store holds: they could be the body of an
    /// attestation.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature::from_bytes(self.key.sign(message).to_bytes())
    }

    /// A secret for something else than signatures, which only this key gives: HMAC-SHA256 (RFC 2104) with the seed as its
    /// key over these parts, of which the first says what the secret is for.
    #[cfg(feature = "audit")]
    pub(crate) fn derive(&self, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let seed = Zeroizing::new(self.key.to_bytes());
        let mut mac: Hmac<Sha256> =
            Hmac::new_from_slice(&*seed).expect("HMAC takes a key of any length");
        parts.iter().for_each(|part| mac.update(part));
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("public_key", &self.public)
            .finish_non_exhaustive()
    }
}

/// Why there is no private key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness {
        /// What the operating system said.
        source: io::Error,
    },
    /// The text is not an Ed25519 private key in PKCS#8 PEM.
    #[error("not an unencrypted Ed25519 private key in PKCS#8 PEM (`-----BEGIN PRIVATE KEY-----`)")]
    Pkcs8 {
        /// What the decoder found. It never holds key material.
        source: Box<dyn Error + Send + Sync>,
    },
}
