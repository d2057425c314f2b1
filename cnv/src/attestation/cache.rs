//! What a verifier remembers: tokens that passed, and the answers to questions of mathematics.
//!
//! A signature that holds holds for ever, and so does a key's being one: these answers need no epoch. A remembered token
//! is a chain of such answers. Everything that can change (roots, revocations, times, audience, policy) is not remembered
//! here but asked again by the verifier, so nothing in here can outlive a key or a list.
//!
//! Only what passed goes in, so junk evicts nothing. The caches evict in the manner of CLOCK-Pro: what was asked for twice
//! is hot, and a flood of valid tokens that are seen once passes through the cold part beside it.

use core::hash::{Hash, Hasher};
use core::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use super::chain::Mathematics;
use super::{AttestationId, DenialReason, Link, PublicKey, Signature, Verified};

/// What the texts of remembered tokens add up to at most, in bytes, where nothing else is said: 4 MiB, some 10 000 tokens.
/// With what was read from them they take about four times that.
pub const DEFAULT_CACHE_LEN_BYTES: usize = 4 << 20;

/// Tokens have some hundred characters, and every link and key of theirs can be remembered.
const TYPICAL_TOKEN_LEN: usize = 400;

pub(super) struct Caches {
    tokens: Cache<TokenText, Verified, ByLength>,
    signatures: Cache<SignedLink, ()>,
    keys: Cache<[u8; PublicKey::LEN_BYTES], PublicKey>,
    signature_checks: AtomicU64,
}

impl Caches {
    pub(super) fn new(len_bytes: usize) -> Self {
        let items = len_bytes / TYPICAL_TOKEN_LEN;
        Self {
            tokens: Cache::with_weighter(items, len_bytes as u64, ByLength),
            signatures: Cache::new(2 * items),
            keys: Cache::new(items / 2),
            signature_checks: AtomicU64::new(0),
        }
    }

    /// What a token was found to be.
    pub(super) fn find(&self, token: &str) -> Option<Verified> {
        self.tokens.get(&Presented(token))
    }

    pub(super) fn remember(&self, token: &str, verified: &Verified) {
        self.tokens
            .insert(TokenText(token.into()), verified.clone());
    }

    pub(super) fn forget(&self, token: &str) {
        self.tokens.remove(&Presented(token));
    }

    /// How many signatures of links were checked, and not found among those that were checked before.
    pub(super) fn signature_checks(&self) -> u64 {
        self.signature_checks.load(Ordering::Relaxed)
    }
}

impl Mathematics for Caches {
    fn check_signature(&self, link: &Link, issuer: &PublicKey) -> Result<(), DenialReason> {
        let question = SignedLink {
            id: link.id(),
            issuer: *issuer.as_bytes(),
            signature: *link.signature(),
        };
        if self.signatures.get(&question).is_some() {
            return Ok(());
        }
        self.signature_checks.fetch_add(1, Ordering::Relaxed);
        link.check_signature(issuer)?;
        self.signatures.insert(question, ());
        Ok(())
    }

    fn import(&self, key: &[u8; PublicKey::LEN_BYTES]) -> Result<PublicKey, DenialReason> {
        if let Some(key) = self.keys.get(key) {
            return Ok(key);
        }
        let imported = PublicKey::from_bytes(key).map_err(DenialReason::HolderKey)?;
        self.keys.insert(*key, imported);
        Ok(imported)
    }
}

/// That this key made this signature over the signed bytes with this digest.
#[derive(Clone, PartialEq, Eq)]
struct SignedLink {
    id: AttestationId,
    issuer: [u8; PublicKey::LEN_BYTES],
    signature: Signature,
}

/// The signature is as good as random and differs from link to link.
impl Hash for SignedLink {
    fn hash<S: Hasher>(&self, state: &mut S) {
        state.write(self.signature.as_bytes());
    }
}

/// A token that passed.
#[derive(PartialEq, Eq)]
struct TokenText(Box<str>);

/// A token that is looked for.
struct Presented<'a>(&'a str);

impl Equivalent<TokenText> for Presented<'_> {
    fn equivalent(&self, key: &TokenText) -> bool {
        *self.0 == *key.0
    }
}

impl Hash for TokenText {
    fn hash<S: Hasher>(&self, state: &mut S) {
        Presented(&self.0).hash(state);
    }
}

/// The end of a token is its last signature, which differs from token to token; equality looks at all of it.
impl Hash for Presented<'_> {
    fn hash<S: Hasher>(&self, state: &mut S) {
        const LEN_BYTES: usize = 64;
        let bytes = self.0.as_bytes();
        state.write(bytes.last_chunk::<LEN_BYTES>().map_or(bytes, |end| end));
    }
}

#[derive(Clone)]
struct ByLength;

impl Weighter<TokenText, Verified> for ByLength {
    fn weight(&self, key: &TokenText, _verified: &Verified) -> u64 {
        key.0.len() as u64
    }
}
