//! Making attestations.

use std::collections::btree_map::{BTreeMap, Entry};

use crate::capability::CapabilityContract;

use super::claims::{Claims, ClaimsError, Holder};
use super::link::Link;
use super::{AttestationId, CapabilityAttestation, KeyId, PrivateKey, PublicKey, Timestamp, token};

/// How long an attestation is valid where nothing else is said, in seconds: one hour.
pub const DEFAULT_TTL_SECONDS: u64 = 3600;

/// How many links a chain may have where nothing else is said.
pub const DEFAULT_DEPTH: u8 = 4;

/// It was not said yet who can use the attestation, so it cannot be signed.
#[derive(Clone, Copy, Debug)]
pub struct Undecided;

/// Whoever has the token can use the attestation, and nothing can be delegated from it.
#[derive(Clone, Copy, Debug)]
pub struct Bearer;

/// Whoever proves possession of a key can use the attestation, and can delegate it.
#[derive(Clone, Copy, Debug)]
pub struct KeyHolder {
    key: PublicKey,
    depth: Option<u8>,
}

/// Who can use an attestation: [`Bearer`] or [`KeyHolder`].
#[diagnostic::on_unimplemented(
    message = "it was not said who can use this attestation",
    label = "say `.held_by(&public_key)` or, for a token that anybody can use who has it, `.bearer()`"
)]
pub trait Decided: sealed::Sealed {}

impl Decided for Bearer {}
impl Decided for KeyHolder {}

pub(super) mod sealed {
    use super::{Bearer, Holder, KeyHolder};

    pub trait Sealed {
        /// What the claims say; `depth` is used where none was asked for.
        fn holder(&self, depth: u8) -> Holder;
    }

    impl Sealed for Bearer {
        fn holder(&self, _depth: u8) -> Holder {
            Holder::Bearer
        }
    }

    impl Sealed for KeyHolder {
        fn holder(&self, depth: u8) -> Holder {
            Holder::of(&self.key, self.depth.unwrap_or(depth))
        }
    }
}

/// An attestation in the making. Comes from [`CapabilityAttestation::builder`]; ends with [`sign`](Self::sign), once it was
/// said who can use it.
///
/// ```
/// use cnv::attestation::{CapabilityAttestation, PrivateKey, Timestamp};
/// use cnv::capability::CapabilityContract;
///
/// let (key, _) = PrivateKey::generate();
/// let (_, agent) = PrivateKey::generate();
/// let noon = Timestamp::from_unix_seconds(1_800_000_000);
/// let attestation = CapabilityAttestation::builder(CapabilityContract::read_only(), "agent-42")
///     .issued_at(noon)
///     .ttl(600)
///     .audience("ops")
///     .metadata("ticket", "4711")
///     .held_by(&agent)
///     .sign(&key)?;
/// assert_eq!(attestation.expires_at(), noon.checked_add_seconds(600).unwrap());
/// assert_eq!(attestation.metadata().get("ticket").map(String::as_str), Some("4711"));
/// # Ok::<(), cnv::attestation::AttestationError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "an attestation comes from `sign`"]
pub struct AttestationBuilder<H> {
    draft: Draft,
    holder: H,
}

impl AttestationBuilder<Undecided> {
    pub(super) fn new(contract: CapabilityContract, subject: String) -> Self {
        Self {
            draft: Draft::new(contract, subject),
            holder: Undecided,
        }
    }

    /// Lets whoever has the token use it. It cannot be delegated, and verifiers accept it only where they say so.
    pub fn bearer(self) -> AttestationBuilder<Bearer> {
        AttestationBuilder {
            draft: self.draft,
            holder: Bearer,
        }
    }

    /// Lets only the holder of this key use it, and delegate it. A stolen token is worth nothing without the private half.
    pub fn held_by(self, key: &PublicKey) -> AttestationBuilder<KeyHolder> {
        AttestationBuilder {
            draft: self.draft,
            holder: KeyHolder::new(key),
        }
    }
}

impl<H> AttestationBuilder<H> {
    /// How long it is valid, in seconds after the moment of issue. Default: [`DEFAULT_TTL_SECONDS`]. With 0 it is
    /// expired at once.
    pub fn ttl(mut self, seconds: u64) -> Self {
        self.draft.ttl_seconds = seconds;
        self
    }

    /// The moment of issue. Default: [`Timestamp::now`] when it is signed.
    pub fn issued_at(mut self, moment: Timestamp) -> Self {
        self.draft.issued_at = Some(moment);
        self
    }

    /// The first moment at which it is valid. Default: the moment of issue, before which it never is.
    pub fn not_before(mut self, moment: Timestamp) -> Self {
        self.draft.not_before = Some(moment);
        self
    }

    /// The only verifier that may accept it: 1 to 256 bytes, no control characters. Default: any.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.draft.audience = Some(audience.into());
        self
    }

    /// Adds something for people and logs to read; no decision depends on it. At most 32 entries; a key has 1 to 64
    /// bytes, a value at most 1024; no control characters. A key stands once.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.draft.metadata.push((key.into(), value.into()));
        self
    }
}

impl AttestationBuilder<KeyHolder> {
    /// How many links the chain may have, this one counted: 1 to 8, where 1 allows no delegation. Default:
    /// [`DEFAULT_DEPTH`].
    pub fn depth(mut self, links: u8) -> Self {
        self.holder.depth = Some(links);
        self
    }
}

impl<H: Decided> AttestationBuilder<H> {
    /// Signs the attestation.
    ///
    /// # Errors
    ///
    /// [`AttestationError`] where a value is out of its range. A retry with the same values fails again.
    pub fn sign(self, key: &PrivateKey) -> Result<CapabilityAttestation, AttestationError> {
        let (claims, bytes) = self.prepare(key);
        let bytes = bytes?;
        let signature = key.sign(&bytes);
        let link = Link::new(claims, bytes, signature);
        Ok(CapabilityAttestation::signed(link))
    }

    /// Signs the attestation or, where a value is out of its range, keeps what was asked for without a signature.
    pub(super) fn sign_or_keep(self, key: &PrivateKey) -> CapabilityAttestation {
        match self.prepare(key) {
            (claims, Ok(bytes)) => {
                let signature = key.sign(&bytes);
                CapabilityAttestation::signed(Link::new(claims, bytes, signature))
            }
            (claims, Err(fault)) => CapabilityAttestation::unsigned(claims, fault),
        }
    }

    /// The claims as they were asked for, and the bytes to sign for them or what forbids it.
    fn prepare(self, key: &PrivateKey) -> (Claims, Result<Vec<u8>, AttestationError>) {
        let holder = self.holder.holder(DEFAULT_DEPTH);
        let (claims, representable) = self.draft.into_claims(key.public_key().id(), holder);
        let bytes = representable.and_then(|()| checked_bytes(&claims, None, 0));
        (claims, bytes)
    }
}

impl KeyHolder {
    pub(super) fn new(key: &PublicKey) -> Self {
        Self {
            key: *key,
            depth: None,
        }
    }

    pub(super) fn set_depth(&mut self, depth: u8) {
        self.depth = Some(depth);
    }
}

/// What an attestation is asked to say, whoever signs it.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) contract: CapabilityContract,
    pub(super) subject: String,
    pub(super) ttl_seconds: u64,
    pub(super) issued_at: Option<Timestamp>,
    pub(super) not_before: Option<Timestamp>,
    pub(super) audience: Option<String>,
    pub(super) metadata: Vec<(String, String)>,
}

impl Draft {
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

    /// The claims, and what kept them from saying exactly what was asked for.
    pub(super) fn into_claims(
        self,
        issuer: KeyId,
        holder: Holder,
    ) -> (Claims, Result<(), AttestationError>) {
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
            issuer,
            contract: self.contract,
            issued_at,
            not_before: self.not_before.unwrap_or(issued_at),
            expires_at,
            subject: self.subject,
            audience: self.audience,
            metadata,
            holder,
        };
        (claims, fault.map_or(Ok(()), Err))
    }
}

/// The bytes to sign for a link below `parent`, in a token of which the links before it take `before` bytes.
pub(super) fn checked_bytes(
    claims: &Claims,
    parent: Option<&AttestationId>,
    before: usize,
) -> Result<Vec<u8>, AttestationError> {
    claims.check().map_err(AttestationError::Claims)?;
    let bytes = token::signed_bytes(claims, parent);
    let len = before + token::len_bytes([&bytes[..]]);
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
