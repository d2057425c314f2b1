//! Who may call: signed capabilities, checked where the code runs.
//!
//! A token that is checked by a gateway protects the gateway; the code behind it runs for whoever reaches it. Here the
//! check stands in front of the function body. An authority signs a [`CapabilityAttestation`] ("`agent-42` may use the
//! network until noon"), its bearer presents it as text, and the guard of the function asks its [`Evidence`] for a
//! [`Permit`]. Everything is decided offline, from public keys in a [`TrustStore`].
//!
//! # Where to start
//!
//! - To issue: [`PrivateKey`], [`key_file`], [`CapabilityAttestation::builder`]; [`CapabilityAttestation::new`] where
//!   nothing but a name has to be said.
//! - To pass on less than one holds: [`AttestationChain::delegate`].
//! - To verify: [`TrustStore`], then one [`Verifier`] a program, and one [`Evidence`] a caller, whose
//!   [`Evidence::permit`] is the guard; [`macro@crate::requires_attestation`] puts it in front of a function.
//! - To present: [`Possession`], which proves to a verifier that its presenter has the key that a token names.
//! - To take back: [`revocation`]. To keep what was taken back across restarts: [`Floors`].
//! - To try things out without any set-up: [`development_authority`].
//! - When it is refused: [`Denied`] tells the caller nothing, its [`DenialReason`] tells the operator everything.
//!
//! ```
//! use std::sync::Arc;
//! use cnv::attestation::{CapabilityAttestation, Denied, Evidence, PrivateKey, SystemClock, TrustStore, Verifier};
//! use cnv::capability::CapabilityContract;
//!
//! // Once, by the authority: a key pair, of which the public half is made known.
//! let (authority_key, authority_pub) = PrivateKey::generate();
//! let mut store = TrustStore::new();
//! store.add("ops-2026", authority_pub)?;
//!
//! // For each caller: a token.
//! let token = CapabilityAttestation::builder(CapabilityContract::network(), "agent-42")
//!     .ttl(600)
//!     .audience("fetcher")
//!     .bearer()
//!     .sign(&authority_key)?
//!     .to_string();
//!
//! // In the program that is called.
//! fn fetch(evidence: &Evidence) -> Result<String, Denied> {
//!     let permit = evidence.authorise(&CapabilityContract::network())?;
//!     Ok(format!("fetched for {}", permit.subject()))
//! }
//! let verifier = Verifier::builder(store, Arc::new(SystemClock))
//!     .audience("fetcher")
//!     .accept_bearer() // whoever has the token may use it
//!     .without_revocation() // and until it expires
//!     .build();
//! let evidence = Evidence::new(&verifier);
//! assert_eq!(fetch(&evidence.clone().with_token(token))?, "fetched for agent-42");
//! assert!(fetch(&evidence).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Design
//!
//! - **Ed25519, strict.** Verification rejects what RFC 8032 leaves open (small-order R, S not reduced, no cofactor), and
//!   keys are checked at import: canonical, not of small order, in the prime-order subgroup. There is no choice of
//!   algorithm, so none can be downgraded.
//! - **One encoding for one value.** A fixed binary layout, big-endian and length-prefixed, with moments in their shortest
//!   form, metadata in ascending order and nothing after its end, in base64url of one spelling. Signed bytes start with a
//!   tag for their purpose. JSON Web Tokens were rejected: their header chooses the algorithm, and one claim set has many
//!   encodings. JSON is made for people to read and is never read back.
//! - **Chains.** Each link signs the id of the one before it and is signed by the key that one names, so links cannot be
//!   cut out, moved or added by anybody else. A link grants no more than the one before it, in every dimension; both
//!   [`AttestationChain::delegate`] and every verifier see to that. Policy languages inside tokens were rejected: the four
//!   dimensions, times, audience and depth have an order, and an order can be checked.
//! - **Holder of key.** A token names a key, and its presenter proves possession of it once a session, over a nonce of the
//!   verifier. A bearer token is the exception that both sides have to ask for: [`Bearer`] in its type, and
//!   [`VerifierBuilder::accept_bearer`].
//! - **Cheap checks first.** Size, form, root, attenuation, bearer policy, time, audience, capability, revocation, and then
//!   the signatures and the proof.
//! - **What cannot change is remembered, what can is asked.** A signature that holds holds for ever. Whether a root is
//!   trusted or a link revoked is asked again after every exchange of a list, by an epoch; see [`Verifier`].
//! - **It fails closed.** Without a revocation list of its root, or with one whose next update is due, a chain is refused,
//!   unless the program said that there are no lists.
//! - **Time is passed in** as a [`Clock`] or a [`Timestamp`]; [`CapabilityAttestation::is_expired`] and
//!   [`Timestamp::now`], which dates what is issued, are the only readers of the system's clock besides [`SystemClock`].
//!   A verifier's time never runs backwards.
//!
//! # Costs
//!
//! In units of one strict signature check (22 to 90 us, depending on the x86-64 machine and on what else it does), a first
//! [`Evidence::authorise`] with a chain of three links costs 3.3 where the keys in it were seen before and 5.2 where they
//! were not, because a key is checked at its first sight; 1.2 where the first two links were seen. A later call compares
//! numbers and allocates nothing: 14 to 33 ns at different times on one machine; of the 14, 7 are the clock's. A new session
//! with a remembered token costs 0.2 to 0.5 us. Building with `--cfg curve25519_dalek_backend="avx512"` lets signature
//! checks use AVX-512 IFMA where the processor has it.
//!
//! # Limits and defaults
//!
//! | | |
//! |---|---|
//! | token | at most 4096 characters, 3068 bytes; 160 characters for one bearer link, 550 for three links with keys |
//! | chain | 1 to [`MAX_DEPTH`] (8) links; [`DEFAULT_DEPTH`] (4) unless the root says otherwise |
//! | subject, audience | 1 to 256 bytes; no control, line-separating or bidirectional characters |
//! | metadata | at most 32 entries a link; keys 1 to 64 bytes, values at most 1024 |
//! | time to live | [`DEFAULT_TTL_SECONDS`] (one hour) from the builders; always finite |
//! | clock skew | none for the end, [`NOT_BEFORE_SKEW_SECONDS`] (5 s) for the beginning |
//! | proof of possession | good for [`PROOF_TTL_SECONDS`] (60 s), once; at most 16384 nonces a minute |
//! | remembered tokens | [`DEFAULT_CACHE_LEN_BYTES`] (4 MiB) of text |
//! | trust store | at most 1 MiB; not writable by the group or others |
//! | time written down in [`Floors`] | at most once a minute, and at the end |
//! | key file | at most 4096 bytes, mode 0600 |
//!
//! A verifier without a name (an audience) accepts proofs that were made for any verifier without a name. A bearer token
//! can be used by whoever has its text until it expires or is revoked, so keep its time to live short. Across a restart a
//! clock that is set back, and an older revocation list, are noticed only where there are [`Floors`].
//!
//! # Sources
//!
//! RFC 8032 (Ed25519), RFC 8410 and RFC 5958 (PKCS#8), RFC 7468 (PEM), RFC 4648 section 5 (base64url); "Taming the many
//! EdDSAs" (<https://eprint.iacr.org/2020/1244>) and the vectors of
//! [C2SP CCTV](https://github.com/C2SP/CCTV/tree/main/ed25519) for the import check.
//!
//! Needs the feature `attestation`.

mod armour;
mod attenuation;
mod binary;
mod cache;
mod capability_attestation;
mod chain;
mod challenge;
mod claims;
mod clock;
mod delegate;
mod denial;
mod evidence;
mod field;
mod floors;
pub(crate) mod guard;
pub(crate) mod hex;
mod issue;
pub mod key_file;
mod key_set;
mod link;
mod permit;
mod possession;
mod private_key;
mod public_key;
mod published;
pub(crate) mod random;
pub mod revocation;
mod token;
mod trust;
pub mod trusted_file;
mod verified;
mod verifier;

pub use attenuation::LinkFault;
pub use cache::DEFAULT_CACHE_LEN_BYTES;
pub use capability_attestation::CapabilityAttestation;
pub use chain::{AttestationChain, TokenDigest};
pub use challenge::ChallengeError;
pub use claims::{ClaimsError, MAX_DEPTH};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use delegate::{Delegation, DelegationError};
pub use denial::{DenialReason, Denied, LinkPlace};
pub use evidence::{CarriesEvidence, DEVELOPMENT_TTL_SECONDS, Evidence, development_authority};
pub use field::TextFault;
pub use floors::{FloorError, Floors};
pub use hex::IdError;
pub use issue::{
    AttestationBuilder, AttestationError, Bearer, DEFAULT_DEPTH, DEFAULT_TTL_SECONDS, Decided,
    KeyHolder, Undecided,
};
pub use key_file::KeyFileError;
pub use key_set::{KeySet, KeySetDigest, KeySetError, TrustedKeys};
pub use link::{AttestationId, Link, NOT_BEFORE_SKEW_SECONDS};
pub use permit::{
    Class, Covers, Dangerous, Network, Permit, Pure, ReadOnly, ReadWrite, Requirement,
};
pub use possession::{
    Nonce, PROOF_TTL_SECONDS, Possession, PossessionFault, ProofError, ProofOfPossession,
    RequestDigest,
};
pub use private_key::{PrivateKey, PrivateKeyError};
pub use public_key::{KeyId, PublicKey, PublicKeyError, Signature, SignatureError};
pub use revocation::{RevocationList, RevocationSet};
pub use token::TokenError;
pub use trust::{LineFault, RootError, TrustStore, TrustStoreError, TrustedRoot};
pub use trusted_file::TrustedFileError;
pub use verified::Verified;
pub use verifier::{Verifier, VerifierBuilder};
