//! The audit log: what was decided about every call and what came of it, so that nobody can change it unseen.
//!
//! A log that a program writes can be rewritten by whoever has the program's rights, and an agent often has. Here the
//! entries are the leaves of a Merkle tree, and the log's key signs the root of the tree as it grows: a *checkpoint*. Whoever
//! has seen a checkpoint can tell whether an entry was edited, moved, exchanged or cut off since, and a third party believes
//! one entry from a proof of a few hundred bytes. Signing each entry was rejected: it is more than ten times as slow, and
//! does not show that an entry is missing.
//!
//! # Where to start
//!
//! - To record an application's calls: [`AuditLog::open`], and [`App::audit`](crate::command::App::audit).
//! - To record something else: [`AuditEntry::new`] and [`AuditLog::append`].
//! - To read and to verify: [`AuditReader`], or `cnv audit verify` and `cnv audit tail`.
//! - To convince somebody else: [`AuditReader::prove`] and [`AuditProof::verify`], or `cnv audit prove`.
//!
//! ```
//! use cnv::attestation::{PrivateKey, Timestamp};
//! use cnv::audit::{AuditEntry, AuditLog, AuditOptions, AuditProof, AuditReader, Decision, Outcome, VerifierKey};
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path().join("audit");
//! // The program that is called. The key is the log's own.
//! let (key, public) = PrivateKey::generate();
//! let log = AuditLog::open(&folder, key, AuditOptions::new("example.com/audit/ops"))?;
//! let mut entry = AuditEntry::new(Timestamp::now(), [1; 16], "log scan", Decision::Allowed);
//! entry.subject = Some("agent-42".to_owned());
//! log.append(&entry)?;
//! entry.outcome = Some(Outcome::Succeeded);
//! let receipt = log.append(&entry)?;
//! log.close()?;
//!
//! // Whoever has the folder.
//! let text = AuditReader::new(&folder).prove(receipt)?.to_string();
//!
//! // Somebody who has that text, and knows the log's name and public key.
//! let proof: AuditProof = text.parse()?;
//! let proved = proof.verify(&VerifierKey::new("example.com/audit/ops", public)?)?;
//! assert_eq!(proved.subject.as_deref(), Some("agent-42"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Design
//!
//! - **One entry before, one after.** A call is recorded before it runs, so that one which cannot be recorded does not run
//!   ([`WhenUnavailable`] can say otherwise), and again when it has ended. The second entry repeats the first: with its
//!   proof it is the call's receipt. It names the links of the attestation by their digests, so whoever has the token can
//!   show that the agent held it when the command ran.
//! - **Groups.** One thread writes what came within 100 ms, at most 256 entries, waits for the disk once, and signs once.
//!   A group is on disk before it is signed, so no checkpoint is of more than a start after a loss of power finds. Under
//!   [`Durability::Durable`] an append waits for that; otherwise it costs the same however long the log is, and a process
//!   that is killed loses what the last 100 ms brought. [`AuditLog::append_written`] waits until the entry is in the file:
//!   then a loss of power can take it, and the end of the process cannot.
//! - **Nothing is dropped.** The queue is bounded; what finds it full waits or is refused. After a write or an `fdatasync`
//!   that failed, the log is read-only until it is opened again: a second `fdatasync` would succeed without the pages that
//!   the first one lost.
//! - **A torn write is not a flipped bit.** Each record has a checksum of its header and one of its content. Opening cuts off
//!   a record that is not all there behind the last checkpoint, because a crash leaves that. A loss of power may also leave
//!   a *hole*: zeros up to the end of a sector, with later bytes behind them. Behind the last checkpoint the log is cut
//!   there, and what lies behind is saved to `entries.cut-N`; [`Recovered`] has the place. Everything else is
//!   [`Damage`], which names the entry and its byte, and is never repaired. Checksums find accidents; the tree finds intent.
//! - **Opening signs what the log wrote.** Entries that a crash left behind the last checkpoint are signed by the next
//!   start, and anybody can compute a checksum. So each record has a code that takes the log's key: HMAC-SHA256 of its
//!   number and leaf hash, 16 bytes of it. A record without its code there is [`Fault::Code`], and the log does not open:
//!   save the file, and cut it off at the byte that is named, if you know that nothing of yours stands behind. A code for
//!   each written group was rejected: it costs less, but then an entry that was added cannot be told from a torn group.
//! - **A key of its own.** The log's key signs notes that begin with the log's name, which has no NUL, and the signed bytes
//!   of attestations begin with a tag that has one: neither passes for the other. Yet a key that does one thing is easier
//!   to keep, so do not issue attestations with it. A log keeps its name and its key; begin another log for a new one.
//!
//! # What it does not show
//!
//! The owner of the key can write another history and sign it, and whoever can write the folder can cut off entries and
//! checkpoints together. Both are found with a checkpoint that was kept elsewhere: `cnv audit checkpoint --out`, and later
//! `cnv audit verify --earlier`, or [`AuditReader::prove_consistency`]. Entries behind the last checkpoint are not signed
//! for yet: without the key nobody can tell who wrote them. Whoever puts back what the log itself once wrote at the same
//! place, before it was cut off there, has a code for it. Digests of arguments hide only what cannot be guessed.
//!
//! # Files
//!
//! `entries` starts with the 16 bytes `cnv audit log 1\n`; `checkpoints` has no such start; `lock` is empty. Records follow:
//!
//! | bytes | |
//! |---|---|
//! | 4 | length of the body, big-endian |
//! | 4 | CRC32C of the body |
//! | 4 | CRC32C of the record's number, 8 bytes big-endian, and of the 8 bytes before |
//! | .. | the body: a signed note, or an encoded entry and 16 bytes of its authentication code |
//! | 1 | a line feed |
//!
//! # Costs
//!
//! Without its code an entry costs 3 us of processor time on an x86-64 without SHA instructions, four fifths of which are
//! SHA-256: 330,000 entries a second of processor time, where signing each makes 36,000. The code takes a fifth of that
//! rate: 168,000 beside 216,000 in interleaved runs on a busy machine. All of that is done by the log's thread: whoever
//! appends encodes the entry, some 250 bytes, into the queue, and hashes it only while half of the queue is full. On disk,
//! groups take 20 to 170 times the entries that one `fdatasync` each takes. `cargo bench -p cnv --bench audit` measures
//! them on your machine.
//!
//! Opening, verifying and proving read the whole log, in memory for one entry. A proof has at most 64 hashes.
//!
//! # Limits and defaults
//!
//! | | |
//! |---|---|
//! | entry | at most [`AuditEntry::MAX_LEN_BYTES`] (4096) bytes, some 250 usually, and 13 around it on disk |
//! | group | at most [`GROUP_ENTRIES`] (256) entries, [`GROUP_MS`] (100) ms |
//! | queue | [`AuditOptions::DEFAULT_CAPACITY`] (4096) entries; waits when full |
//! | durability | [`Durability::Grouped`] |
//! | reserve | [`AuditOptions::DEFAULT_RESERVE_BYTES`] (16 MiB) of free space, which refused calls leave to the others |
//! | log | grows without end; begin another and keep the last checkpoint of the old one |
//! | time | whole seconds, by the clock of whoever decided; the order of entries is the log's |
//!
//! The lock is advisory on Unix: it keeps writers that open the log out, and nobody else. Files are made with mode 0600 and
//! opened without following a link in their place, and a folder or file that the group or others can write is refused. Who
//! owns them, access lists beyond the mode and the folders above are not looked at.
//!
//! Refused calls write entries, and anybody can be refused. The reserve bounds what they take of the disk, and nothing
//! bounds how fast they take the rest: limit the rate where calls come in.
//!
//! # Sources
//!
//! RFC 6962 section 2.1 (the tree and its proofs), RFC 9162 section 2.1 (how proofs are verified);
//! [C2SP signed-note](https://c2sp.org/signed-note), [tlog-checkpoint](https://c2sp.org/tlog-checkpoint),
//! [tlog-proof](https://c2sp.org/tlog-proof) and [tlog-witness](https://c2sp.org/tlog-witness) (the texts); "Can Applications
//! Recover from fsync Failures?" (USENIX ATC 2020) for what a failed `fsync` leaves.
//!
//! Needs the feature `audit`, which `command` implies.

mod damage;
mod entry;
mod files;
mod log;
mod mac;
mod note;
mod options;
mod proof;
mod queue;
mod reader;
mod record;
mod recovery;
mod tree;
mod writer;

pub use damage::{Damage, Fault, LogFile, ReadError};
#[cfg(feature = "command")]
pub(crate) use entry::PartsDigest;
pub use entry::{
    AuditEntry, ChangeClass, Decision, Digest, EntryError, GrammarChange, Outcome, Reason, Used,
};
#[cfg(all(test, feature = "command"))]
pub(crate) use log::tests::on_a_broken_disk;
pub use log::{AppendError, AuditLog};
pub use note::{Checkpoint, NoteError, SignedCheckpoint, VerifierKey};
pub use options::{AuditOptions, Durability, GROUP_ENTRIES, GROUP_MS, WhenFull, WhenUnavailable};
pub use proof::{AuditProof, ConsistencyProof, ProofError};
pub use reader::{AuditReader, Entries, VerifiedLog};
pub use recovery::{Cut, OpenError, Recovered};
pub use tree::TreeHash;
