//! Reading a log: the walk that opening and verifying share, entries one by one, and proofs.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::damage::{Damage, Fault, LogFile, ReadError};
use super::entry::AuditEntry;
use super::files;
use super::mac::RecordMac;
use super::note::{NoteError, SignedCheckpoint, VerifierKey};
use super::proof::{AuditProof, ConsistencyProof};
use super::record::{Next, Records};
use super::tree::{Frontier, RangeHashes, TreeHash, consistency_ranges, inclusion_ranges};

/// What the file of entries starts with.
pub(super) const MAGIC: &[u8; 16] = b"cnv audit log 1\n";

/// What a walk over all of a log found.
pub(super) struct Replay {
    pub(super) frontier: Frontier,
    /// Where the entries that the last checkpoint covers end, and where all whole entries do, in bytes.
    pub(super) signed_end: u64,
    pub(super) entries_end: u64,
    /// What lies behind the last whole entry, in bytes, and whether it begins with a hole.
    pub(super) entries_rest: u64,
    pub(super) entries_hole: bool,
    pub(super) checkpoints: u64,
    pub(super) checkpoints_end: u64,
    pub(super) checkpoints_rest: u64,
    pub(super) checkpoints_hole: bool,
    pub(super) last: SignedCheckpoint,
    /// The number and the place of the last checkpoint.
    pub(super) last_at: (u64, u64),
}

/// Reads every entry and every checkpoint, and holds the tree against each checkpoint's root.
///
/// `check` sees each checkpoint in turn. Entries that none covers have to have the codes of `mac`; who has not the log's
/// key cannot tell.
pub(super) fn replay(
    folder: &Path,
    mac: Option<&RecordMac>,
    mut check: impl FnMut(&SignedCheckpoint) -> Result<(), NoteError>,
) -> Result<Replay, ReadError> {
    // The checkpoints first: a writer at work puts an entry down before the checkpoint that covers it.
    let mut checkpoints = open_checkpoints(folder)?;
    let mut entries = open_entries(folder)?;
    let mut frontier = Frontier::new();
    let leaf = |number, offset, body: &[u8]| {
        AuditEntry::decode(body)
            .map_err(|error| damage(LogFile::Entries, number, offset, Fault::Entry(error)))?;
        Ok::<_, ReadError>(TreeHash::leaf(body))
    };

    let mut last: Option<(SignedCheckpoint, (u64, u64))> = None;
    while let Next::Record {
        number,
        offset,
        body,
        ..
    } = checkpoints.next_up_to_hole()?
    {
        let fault = |fault| damage(LogFile::Checkpoints, number, offset, fault);
        let signed = parse_checkpoint(body).map_err(|error| fault(Fault::Checkpoint(error)))?;
        check(&signed).map_err(|error| fault(Fault::Checkpoint(error)))?;
        let (size, before) = (signed.checkpoint().size(), frontier.size());
        if size < before {
            return Err(fault(Fault::Shrinks { size, before }));
        }
        let (first, first_offset) = (entries.number(), entries.offset());
        while frontier.size() < size {
            match entries.next()? {
                Next::Record {
                    number,
                    offset,
                    body,
                    ..
                } => frontier.push(leaf(number, offset, body)?),
                Next::End => return Err(entries.damage(Fault::Cut { signed: size })),
            }
        }
        if frontier.root() != *signed.checkpoint().root() {
            if size == before {
                return Err(fault(Fault::Forked { size }));
            }
            let root = Fault::Root {
                last: size - 1,
                checkpoint: number,
            };
            return Err(damage(LogFile::Entries, first, first_offset, root));
        }
        last = Some((signed, (number, offset)));
    }
    let signed_end = entries.offset();
    while let Next::Record {
        number,
        offset,
        body,
        code,
    } = entries.next_up_to_hole()?
    {
        let leaf = leaf(number, offset, body)?;
        if mac.is_some_and(|mac| !mac.is_code(number, &leaf, code)) {
            return Err(damage(LogFile::Entries, number, offset, Fault::Code));
        }
        frontier.push(leaf);
    }
    let (last, last_at) = last.ok_or_else(|| checkpoints.damage(Fault::NoCheckpoint))?;
    Ok(Replay {
        frontier,
        signed_end,
        entries_end: entries.offset(),
        entries_rest: entries.rest_len(),
        entries_hole: entries.is_at_hole(),
        checkpoints: checkpoints.number(),
        checkpoints_end: checkpoints.offset(),
        checkpoints_rest: checkpoints.rest_len(),
        checkpoints_hole: checkpoints.is_at_hole(),
        last,
        last_at,
    })
}

pub(super) fn damage(file: LogFile, number: u64, offset: u64, fault: Fault) -> ReadError {
    Damage {
        file,
        number,
        offset,
        fault,
    }
    .into()
}

fn parse_checkpoint(body: &[u8]) -> Result<SignedCheckpoint, NoteError> {
    str::from_utf8(body)
        .map_err(|_| NoteError::Note)
        .and_then(str::parse)
}

fn open(folder: &Path, file: LogFile) -> Result<File, ReadError> {
    files::open_to_read(&folder.join(file.name())).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ReadError::Missing {
            path: folder.into(),
        },
        _ => ReadError::Io { file, source },
    })
}

fn open_checkpoints(folder: &Path) -> Result<Records, ReadError> {
    let file = LogFile::Checkpoints;
    let input = match open(folder, file) {
        // Entries without checkpoints are no log that was never made.
        Err(ReadError::Missing { .. }) if folder.join(LogFile::Entries.name()).exists() => {
            return Err(damage(file, 0, 0, Fault::NoCheckpoint));
        }
        opened => opened?,
    };
    Records::new(file, input, 0).map_err(|source| ReadError::Io { file, source })
}

fn open_entries(folder: &Path) -> Result<Records, ReadError> {
    let file = LogFile::Entries;
    let mut input = open(folder, file)?;
    let io_error = |source| ReadError::Io { file, source };
    let mut magic = Vec::with_capacity(MAGIC.len());
    Read::by_ref(&mut input)
        .take(MAGIC.len() as u64)
        .read_to_end(&mut magic)
        .map_err(io_error)?;
    if magic != MAGIC {
        return Err(damage(file, 0, 0, Fault::Magic));
    }
    Records::new(file, input, MAGIC.len() as u64).map_err(io_error)
}

/// Reads a log, also while it is being written, and without its key.
///
/// ```
/// # use cnv::attestation::{PrivateKey, Timestamp};
/// use cnv::audit::{AuditEntry, AuditLog, AuditOptions, AuditReader, Decision, VerifierKey};
///
/// # let folder = tempfile::tempdir()?;
/// # let (key, public) = PrivateKey::generate();
/// # let log = AuditLog::open(folder.path(), key, AuditOptions::new("example.com/ops"))?;
/// # log.append(&AuditEntry::new(Timestamp::now(), [1; 16], "tree scan", Decision::Allowed))?;
/// # log.close()?;
/// let reader = AuditReader::new(folder.path());
/// for entry in reader.entries()? {
///     let (number, entry) = entry?;
///     println!("{number} {} {}", entry.time, entry.verb);
/// }
/// let verified = reader.verify(&VerifierKey::new("example.com/ops", public)?)?;
/// assert_eq!((verified.entries, verified.unsigned), (1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct AuditReader {
    folder: PathBuf,
}

/// What a log was found to be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifiedLog {
    /// How many entries there are.
    pub entries: u64,
    /// How many of these no checkpoint covers yet; anybody who can write the file could have written them.
    pub unsigned: u64,
    /// How many checkpoints there are, each verified.
    pub checkpoints: u64,
    /// The last checkpoint.
    pub last: SignedCheckpoint,
    /// Where whole entries end in the file, in bytes, and how many bytes lie behind: of an unfinished entry, or of a hole
    /// and what was written behind it.
    pub tail: (u64, u64),
}

impl AuditReader {
    /// A reader of the log in this folder. Nothing is looked at yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The last checkpoint, not verified.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub fn last_checkpoint(&self) -> Result<SignedCheckpoint, ReadError> {
        let mut checkpoints = open_checkpoints(&self.folder)?;
        let mut last = None;
        while let Next::Record {
            number,
            offset,
            body,
            ..
        } = checkpoints.next_up_to_hole()?
        {
            let parsed = parse_checkpoint(body).map_err(|error| {
                let fault = Fault::Checkpoint(error);
                damage(LogFile::Checkpoints, number, offset, fault)
            })?;
            last = Some(parsed);
        }
        last.ok_or_else(|| checkpoints.damage(Fault::NoCheckpoint))
    }

    /// The entries in order, with their numbers, whether a checkpoint covers them or not. The checksums are looked at, and
    /// no signature is: see [`verify`](Self::verify).
    ///
    /// # Errors
    ///
    /// [`ReadError`], here and at each entry; after one there is no further.
    pub fn entries(&self) -> Result<Entries, ReadError> {
        Ok(Entries {
            records: Some(open_entries(&self.folder)?),
        })
    }

    /// Reads everything, and checks every checksum, encoding, root and signature. Takes time in proportion to the log and
    /// memory for one entry.
    ///
    /// # Errors
    ///
    /// [`ReadError::Damaged`] with the first place that is not as it was written.
    pub fn verify(&self, log: &VerifierKey) -> Result<VerifiedLog, ReadError> {
        let replay = replay(&self.folder, None, |signed| signed.verify(log).map(drop))?;
        Ok(VerifiedLog {
            entries: replay.frontier.size(),
            unsigned: replay.frontier.size() - replay.last.checkpoint().size(),
            checkpoints: replay.checkpoints,
            last: replay.last,
            tail: (replay.entries_end, replay.entries_rest),
        })
    }

    /// A proof that entry `number` is in the log, for somebody who has neither the log nor its key.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoEntry`] where no checkpoint covers the entry, [`ReadError::Damaged`] where the log does not have
    /// the root that was signed.
    pub fn prove(&self, number: u64) -> Result<AuditProof, ReadError> {
        let checkpoint = self.last_checkpoint()?;
        let size = checkpoint.checkpoint().size();
        if number >= size {
            return Err(ReadError::NoEntry { number, size });
        }
        let mut entry = Vec::new();
        let hashes = self.hashes(&checkpoint, inclusion_ranges(number, size), |at, body| {
            if at == number {
                entry = body.to_vec();
            }
        })?;
        Ok(AuditProof::new(number, entry, hashes, checkpoint))
    }

    /// A proof that the log's first `size` entries are what they were when it had no more, for somebody who has kept
    /// the checkpoint of that size.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoEntry`] where the log has fewer entries, [`ReadError::Damaged`] as for [`prove`](Self::prove).
    pub fn prove_consistency(&self, size: u64) -> Result<ConsistencyProof, ReadError> {
        let checkpoint = self.last_checkpoint()?;
        let last = checkpoint.checkpoint().size();
        if size > last {
            return Err(ReadError::NoEntry {
                number: size - 1,
                size: last,
            });
        }
        let ranges = match size {
            0 => Vec::new(),
            size => consistency_ranges(size, last),
        };
        let hashes = self.hashes(&checkpoint, ranges, |_, _| ())?;
        Ok(ConsistencyProof::new(size, hashes, checkpoint))
    }

    /// The hashes over these ranges of the entries that the checkpoint covers.
    fn hashes(
        &self,
        checkpoint: &SignedCheckpoint,
        ranges: Vec<std::ops::Range<u64>>,
        mut see: impl FnMut(u64, &[u8]),
    ) -> Result<Vec<TreeHash>, ReadError> {
        let checkpoint = checkpoint.checkpoint();
        let mut entries = open_entries(&self.folder)?;
        let mut hashes = RangeHashes::new(ranges);
        let mut frontier = Frontier::new();
        while frontier.size() < checkpoint.size() {
            let signed = checkpoint.size();
            match entries.next()? {
                Next::Record { number, body, .. } => {
                    let leaf = TreeHash::leaf(body);
                    see(number, body);
                    hashes.push(number, leaf);
                    frontier.push(leaf);
                }
                Next::End => return Err(entries.damage(Fault::Cut { signed })),
            }
        }
        if frontier.root() != *checkpoint.root() {
            // `verify` finds where.
            let fault = Fault::Forked {
                size: checkpoint.size(),
            };
            return Err(damage(LogFile::Entries, 0, MAGIC.len() as u64, fault));
        }
        Ok(hashes.finish())
    }
}

/// The entries of a log. See [`AuditReader::entries`].
pub struct Entries {
    records: Option<Records>,
}

impl Iterator for Entries {
    type Item = Result<(u64, AuditEntry), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = match self.records.as_mut()?.next() {
            Ok(Next::End) => None,
            Ok(Next::Record {
                number,
                offset,
                body,
                ..
            }) => Some(
                AuditEntry::decode(body)
                    .map(|entry| (number, entry))
                    .map_err(|error| damage(LogFile::Entries, number, offset, Fault::Entry(error))),
            ),
            Err(error) => Some(Err(error)),
        };
        if !matches!(read, Some(Ok(_))) {
            self.records = None;
        }
        read
    }
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries").finish_non_exhaustive()
    }
}
