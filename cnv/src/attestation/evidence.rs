//! The guard: what a call presents, and the permit that it gets for it.

use core::fmt;
use std::sync::{Arc, OnceLock};

use crate::capability::CapabilityContract;

use super::{
    AttestationId, CapabilityAttestation, Clock, DenialReason, Denied, KeyId, PrivateKey,
    PrivateKeyError, Timestamp, TrustStore, Verified,
};

/// What a caller presents to guarded functions, and what is needed to judge it: a trust store, a token or none, the name
/// that this verifier answers to, and a clock.
///
/// The signature is checked at the first call that needs it and, where it holds, not again; the times and the capability
/// are checked at every call. A refusal is never remembered.
///
/// ```
/// use std::sync::Arc;
/// use cnv::attestation::{CapabilityAttestation, DenialReason, Evidence, PrivateKey, SystemClock, TrustStore};
/// use cnv::capability::CapabilityContract;
///
/// let (key, public) = PrivateKey::generate();
/// let mut store = TrustStore::new();
/// store.add("ops-2026", public)?;
/// let token = CapabilityAttestation::new(CapabilityContract::read_write(), "agent-42", 60, &key).to_string();
///
/// let evidence = Evidence::new(Arc::new(store), Arc::new(SystemClock)).with_token(token);
/// let permit = evidence.authorise(&CapabilityContract::read_only())?;
/// assert_eq!(permit.subject(), "agent-42");
///
/// let denied = evidence.authorise(&CapabilityContract::network()).unwrap_err();
/// assert!(matches!(denied.reason(), DenialReason::Insufficient { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Evidence {
    store: Arc<TrustStore>,
    clock: Arc<dyn Clock>,
    token: Option<String>,
    audience: Option<String>,
    is_development: bool,
    /// What `token` was found to be. Empty until it passed.
    verified: OnceLock<Verified>,
}

impl Evidence {
    /// Evidence that presents nothing yet, to a verifier without a name.
    #[must_use]
    pub fn new(store: Arc<TrustStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            token: None,
            audience: None,
            is_development: false,
            verified: OnceLock::new(),
        }
    }

    /// The same evidence with this token instead of what was presented before. The text is not looked at yet.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self.verified = OnceLock::new();
        self
    }

    /// The same evidence for a verifier that answers to this name. Attestations for another audience are refused, and
    /// without a name all that have an audience are.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self.verified = OnceLock::new();
        self
    }

    /// Decides whether what is presented allows `required`, now.
    ///
    /// The first call that succeeds costs one signature check (some tens of microseconds), every later one a look at the
    /// clock and a few comparisons.
    ///
    /// # Errors
    ///
    /// [`Denied`]. A retry helps only after another token was presented, or when the reason is
    /// [`NotYetValid`](DenialReason::NotYetValid).
    pub fn authorise(&self, required: &CapabilityContract) -> Result<Permit<'_>, Denied> {
        let now = self.clock.now();
        if let Some(verified) = self.verified.get() {
            verified.check(required, now)?;
            return Ok(Permit { verified });
        }
        let token = self.token.as_deref().ok_or(DenialReason::Missing)?;
        let fresh = self
            .store
            .verify_token(token, required, self.audience.as_deref(), now)?;
        // Another thread may have been faster. It verified the same token, so its result is as good.
        Ok(Permit {
            verified: self.verified.get_or_init(|| fresh),
        })
    }

    /// Whether a token is presented, valid or not.
    #[must_use]
    pub fn is_presented(&self) -> bool {
        self.token.is_some()
    }

    /// Whether a [`development_authority`] made it, so that its attestation says nothing about who is calling.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.is_development
    }

    /// The name that this verifier answers to.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        self.audience.as_deref()
    }

    /// The keys that are believed.
    #[must_use]
    pub fn trust_store(&self) -> &TrustStore {
        &self.store
    }

    /// What the token was found to be, once a call of [`authorise`](Self::authorise) has succeeded.
    #[must_use]
    pub fn verified(&self) -> Option<&Verified> {
        self.verified.get()
    }
}

/// Never shows the token.
impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("trusted_keys", &self.store.len())
            .field("clock", &self.clock)
            .field("is_presented", &self.is_presented())
            .field("audience", &self.audience)
            .field("is_development", &self.is_development)
            .field("verified", &self.verified.get())
            .finish()
    }
}

/// Proof that a call was authorised, for as long as its evidence is borrowed.
///
/// Only [`Evidence::authorise`] makes one, so code that takes a `&Permit<'_>` cannot be reached without a valid
/// attestation. It cannot be stored beyond the evidence:
///
/// ```compile_fail,E0515
/// # use cnv::attestation::{Evidence, Permit};
/// # use cnv::capability::CapabilityContract;
/// fn keep(evidence: Evidence) -> Permit<'static> {
///     evidence.authorise(&CapabilityContract::pure()).unwrap()
/// }
/// ```
#[derive(Debug)]
pub struct Permit<'evidence> {
    verified: &'evidence Verified,
}

impl<'evidence> Permit<'evidence> {
    /// Who is calling.
    #[must_use]
    pub fn subject(&self) -> &'evidence str {
        self.verified.subject()
    }

    /// What the caller holds, which may be more than the call required.
    #[must_use]
    pub fn contract(&self) -> &'evidence CapabilityContract {
        self.verified.contract()
    }

    /// The issuer's name in the trust store.
    #[must_use]
    pub fn issuer_name(&self) -> &'evidence str {
        self.verified.issuer_name()
    }

    /// The id of the issuer's key.
    #[must_use]
    pub fn issuer(&self) -> KeyId {
        self.verified.issuer()
    }

    /// The id of the attestation.
    #[must_use]
    pub fn attestation_id(&self) -> AttestationId {
        self.verified.id()
    }

    /// The first moment at which the attestation is expired.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.verified.expires_at()
    }
}

/// Something that a guarded function can take its [`Evidence`] from: the evidence itself, a context that has it, or a
/// reference to either.
#[diagnostic::on_unimplemented(
    message = "`{Self}` carries no evidence for a guarded call",
    label = "this has to implement `CarriesEvidence`",
    note = "give the guarded function a `cnv::attestation::Evidence`, or a context that implements \
            `cnv::attestation::CarriesEvidence`"
)]
pub trait CarriesEvidence {
    /// The evidence.
    fn evidence(&self) -> &Evidence;
}

impl CarriesEvidence for Evidence {
    fn evidence(&self) -> &Evidence {
        self
    }
}

impl<T: CarriesEvidence + ?Sized> CarriesEvidence for &T {
    fn evidence(&self) -> &Evidence {
        (**self).evidence()
    }
}

impl<T: CarriesEvidence + ?Sized> CarriesEvidence for &mut T {
    fn evidence(&self) -> &Evidence {
        (**self).evidence()
    }
}

impl<T: CarriesEvidence + ?Sized> CarriesEvidence for Box<T> {
    fn evidence(&self) -> &Evidence {
        (**self).evidence()
    }
}

impl<T: CarriesEvidence + ?Sized> CarriesEvidence for Arc<T> {
    fn evidence(&self) -> &Evidence {
        (**self).evidence()
    }
}

/// How long the attestation of a [`development_authority`] is valid, in seconds: one hour.
pub const DEVELOPMENT_TTL_SECONDS: u64 = 3600;

/// Makes evidence for working on one machine without any set-up: a fresh key that only this evidence trusts, and an
/// attestation by it of `contract` for the subject `development`, valid for one hour.
///
/// [`Evidence::is_development`] says so, and whoever serves with it should tell the user. The key is dropped at once: no
/// further attestation is ever made with it. [`CapabilityContract::dangerous`] allows everything.
///
/// ```
/// use std::sync::Arc;
/// use cnv::attestation::{SystemClock, development_authority};
/// use cnv::capability::CapabilityContract;
///
/// let evidence = development_authority(CapabilityContract::dangerous(), Arc::new(SystemClock))?;
/// assert!(evidence.is_development());
/// assert!(evidence.authorise(&CapabilityContract::network()).is_ok());
/// # Ok::<(), cnv::attestation::PrivateKeyError>(())
/// ```
///
/// # Errors
///
/// [`PrivateKeyError::Randomness`] where the operating system gives none.
pub fn development_authority(
    contract: CapabilityContract,
    clock: Arc<dyn Clock>,
) -> Result<Evidence, PrivateKeyError> {
    const NAME: &str = "development";
    let (key, public) = PrivateKey::try_generate()?;
    let mut store = TrustStore::new();
    // Neither of the two can fail: the name is a word, the store is empty, and the attestation keeps every rule. If one
    // did, the evidence would be refused.
    let _ = store.add(NAME, public);
    let attestation = CapabilityAttestation::builder(contract, NAME)
        .issued_at(clock.now())
        .ttl(DEVELOPMENT_TTL_SECONDS)
        .sign_or_keep(&key);
    let evidence = Evidence::new(Arc::new(store), clock).with_token(attestation.to_string());
    Ok(Evidence {
        is_development: true,
        ..evidence
    })
}
