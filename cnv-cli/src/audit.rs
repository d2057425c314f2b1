//! `cnv audit`: verifies audit logs and proofs, shows entries, and makes proofs for others.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use cnv::attestation::PublicKey;
use cnv::audit::{
    AuditEntry, AuditProof, AuditReader, Decision, NoteError, Outcome, ProofError, ReadError,
    Reason, SignedCheckpoint, VerifierKey,
};
use cnv::prelude::*;
use cnv::quota::{File, Limits, charge_io};
use serde::Serialize;

/// A proof has an entry and some 64 hashes, a checkpoint its signatures.
const MAX_INPUT_BYTES: u64 = 256 * 1024;

/// A log that holds, or a proof that does.
#[derive(Debug, Serialize)]
pub struct Verified {
    verified: bool,
    log: String,
    entries: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsigned_entries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoints: Option<u64>,
    root: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    earlier_checkpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unfinished: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<ShownEntry>,
}

/// Verifies an audit log, or the proof of one of its entries.
///
/// Of a log, every checksum, entry, root and signature is checked, and the first damage is reported with the
/// number of the entry or checkpoint and its byte. A proof, as `cnv audit prove` makes it, needs nothing but
/// itself and the log's public key. With --earlier the log has to go on from a checkpoint that you kept;
/// without it nothing tells that entries and checkpoints were both cut off at the end.
#[verb(noun = "audit", effect = "read")]
#[budget(memory = "8MB", cpu = "10min", io = 100)]
pub fn verify(
    /// The log's folder, or a file with a proof
    #[arg(value_name = "FOLDER|FILE")]
    path: PathBuf,
    /// The log's public key
    #[arg(long, value_name = "KEY")]
    public: PublicKey,
    /// The log's name [default: as it says itself]
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    /// A checkpoint of the log that was kept, as `cnv audit checkpoint` wrote it
    #[arg(long, value_name = "FILE")]
    earlier: Option<PathBuf>,
) -> Result<Verified, Failure> {
    charge_io(4)?;
    if !path.is_dir() {
        let proof: AuditProof = read_text(&path)?.parse().map_err(Refused::Proof)?;
        let log = verifier(proof.checkpoint(), origin, public)?;
        let entry = proof.verify(&log).map_err(Refused::Proof)?;
        let checkpoint = proof.checkpoint().checkpoint();
        return Ok(Verified {
            verified: true,
            log: log.origin().to_owned(),
            entries: checkpoint.size(),
            unsigned_entries: None,
            checkpoints: None,
            root: checkpoint.root().to_string(),
            earlier_checkpoint: None,
            unfinished: None,
            entry: Some(ShownEntry::new(proof.number(), &entry)),
        });
    }
    let reader = AuditReader::new(&path);
    let last = reader.last_checkpoint().map_err(Refused::from)?;
    let log = verifier(&last, origin, public)?;
    let found = reader.verify(&log).map_err(Refused::from)?;
    let mut earlier_checkpoint = None;
    if let Some(path) = earlier {
        let earlier: SignedCheckpoint = read_text(&path)?.parse().map_err(Refused::Earlier)?;
        let earlier = earlier.verify(&log).map_err(Refused::Earlier)?;
        let proof = reader
            .prove_consistency(earlier.size())
            .map_err(|error| match error {
                ReadError::NoEntry { size, .. } => Refused::CutOff {
                    size,
                    earlier: earlier.size(),
                },
                error => Refused::from(error),
            })?;
        proof.verify(&log, earlier).map_err(Refused::Proof)?;
        earlier_checkpoint = Some(format!("goes on from {} entries", earlier.size()));
    }
    let (end, rest) = found.tail;
    Ok(Verified {
        verified: true,
        log: log.origin().to_owned(),
        entries: found.entries,
        unsigned_entries: Some(found.unsigned),
        checkpoints: Some(found.checkpoints),
        root: found.last.checkpoint().root().to_string(),
        earlier_checkpoint,
        unfinished: (rest > 0).then(|| {
            format!("{rest} bytes from byte {end} on that are no whole entries; the log's writer cuts them off when it opens it")
        }),
        entry: None,
    })
}

/// The key and the name that a checkpoint is verified with. The key alone decides; a name that is not given is
/// taken from the checkpoint, which the signature covers.
pub(crate) fn verifier(
    checkpoint: &SignedCheckpoint,
    origin: Option<String>,
    public: PublicKey,
) -> Result<VerifierKey, Refused> {
    let origin = origin.unwrap_or_else(|| checkpoint.checkpoint().origin().to_owned());
    VerifierKey::new(origin, public).map_err(Refused::Earlier)
}

/// Shows the last entries of an audit log, oldest first.
///
/// Their checksums are checked, and no signature is: see `cnv audit verify`.
#[verb(noun = "audit", effect = "read")]
#[budget(memory = "64MB", cpu = "10min", io = 100)]
pub fn tail(
    /// The log's folder
    folder: PathBuf,
    /// How many entries, at most 10000
    #[arg(long, short = 'n', default_value_t = 10)]
    count: u16,
    /// Only calls that were denied
    #[arg(long)]
    denied: bool,
) -> Result<Vec<ShownEntry>, Failure> {
    charge_io(1)?;
    let count = usize::from(count.min(10_000));
    let mut shown = std::collections::VecDeque::new();
    for read in AuditReader::new(folder).entries().map_err(Refused::from)? {
        let (number, entry) = read.map_err(Refused::from)?;
        if denied && entry.decision == Decision::Allowed {
            continue;
        }
        if shown.len() == count {
            shown.pop_front();
        }
        if count > 0 {
            shown.push_back(ShownEntry::new(number, &entry));
        }
    }
    Ok(shown.into())
}

/// An entry, for people and programs.
#[derive(Debug, Serialize)]
pub struct ShownEntry {
    number: u64,
    time: String,
    call_id: String,
    transaction_id: Option<String>,
    verb: String,
    decision: String,
    outcome: Option<String>,
    detail: Option<String>,
    subject: Option<String>,
    links: Vec<String>,
    token: Option<String>,
    grammar: Option<String>,
    arguments: Option<String>,
    result: Option<String>,
    budget: Option<String>,
    used: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<ShownChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<String>,
}

/// The grammar that was in force before, and what the change means for callers.
#[derive(Debug, Serialize)]
struct ShownChange {
    before: String,
    class: &'static str,
}

impl ShownEntry {
    fn new(number: u64, entry: &AuditEntry) -> Self {
        let code = |word: &str, reason: &Reason| format!("{word}: {}", reason.code());
        let (decision, denied) = match &entry.decision {
            Decision::Allowed => ("allowed".to_owned(), None),
            Decision::Denied(reason) => (code("denied", reason), Some(reason)),
        };
        let (outcome, failed) = match &entry.outcome {
            None => (None, None),
            Some(Outcome::Succeeded) => (Some("ok".to_owned()), None),
            Some(Outcome::Failed(reason)) => (Some(code("failed", reason)), Some(reason)),
        };
        Self {
            number,
            time: entry.time.to_string(),
            call_id: Hex(&entry.call_id).to_string(),
            transaction_id: entry.transaction_id.map(|id| Hex(&id).to_string()),
            verb: entry.verb.clone(),
            decision,
            outcome,
            detail: failed.or(denied).map(|reason| reason.detail().to_owned()),
            subject: entry.subject.clone(),
            links: entry.links.iter().map(ToString::to_string).collect(),
            token: entry.token.map(|digest| digest.to_string()),
            grammar: entry.grammar.map(|digest| digest.to_string()),
            arguments: entry.arguments.map(|digest| digest.to_string()),
            result: entry.result.map(|digest| digest.to_string()),
            change: entry.change.map(|change| ShownChange {
                before: change.before.to_string(),
                class: change.class.as_str(),
            }),
            repeats: entry.repeats.map(|id| Hex(&id).to_string()),
            budget: entry.budget.map(|budget| budget.to_string()),
            used: entry.used.map(|used| {
                // The units of a budget, in which the two are compared.
                let limits = Limits {
                    memory_bytes: used.memory_bytes.unwrap_or(0),
                    cpu_ns: used.cpu_ns,
                    io_ops: used.io_ops,
                    network_bytes: used.network_bytes,
                };
                let used_in_all = limits.to_string();
                match used.memory_bytes {
                    Some(_) => used_in_all,
                    None => used_in_all.replacen("memory none", "memory not metered", 1),
                }
            }),
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The number of a call: 32 hexadecimal digits.
#[derive(Debug, Clone, Copy)]
pub struct CallNumber([u8; 16]);

/// What was written is no number of a call.
#[derive(Debug, thiserror::Error)]
#[error("a call's number has 32 hexadecimal digits, as `cnv audit tail` shows it")]
pub struct NoCallNumber;

impl FromStr for CallNumber {
    type Err = NoCallNumber;

    fn from_str(text: &str) -> Result<Self, NoCallNumber> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex
            .then(|| u128::from_str_radix(text, 16))
            .and_then(Result::ok);
        Ok(Self(number.ok_or(NoCallNumber)?.to_be_bytes()))
    }
}

/// A proof that was made.
#[derive(Debug, Serialize)]
pub struct Proved {
    number: u64,
    log: String,
    log_entries: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<String>,
}

/// Proves to somebody else that an entry is in an audit log.
///
/// The proof holds the entry, a signed checkpoint, and the hashes between them, in the form of C2SP tlog-proof.
/// `cnv audit verify` checks it without the log.
#[verb(noun = "audit", effect = "write", public)]
#[budget(memory = "8MB", cpu = "10min", io = 100)]
pub fn prove(
    /// The log's folder
    folder: PathBuf,
    /// The number of the entry
    #[arg(
        long,
        value_name = "NUMBER",
        required_unless_present = "call",
        conflicts_with = "call"
    )]
    entry: Option<u64>,
    /// The number of the call instead; its last entry is proved, which is its receipt
    #[arg(long, value_name = "CALL")]
    call: Option<CallNumber>,
    /// Write the proof to this new file instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
) -> Result<Proved, Failure> {
    charge_io(3)?;
    let reader = AuditReader::new(folder);
    let number = match (entry, call) {
        (Some(number), _) => number,
        (None, Some(call)) => last_of(&reader, call)?,
        (None, None) => return Err(Failure::usage("name the entry with --entry or --call")),
    };
    let proof = reader.prove(number).map_err(Refused::from)?;
    let text = proof.to_string();
    let file = out
        .as_deref()
        .map(|path| write_text(path, &text))
        .transpose()?;
    let checkpoint = proof.checkpoint().checkpoint();
    Ok(Proved {
        number,
        log: checkpoint.origin().to_owned(),
        log_entries: checkpoint.size(),
        proof: file.is_none().then_some(text),
        file,
    })
}

fn last_of(reader: &AuditReader, call: CallNumber) -> Result<u64, Refused> {
    let mut found = None;
    for read in reader.entries().map_err(Refused::from)? {
        let (number, entry) = read.map_err(Refused::from)?;
        if entry.call_id == call.0 {
            found = Some(number);
        }
    }
    found.ok_or(Refused::NoCall)
}

/// The last checkpoint of a log.
#[derive(Debug, Serialize)]
pub struct ShownCheckpoint {
    log: String,
    entries: u64,
    root: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    verifier_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
}

/// Shows the last checkpoint of an audit log, or keeps it in a file.
///
/// Keep one where whoever writes the log cannot change it: `cnv audit verify --earlier` then tells whether the
/// log was only added to since. It is a signed note as C2SP tlog-checkpoint has it.
#[verb(noun = "audit", effect = "write", public)]
#[budget(memory = "8MB", cpu = "1min", io = 100)]
pub fn checkpoint(
    /// The log's folder
    folder: PathBuf,
    /// The log's public key, to verify the checkpoint and to show the key as other tools for notes take it
    #[arg(long, value_name = "KEY")]
    public: Option<PublicKey>,
    /// Write the checkpoint to this new file instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
) -> Result<ShownCheckpoint, Failure> {
    charge_io(3)?;
    let last = AuditReader::new(folder)
        .last_checkpoint()
        .map_err(Refused::from)?;
    let mut verifier_key = None;
    if let Some(public) = public {
        let log = verifier(&last, None, public)?;
        last.verify(&log).map_err(Refused::Earlier)?;
        verifier_key = Some(log.to_string());
    }
    let text = last.to_string();
    let file = out
        .as_deref()
        .map(|path| write_text(path, &text))
        .transpose()?;
    let checkpoint = last.checkpoint();
    Ok(ShownCheckpoint {
        log: checkpoint.origin().to_owned(),
        entries: checkpoint.size(),
        root: checkpoint.root().to_string(),
        verifier_key,
        checkpoint: file.is_none().then_some(text),
        file,
    })
}

/// What does not hold, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The log.
    #[error("{read}{}", Advice(read))]
    Log {
        /// Why it cannot be read.
        #[from]
        #[source]
        read: ReadError,
    },
    /// A checkpoint.
    #[error("the checkpoint does not hold: {0}")]
    Earlier(#[source] NoteError),
    /// A proof.
    #[error("the proof does not hold: {0}")]
    Proof(#[source] ProofError),
    /// The log is shorter than it was.
    #[error(
        "the log has {size} signed entries, and had {earlier} when the earlier checkpoint was signed: its end was cut off"
    )]
    CutOff {
        /// How many entries it has.
        size: u64,
        /// How many it had.
        earlier: u64,
    },
    /// The log has no entry of the call.
    #[error("the log has no entry of this call")]
    NoCall,
    /// A file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// What to do, where the error does not say so itself.
struct Advice<'a>(&'a ReadError);

impl std::fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            ReadError::Damaged(damage) => write!(
                f,
                " at {damage}; keep the folder as it is for whoever looks into it, and begin a new log in another"
            ),
            ReadError::Missing { .. } => {
                f.write_str("; name the folder that was given to `AuditLog::open`")
            }
            _ => Ok(()),
        }
    }
}

fn read_text(path: &Path) -> Result<String, Refused> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| {
        let len = file.take(MAX_INPUT_BYTES + 1).read_to_string(&mut text)?;
        if len as u64 > MAX_INPUT_BYTES {
            return Err(io::Error::other("too large to be a proof or a checkpoint"));
        }
        Ok(())
    });
    read.map_err(|source| Refused::Read {
        path: path.into(),
        source,
    })?;
    Ok(text)
}

/// Writes a new file; one that cannot be written whole is removed again.
fn write_text(path: &Path, text: &str) -> Result<String, Refused> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    let written = File::open_with(&options, path).and_then(|mut file| {
        let written = file.write_all(text.as_bytes());
        if written.is_err() {
            // The first error is the one to report.
            let _ = fs::remove_file(path);
        }
        written
    });
    written.map_err(|source| Refused::Write {
        path: path.into(),
        source,
    })?;
    Ok(path.display().to_string())
}

#[cfg(test)]
mod tests;
