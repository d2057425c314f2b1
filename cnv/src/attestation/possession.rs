//! Proof of possession: that whoever presents a token has the private key that it names.

use core::fmt;
use core::str::FromStr;
#[cfg(feature = "session")]
use std::io;

use sha2::{Digest, Sha256};

use super::armour::{self, ArmourError};
use super::claims::MAX_PARTY_BYTES;
#[cfg(feature = "session")]
use super::random;
use super::{PrivateKey, PublicKey, Signature, Timestamp, TokenDigest, hex};

/// How long after it was signed a proof is accepted, in seconds, and how long a [`Nonce`] is good for.
pub const PROOF_TTL_SECONDS: u64 = 60;

/// How much later than now a proof may say that it was signed, in seconds, because two machines' clocks differ.
const SIGNED_AT_SKEW_SECONDS: u64 = 5;

/// Tells a proof's signature from every other signature that the same key makes.
const TAG: &[u8] = b"cnv proof of possession 1\0";

const VERSION: u8 = 1;

/// A number that a verifier gives out once, so that a proof made for one session is worth nothing in another. Comes from
/// [`Verifier::challenge`](super::Verifier::challenge).
///
/// `Display` and `FromStr` use its text form, `cnvnonce1.` and base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce([u8; Self::LEN_BYTES]);

impl Nonce {
    /// The length of a nonce in bytes.
    pub const LEN_BYTES: usize = 32;

    /// What the text form starts with.
    pub const PREFIX: &'static str = "cnvnonce1.";

    pub(super) const fn from_bytes(bytes: [u8; Self::LEN_BYTES]) -> Self {
        Self(bytes)
    }

    /// A nonce for one connection, which keeps it: whoever asks for many of these takes none from others.
    ///
    /// # Errors
    ///
    /// Where the operating system has no randomness to give.
    #[cfg(feature = "session")]
    pub(crate) fn of_connection() -> io::Result<Self> {
        let mut bytes = [0; Self::LEN_BYTES];
        random::fill(&mut bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&armour::write(Self::PREFIX, &self.0))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({self})")
    }
}

impl FromStr for Nonce {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        read(Self::PREFIX, text).map(Self)
    }
}

/// The SHA-256 of a request, by which a proof is bound to it. `Display` prints 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestDigest([u8; Self::LEN_BYTES]);

impl RequestDigest {
    /// The length of a digest in bytes.
    pub const LEN_BYTES: usize = 32;

    /// The digest of a request: of the bytes that open the session, as both sides see them.
    #[must_use]
    pub fn of(request: &[u8]) -> Self {
        Self(Sha256::digest(request).into())
    }
}

impl fmt::Display for RequestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for RequestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestDigest({self})")
    }
}

/// What a proof of possession says: this token, to this verifier, in answer to this nonce, now, for this request.
#[derive(Clone, Copy, Debug)]
pub struct Possession<'a> {
    /// The token that is presented.
    pub token: &'a str,
    /// The name of the verifier that it is presented to, as the presenter knows it: never one that the other side just
    /// said, or whoever is in between can pass the proof on.
    pub audience: Option<&'a str>,
    /// The verifier's nonce.
    pub nonce: Nonce,
    /// What is asked for.
    pub request: RequestDigest,
    /// The present moment.
    pub signed_at: Timestamp,
}

impl Possession<'_> {
    /// Signs it with the key that the token's last link names.
    #[must_use]
    pub fn sign(&self, key: &PrivateKey) -> ProofOfPossession {
        let digest = TokenDigest::of(self.token);
        let signature = key.sign(&self.signed_bytes(&digest));
        ProofOfPossession {
            nonce: self.nonce,
            request: self.request,
            signed_at: self.signed_at,
            signature,
        }
    }

    fn signed_bytes(&self, digest: &TokenDigest) -> Vec<u8> {
        let audience = self.audience.unwrap_or_default().as_bytes();
        let mut out = Vec::with_capacity(TAG.len() + 32 + 8 + MAX_PARTY_BYTES + 32 + 8 + 32);
        out.extend_from_slice(TAG);
        out.extend_from_slice(digest.as_bytes());
        out.extend_from_slice(&(audience.len() as u64).to_be_bytes());
        out.extend_from_slice(audience);
        out.extend_from_slice(&self.nonce.0);
        out.extend_from_slice(&self.signed_at.as_unix_seconds().to_be_bytes());
        out.extend_from_slice(&self.request.0);
        out
    }
}

/// A proof with what it has to be about, as this side sees it.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) proof: ProofOfPossession,
    pub(super) request: RequestDigest,
    /// The nonce of the connection that it came over; `None` where it is one of the verifier's.
    pub(super) nonce: Option<Nonce>,
}

/// A signed [`Possession`], which goes to the verifier beside the token.
///
/// ```text
/// proof   = version(1) = 1 | nonce(32) | signed_at(8) | request(32) | signature(64)
/// signed  = "cnv proof of possession 1\0" | token_digest(32) | audience_len(8) | audience
///         | nonce(32) | signed_at(8) | request(32)
/// ```
///
/// Numbers are big-endian. Token and audience are not transmitted: the verifier knows them. `Display` and `FromStr` use
/// the text form, `cnvproof1.` and base64url without padding, 193 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct ProofOfPossession {
    nonce: Nonce,
    request: RequestDigest,
    signed_at: Timestamp,
    signature: Signature,
}

impl ProofOfPossession {
    /// What the text form starts with.
    pub const PREFIX: &'static str = "cnvproof1.";

    /// The length of a proof in bytes.
    pub const LEN_BYTES: usize =
        1 + Nonce::LEN_BYTES + 8 + RequestDigest::LEN_BYTES + Signature::LEN_BYTES;

    /// The binary form.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN_BYTES] {
        let mut out = [0; Self::LEN_BYTES];
        let mut rest = &mut out[..];
        for part in [
            &[VERSION][..],
            &self.nonce.0,
            &self.signed_at.as_unix_seconds().to_be_bytes(),
            &self.request.0,
            self.signature.as_bytes(),
        ] {
            let (place, after) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = after;
        }
        out
    }

    /// Reads the binary form. The signature is not checked.
    ///
    /// # Errors
    ///
    /// [`ProofError::UnknownVersion`].
    pub fn from_bytes(bytes: &[u8; Self::LEN_BYTES]) -> Result<Self, ProofError> {
        fn part<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
            let mut part = [0; N];
            part.copy_from_slice(&bytes[start..start + N]);
            part
        }
        if bytes[0] != VERSION {
            return Err(ProofError::UnknownVersion { version: bytes[0] });
        }
        Ok(Self {
            nonce: Nonce(part(bytes, 1)),
            signed_at: Timestamp::from_unix_seconds(u64::from_be_bytes(part(bytes, 33))),
            request: RequestDigest(part(bytes, 41)),
            signature: Signature::from_bytes(part(bytes, 73)),
        })
    }

    pub(super) fn nonce(&self) -> &Nonce {
        &self.nonce
    }

    /// Checks everything that costs nothing: that it is about this request, and of now.
    pub(super) fn check_claims(
        &self,
        request: &RequestDigest,
        now: Timestamp,
    ) -> Result<(), PossessionFault> {
        if self.request != *request {
            return Err(PossessionFault::OtherRequest);
        }
        if now.seconds_since(self.signed_at) >= PROOF_TTL_SECONDS
            || self.signed_at.seconds_since(now) > SIGNED_AT_SKEW_SECONDS
        {
            return Err(PossessionFault::NotOfNow {
                signed_at: self.signed_at,
                now,
            });
        }
        Ok(())
    }

    /// Checks that `holder` signed it, for this token and this verifier.
    pub(super) fn check_signature(
        &self,
        holder: &PublicKey,
        token: &str,
        audience: Option<&str>,
    ) -> Result<(), PossessionFault> {
        let possession = Possession {
            token,
            audience,
            nonce: self.nonce,
            request: self.request,
            signed_at: self.signed_at,
        };
        let signed = possession.signed_bytes(&TokenDigest::of(token));
        holder
            .verify(&signed, &self.signature)
            .map_err(|_| PossessionFault::BadSignature)
    }
}

impl fmt::Display for ProofOfPossession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&armour::write(Self::PREFIX, &self.to_bytes()))
    }
}

/// Never shows the signature.
impl fmt::Debug for ProofOfPossession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofOfPossession")
            .field("nonce", &self.nonce)
            .field("request", &self.request)
            .field("signed_at", &self.signed_at)
            .finish_non_exhaustive()
    }
}

impl FromStr for ProofOfPossession {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        Self::from_bytes(&read(Self::PREFIX, text)?)
    }
}

/// Reads a text of exactly `N` bytes.
fn read<const N: usize>(prefix: &'static str, text: &str) -> Result<[u8; N], ProofError> {
    let expected = prefix.len() + (N * 8).div_ceil(6);
    if !text.starts_with(prefix) {
        return Err(ProofError::Prefix { prefix });
    }
    if text.len() != expected {
        let len = text.len();
        return Err(ProofError::Length { len, expected });
    }
    let bytes = armour::read(prefix, text).map_err(|error| match error {
        ArmourError::Prefix => ProofError::Prefix { prefix },
        ArmourError::Encoding => ProofError::Encoding,
    })?;
    bytes.try_into().map_err(|_| ProofError::Encoding)
}

/// Why a text or bytes are no nonce or no proof of possession.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The text starts with something else.
    #[error("it does not start with `{prefix}`")]
    Prefix {
        /// What it has to start with.
        prefix: &'static str,
    },
    /// The text is too short or too long.
    #[error("it has {len} bytes, and has to have {expected}")]
    Length {
        /// The length of the text in bytes.
        len: usize,
        /// The length that it has to have.
        expected: usize,
    },
    /// The text is not base64url without padding, in its one spelling.
    #[error("it is not base64url without padding")]
    Encoding,
    /// It has a version that this release does not know.
    #[error("it has version {version}, this release reads version {VERSION}")]
    UnknownVersion {
        /// The version it gives.
        version: u8,
    },
}

/// Why possession of the key was not proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PossessionFault {
    /// No proof was presented.
    #[error(
        "the token names a key, and no proof was presented that the presenter has its private half"
    )]
    Missing,
    /// The proof is about another request.
    #[error("the proof of possession was made for another request")]
    OtherRequest,
    /// The proof was not signed now.
    #[error("the proof of possession was signed at {signed_at}, and it is {now}: make a new one")]
    NotOfNow {
        /// When it says it was signed.
        signed_at: Timestamp,
        /// The verifier's moment.
        now: Timestamp,
    },
    /// The nonce is not one that this verifier gave out, was used already, or is older than 60 s.
    #[error(
        "the proof's nonce was not given out by this verifier, was used already, or is too old: ask for a new one"
    )]
    Nonce,
    /// The signature is not the holder's for this token and this verifier.
    #[error(
        "the proof of possession was not signed with the key that the token names, for this token and this verifier"
    )]
    BadSignature,
}
