//! What is taken back before it expires: signed, numbered lists with a mandatory next update.
//!
//! An attestation is checked offline, so nobody can be asked whether it still counts. Short times to live help, and do
//! not help when a key is stolen now. Here an issuer signs a [`RevocationList`] of what it takes back; whoever verifies
//! attestations has the newest list and asks the [`RevocationSet`] that is made of it. A question to a service for each
//! attestation (OCSP) was rejected: it fails open or stops everything, and tells the service who does what.
//!
//! # Where to start
//!
//! - To revoke: [`RevocationEntry`], [`RevocationList::sign`], and `cnv revocation sign`.
//! - To hold the list in force: [`Revocations`], fed by a [`RevocationSource`] such as [`RevocationFile`].
//! - To ask: [`Revocations::current`], [`RevocationSet::freshness`], [`RevocationSet::find`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use cnv::attestation::{AttestationId, Floors, KeyId, PrivateKey, Timestamp, TrustStore};
//! use cnv::attestation::revocation::{
//!     RevocationEntry, RevocationFile, RevocationList, Revocations, Revoked,
//! };
//!
//! // The issuer.
//! let (key, public) = PrivateKey::generate();
//! let now = Timestamp::now();
//! let next_update = now.checked_add_seconds(6 * 60 * 60).unwrap();
//! let stolen = AttestationId::from_bytes([9; 32]);
//! let entries = [RevocationEntry::Link(stolen)].into_iter().collect();
//! let list = RevocationList::sign(entries, 1, now, next_update, &key)?;
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("revoked");
//! std::fs::write(&path, format!("{list}\n"))?;
//!
//! // The verifier, at its start and then every few minutes.
//! let mut store = TrustStore::new();
//! store.add("root", public)?;
//! let floors = Floors::open(path.with_extension("state"))?;
//! let revocations = Revocations::new(store).with_floors(Arc::new(floors));
//! revocations.reload(&RevocationFile::new(&path), now)?;
//!
//! // For each link of a chain.
//! let set = revocations.current(&public.id()).expect("a list was loaded");
//! assert!(set.freshness(now).is_fresh());
//! let issuer = KeyId::from_bytes([7; 16]);
//! assert_eq!(set.find(&stolen, &issuer, now, None), Some(Revoked::Link { id: stolen }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Design
//!
//! - **Numbers only rise.** A lower number is refused, and so is the same number with another content, which is a fork and
//!   says that the issuer's key is used twice. [`Floors`](super::Floors) keep this across restarts.
//! - **A root takes back what it granted.** Each trusted key has a list and numbers of its own, and a chain is held against
//!   the list of the root that it starts from. One list for all was rejected: whichever root signed last would take the
//!   others' revocations back.
//! - **A list ends.** One that was issued in the future is refused, so its next update is at most a year away. From its next update on it is stale, because what was revoked since is not known. Whoever withholds
//!   lists wins no more than that time. What is stale or missing should deny.
//! - **The signature is on a header** with the digest of the entries. A forged list costs a signature check and one pass
//!   over its bytes; a forged delta no more than the signature check.
//! - **A delta is a short way to write a list.** It carries the signature of the list that it leads to, which is put
//!   together and compared before it counts.
//! - **One form for one list**: entries ascend strictly, nothing stands after the end, a text has one spelling.
//! - **The set in force is exchanged at once.** The next is built beside it, so both are in memory for that time.
//!
//! # Costs
//!
//! Of a set of a million link ids, on an x86-64 server of 2.5 GHz whose caches others used meanwhile; `cargo bench -p cnv
//! --bench revocation` measures them. Questions are bound by memory: a no took 0.6 and a yes 0.9 of what a `HashSet` took
//! beside it.
//!
//! | | |
//! |---|---|
//! | an id that is not in it | 93 ns; 14 where the caches were free |
//! | an id that is in it | 356 ns |
//! | memory | 34.5 bytes an entry |
//! | reading a list (its digest, without SHA instructions) | 0.2 s |
//! | verifying it and making the set | 11 ms |
//!
//! # Limits and defaults
//!
//! | | |
//! |---|---|
//! | list or delta | at most 64 MiB, some two million link ids; counts are compared with what is there before anything is allocated |
//! | next update | 1 second to [`MAX_UPDATE_SECONDS`] (366 days) after the issue |
//! | additions by a delta | any; taking something off takes a whole list |
//!
//! Floors that are removed are a first start. The moment of [`RevocationEntry::IssuedBefore`] is compared with what the
//! link says about itself: a thief of the key writes what he likes there, so revoke the key then, and use the moment for
//! attestations that were issued by mistake.
//!
//! # Sources
//!
//! RFC 5280 section 5 (numbers, next update and deltas of certificate revocation lists); Bloom, "Space/time trade-offs in
//! hash coding with allowable errors" (1970).
//!
//! Needs the feature `attestation`.

mod delta;
mod entries;
mod error;
mod id_index;
mod list;
mod live;
mod set;
mod source;
#[cfg(test)]
mod tests;

pub use delta::{DeltaError, RevocationDelta};
pub use entries::{RevocationEntries, RevocationEntry};
pub use error::{RevocationError, RevocationListError};
pub use list::{MAX_UPDATE_SECONDS, RevocationList, RevocationListDigest};
pub(super) use live::Follower;
pub use live::{ReloadError, Reloaded, Revocations};
pub(super) use set::Position;
pub use set::{Freshness, RevocationSet, Revoked};
pub use source::{
    RevocationFile, RevocationMailbox, RevocationSource, RevocationUpdate, SourceError,
};
