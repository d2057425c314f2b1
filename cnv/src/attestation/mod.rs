//! Who may call: signed capabilities, checked where the code runs.
//!
//! A token that is checked by a gateway protects the gateway; the code behind it runs for whoever reaches it. Here the
//! check stands in front of the function body. An authority signs a [`CapabilityAttestation`] ("`agent-42` may use the
//! network until noon"), its bearer presents it as text, and the guard of the function asks its [`Evidence`] for a
//! [`Permit`]. Everything is decided offline, from public keys in a [`TrustStore`].
//!
//! # Where to start
//!
//! - To issue: [`PrivateKey`], [`key_file`], [`CapabilityAttestation::new`] or [`CapabilityAttestation::builder`].
//! - To verify: [`TrustStore`], then [`Evidence`] and [`Evidence::authorise`] for the guard.
//! - To try things out without any set-up: [`development_authority`].
//! - When it is refused: [`Denied`] tells the caller nothing, its [`DenialReason`] tells the operator everything.
//!
//! ```
//! use std::sync::Arc;
//! use cnv::attestation::{CapabilityAttestation, Denied, Evidence, PrivateKey, SystemClock, TrustStore};
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
//!     .sign(&authority_key)?
//!     .to_string();
//!
//! // In the program that is called.
//! fn fetch(evidence: &Evidence) -> Result<String, Denied> {
//!     let permit = evidence.authorise(&CapabilityContract::network())?;
//!     Ok(format!("fetched for {}", permit.subject()))
//! }
//! let verifier = Evidence::new(Arc::new(store), Arc::new(SystemClock)).with_audience("fetcher");
//! assert_eq!(fetch(&verifier.clone().with_token(token))?, "fetched for agent-42");
//! assert!(fetch(&verifier).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Design
//!
//! - **Ed25519, strict.** Verification rejects what RFC 8032 leaves open (small-order R, S not reduced, no cofactor), and
//!   keys are checked at import: canonical, not of small order, in the prime-order subgroup. There is no choice of
//!   algorithm, so none can be downgraded.
//! - **One encoding for one value.** A fixed binary layout, big-endian and length-prefixed, with metadata in ascending
//!   order and nothing after its end, in base64url of one spelling. Signed bytes start with a tag for their purpose and
//!   with the id of the parent link (zeros today: attestations have one link), so that a link can be nothing else.
//!   JSON Web Tokens were rejected: their header chooses the algorithm, and one claim set has many encodings. JSON is
//!   made for people to read and is never read back.
//! - **Cheap checks first.** Size, form, issuer, time, audience, capability, and then the signature. Only what passed is
//!   remembered.
//! - **Time is passed in** as a [`Clock`] or a [`Timestamp`]; [`CapabilityAttestation::is_expired`] and
//!   [`Timestamp::now`] are the only readers of the system's clock besides [`SystemClock`].
//!
//! # Costs
//!
//! A first [`Evidence::authorise`] costs one signature check: 22 to 90 us, depending on the x86-64 machine and on what else
//! it was doing. A later one costs a look at the clock and a few comparisons: 65 ns with [`SystemClock`], 17 ns with a
//! clock in memory. Reading a token of usual length takes 1.5 us, refusing 4096 characters of rubbish 20 us, and importing
//! a public key about as long as a signature check. Building with `--cfg curve25519_dalek_backend="avx512"` takes about a
//! third off a signature check where the processor has it.
//!
//! # Limits and defaults
//!
//! | | |
//! |---|---|
//! | token | at most 4096 characters, 3068 bytes; about 180 characters without metadata |
//! | subject, audience | 1 to 256 bytes; no control, line-separating or bidirectional characters |
//! | metadata | at most 32 entries; keys 1 to 64 bytes, values at most 1024 |
//! | time to live | [`DEFAULT_TTL_SECONDS`] (one hour) from the builder; always finite |
//! | clock skew | none for the end, [`NOT_BEFORE_SKEW_SECONDS`] (5 s) for the beginning |
//! | trust store | at most 1 MiB |
//! | key file | at most 4096 bytes, mode 0600 |
//!
//! A token is a bearer token: whoever has its text can use it until it expires. It cannot be passed on in a narrower form
//! and cannot be revoked before it expires, so keep times to live short. A machine whose clock is set back accepts
//! expired attestations.
//!
//! # Sources
//!
//! RFC 8032 (Ed25519), RFC 8410 and RFC 5958 (PKCS#8), RFC 7468 (PEM), RFC 4648 section 5 (base64url); "Taming the many
//! EdDSAs" (<https://eprint.iacr.org/2020/1244>) and the vectors of
//! [C2SP CCTV](https://github.com/C2SP/CCTV/tree/main/ed25519) for the import check.
//!
//! Needs the feature `attestation`.

mod armour;
mod binary;
mod claims;
mod clock;
mod denial;
mod evidence;
mod field;
pub(crate) mod guard;
mod hex;
mod issue;
pub mod key_file;
mod key_set;
mod link;
mod private_key;
mod public_key;
pub mod revocation;
mod token;
mod trust;

pub use claims::ClaimsError;
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use denial::{DenialReason, Denied};
pub use evidence::{
    CarriesEvidence, DEVELOPMENT_TTL_SECONDS, Evidence, Permit, development_authority,
};
pub use field::TextFault;
pub use hex::IdError;
pub use issue::{AttestationBuilder, AttestationError, DEFAULT_TTL_SECONDS};
pub use key_file::KeyFileError;
pub use key_set::{KeySet, KeySetDigest, KeySetError, TrustedKeys};
pub use link::{AttestationId, CapabilityAttestation, NOT_BEFORE_SKEW_SECONDS};
pub use private_key::{PrivateKey, PrivateKeyError};
pub use public_key::{KeyId, PublicKey, PublicKeyError, Signature, SignatureError};
pub use revocation::{RevocationList, RevocationSet};
pub use token::TokenError;
pub use trust::{LineFault, RootError, TrustStore, TrustStoreError, TrustedRoot, Verified};
