//! Delegation: a further link, signed by whoever holds the last one.

use crate::capability::CapabilityContract;

use super::issue::{Decided, Draft, KeyHolder, checked_bytes};
use super::link::Link;
use super::{
    AttestationChain, AttestationError, Bearer, KeyId, LinkFault, PrivateKey, PublicKey, Timestamp,
    Undecided, attenuation, token,
};

/// A link in the making, below the last one of a chain. Comes from [`AttestationChain::delegate`]; ends with
/// [`sign`](Self::sign), once it was said who can use it.
///
/// What is not said is taken from the chain: contract and audience. Times are cut to the chain's. A contract, an audience
/// or a depth that the chain does not allow is an error of `sign`, not a link that verifiers refuse.
///
/// ```
/// use cnv::attestation::{AttestationChain, CapabilityAttestation, DelegationError, PrivateKey};
/// use cnv::capability::CapabilityContract;
///
/// let (root_key, _) = PrivateKey::generate();
/// let (team_key, team) = PrivateKey::generate();
/// let chain: AttestationChain = CapabilityAttestation::builder(CapabilityContract::read_write(), "team-a")
///     .held_by(&team)
///     .sign(&root_key)?
///     .try_into()?;
///
/// let wider = chain
///     .delegate("agent-42")
///     .narrow_to(CapabilityContract::dangerous())
///     .bearer()
///     .sign(&team_key);
/// assert!(matches!(wider, Err(DelegationError::Escalation(_))));
/// # Ok::<(), cnv::attestation::AttestationError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a chain comes from `sign`"]
pub struct Delegation<'chain, H> {
    chain: &'chain AttestationChain,
    draft: Draft,
    holder: H,
}

impl<'chain> Delegation<'chain, Undecided> {
    pub(super) fn new(chain: &'chain AttestationChain, subject: String) -> Self {
        let parent = chain.leaf();
        let mut draft = Draft::new(*parent.contract(), subject);
        draft.audience = parent.audience().map(str::to_owned);
        Self {
            chain,
            draft,
            holder: Undecided,
        }
    }

    /// Lets whoever has the token use it. It cannot be delegated further, and verifiers accept it only where they say so.
    pub fn bearer(self) -> Delegation<'chain, Bearer> {
        Delegation {
            chain: self.chain,
            draft: self.draft,
            holder: Bearer,
        }
    }

    /// Lets only the holder of this key use it, and delegate it further.
    pub fn held_by(self, key: &PublicKey) -> Delegation<'chain, KeyHolder> {
        Delegation {
            chain: self.chain,
            draft: self.draft,
            holder: KeyHolder::new(key),
        }
    }
}

impl<H> Delegation<'_, H> {
    /// Grants this contract instead of all that the chain grants.
    pub fn narrow_to(mut self, contract: CapabilityContract) -> Self {
        self.draft.contract = contract;
        self
    }

    /// How long it is valid, in seconds after the moment of issue, and at most as long as the chain. Default:
    /// [`DEFAULT_TTL_SECONDS`](super::DEFAULT_TTL_SECONDS).
    pub fn ttl(mut self, seconds: u64) -> Self {
        self.draft.ttl_seconds = seconds;
        self
    }

    /// The moment of issue. Default: [`Timestamp::now`] when it is signed.
    pub fn issued_at(mut self, moment: Timestamp) -> Self {
        self.draft.issued_at = Some(moment);
        self
    }

    /// The first moment at which it is valid, and not before the chain is. Default: the moment of issue.
    pub fn not_before(mut self, moment: Timestamp) -> Self {
        self.draft.not_before = Some(moment);
        self
    }

    /// The only verifier that may accept it, where the chain allows any: 1 to 256 bytes, no control characters. Default:
    /// the chain's.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.draft.audience = Some(audience.into());
        self
    }

    /// Adds something for people and logs to read, as [`AttestationBuilder::metadata`](super::AttestationBuilder::metadata)
    /// does.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.draft.metadata.push((key.into(), value.into()));
        self
    }
}

impl Delegation<'_, KeyHolder> {
    /// How many links the chain may have from this one on, itself counted: at least 1, where nothing can be delegated
    /// further, and less than the last link's. Default: one less than the last link's.
    pub fn depth(mut self, links: u8) -> Self {
        self.holder.set_depth(links);
        self
    }
}

impl<H: Decided> Delegation<'_, H> {
    /// Signs the link with the key that the chain's last link names, and adds it.
    ///
    /// The chain itself is not verified: a link behind a forged one is worth nothing.
    ///
    /// # Errors
    ///
    /// [`DelegationError`]. A retry with the same values fails again.
    pub fn sign(mut self, key: &PrivateKey) -> Result<AttestationChain, DelegationError> {
        let parent = self.chain.leaf();
        let needed = parent.holder_key().ok_or(DelegationError::Bearer)?;
        let given = key.public_key().id();
        if given != needed {
            return Err(DelegationError::OtherKey { needed, given });
        }
        let depth = match parent.depth() {
            0 | 1 => return Err(DelegationError::TooDeep),
            depth => depth - 1,
        };

        let issued_at = self.draft.issued_at.unwrap_or_else(Timestamp::now);
        let not_before = self.draft.not_before.unwrap_or(issued_at);
        self.draft.issued_at = Some(issued_at);
        self.draft.not_before = Some(not_before.max(parent.not_before()));
        let rest = parent.expires_at().seconds_since(issued_at);
        self.draft.ttl_seconds = self.draft.ttl_seconds.min(rest);

        let (claims, representable) = self.draft.into_claims(given, self.holder.holder(depth));
        representable?;
        attenuation::check(parent.claims(), &claims)?;
        let before = self.chain.links().iter().map(Link::signed);
        let bytes = checked_bytes(&claims, Some(&parent.id()), token::links_len_bytes(before))?;
        let signature = key.sign(&bytes);
        Ok(self.chain.with(Link::new(claims, bytes, signature)))
    }
}

/// Why a link was not added to a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DelegationError {
    /// The chain ends with a bearer link.
    #[error(
        "the last link is a bearer's, and nothing can be delegated from one; ask for one that names your key"
    )]
    Bearer,
    /// The key is not the one that the last link names.
    #[error("the last link is held by the key {needed}, and this is {given}")]
    OtherKey {
        /// The key that the last link names.
        needed: KeyId,
        /// The key that was to sign.
        given: KeyId,
    },
    /// The last link may not be delegated further.
    #[error("the last link may not be delegated: the chain has as many links as its issuers allow")]
    TooDeep,
    /// It would grant more than the chain does.
    #[error("{0}")]
    Escalation(#[from] LinkFault),
    /// It would say something that no attestation may say, or the token would be too long.
    #[error("{0}")]
    Attestation(#[from] AttestationError),
}
