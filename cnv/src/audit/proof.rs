//! Proofs that a third party checks with the log's verifier key alone.

use core::fmt;
use core::str::FromStr;

use base64ct::{Base64, Encoding};

use super::entry::{AuditEntry, EntryError};
use super::note::{
    Checkpoint, NoteError, SignedCheckpoint, VerifierKey, hash_text, parse_hash, parse_number,
};
use super::tree::{TreeHash, is_consistent, root_from_inclusion};

/// More hashes than a tree of 2^64 leaves has levels.
const MAX_HASHES: usize = 128;

/// What the text of a proof of inclusion starts with.
const PROOF_LINE: &str = "c2sp.org/tlog-proof@v1";

/// An entry, a signed checkpoint, and the hashes that lead from the one to the other.
///
/// `Display` and `FromStr` use the text of C2SP tlog-proof, with the entry as its extra data; files of it end in
/// `.tlog-proof`. Any text of the form is a value of this type; [`verify`](Self::verify) decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditProof {
    number: u64,
    entry: Vec<u8>,
    hashes: Vec<TreeHash>,
    checkpoint: SignedCheckpoint,
}

impl AuditProof {
    pub(super) const fn new(
        number: u64,
        entry: Vec<u8>,
        hashes: Vec<TreeHash>,
        checkpoint: SignedCheckpoint,
    ) -> Self {
        Self {
            number,
            entry,
            hashes,
            checkpoint,
        }
    }

    /// The number of the entry in the log.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The checkpoint that the proof leads to, not verified.
    #[must_use]
    pub const fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// The entry, if `log` signed a tree with exactly this entry at exactly this number.
    ///
    /// # Errors
    ///
    /// [`ProofError`]; no retry helps.
    pub fn verify(&self, log: &VerifierKey) -> Result<AuditEntry, ProofError> {
        let checkpoint = self.checkpoint.verify(log)?;
        let leaf = TreeHash::leaf(&self.entry);
        let root = root_from_inclusion(self.number, checkpoint.size(), leaf, &self.hashes);
        if root != Some(*checkpoint.root()) {
            return Err(ProofError::NotIncluded);
        }
        Ok(AuditEntry::decode(&self.entry)?)
    }
}

impl fmt::Display for AuditProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = Base64::encode_string(&self.entry);
        writeln!(f, "{PROOF_LINE}\nextra {entry}\nindex {}", self.number)?;
        write_hashes(&self.hashes, f)?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for AuditProof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        let (lines, checkpoint) = parts(text)?;
        let mut lines = lines.split('\n');
        let mut line = || lines.next().ok_or(ProofError::Form);
        if line()? != PROOF_LINE {
            return Err(ProofError::Form);
        }
        let entry = line()?.strip_prefix("extra ").ok_or(ProofError::Form)?;
        let number = line()?.strip_prefix("index ").and_then(parse_number);
        Ok(Self {
            number: number.ok_or(ProofError::Form)?,
            entry: Base64::decode_vec(entry).map_err(|_| ProofError::Form)?,
            hashes: read_hashes(lines)?,
            checkpoint,
        })
    }
}

/// An old size, a signed checkpoint, and the hashes which show that the log has only been added to since.
///
/// `Display` and `FromStr` use the text in which C2SP tlog-witness asks for a checkpoint to be cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    old_size: u64,
    hashes: Vec<TreeHash>,
    checkpoint: SignedCheckpoint,
}

impl ConsistencyProof {
    pub(super) const fn new(
        old_size: u64,
        hashes: Vec<TreeHash>,
        checkpoint: SignedCheckpoint,
    ) -> Self {
        Self {
            old_size,
            hashes,
            checkpoint,
        }
    }

    /// The newer checkpoint, if `log` signed it and its tree begins with that of `old`, which is trusted as it is.
    ///
    /// # Errors
    ///
    /// [`ProofError`]; no retry helps.
    pub fn verify(&self, log: &VerifierKey, old: &Checkpoint) -> Result<&Checkpoint, ProofError> {
        let new = self.checkpoint.verify(log)?;
        let is_same_log = old.origin() == new.origin() && old.size() == self.old_size;
        let (old, new_head) = ((old.size(), old.root()), (new.size(), new.root()));
        if is_same_log && is_consistent(old, new_head, &self.hashes) {
            Ok(new)
        } else {
            Err(ProofError::NotConsistent)
        }
    }
}

impl fmt::Display for ConsistencyProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        write_hashes(&self.hashes, f)?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for ConsistencyProof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        let (lines, checkpoint) = parts(text)?;
        let mut lines = lines.split('\n');
        let old_size = lines.next().and_then(|line| line.strip_prefix("old "));
        Ok(Self {
            old_size: old_size.and_then(parse_number).ok_or(ProofError::Form)?,
            hashes: read_hashes(lines)?,
            checkpoint,
        })
    }
}

/// The lines before the first empty one, and the checkpoint behind it.
fn parts(text: &str) -> Result<(&str, SignedCheckpoint), ProofError> {
    // Twice the entry for base64, and the rest once more.
    const MAX_LEN_BYTES: usize = 2 * (AuditEntry::MAX_LEN_BYTES + SignedCheckpoint::MAX_LEN_BYTES);
    if text.len() > MAX_LEN_BYTES {
        return Err(ProofError::Form);
    }
    let (lines, checkpoint) = text.split_once("\n\n").ok_or(ProofError::Form)?;
    Ok((lines, checkpoint.parse()?))
}

fn write_hashes(hashes: &[TreeHash], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut hashes = hashes.iter();
    hashes.try_for_each(|hash| writeln!(f, "{}", hash_text(hash)))
}

fn read_hashes<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<TreeHash>, ProofError> {
    let hashes = lines.take(MAX_HASHES + 1).map(parse_hash);
    let hashes: Vec<_> = hashes.collect::<Option<_>>().ok_or(ProofError::Form)?;
    if hashes.len() > MAX_HASHES {
        return Err(ProofError::Form);
    }
    Ok(hashes)
}

/// Why a text is no proof, or does not prove anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The text is no proof.
    #[error("this is no proof: copy all of it, from its first line to the signatures")]
    Form,
    /// The checkpoint is not one that the log signed.
    #[error("the proof's checkpoint does not hold: {0}")]
    Checkpoint(#[from] NoteError),
    /// The hashes do not lead from the entry to the root.
    #[error(
        "the entry is not in the log at this number: the proof, the number or the entry was changed"
    )]
    NotIncluded,
    /// The entry is in the log, and is no entry.
    #[error("the entry is in the log, and cannot be read: {0}")]
    Entry(#[from] EntryError),
    /// The old tree is not the beginning of the new one.
    #[error(
        "the log was not only added to since the earlier checkpoint: something before it was changed"
    )]
    NotConsistent,
}
