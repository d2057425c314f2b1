//! The live side: what is believed now, and the decision.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::capability::CapabilityContract;

use super::cache::{Caches, DEFAULT_CACHE_LEN_BYTES};
use super::challenge::Challenges;
use super::possession::Answer;
use super::published::{Numbered, Published};
use super::revocation::{
    Follower, Freshness, ReloadError, RevocationError, RevocationSet, Revocations,
};
use super::{
    AttestationChain, ChallengeError, Clock, DenialReason, Denied, FloorError, Floors, KeyId,
    Nonce, PossessionFault, Timestamp, TrustStore, Verified, token,
};

/// Decides who may act: the roots that are believed, what was revoked, the name that this program answers to, whether
/// bearer tokens are accepted, and a clock. All of it but the clock can be exchanged while calls are under way.
///
/// It is a handle: clones share everything. [`Evidence`](super::Evidence) is one caller's session with it.
///
/// A verifier from [`builder`](Self::builder) alone refuses everything: it asks for a revocation list of each root and has
/// none. Give it those, or say that there are none, and say whether tokens without proof of possession are good enough:
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
/// # Revocation
///
/// A root takes back what it granted, and nothing else: a chain is held against the list of the root that it starts from,
/// which has to be there and fresh, and the list of another root says nothing about it. Calls are warm while every list
/// is fresh; where one root's is stale, those below the other roots are decided as after an exchange, each time.
///
/// # Time
///
/// Time never runs backwards here: a clock that is set back is answered with the latest moment that was seen, also after
/// a restart where there are [`Floors`]. A clock that was far ahead once makes everything expired until then.
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
    floors: Option<Arc<Floors>>,
    caches: Caches,
    challenges: Challenges,
}

/// What can be exchanged.
#[derive(Clone)]
struct State {
    store: Arc<TrustStore>,
    audience: Option<Arc<str>>,
    accepts_bearer: bool,
    /// The lists of the roots, without which what they granted is refused; `None` where the program said that there are
    /// none. Those of keys that are no longer trusted stay: one that comes back does not start again from an older list.
    lists: Option<BTreeMap<KeyId, Arc<RevocationSet>>>,
}

/// A [`Verifier`] in the making. Comes from [`Verifier::builder`].
#[must_use = "a verifier comes from `build`"]
pub struct VerifierBuilder {
    state: State,
    clock: Arc<dyn Clock>,
    latest: Timestamp,
    floors: Option<Arc<Floors>>,
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

    /// The list to ask whether what its issuer, a trusted root, granted is revoked. Where it is stale, that is refused.
    /// Call it for each root.
    ///
    /// # Errors
    ///
    /// As [`Verifier::set_revocations`].
    pub fn revocations(mut self, set: impl Into<Arc<RevocationSet>>) -> Result<Self, ReloadError> {
        let set = set.into();
        self.state.check_issuer(&set)?;
        if let Some(floors) = &self.floors {
            floors.raise_list(&set)?;
        }
        self.state.put(set)?;
        Ok(self)
    }

    /// Keeps the time and the numbers of lists from going down across restarts.
    ///
    /// # Errors
    ///
    /// [`ReloadError`] for a list that was given before and is older than the last one there.
    pub fn floors(mut self, floors: Arc<Floors>) -> Result<Self, ReloadError> {
        let mut lists = self.state.lists.iter().flat_map(BTreeMap::values);
        lists.try_for_each(|set| floors.raise_list(set))?;
        self.latest = self.latest.max(floors.moment());
        self.floors = Some(floors);
        Ok(self)
    }

    /// Asks no revocation lists, because there are none: what was issued is good until it expires. Default: what a root
    /// granted is refused until its list is there.
    pub fn without_revocation(mut self) -> Self {
        self.state.lists = None;
        self
    }

    /// The earliest moment that the clock is believed: what [`Verifier::latest_moment`] was before a restart, for
    /// programs that keep it elsewhere than in [`Floors`].
    pub fn not_before(mut self, moment: Timestamp) -> Self {
        self.latest = self.latest.max(moment);
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
        let fresh_until = self.state.fresh_until();
        let shared = Shared {
            state: Published::new(self.state, fresh_until),
            latest: AtomicU64::new(self.latest.as_unix_seconds()),
            clock: self.clock,
            floors: self.floors,
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
                lists: Some(BTreeMap::new()),
            },
            clock,
            latest: Timestamp::default(),
            floors: None,
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

    /// Asks this revocation list about what its issuer granted, from the next call on. Its number is written down before,
    /// where there are [`Floors`].
    ///
    /// # Errors
    ///
    /// [`RevocationError::UntrustedIssuer`] for the list of a key that is no root,
    /// [`Older`](RevocationError::Older) for one with a lower number than its issuer's present one,
    /// [`Fork`](RevocationError::Fork) for one with that number and another content, and [`ReloadError::Floor`]. The
    /// present one then stays.
    pub fn set_revocations(&self, set: impl Into<Arc<RevocationSet>>) -> Result<(), ReloadError> {
        let set = set.into();
        self.state().check_issuer(&set)?;
        self.shared.take(&set)
    }

    /// Asks the lists that are in force there, now and from each update on: when that has returned, the next call and the
    /// next [`Permit::recheck`](super::Permit::recheck) are decided by the new list.
    ///
    /// Lists of keys that are not trusted here are taken as well, and asked once they are.
    ///
    /// # Errors
    ///
    /// [`ReloadError`] for a list that is older than the present one or cannot be written down. What is in force there is
    /// then not followed.
    pub fn follow(&self, revocations: &Revocations) -> Result<(), ReloadError> {
        self.exchange(|state| {
            state.lists.get_or_insert_default();
        });
        revocations.add_follower(&self.shared)
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

    /// The revocation list that is asked about what this root granted.
    #[must_use]
    pub fn revocations(&self, root: &KeyId) -> Option<Arc<RevocationSet>> {
        self.state().lists.as_ref()?.get(root).cloned()
    }

    /// Writes the latest moment down in the [`Floors`], where there are some: for the end of a program that does not drop
    /// its verifier. Dropping the last handle does the same.
    ///
    /// # Errors
    ///
    /// [`FloorError`].
    pub fn keep_moment(&self) -> Result<(), FloorError> {
        let now = self.now();
        match &self.shared.floors {
            Some(floors) => floors.raise_moment(now),
            None => Ok(()),
        }
    }

    /// The present moment, which is never before one that was seen.
    #[must_use]
    pub fn latest_moment(&self) -> Timestamp {
        self.now()
    }

    /// How many signatures of links were checked since the verifier was made: what the caches did not save.
    #[must_use]
    pub fn signature_checks(&self) -> u64 {
        self.shared.caches.signature_checks()
    }

    /// A nonce for a new session: random, good for one [`Possession`](super::Possession) within 60 seconds.
    ///
    /// # Errors
    ///
    /// [`ChallengeError`]. A retry helps where too many sessions were begun in the last minute.
    pub fn challenge(&self) -> Result<Nonce, ChallengeError> {
        self.shared.challenges.give_out(self.now())
    }

    fn exchange(&self, change: impl FnOnce(&mut State)) {
        let result: Result<(), core::convert::Infallible> = self.shared.try_exchange(|state| {
            change(state);
            Ok(())
        });
        match result {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }

    fn state(&self) -> Arc<Numbered<State>> {
        self.shared.state.current()
    }

    #[inline]
    fn now(&self) -> Timestamp {
        self.shared.now()
    }

    /// Decides about a token that is not yet known to this session.
    pub(super) fn verify(
        &self,
        token: &str,
        answer: Option<&Answer>,
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
            let answer = answer.ok_or_else(|| refused(PossessionFault::Missing))?;
            let proof = &answer.proof;
            proof.check_claims(&answer.request, now).map_err(refused)?;
            let is_waiting = match &answer.nonce {
                Some(nonce) => nonce == proof.nonce(),
                None => shared.challenges.is_waiting(proof.nonce(), now),
            };
            if !is_waiting {
                return Err(refused(PossessionFault::Nonce));
            }
            proof
                .check_signature(holder, token, self.state().audience.as_deref())
                .map_err(refused)?;
            if answer.nonce.is_none() && !shared.challenges.take(proof.nonce(), now) {
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

impl Shared {
    /// The present moment, which is never before one that was seen.
    #[inline]
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        let latest = Timestamp::from_unix_seconds(self.latest.load(Ordering::Relaxed));
        if now > latest {
            self.advance(now);
        }
        now.max(latest)
    }

    /// At most once a second in each thread.
    #[cold]
    fn advance(&self, now: Timestamp) {
        self.latest
            .fetch_max(now.as_unix_seconds(), Ordering::Relaxed);
        if let Some(floors) = &self.floors {
            floors.keep_moment(now);
        }
    }

    fn try_exchange<E>(&self, change: impl FnOnce(&mut State) -> Result<(), E>) -> Result<(), E> {
        self.state.try_exchange(|present| {
            let mut next = present.clone();
            change(&mut next)?;
            let fresh_until = next.fresh_until();
            Ok((next, fresh_until))
        })
    }
}

impl Follower for Shared {
    fn take(&self, set: &Arc<RevocationSet>) -> Result<(), ReloadError> {
        if self.state.current().has(set)? {
            return Ok(());
        }
        // Before it is in force, and not while calls wait for the state.
        if let Some(floors) = &self.floors {
            floors.raise_list(set)?;
        }
        Ok(self.try_exchange(|state| state.put(Arc::clone(set)))?)
    }
}

/// Nothing but the time is lost where it cannot be written down: at most the last minute.
impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(floors) = &self.floors {
            let latest = self.latest.load(Ordering::Relaxed);
            let _ = floors.raise_moment(Timestamp::from_unix_seconds(latest));
        }
    }
}

impl State {
    /// Until when a warm call may do without asking whether its root's list is stale: all lists of roots are fresh then.
    fn fresh_until(&self) -> u64 {
        let Some(lists) = &self.lists else {
            return u64::MAX;
        };
        let of_roots = lists
            .iter()
            .filter(|(issuer, _)| self.store.find(issuer).is_some());
        of_roots
            .map(|(_, set)| set.next_update().as_unix_seconds())
            .min()
            .unwrap_or(0)
    }

    fn check_issuer(&self, set: &RevocationSet) -> Result<(), RevocationError> {
        let issuer = set.issuer();
        match self.store.find(&issuer) {
            Some(_) => Ok(()),
            None => Err(RevocationError::UntrustedIssuer { issuer }),
        }
    }

    /// Whether this list is its issuer's present one; refused where it cannot follow that.
    fn has(&self, set: &RevocationSet) -> Result<bool, RevocationError> {
        let issuer = set.issuer();
        let Some(present) = self.lists.as_ref().and_then(|lists| lists.get(&issuer)) else {
            return Ok(false);
        };
        let present = present.position();
        present.check_successor(&set.position())?;
        Ok(present == set.position())
    }

    fn put(&mut self, set: Arc<RevocationSet>) -> Result<(), RevocationError> {
        if !self.has(&set)? {
            self.lists.get_or_insert_default().insert(set.issuer(), set);
        }
        Ok(())
    }

    /// The list to ask about what this root granted, `None` where none has to be asked.
    fn list_of(&self, root: KeyId, now: Timestamp) -> Result<Option<&RevocationSet>, DenialReason> {
        let Some(lists) = &self.lists else {
            return Ok(None);
        };
        let set = lists
            .get(&root)
            .ok_or(DenialReason::NoRevocationList { root })?;
        match set.freshness(now) {
            Freshness::Fresh => Ok(Some(set)),
            Freshness::Stale { since, for_seconds } => {
                Err(DenialReason::StaleRevocationList { since, for_seconds })
            }
            Freshness::Future {
                issued_at,
                in_seconds,
            } => Err(DenialReason::FutureRevocationList {
                issued_at,
                in_seconds,
            }),
        }
    }

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
        let Some(set) = self.list_of(chain.root().issuer(), now)? else {
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
        match &self.lists {
            None => out.field("revocations", &"unused"),
            Some(lists) => out.field("revocations", lists),
        };
        out.finish()
    }
}
