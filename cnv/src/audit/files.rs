//! The files of a log: how they are opened, so that nobody else's are, and written.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

#[cfg(unix)]
use rustix::{fs::OFlags, io::Errno};

use super::damage::LogFile;
use super::recovery::OpenError;
use crate::attestation::trusted_file::sync_folder;

/// What a writer needs of a disk.
pub(super) trait Storage: Send {
    /// Appends all of the bytes.
    fn write(&mut self, file: LogFile, bytes: &[u8]) -> io::Result<()>;
    /// Waits until what was written is on disk.
    fn sync(&mut self, file: LogFile) -> io::Result<()>;
    /// How many bytes there is room for, where that is known.
    fn free_bytes(&self) -> Option<u64>;
}

/// The two files in a folder, and the lock on it for as long as this lives.
pub(super) struct Files {
    folder: PathBuf,
    /// Whether the folder was made just now.
    is_new: bool,
    entries: File,
    checkpoints: File,
    _lock: File,
}

impl Files {
    /// Opens the files in `folder`, or makes them, and locks them.
    pub(super) fn open(folder: &Path) -> Result<Self, OpenError> {
        let io_error = |source| OpenError::Io {
            path: folder.into(),
            source,
        };
        let is_new = make_folder(folder).map_err(io_error)?;
        check_mode(folder, &fs::metadata(folder).map_err(io_error)?)?;
        let lock_path = folder.join("lock");
        let lock = open_to_write(&lock_path)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::Locked {
                path: folder.into(),
            },
            TryLockError::Error(source) => OpenError::Io {
                path: lock_path,
                source,
            },
        })?;
        Ok(Self {
            folder: folder.into(),
            is_new,
            entries: open_to_write(&folder.join(LogFile::Entries.name()))?,
            checkpoints: open_to_write(&folder.join(LogFile::Checkpoints.name()))?,
            _lock: lock,
        })
    }

    const fn file(&mut self, file: LogFile) -> &mut File {
        match file {
            LogFile::Entries => &mut self.entries,
            LogFile::Checkpoints => &mut self.checkpoints,
        }
    }

    fn error(&self, file: LogFile) -> impl FnOnce(io::Error) -> OpenError + use<> {
        let path = self.folder.join(file.name());
        move |source| OpenError::Io { path, source }
    }

    pub(super) fn len(&self, file: LogFile) -> Result<u64, OpenError> {
        let found = match file {
            LogFile::Entries => self.entries.metadata(),
            LogFile::Checkpoints => self.checkpoints.metadata(),
        };
        Ok(found.map_err(self.error(file))?.len())
    }

    /// Begins both files anew.
    pub(super) fn begin(&mut self, magic: &[u8]) -> Result<(), OpenError> {
        let checkpoints = self.checkpoints.set_len(0);
        checkpoints.map_err(self.error(LogFile::Checkpoints))?;
        let entries = self.entries.set_len(0);
        let begun = entries.and_then(|()| self.entries.write_all(magic));
        begun.map_err(self.error(LogFile::Entries))
    }

    /// Makes the names durable. Not every file system can, and then they are as durable as it makes them.
    pub(super) fn sync_names(&self) {
        sync_folder(&self.folder);
        if self.is_new {
            self.folder.parent().into_iter().for_each(sync_folder);
        }
    }

    /// Cuts off what lies behind `end`, and goes on there.
    pub(super) fn truncate(&mut self, file: LogFile, end: u64, rest: u64) -> Result<(), OpenError> {
        let error = self.error(file);
        let file = self.file(file);
        let cut = if rest == 0 { Ok(()) } else { file.set_len(end) };
        let moved = cut.and_then(|()| file.seek(SeekFrom::Start(end)));
        moved.map(drop).map_err(error)
    }

    /// Saves what lies behind `start` to a new file beside the log's, and waits until it is on disk.
    pub(super) fn save(&mut self, file: LogFile, start: u64) -> Result<PathBuf, OpenError> {
        let (saved, mut copy) = self.new_cut(file)?;
        let source = self.file(file);
        let copied = source
            .seek(SeekFrom::Start(start))
            .and_then(|_| io::copy(source, &mut copy))
            .and_then(|_| copy.sync_all());
        copied.map_err(|source| OpenError::Io {
            path: saved.clone(),
            source,
        })?;
        sync_folder(&self.folder);
        Ok(saved)
    }

    /// The first file `NAME.cut-N` that is not there yet.
    fn new_cut(&self, file: LogFile) -> Result<(PathBuf, File), OpenError> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut number = 1_u64;
        loop {
            let path = self.folder.join(format!("{}.cut-{number}", file.name()));
            match options.open(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(source) => return Err(OpenError::Io { path, source }),
            }
        }
    }

    /// Writes what stands there once more, in its place. A failed `fdatasync` may have left it in memory only, where it
    /// reads as if it were on disk; written again, the next `fdatasync` tells the truth about it.
    pub(super) fn write_again(
        &mut self,
        file: LogFile,
        start: u64,
        end: u64,
    ) -> Result<(), OpenError> {
        let error = self.error(file);
        let file = self.file(file);
        let mut block = vec![0; 64 * 1024];
        let mut at = start;
        let mut write_again = || {
            while at < end {
                let len = (end - at).min(block.len() as u64) as usize;
                file.seek(SeekFrom::Start(at))?;
                file.read_exact(&mut block[..len])?;
                file.seek(SeekFrom::Start(at))?;
                file.write_all(&block[..len])?;
                at += len as u64;
            }
            file.seek(SeekFrom::Start(end)).map(drop)
        };
        write_again().map_err(error)
    }
}

impl Storage for Files {
    fn write(&mut self, file: LogFile, bytes: &[u8]) -> io::Result<()> {
        self.file(file).write_all(bytes)
    }

    fn sync(&mut self, file: LogFile) -> io::Result<()> {
        self.file(file).sync_data()
    }

    fn free_bytes(&self) -> Option<u64> {
        #[cfg(unix)]
        {
            let disk = rustix::fs::fstatvfs(&self.entries).ok()?;
            Some(disk.f_bavail.saturating_mul(disk.f_frsize))
        }
        #[cfg(not(unix))]
        None
    }
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

/// What the name of a file of the log leads to is not followed, and a pipe is not waited for.
fn own_file(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        options,
        (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32,
    );
    #[cfg(not(unix))]
    let _ = options;
}

pub(super) fn open_to_read(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    own_file(&mut options);
    let file = options.open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a file",
        ))
    }
}

fn open_to_write(path: &Path) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    own_file(&mut options);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let not_a_file = || OpenError::NotAFile { path: path.into() };
    let io_error = |source| OpenError::Io {
        path: path.into(),
        source,
    };
    let file = options.open(path).map_err(|source| match source {
        #[cfg(unix)]
        source if source.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => not_a_file(),
        source => io_error(source),
    })?;
    let found = file.metadata().map_err(io_error)?;
    if !found.is_file() {
        return Err(not_a_file());
    }
    check_mode(path, &found)?;
    Ok(file)
}

/// Refuses what the group or others can write.
#[cfg(unix)]
fn check_mode(path: &Path, found: &Metadata) -> Result<(), OpenError> {
    use std::os::unix::fs::MetadataExt;
    let mode = found.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(OpenError::Mode {
            path: path.into(),
            mode,
        });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_path: &Path, _found: &Metadata) -> Result<(), OpenError> {
    Ok(())
}
