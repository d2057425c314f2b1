//! The attestation itself: one signed link.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::capability::CapabilityContract;

use super::armour::{self, ArmourError};
use super::claims::Claims;
use super::hex::{self, IdError};
use super::issue::{AttestationBuilder, AttestationError};
use super::token::{self, TokenError};
use super::{DenialReason, KeyId, PrivateKey, PublicKey, Signature, Timestamp};

/// How much earlier than its first moment of validity an attestation is accepted, in seconds, because two machines'
/// clocks differ. There is no such allowance after its end.
pub const NOT_BEFORE_SKEW_SECONDS: u64 = 5;

/// A signed statement that a subject holds a capability until a given moment.
///
/// `Display` and `FromStr` use its text form, `cnv1.` and base64url without padding, at most 4096 characters: the token
/// that its bearer presents. Treat the text like a password. `Debug` does not show it, and [`to_json`](Self::to_json)
/// does not contain it.
///
/// A value of this type may be forged or expired until [`verify_at`](Self::verify_at) or a
/// [`TrustStore`](super::TrustStore) has accepted it; parsing checks the form alone.
///
/// ```
/// use cnv::attestation::{CapabilityAttestation, PrivateKey};
/// use cnv::capability::CapabilityContract;
///
/// let (authority_key, authority_pub) = PrivateKey::generate();
/// let attestation =
///     CapabilityAttestation::new(CapabilityContract::network(), "agent-42", 3600, &authority_key);
/// assert!(attestation.verify(&authority_pub) && !attestation.is_expired());
///
/// let presented: CapabilityAttestation = attestation.to_string().parse()?;
/// assert_eq!(presented, attestation);
///
/// let (_, somebody_else) = PrivateKey::generate();
/// assert!(!presented.verify(&somebody_else));
/// # Ok::<(), cnv::attestation::TokenError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct CapabilityAttestation {
    claims: Claims,
    seal: Result<Seal, AttestationError>,
}

#[derive(Clone, PartialEq, Eq)]
struct Seal {
    signed: Vec<u8>,
    signature: Signature,
    id: AttestationId,
}

impl CapabilityAttestation {
    /// What the text form starts with.
    pub const PREFIX: &'static str = token::PREFIX;

    /// The longest text form, in characters.
    pub const MAX_TEXT_LEN: usize = token::MAX_TEXT_LEN;

    /// Attests that `subject` holds `contract` from now for `ttl_seconds`, for any audience, without metadata.
    ///
    /// Never fails and never panics. What [`builder`](Self::builder) would refuse (a subject that is empty, longer than
    /// 256 bytes or has control characters; a time to live beyond what a [`Timestamp`] holds) is *not signed*: such a
    /// value says so in [`fault`](Self::fault), its [`verify`](Self::verify) is false, it counts as expired, and no
    /// token can be made of it. Use the builder where these values come from outside.
    #[must_use]
    pub fn new(
        contract: CapabilityContract,
        subject: impl Into<String>,
        ttl_seconds: u64,
        key: &PrivateKey,
    ) -> Self {
        Self::builder(contract, subject)
            .ttl(ttl_seconds)
            .sign_or_keep(key)
    }

    /// Starts an attestation with more to say: audience, metadata, other times.
    pub fn builder(contract: CapabilityContract, subject: impl Into<String>) -> AttestationBuilder {
        AttestationBuilder::new(contract, subject.into())
    }

    pub(super) fn signed(claims: Claims, signed: Vec<u8>, signature: Signature) -> Self {
        let id = AttestationId(Sha256::digest(&signed).into());
        Self {
            claims,
            seal: Ok(Seal {
                signed,
                signature,
                id,
            }),
        }
    }

    pub(super) fn unsigned(claims: Claims, fault: AttestationError) -> Self {
        Self {
            claims,
            seal: Err(fault),
        }
    }

    /// Reads the binary form. The signature is not checked.
    ///
    /// # Errors
    ///
    /// [`TokenError`] where the bytes are no attestation: cut off, too long, out of order, or not in their one form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        let link = token::decode(bytes)?;
        Ok(Self::signed(link.claims, link.signed, link.signature))
    }

    /// The binary form, at most 3068 bytes. Empty for an attestation that was not signed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.seal {
            Ok(seal) => token::encode(&seal.signed, &seal.signature),
            Err(_) => Vec::new(),
        }
    }

    /// Why this attestation was not signed, or `None` for one that was.
    #[must_use]
    pub fn fault(&self) -> Option<&AttestationError> {
        self.seal.as_ref().err()
    }

    /// Whether `key` signed exactly this attestation. Says nothing about time: ask
    /// [`is_expired`](Self::is_expired) as well, or [`verify_at`](Self::verify_at) instead.
    #[must_use]
    pub fn verify(&self, key: &PublicKey) -> bool {
        self.check_issuer(key).is_ok() && self.check_signature(key).is_ok()
    }

    /// Whether `key` signed exactly this attestation and it is valid at `now` for `audience`.
    ///
    /// An attestation with an audience is valid for that audience alone; one without is valid for all, `None` included.
    ///
    /// # Errors
    ///
    /// The first check that failed, in the order issuer, time, audience, signature.
    pub fn verify_at(
        &self,
        key: &PublicKey,
        now: Timestamp,
        audience: Option<&str>,
    ) -> Result<(), DenialReason> {
        self.check_issuer(key)?;
        self.check_time(now)?;
        self.check_audience(audience)?;
        self.check_signature(key)
    }

    /// Whether it is expired by the system's clock.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.is_expired_at(Timestamp::now())
    }

    /// Whether it is expired at `now`: from [`expires_at`](Self::expires_at) on. One that was not signed always is.
    #[must_use]
    pub fn is_expired_at(&self, now: Timestamp) -> bool {
        self.seal.is_err() || now >= self.claims.expires_at
    }

    /// The attestation for people and other programs to look at, as one JSON object in one line.
    ///
    /// Keys: `id`, `subject`, `issuer`, `audience` (string or null), `contract` (object of `class`, `resource_band`,
    /// `stability`, `safety`), `issued_at`, `not_before`, `expires_at` (seconds since 1970), `metadata` (object of
    /// strings). A view: it has no signature, and nothing reads it back.
    ///
    /// # Errors
    ///
    /// The [`fault`](Self::fault) of an attestation that was not signed.
    pub fn to_json(&self) -> Result<String, AttestationError> {
        let seal = self.seal.as_ref().map_err(Clone::clone)?;
        let claims = &self.claims;
        let object = |entries: Vec<(&str, Value)>| -> Value {
            entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect::<Map<_, _>>()
                .into()
        };
        let contract = object(vec![
            ("class", claims.contract.class().name().into()),
            ("resource_band", claims.contract.band().name().into()),
            ("safety", claims.contract.safety().name().into()),
            ("stability", claims.contract.stability().name().into()),
        ]);
        let metadata = claims
            .metadata
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str().into()))
            .collect();
        // In alphabetical order, so that the text is the same whichever map serde_json was built with.
        let view = object(vec![
            ("audience", claims.audience.as_deref().into()),
            ("contract", contract),
            ("expires_at", claims.expires_at.as_unix_seconds().into()),
            ("id", seal.id.to_string().into()),
            ("issued_at", claims.issued_at.as_unix_seconds().into()),
            ("issuer", claims.issuer.to_string().into()),
            ("metadata", object(metadata)),
            ("not_before", claims.not_before.as_unix_seconds().into()),
            ("subject", claims.subject.as_str().into()),
        ]);
        Ok(view.to_string())
    }

    /// The SHA-256 of the signed bytes: what names this attestation in logs and in whatever refers to it. Zeros for one
    /// that was not signed.
    #[must_use]
    pub fn id(&self) -> AttestationId {
        self.seal
            .as_ref()
            .map_or(AttestationId([0; AttestationId::LEN_BYTES]), |seal| seal.id)
    }

    /// What is attested.
    #[must_use]
    pub fn contract(&self) -> &CapabilityContract {
        &self.claims.contract
    }

    /// Who holds it.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.claims.subject
    }

    /// The id of the key that it says it was signed with.
    #[must_use]
    pub fn issuer(&self) -> KeyId {
        self.claims.issuer
    }

    /// The only verifier that may accept it, or `None` where any may.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        self.claims.audience.as_deref()
    }

    /// What was added for people and logs, in ascending order of the keys.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.claims.metadata
    }

    /// The moment of issue.
    #[must_use]
    pub fn issued_at(&self) -> Timestamp {
        self.claims.issued_at
    }

    /// The first moment of its validity.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.claims.not_before
    }

    /// The first moment at which it is expired.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.claims.expires_at
    }

    fn seal(&self) -> Result<&Seal, DenialReason> {
        self.seal
            .as_ref()
            .map_err(|fault| DenialReason::NotSigned(fault.clone()))
    }

    fn check_issuer(&self, key: &PublicKey) -> Result<(), DenialReason> {
        self.seal()?;
        if self.claims.issuer != key.id() {
            return Err(DenialReason::UnknownIssuer {
                issuer: self.claims.issuer,
            });
        }
        Ok(())
    }

    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), DenialReason> {
        if self.is_expired_at(now) {
            let expired_at = self.claims.expires_at;
            return Err(DenialReason::Expired {
                expired_at,
                ago_seconds: now.seconds_since(expired_at),
            });
        }
        let wait_seconds = self.claims.not_before.seconds_since(now);
        if wait_seconds > NOT_BEFORE_SKEW_SECONDS {
            return Err(DenialReason::NotYetValid {
                valid_from: self.claims.not_before,
                wait_seconds,
            });
        }
        Ok(())
    }

    pub(super) fn check_audience(&self, audience: Option<&str>) -> Result<(), DenialReason> {
        match &self.claims.audience {
            Some(meant) if audience != Some(meant) => Err(DenialReason::WrongAudience {
                meant_for: meant.clone(),
                this: audience.map(str::to_owned),
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn check_contract(&self, required: &CapabilityContract) -> Result<(), DenialReason> {
        match self.claims.contract.first_gap(required) {
            Some(gap) => Err(DenialReason::Insufficient {
                have: self.claims.contract,
                need: *required,
                gap,
            }),
            None => Ok(()),
        }
    }

    pub(super) fn check_signature(&self, key: &PublicKey) -> Result<(), DenialReason> {
        let seal = self.seal()?;
        key.verify(&seal.signed, &seal.signature)
            .map_err(|_| DenialReason::BadSignature { issuer: key.id() })
    }
}

/// The token. For an attestation that was not signed it is the bare prefix, which no parser accepts.
impl fmt::Display for CapabilityAttestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&armour::write(token::PREFIX, &self.to_bytes()))
    }
}

/// Reads a token. The signature is not checked. Surrounding spaces and line ends are not part of a token: a token from a
/// file is trimmed by whoever read the file.
impl FromStr for CapabilityAttestation {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > token::MAX_TEXT_LEN {
            return Err(TokenError::Oversized {
                len: text.len(),
                max: token::MAX_TEXT_LEN,
            });
        }
        let bytes = armour::read(token::PREFIX, text).map_err(|error| match error {
            ArmourError::Prefix => TokenError::Prefix,
            ArmourError::Encoding => TokenError::Encoding,
        })?;
        Self::from_bytes(&bytes)
    }
}

/// Shows the claims and the id, never the signature: with it the text would be a token.
impl fmt::Debug for CapabilityAttestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("CapabilityAttestation");
        out.field("claims", &self.claims);
        match &self.seal {
            Ok(seal) => out.field("id", &seal.id).finish_non_exhaustive(),
            Err(fault) => out.field("fault", fault).finish(),
        }
    }
}

/// The SHA-256 of an attestation's signed bytes. `Display` prints 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttestationId([u8; Self::LEN_BYTES]);

impl AttestationId {
    /// The length of an id in bytes.
    pub const LEN_BYTES: usize = 32;

    /// The id with these bytes. Any 32 bytes are one.
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

impl fmt::Display for AttestationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for AttestationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AttestationId({self})")
    }
}

/// Reads what `Display` prints.
impl FromStr for AttestationId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hex::read(text).map(Self)
    }
}
