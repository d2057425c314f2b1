//! One signed link, and the checks that concern it alone.

use core::fmt;
use core::str::FromStr;
use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::capability::CapabilityContract;

use super::claims::{Claims, Holder};
use super::hex::{self, IdError};
use super::{DenialReason, KeyId, PublicKey, Signature, Timestamp};

/// How much earlier than its first moment of validity an attestation is accepted, in seconds, because two machines'
/// clocks differ. There is no such allowance after its end.
pub const NOT_BEFORE_SKEW_SECONDS: u64 = 5;

/// One statement of an [`AttestationChain`](super::AttestationChain): who says what of whom.
///
/// It may be forged until the chain was verified. `Debug` shows the claims and the id, never the signature: with it the
/// text would be a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    claims: Claims,
    signed: Vec<u8>,
    signature: Signature,
    id: AttestationId,
}

impl Link {
    pub(super) fn new(claims: Claims, signed: Vec<u8>, signature: Signature) -> Self {
        let id = AttestationId(Sha256::digest(&signed).into());
        Self {
            claims,
            signed,
            signature,
            id,
        }
    }

    /// The SHA-256 of the signed bytes: what names this link in logs and in revocation lists.
    #[must_use]
    pub fn id(&self) -> AttestationId {
        self.id
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

    /// The id of the key that signed it: a root's for the first link, the holder's of the link before for a later one.
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

    /// The id of the key whose possession its holder has to prove, or `None` for a bearer link.
    #[must_use]
    pub fn holder_key(&self) -> Option<KeyId> {
        match &self.claims.holder {
            Holder::Bearer => None,
            Holder::Key { id, .. } => Some(*id),
        }
    }

    /// How many links the chain may have from this one on, itself counted: 1 where nothing can be delegated.
    #[must_use]
    pub fn depth(&self) -> u8 {
        self.claims.holder.depth()
    }

    pub(super) fn claims(&self) -> &Claims {
        &self.claims
    }

    pub(super) fn signed(&self) -> &[u8] {
        &self.signed
    }

    pub(super) fn signature(&self) -> &Signature {
        &self.signature
    }

    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), DenialReason> {
        let expired_at = self.claims.expires_at;
        if now >= expired_at {
            return Err(DenialReason::Expired {
                expired_at,
                ago_seconds: now.seconds_since(expired_at),
            });
        }
        let valid_from = self.claims.starts_at();
        let wait_seconds = valid_from.seconds_since(now);
        if wait_seconds > NOT_BEFORE_SKEW_SECONDS {
            return Err(DenialReason::NotYetValid {
                valid_from,
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
        key.verify(&self.signed, &self.signature)
            .map_err(|_| DenialReason::BadSignature { issuer: key.id() })
    }

    /// The link as JSON for people and other programs; the keys are described at
    /// [`CapabilityAttestation::to_json`](super::CapabilityAttestation::to_json).
    pub(super) fn to_json(&self) -> Value {
        let claims = &self.claims;
        let contract = json_object([
            ("class", claims.contract.class().name().into()),
            ("resource_band", claims.contract.band().name().into()),
            ("safety", claims.contract.safety().name().into()),
            ("stability", claims.contract.stability().name().into()),
        ]);
        let metadata = claims
            .metadata
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str().into()));
        // In alphabetical order, so that the text is the same whichever map serde_json was built with.
        json_object([
            ("audience", claims.audience.as_deref().into()),
            ("contract", contract),
            ("depth", self.depth().into()),
            ("expires_at", claims.expires_at.as_unix_seconds().into()),
            (
                "holder_key",
                self.holder_key().map(|key| key.to_string()).into(),
            ),
            ("id", self.id.to_string().into()),
            ("issued_at", claims.issued_at.as_unix_seconds().into()),
            ("issuer", claims.issuer.to_string().into()),
            ("metadata", json_object(metadata)),
            ("not_before", claims.not_before.as_unix_seconds().into()),
            ("subject", claims.subject.as_str().into()),
        ])
    }
}

pub(super) fn json_object<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let entries = entries.into_iter();
    Value::Object(
        entries
            .map(|(key, value)| (key.to_owned(), value))
            .collect::<Map<_, _>>(),
    )
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("claims", &self.claims)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The SHA-256 of an attestation's signed bytes. `Display` prints 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttestationId([u8; Self::LEN_BYTES]);

impl AttestationId {
    /// The length of an id in bytes.
    pub const LEN_BYTES: usize = 32;

    /// What stands where there is no attestation.
    pub(super) const ZERO: Self = Self([0; Self::LEN_BYTES]);

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
