//! Making attestations.

use std::collections::btree_map::{BTreeMap, Entry};

use crate::capability::CapabilityContract;

use super::claims::{Claims, ClaimsError};
use super::{CapabilityAttestation, PrivateKey, Timestamp, token};

/// How long an attestation is valid where nothing else is said, in seconds: one hour.
pub const DEFAULT_TTL_SECONDS: u64 = 3600;

/// An attestation in the making. Comes from [`CapabilityAttestation::builder`]; ends with [`sign`](Self::sign).
///
/// ```
/// use cnv::attestation::{CapabilityAttestation, PrivateKey, Timestamp};
/// use cnv::capability::CapabilityContract;
///
/// let (key, _) = PrivateKey::generate();
/// let noon = Timestamp::from_unix_seconds(1_800_000_000);
/// let attestation = CapabilityAttestation::builder(CapabilityContract::read_only(), "agent-42")
///     .issued_at(noon)
///     .ttl(600)
///     .audience("ops")
///     .metadata("ticket", "4711")
///     .sign(&key)?;
/// assert_eq!(attestation.expires_at(), noon.checked_add_seconds(600).unwrap());
/// assert_eq!(attestation.metadata().get("ticket").map(String::as_str), Some("4711"));
/// # Ok::<(), cnv::attestation::AttestationError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "an attestation comes from `sign`"]
pub struct AttestationBuilder {
    contract: CapabilityContract,
    subject: String,
    ttl_seconds: u64,
    issued_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    audience: Option<String>,
    metadata: Vec<(String, String)>,
}

impl AttestationBuilder {
    pub(super) fn new(contract: CapabilityContract, subject: String) -> Self {
        Self {
            contract,
            subject,
            ttl_seconds: DEFAULT_TTL_SECONDS,
            issued_at: None,
            not_before: None,
            audience: None,
            metadata: Vec::new(),
        }
    }

    /// How long it is valid, in seconds after the moment of issue. Default: [`DEFAULT_TTL_SECONDS`]. With 0 it is
    /// expired at once.
    pub fn ttl(mut self, seconds: u64) -> Self {
        self.ttl_seconds = seconds;
        self
    }

    /// The moment of issue. Default: [`Timestamp::now`] when it is signed.
    pub fn issued_at(mut self, moment: Timestamp) -> Self {
        self.issued_at = Some(moment);
        self
    }

    /// The first moment at which it is valid. Default: the moment of issue.
    pub fn not_before(mut self, moment: Timestamp) -> Self {
        self.not_before = Some(moment);
        self
    }

    /// The only verifier that may accept it: 1 to 256 bytes, no control characters. Default: any.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Adds something for people and logs to read; no decision depends on it. At most 32 entries; a key has 1 to 64
    /// bytes, a value at most 1024; no control characters. A key stands once.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// Signs the attestation.
    ///
    /// # Errors
    ///
    /// [`AttestationError`] where a value is out of its range. A retry with the same values fails again.
    pub fn sign(self, key: &PrivateKey) -> Result<CapabilityAttestation, AttestationError> {
        let (claims, bytes) = self.prepare(key);
        let bytes = bytes?;
        let signature = key.sign(&bytes);
        Ok(CapabilityAttestation::signed(claims, bytes, signature))
    }

    /// Signs the attestation or, where a value is out of its range, keeps what was asked for without a signature.
    pub(super) fn sign_or_keep(self, key: &PrivateKey) -> CapabilityAttestation {
        match self.prepare(key) {
            (claims, Ok(bytes)) => {
                let signature = key.sign(&bytes);
                CapabilityAttestation::signed(claims, bytes, signature)
            }
            (claims, Err(fault)) => CapabilityAttestation::unsigned(claims, fault),
        }
    }

    /// The claims as they were asked for, and the bytes to sign for them or what forbids it.
    fn prepare(self, key: &PrivateKey) -> (Claims, Result<Vec<u8>, AttestationError>) {
        let (claims, representable) = self.into_claims(key);
        let bytes = representable.and_then(|()| checked_bytes(&claims));
        (claims, bytes)
    }

    /// The claims, and what kept them from saying exactly what was asked for.
    fn into_claims(self, key: &PrivateKey) -> (Claims, Result<(), AttestationError>) {
        let mut fault = None;
        let issued_at = self.issued_at.unwrap_or_else(Timestamp::now);
        let expires_at = issued_at
            .checked_add_seconds(self.ttl_seconds)
            .unwrap_or_else(|| {
                fault = Some(AttestationError::ExpiryOutOfRange {
                    issued_at,
                    ttl_seconds: self.ttl_seconds,
                });
                issued_at
            });
        let mut metadata = BTreeMap::new();
        for (name, value) in self.metadata {
            match metadata.entry(name) {
                Entry::Vacant(place) => {
                    place.insert(value);
                }
                Entry::Occupied(first) => {
                    let key = first.key().clone();
                    fault.get_or_insert(AttestationError::DuplicateMetadata { key });
                }
            }
        }
        let claims = Claims {
            issuer: key.public_key().id(),
            contract: self.contract,
            issued_at,
            not_before: self.not_before.unwrap_or(issued_at),
            expires_at,
            subject: self.subject,
            audience: self.audience,
            metadata,
        };
        (claims, fault.map_or(Ok(()), Err))
    }
}

fn checked_bytes(claims: &Claims) -> Result<Vec<u8>, AttestationError> {
    claims.check().map_err(AttestationError::Claims)?;
    let bytes = token::signed_bytes(claims);
    let len = token::len_bytes(&bytes);
    if len > token::MAX_LEN_BYTES {
        return Err(AttestationError::TooLarge {
            len,
            max: token::MAX_LEN_BYTES,
        });
    }
    Ok(bytes)
}

/// Why an attestation was not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestationError {
    /// It would say something that no attestation may say.
    #[error("{0}")]
    Claims(ClaimsError),
    /// The same metadata key was given twice.
    #[error("the metadata key {key:?} was given twice")]
    DuplicateMetadata {
        /// The key.
        key: String,
    },
    /// The moment of issue and the time to live add up to more than a [`Timestamp`] can hold.
    #[error("{ttl_seconds} s after {issued_at} is out of range; choose a shorter time to live")]
    ExpiryOutOfRange {
        /// The moment of issue.
        issued_at: Timestamp,
        /// The time to live that was asked for, in seconds.
        ttl_seconds: u64,
    },
    /// Its text would be longer than 4096 characters.
    #[error(
        "the attestation would be {len} bytes long, at most {max} are allowed; shorten its metadata"
    )]
    TooLarge {
        /// The length it would have in binary, in bytes.
        len: usize,
        /// The longest allowed.
        max: usize,
    },
}
