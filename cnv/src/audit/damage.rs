//! What can be wrong with a log on disk, and where.

use core::fmt;
use std::io;
use std::path::PathBuf;

use super::entry::EntryError;
use super::note::NoteError;

/// One of the two files of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogFile {
    /// The entries.
    Entries,
    /// The checkpoints.
    Checkpoints,
}

impl LogFile {
    /// The file's name in the log's folder.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Checkpoints => "checkpoints",
        }
    }

    const fn record(self) -> &'static str {
        match self {
            Self::Entries => "entry",
            Self::Checkpoints => "checkpoint",
        }
    }
}

impl fmt::Display for LogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The first place at which a log is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {number}, at byte {offset} of the file `{file}`: {fault}", file.record())]
pub struct Damage {
    /// The file.
    pub file: LogFile,
    /// The number of the entry or checkpoint, from 0.
    pub number: u64,
    /// Where that starts in the file, in bytes.
    pub offset: u64,
    /// What is wrong with it.
    #[source]
    pub fault: Fault,
}

/// What is wrong with an entry or a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file does not start as a file of this kind does.
    #[error("the file does not start as a file of entries does")]
    Magic,
    /// The first twelve bytes do not match their checksum: they changed, or it was written for another place.
    #[error("its header does not match its checksum: it was changed, or moved from another place")]
    Header,
    /// The content does not match its checksum.
    #[error("its content does not match its checksum: it was changed")]
    Body,
    /// An entry that no checkpoint covers does not have the code that the log's writer would have given it.
    #[error(
        "it was not written by this log: somebody without the log's key wrote or changed it, so it is not signed"
    )]
    Code,
    /// The checksums match, and the content is no entry.
    #[error("it is no entry: {0}")]
    Entry(#[source] EntryError),
    /// The checksums match, and the content is no checkpoint of this log.
    #[error("it is no checkpoint of this log: {0}")]
    Checkpoint(#[source] NoteError),
    /// A checkpoint is of a smaller tree than the one before it.
    #[error("it is of {size} entries, where {before} had been signed")]
    Shrinks {
        /// Its size.
        size: u64,
        /// The size of the one before.
        before: u64,
    },
    /// The entries from here on are not those that were signed.
    #[error(
        "the entries from here up to entry {last} are not those that checkpoint {checkpoint} signed: at least one was edited, moved or exchanged"
    )]
    Root {
        /// The last entry that the checkpoint covers beyond the one before.
        last: u64,
        /// The number of the checkpoint.
        checkpoint: u64,
    },
    /// Another tree of the same size was signed.
    #[error(
        "another root was signed for these {size} entries: something was edited, moved or exchanged"
    )]
    Forked {
        /// How many entries the tree has.
        size: u64,
    },
    /// The file ends here, before what was signed.
    #[error("the file ends here, and {signed} entries had been signed: its end was cut off")]
    Cut {
        /// How many entries the last checkpoint covers.
        signed: u64,
    },
    /// There are entries and no checkpoint at all.
    #[error("there is no checkpoint, and a log has one from its beginning: they were removed")]
    NoCheckpoint,
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It is not what was written.
    #[error("the audit log is damaged")]
    Damaged(#[from] Damage),
    /// There is none.
    #[error("there is no audit log in `{}`", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// The log has no such entry under a checkpoint.
    #[error("the log's last checkpoint covers {size} entries; there is no entry {number} in it")]
    NoEntry {
        /// The entry that was asked for.
        number: u64,
        /// The size of the last checkpoint.
        size: u64,
    },
    /// The operating system refused.
    #[error("cannot read the audit log's {file}")]
    Io {
        /// The file.
        file: LogFile,
        /// What the operating system said.
        source: io::Error,
    },
}
