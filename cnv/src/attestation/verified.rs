//! What was found to hold.

use core::fmt;
use std::sync::Arc;

use crate::capability::CapabilityContract;

use super::published::Mark;
use super::{
    AttestationChain, AttestationId, Denied, KeyId, NOT_BEFORE_SKEW_SECONDS, PublicKey, Timestamp,
    TrustedRoot,
};

/// A chain whose signatures hold and whose links grant no more than the ones before them, below a trusted root.
///
/// Only a [`TrustStore`](super::TrustStore) and a [`Verifier`](super::Verifier) make one. It is cheap to clone. What does
/// not change (form, attenuation, signatures) is settled; what depends on the moment and on the command is checked again
/// with [`check`](Self::check). It is no [`Permit`](super::Permit): whether the presenter is the holder is another
/// question.
#[derive(Clone)]
pub struct Verified {
    inner: Arc<Inner>,
}

struct Inner {
    chain: AttestationChain,
    root: PublicKey,
    issuer_name: String,
    holder: Option<PublicKey>,
    /// The last link's, beside what else a warm call looks at.
    contract: CapabilityContract,
    /// Every link is valid from the first moment, clock skew allowed for, up to the second.
    window: (Timestamp, Timestamp),
    /// The epoch of the verifier under which everything that it may change was last found in order, or 0.
    mark: Mark,
}

impl Verified {
    pub(super) fn new(
        chain: AttestationChain,
        root: &TrustedRoot,
        holder: Option<PublicKey>,
    ) -> Self {
        let (start, end) = chain.window();
        let early = start
            .as_unix_seconds()
            .saturating_sub(NOT_BEFORE_SKEW_SECONDS);
        let inner = Inner {
            root: *root.key(),
            issuer_name: root.name().to_owned(),
            holder,
            contract: *chain.leaf().contract(),
            window: (Timestamp::from_unix_seconds(early), end),
            mark: Mark::new(),
            chain,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Whether it is valid at `now` and covers `required`. A few comparisons; no cryptography, no allocation unless it
    /// is refused.
    ///
    /// # Errors
    ///
    /// [`Denied`] for an expired, a not yet valid or an insufficient attestation.
    pub fn check(&self, required: &CapabilityContract, now: Timestamp) -> Result<(), Denied> {
        self.inner.chain.check_links(|link| link.check_time(now))?;
        self.inner.chain.check_contract(required)
    }

    /// The same answer as [`check`](Self::check), faster and without a reason.
    #[inline]
    pub(super) fn allows(&self, required: &CapabilityContract, now: Timestamp) -> bool {
        let (start, end) = self.inner.window;
        start <= now && now < end && self.inner.contract.covers(required)
    }

    /// The chain that was accepted.
    #[must_use]
    pub fn chain(&self) -> &AttestationChain {
        &self.inner.chain
    }

    /// Who holds it: the last link's subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.inner.chain.leaf().subject()
    }

    /// What it grants: the last link's contract.
    #[must_use]
    pub fn contract(&self) -> &CapabilityContract {
        &self.inner.contract
    }

    /// The only verifier that may accept it, or `None` where any may.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        self.inner.chain.leaf().audience()
    }

    /// The root's name in the trust store.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.inner.issuer_name
    }

    /// The id of the root's key.
    #[must_use]
    pub fn issuer(&self) -> KeyId {
        self.inner.root.id()
    }

    /// The first moment at which it is expired.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.inner.window.1
    }

    /// The last link's id.
    #[must_use]
    pub fn id(&self) -> AttestationId {
        self.inner.chain.leaf().id()
    }

    pub(super) fn root(&self) -> &PublicKey {
        &self.inner.root
    }

    /// The key whose possession has to be proved, or `None` for a bearer token.
    pub(super) fn holder(&self) -> Option<&PublicKey> {
        self.inner.holder.as_ref()
    }

    #[inline]
    pub(super) fn mark(&self) -> &Mark {
        &self.inner.mark
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("chain", &self.inner.chain)
            .field("issuer_name", &self.inner.issuer_name)
            .finish_non_exhaustive()
    }
}
