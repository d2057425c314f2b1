//! A log of every decision that nobody can change unseen.

mod damage;
mod entry;
mod log;
mod note;
mod proof;
mod reader;
mod record;
mod tree;
mod writer;

pub use damage::{Damage, Fault, LogFile, ReadError};
#[cfg(feature = "command")]
pub(crate) use entry::PartsDigest;
pub use entry::{AuditEntry, Decision, Digest, EntryError, Outcome, Reason, Used};
#[cfg(all(test, feature = "command"))]
pub(crate) use log::tests::on_a_broken_disk;
pub use log::{
    AppendError, AuditLog, AuditOptions, Durability, GROUP_ENTRIES, GROUP_MS, WhenFull,
    WhenUnavailable,
};
pub use note::{Checkpoint, NoteError, SignedCheckpoint, VerifierKey};
pub use proof::{AuditProof, ConsistencyProof, ProofError};
pub use reader::{AuditReader, Entries, VerifiedLog};
pub use tree::TreeHash;
pub use writer::{OpenError, Recovered};
