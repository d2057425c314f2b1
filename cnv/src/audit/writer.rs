//! Putting entries on disk: the files, what opening them repairs, and one group after another.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::damage::{Fault, LogFile, ReadError};
use super::note::{NoteError, SignedCheckpoint, VerifierKey};
use super::reader::{AuditReader, MAGIC, damage, replay};
use super::record;
use super::tree::{Frontier, TreeHash};
use crate::attestation::PrivateKey;

/// What a writer needs of a disk.
pub(super) trait Storage: Send {
    /// Appends all of the bytes.
    fn write(&mut self, file: LogFile, bytes: &[u8]) -> io::Result<()>;
    /// Waits until what was written is on disk.
    fn sync(&mut self, file: LogFile) -> io::Result<()>;
}

/// The two files in a folder, and the lock on it for as long as this lives.
pub(super) struct Files {
    entries: File,
    checkpoints: File,
    _lock: File,
}

impl Files {
    const fn file(&mut self, file: LogFile) -> &mut File {
        match file {
            LogFile::Entries => &mut self.entries,
            LogFile::Checkpoints => &mut self.checkpoints,
        }
    }
}

impl Storage for Files {
    fn write(&mut self, file: LogFile, bytes: &[u8]) -> io::Result<()> {
        self.file(file).write_all(bytes)
    }

    fn sync(&mut self, file: LogFile) -> io::Result<()> {
        self.file(file).sync_data()
    }
}

/// Appends groups of entries, each with the checkpoint that covers it.
pub(super) struct Writer<S> {
    storage: S,
    key: PrivateKey,
    log: VerifierKey,
    frontier: Frontier,
    checkpoints: u64,
    last: Option<SignedCheckpoint>,
    syncs: bool,
    buffer: Vec<u8>,
}

impl<S: Storage> Writer<S> {
    pub(super) const fn new(storage: S, key: PrivateKey, log: VerifierKey, syncs: bool) -> Self {
        Self {
            storage,
            key,
            log,
            frontier: Frontier::new(),
            checkpoints: 0,
            last: None,
            syncs,
            buffer: Vec::new(),
        }
    }

    /// How many entries there are.
    pub(super) const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The last checkpoint that was signed.
    pub(super) const fn last(&self) -> Option<&SignedCheckpoint> {
        self.last.as_ref()
    }

    /// Writes entries, which the next checkpoint covers. After an error of this or of another function nothing may be
    /// written any more: what is on disk is not known then, and a second `fdatasync` would report success for pages that
    /// the first one gave up.
    pub(super) fn write(&mut self, entries: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
        self.buffer.clear();
        for body in entries {
            record::put(&mut self.buffer, self.frontier.size(), &body);
            self.frontier.push(TreeHash::leaf(&body));
        }
        self.storage.write(LogFile::Entries, &self.buffer)
    }

    /// Waits for the disk, and signs the tree as it is. Its entries are on disk before, so that no signed tree is larger
    /// than the one that the next start finds.
    pub(super) fn commit(&mut self) -> io::Result<()> {
        if self.syncs {
            self.storage.sync(LogFile::Entries)?;
        }
        let root = self.frontier.root();
        let signed = SignedCheckpoint::sign(self.frontier.size(), root, &self.log, &self.key);
        self.buffer.clear();
        record::put(
            &mut self.buffer,
            self.checkpoints,
            signed.to_string().as_bytes(),
        );
        self.storage.write(LogFile::Checkpoints, &self.buffer)?;
        self.checkpoints += 1;
        self.last = Some(signed);
        Ok(())
    }

    /// Waits until the checkpoints are on disk as well. They are not waited for after each group, because the entries
    /// make the same tree again.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.syncs {
            self.storage.sync(LogFile::Checkpoints)?;
        }
        Ok(())
    }
}

/// What opening a log cut off: writes that a crash had left unfinished. None of it had been acknowledged as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// Bytes behind the last whole entry.
    pub entries_bytes: u64,
    /// Bytes behind the last whole checkpoint.
    pub checkpoints_bytes: u64,
}

/// Opens the log in `folder`, or makes it, and repairs its ends.
pub(super) fn open(
    folder: &Path,
    log: &VerifierKey,
    key: PrivateKey,
    syncs: bool,
) -> Result<(Writer<Files>, Recovered), OpenError> {
    let io_error = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { path, source }
    };
    let made = make_folder(folder).map_err(io_error(folder))?;
    let lock_path = folder.join("lock");
    let lock = open_file(&lock_path).map_err(io_error(&lock_path))?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => OpenError::Locked {
            path: folder.into(),
        },
        TryLockError::Error(source) => io_error(&lock_path)(source),
    })?;
    let paths = [LogFile::Entries, LogFile::Checkpoints].map(|file| folder.join(file.name()));
    let mut files = Files {
        entries: open_file(&paths[0]).map_err(io_error(&paths[0]))?,
        checkpoints: open_file(&paths[1]).map_err(io_error(&paths[1]))?,
        _lock: lock,
    };
    let entries_len = files.entries.metadata().map_err(io_error(&paths[0]))?.len();
    if entries_len <= MAGIC.len() as u64 && has_no_checkpoint(folder) {
        files.checkpoints.set_len(0).map_err(io_error(&paths[1]))?;
        files.entries.set_len(0).map_err(io_error(&paths[0]))?;
        files
            .entries
            .write_all(MAGIC)
            .map_err(io_error(&paths[0]))?;
        let mut writer = Writer::new(files, key, log.clone(), syncs);
        let begun = writer.commit().and_then(|()| writer.finish());
        begun.map_err(io_error(folder))?;
        sync_folder(folder);
        if made {
            folder.parent().into_iter().for_each(sync_folder);
        }
        return Ok((writer, Recovered::default()));
    }

    let found = replay(folder, |_| Ok(()))?;
    found.last.verify(log).map_err(|error| match error {
        NoteError::OtherOrigin { found } => OpenError::OtherLog { found },
        NoteError::NotSigned => OpenError::OtherKey,
        error => {
            let (number, offset) = found.last_at;
            let fault = Fault::Checkpoint(error);
            damage(LogFile::Checkpoints, number, offset, fault).into()
        }
    })?;
    let repaired = truncate(&files.entries, found.entries_end, found.entries_rest)
        .and_then(|()| write_again(&mut files.entries, found.signed_end, found.entries_end));
    repaired.map_err(io_error(&paths[0]))?;
    truncate(
        &files.checkpoints,
        found.checkpoints_end,
        found.checkpoints_rest,
    )
    .and_then(|()| files.checkpoints.seek(SeekFrom::End(0)))
    .map_err(io_error(&paths[1]))?;

    let mut writer = Writer::new(files, key, log.clone(), syncs);
    let is_signed = found.frontier.size() == found.last.checkpoint().size();
    writer.frontier = found.frontier;
    writer.checkpoints = found.checkpoints;
    writer.last = Some(found.last);
    if !is_signed {
        writer.commit().map_err(io_error(folder))?;
    }
    let recovered = Recovered {
        entries_bytes: found.entries_rest,
        checkpoints_bytes: found.checkpoints_rest,
    };
    Ok((writer, recovered))
}

/// Whether no log was begun here: the first checkpoint, of no entries, is written before anything is appended.
fn has_no_checkpoint(folder: &Path) -> bool {
    let found = AuditReader::new(folder).last_checkpoint();
    matches!(found, Err(ReadError::Damaged(damage)) if damage.fault == Fault::NoCheckpoint)
}

/// Whether the folder was made. Only its owner can look into it.
fn make_folder(folder: &Path) -> io::Result<bool> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes new names durable. Not every file system can, and then they are as durable as it makes them.
fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

fn truncate(file: &File, end: u64, rest: u64) -> io::Result<()> {
    if rest == 0 { Ok(()) } else { file.set_len(end) }
}

/// Writes what no checkpoint covers once more, in its place. A failed `fdatasync` may have left it in memory only, where
/// it reads as if it were on disk; written again, the next `fdatasync` tells the truth about it.
fn write_again(file: &mut File, start: u64, end: u64) -> io::Result<()> {
    let mut block = vec![0; 64 * 1024];
    let mut at = start;
    while at < end {
        let len = (end - at).min(block.len() as u64) as usize;
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut block[..len])?;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&block[..len])?;
        at += len as u64;
    }
    file.seek(SeekFrom::Start(end)).map(drop)
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
    /// The operating system refused.
    #[error("cannot open the audit log: `{}`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}
