//! The live side: what is believed now, and the decision.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use crate::capability::CapabilityContract;

use super::cache::{Caches, DEFAULT_CACHE_LEN_BYTES};
use super::challenge::Challenges;
use super::published::{Numbered, Published};
use super::revocation::{
    Freshness, ReloadError, Reloaded, RevocationError, RevocationSet, RevocationSource, Revocations,
};
use super::{
    AttestationChain, ChallengeError, Clock, DenialReason, Denied, Nonce, PossessionFault,
    ProofOfPossession, RequestDigest, Timestamp, TrustStore, Verified, token,
};

/// Decides who may act: the roots that are believed, what was revoked, the name that this program answers to, whether
/// bearer tokens are accepted, and a clock. All of it but the clock can be exchanged while calls are under way.
///
/// It is a handle: clones share everything. [`Evidence`](super::Evidence) is one caller's session with it.
///
/// A verifier from [`builder`](Self::builder) alone refuses everything: it asks for a revocation list and has none. Give
/// it one, or say that there is none, and say whether tokens without proof of possession are good enough:
///
/// ```
/// use std::sync::Arc;
/// use cnv::attestation::{Evidence, SystemClock, TrustStore, Verifier};
///
/// let verifier = Verifier::builder(TrustStore::new(), Arc::new(SystemClock))
///     .audience("fetcher")
///     .accept_bearer()
///     .without_revocation()
///     .build();
/// let evidence = Evidence::new(&verifier);
/// # assert!(!evidence.is_presented());
/// ```
///
/// # What a change does
///
/// Every exchange moves an epoch. A call whose token was checked under the present epoch compares numbers; after an
/// exchange the next call of each token asks again whether its root is trusted and its links are not revoked. Signatures
/// are not checked again, because they cannot change.
///
/// # Time
///
/// Time never runs backwards here: a clock that is set back is answered with the latest moment that was seen. Persist
/// [`latest_moment`](Self::latest_moment) and give it to [`VerifierBuilder::not_before`] to keep that over a restart. A
/// clock that was far ahead once makes everything expired until then.
#[derive(Clone)]
pub struct Verifier {
    shared: Arc<Shared>,
}

struct Shared {
    /// Stale when its revocation list is; always, without one where one is needed.
    state: Published<State>,
    /// The latest moment that was seen, in seconds since 1970.
    latest: AtomicU64,
    clock: Arc<dyn Clock>,
    caches: Caches,
    challenges: Challenges,
}

/// What can be exchanged.
#[derive(Clone)]
struct State {
    store: Arc<TrustStore>,
    audience: Option<Arc<str>>,
    accepts_bearer: bool,
    revocation: Revocation,
}

#[derive(Clone)]
enum Revocation {
    /// A list is needed, and there is none: everything is refused.
    Missing,
    /// The program said that it has none.
    Unused,
    Set(Arc<RevocationSet>),
}

impl Revocation {
    fn fresh_until(&self) -> u64 {
        match self {
            Self::Missing => 0,
            Self::Unused => u64::MAX,
            Self::Set(set) => set.next_update().as_unix_seconds(),
        }
    }

    /// The set to ask, `None` where nothing has to be asked.
    fn usable(&self, now: Timestamp) -> Result<Option<&RevocationSet>, DenialReason> {
        match self {
            Self::Missing => Err(DenialReason::NoRevocationList),
            Self::Unused => Ok(None),
            Self::Set(set) => match set.freshness(now) {
                Freshness::Fresh => Ok(Some(set)),
                Freshness::Stale { since, for_seconds } => {
                    Err(DenialReason::StaleRevocationList { since, for_seconds })
                }
            },
        }
    }
}

/// A [`Verifier`] in the making. Comes from [`Verifier::builder`].
#[must_use = "a verifier comes from `build`"]
pub struct VerifierBuilder {
    state: State,
    clock: Arc<dyn Clock>,
    latest: Timestamp,
    cache_len_bytes: usize,
}

impl VerifierBuilder {
    /// The name that this verifier answers to, at most 256 bytes. Attestations for another audience are refused, and
    /// without a name all that have an audience are.
    pub fn audience(mut self, audience: impl Into<Arc<str>>) -> Self {
        self.state.audience = Some(audience.into());
        self
    }

    /// Accepts tokens that anybody can use who has them. Default: only those whose holder proves possession of a key.
    pub fn accept_bearer(mut self) -> Self {
        self.state.accepts_bearer = true;
        self
    }

    /// The list to ask whether something is revoked. Where it is stale, everything is refused.
    pub fn revocations(mut self, set: impl Into<Arc<RevocationSet>>) -> Self {
        self.state.revocation = Revocation::Set(set.into());
        self
    }

    /// Asks no revocation list, because there is none: what was issued is good until it expires. Default: everything is
    /// refused until a list is there.
    pub fn without_revocation(mut self) -> Self {
        self.state.revocation = Revocation::Unused;
        self
    }

    /// The earliest moment that the clock is believed: what [`Verifier::latest_moment`] was before a restart.
    pub fn not_before(mut self, moment: Timestamp) -> Self {
        self.latest = moment;
        self
    }

    /// What the texts of remembered tokens may add up to, in bytes. Default: 4 MiB. With 0 no token is remembered.
    pub fn cache_len_bytes(mut self, len: usize) -> Self {
        self.cache_len_bytes = len;
        self
    }

    /// The verifier.
    #[must_use]
    pub fn build(self) -> Verifier {
        let fresh_until = self.state.revocation.fresh_until();
        let shared = Shared {
            state: Published::new(self.state, fresh_until),
            latest: AtomicU64::new(self.latest.as_unix_seconds()),
            clock: self.clock,
            caches: Caches::new(self.cache_len_bytes),
            challenges: Challenges::default(),
        };
        Verifier {
            shared: Arc::new(shared),
        }
    }
}

impl Verifier {
    /// Starts a verifier that believes these roots.
    pub fn builder(store: impl Into<Arc<TrustStore>>, clock: Arc<dyn Clock>) -> VerifierBuilder {
        VerifierBuilder {
            state: State {
                store: store.into(),
                audience: None,
                accepts_bearer: false,
                revocation: Revocation::Missing,
            },
            clock,
            latest: Timestamp::default(),
            cache_len_bytes: DEFAULT_CACHE_LEN_BYTES,
        }
    }

    /// Believes these roots from the next call on.
    pub fn set_trust_store(&self, store: impl Into<Arc<TrustStore>>) {
        let store = store.into();
        self.exchange(|state| state.store = store);
    }

    /// Answers to this name from the next call on.
    pub fn set_audience(&self, audience: Option<&str>) {
        self.exchange(|state| state.audience = audience.map(Arc::from));
    }

    /// Accepts or refuses bearer tokens from the next call on.
    pub fn set_accept_bearer(&self, accept: bool) {
        self.exchange(|state| state.accepts_bearer = accept);
    }

    /// Asks this revocation list from the next call on.
    ///
    /// # Errors
    ///
    /// [`RevocationError::Older`] for a list with a lower number than the present one, [`Fork`](RevocationError::Fork) for
    /// one with its number and another content. The present one then stays.
    pub fn set_revocations(
        &self,
        set: impl Into<Arc<RevocationSet>>,
    ) -> Result<(), RevocationError> {
        let set = set.into();
        self.try_exchange(|state| {
            if let Revocation::Set(present) = &state.revocation {
                check_successor(present, &set)?;
            }
            state.revocation = Revocation::Set(set);
            Ok(())
        })
    }

    /// Takes what `source` has into `revocations`, and asks the list that is then in force. For the start of a program and
    /// every few minutes after it.
    ///
    /// # Errors
    ///
    /// [`ReloadError`], as [`Revocations::reload`] has it.
    pub fn reload_revocations(
        &self,
        revocations: &Revocations,
        source: &dyn RevocationSource,
    ) -> Result<Reloaded, ReloadError> {
        let reloaded = revocations.reload(source, self.now());
        // Also after an error: of keeping its number, the new list is in force.
        if let Some(set) = revocations.current()
            && self
                .revocations()
                .is_none_or(|present| present.digest() != set.digest())
        {
            self.set_revocations(set)?;
        }
        reloaded
    }

    /// The roots that are believed.
    #[must_use]
    pub fn trust_store(&self) -> Arc<TrustStore> {
        Arc::clone(&self.state().store)
    }

    /// The name that this verifier answers to.
    #[must_use]
    pub fn audience(&self) -> Option<Arc<str>> {
        self.state().audience.clone()
    }

    /// The revocation list that is asked.
    #[must_use]
    pub fn revocations(&self) -> Option<Arc<RevocationSet>> {
        match &self.state().revocation {
            Revocation::Set(set) => Some(Arc::clone(set)),
            Revocation::Missing | Revocation::Unused => None,
        }
    }

    /// The latest moment that was seen. To be persisted where the clock must not be set back over a restart.
    #[must_use]
    pub fn latest_moment(&self) -> Timestamp {
        self.now()
    }

    /// How many signatures of links were checked since the verifier was made: what the caches did not save.
    #[must_use]
    pub fn signature_checks(&self) -> u64 {
        self.shared.caches.signature_checks()
    }

    /// A nonce for a new session: random, good for one [`ProofOfPossession`] within 60 seconds.
    ///
    /// # Errors
    ///
    /// [`ChallengeError`]. A retry helps where too many sessions were begun in the last minute.
    pub fn challenge(&self) -> Result<Nonce, ChallengeError> {
        self.shared.challenges.give_out(self.now())
    }

    fn exchange(&self, change: impl FnOnce(&mut State)) {
        let result: Result<(), core::convert::Infallible> = self.try_exchange(|state| {
            change(state);
            Ok(())
        });
        match result {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }

    fn try_exchange<E>(&self, change: impl FnOnce(&mut State) -> Result<(), E>) -> Result<(), E> {
        self.shared.state.try_exchange(|present| {
            let mut next = present.clone();
            change(&mut next)?;
            let fresh_until = next.revocation.fresh_until();
            Ok((next, fresh_until))
        })
    }

    fn state(&self) -> Arc<Numbered<State>> {
        self.shared.state.current()
    }

    /// The present moment, which is never before one that was seen.
    #[inline]
    fn now(&self) -> Timestamp {
        let now = self.shared.clock.now().as_unix_seconds();
        let latest = self.shared.latest.load(Ordering::Relaxed);
        if now > latest {
            self.shared.latest.fetch_max(now, Ordering::Relaxed);
        }
        Timestamp::from_unix_seconds(now.max(latest))
    }

    /// Decides about a token that is not yet known to this session.
    pub(super) fn verify(
        &self,
        token: &str,
        proof: Option<&(ProofOfPossession, RequestDigest)>,
        required: &CapabilityContract,
    ) -> Result<Verified, Denied> {
        let shared = &*self.shared;
        if token.len() > token::MAX_TEXT_LEN {
            let (len, max) = (token.len(), token::MAX_TEXT_LEN);
            return Err(DenialReason::Malformed(super::TokenError::Oversized { len, max }).into());
        }
        let verified = match shared.caches.find(token) {
            Some(verified) => {
                self.recheck(&verified, required).inspect_err(|denied| {
                    if matches!(denied.reason(), DenialReason::Expired { .. }) {
                        shared.caches.forget(token);
                    }
                })?;
                verified
            }
            None => self.verify_new(token, required)?,
        };
        if let Some(holder) = verified.holder() {
            let now = self.now();
            let refused = |fault| Denied::from(DenialReason::Possession(fault));
            let (proof, request) = proof.ok_or_else(|| refused(PossessionFault::Missing))?;
            proof.check_claims(request, now).map_err(refused)?;
            if !shared.challenges.is_waiting(proof.nonce(), now) {
                return Err(refused(PossessionFault::Nonce));
            }
            proof
                .check_signature(holder, token, self.state().audience.as_deref())
                .map_err(refused)?;
            if !shared.challenges.take(proof.nonce(), now) {
                return Err(refused(PossessionFault::Nonce));
            }
        }
        Ok(verified)
    }

    /// Decides about a token that is not remembered: the cheap checks first, the signatures last.
    fn verify_new(&self, token: &str, required: &CapabilityContract) -> Result<Verified, Denied> {
        let chain: AttestationChain = token.parse().map_err(DenialReason::Malformed)?;
        let (state, now) = (self.state(), self.now());
        let root = state.store.find_root(&chain)?;
        chain.check_attenuation()?;
        state.check(&chain, required, now)?;
        let holder = chain.check_signatures(root.key(), &self.shared.caches)?;
        let verified = Verified::new(chain, root, holder);
        verified.mark().set(&state);
        self.shared.caches.remember(token, &verified);
        Ok(verified)
    }

    /// Decides again about a token that was accepted before.
    #[inline]
    pub(super) fn recheck(
        &self,
        verified: &Verified,
        required: &CapabilityContract,
    ) -> Result<(), Denied> {
        let now = self.now();
        let state = &self.shared.state;
        if state.is_in_order(verified.mark(), now.as_unix_seconds())
            && verified.allows(required, now)
        {
            return Ok(());
        }
        self.recheck_all(verified, required, now)
    }

    #[cold]
    fn recheck_all(
        &self,
        verified: &Verified,
        required: &CapabilityContract,
        now: Timestamp,
    ) -> Result<(), Denied> {
        let state = self.state();
        let chain = verified.chain();
        let root = state.store.find_root(chain)?;
        if root.key() != verified.root() {
            let issuer = chain.root().issuer();
            return Err(chain.denied(0, DenialReason::UnknownIssuer { issuer }));
        }
        state.check(chain, required, now)?;
        verified.mark().set(&state);
        Ok(())
    }
}

impl State {
    /// Checks everything about a chain that can change.
    fn check(
        &self,
        chain: &AttestationChain,
        required: &CapabilityContract,
        now: Timestamp,
    ) -> Result<(), Denied> {
        if chain.leaf().holder_key().is_none() && !self.accepts_bearer {
            return Err(DenialReason::BearerNotAccepted.into());
        }
        chain.check_links(|link| link.check_time(now))?;
        chain.check_links(|link| link.check_audience(self.audience.as_deref()))?;
        chain.check_contract(required)?;
        let Some(set) = self.revocation.usable(now)? else {
            return Ok(());
        };
        chain.check_links(|link| {
            let holder = link.holder_key();
            match set.find(
                &link.id(),
                &link.issuer(),
                link.issued_at(),
                holder.as_ref(),
            ) {
                Some(revoked) => Err(DenialReason::Revoked(revoked)),
                None => Ok(()),
            }
        })
    }
}

/// A list that is older than the present one is refused, and so is another one with its number.
fn check_successor(present: &RevocationSet, next: &RevocationSet) -> Result<(), RevocationError> {
    if next.number() < present.number() {
        return Err(RevocationError::Older {
            number: next.number(),
            have: present.number(),
        });
    }
    if next.number() == present.number() && next.digest() != present.digest() {
        return Err(RevocationError::Fork {
            number: next.number(),
            digest: next.digest(),
            have: present.digest(),
        });
    }
    Ok(())
}

impl fmt::Debug for VerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder")
            .field("state", &self.state)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("state", &**self.state())
            .field("clock", &self.shared.clock)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("State");
        out.field("trusted_keys", &self.store.len())
            .field("audience", &self.audience)
            .field("accepts_bearer", &self.accepts_bearer);
        match &self.revocation {
            Revocation::Missing => out.field("revocations", &"missing"),
            Revocation::Unused => out.field("revocations", &"unused"),
            Revocation::Set(set) => out.field("revocations", set),
        };
        out.finish()
    }
}
