//! Opening a log for writing: what a crash left at its ends is repaired, and nothing else is.

use std::io;
use std::path::{Path, PathBuf};

use super::damage::{Fault, LogFile, ReadError};
use super::files::Files;
use super::note::{NoteError, VerifierKey};
use super::reader::{AuditReader, MAGIC, Replay, damage, replay};
use super::writer::Writer;
use crate::attestation::PrivateKey;

/// What opening a log cut off: writes that a crash had left unfinished. None of it had been acknowledged as durable.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// Bytes behind the last whole entry.
    pub entries_bytes: u64,
    /// Bytes behind the last whole checkpoint.
    pub checkpoints_bytes: u64,
    /// What of these stood behind a hole, and was saved: at most one cut of each file.
    pub cuts: Vec<Cut>,
}

/// The end of a file from a hole on. A loss of power leaves holes where what was written later was on disk earlier, so
/// what lies behind one was never acknowledged as durable, but it may be whole, and is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cut {
    /// The file.
    pub file: LogFile,
    /// The number of the first entry or checkpoint that is not in the file any more.
    pub number: u64,
    /// Where that started in the file, in bytes.
    pub offset: u64,
    /// How many bytes were cut off.
    pub len_bytes: u64,
    /// The file in the log's folder that has these bytes now.
    pub saved: PathBuf,
}

/// Opens the log in `folder`, or makes it, and repairs its ends.
pub(super) fn open(
    folder: &Path,
    log: &VerifierKey,
    key: PrivateKey,
    syncs: bool,
) -> Result<(Writer<Files>, Recovered), OpenError> {
    let files = Files::open(folder)?;
    let is_empty = files.len(LogFile::Entries)? <= MAGIC.len() as u64;
    let mut writer = Writer::new(files, key, log.clone(), syncs);
    let folder_error = |source| OpenError::Io {
        path: folder.into(),
        source,
    };
    if is_empty && has_no_checkpoint(folder) {
        writer.storage().begin(MAGIC)?;
        let begun = writer.commit().and_then(|()| writer.finish());
        begun.map_err(folder_error)?;
        writer.storage().sync_names();
        return Ok((writer, Recovered::default()));
    }

    let found = replay(folder, Some(writer.mac()), |_| Ok(()))?;
    found.last.verify(log).map_err(|error| match error {
        NoteError::OtherOrigin { found } => OpenError::OtherLog { found },
        NoteError::NotSigned => OpenError::OtherKey,
        error => {
            let (number, offset) = found.last_at;
            let fault = Fault::Checkpoint(error);
            damage(LogFile::Checkpoints, number, offset, fault).into()
        }
    })?;
    let recovered = repair(writer.storage(), &found)?;
    let is_signed = found.frontier.size() == found.last.checkpoint().size();
    writer.resume(found);
    if !is_signed {
        writer.commit().map_err(folder_error)?;
    }
    Ok((writer, recovered))
}

/// Cuts off what is not whole, and writes once more what no checkpoint covers.
fn repair(files: &mut Files, found: &Replay) -> Result<Recovered, OpenError> {
    let mut recovered = Recovered {
        entries_bytes: found.entries_rest,
        checkpoints_bytes: found.checkpoints_rest,
        cuts: Vec::new(),
    };
    let entries = (found.frontier.size(), found.entries_end, found.entries_rest);
    let checkpoints = (
        found.checkpoints,
        found.checkpoints_end,
        found.checkpoints_rest,
    );
    for (file, is_hole, (number, end, rest)) in [
        (LogFile::Entries, found.entries_hole, entries),
        (LogFile::Checkpoints, found.checkpoints_hole, checkpoints),
    ] {
        if is_hole {
            recovered.cuts.push(Cut {
                file,
                number,
                offset: end,
                len_bytes: rest,
                saved: files.save(file, end)?,
            });
        }
        files.truncate(file, end, rest)?;
    }
    files.write_again(LogFile::Entries, found.signed_end, found.entries_end)?;
    Ok(recovered)
}

/// Whether no log was begun here: the first checkpoint, of no entries, is written before anything is appended.
fn has_no_checkpoint(folder: &Path) -> bool {
    let found = AuditReader::new(folder).last_checkpoint();
    matches!(found, Err(ReadError::Damaged(damage)) if damage.fault == Fault::NoCheckpoint)
}

/// Why a log was not opened for writing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another writer has it.
    #[error("the audit log in `{}` is being written by another process or handle", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The name is refused.
    #[error(transparent)]
    Origin(NoteError),
    /// It is the log of another name.
    #[error("the audit log there is `{found}`: a log keeps its name")]
    OtherLog {
        /// The log's name.
        found: String,
    },
    /// Its last checkpoint was signed with another key.
    #[error(
        "the audit log there was signed with another key: a log keeps its key, so begin another log for a new one"
    )]
    OtherKey,
    /// It cannot be read, or is damaged; damage is never repaired.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The group or others can write the folder, or a file in it.
    #[error(
        "`{}` has mode {mode:04o}: others could change the audit log; run `chmod go-w` on it", path.display()
    )]
    Mode {
        /// The folder or file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// One of the log's files is a symbolic link, a pipe or a device.
    #[error("`{}` is not a file: an audit log is written to files of its own", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot open the audit log: `{}`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}
