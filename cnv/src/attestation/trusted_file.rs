//! Files that say whom to believe and what to present: read where only their owner can change them, replaced as a whole.
//!
//! Trust stores, tokens and revocation lists have no secret in them, so others may read them. Who can write them can put
//! a key of his own or an older list in their place, so [`read`] refuses a file that the group or others can write. It
//! waits for nobody: a pipe or a device is refused instead of opened and read until somebody ends it.
//!
//! ```
//! use cnv::attestation::trusted_file;
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("roots.txt");
//! trusted_file::replace(&path, b"# nobody yet\n")?;
//! assert_eq!(trusted_file::read(&path, 1024)?, b"# nobody yet\n");
//! assert!(trusted_file::read(&path, 3).is_err(), "longer than that");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Modes are checked on Unix only. The file's owner, access lists beyond the mode, and the folders above the file are not
//! checked on any system; symbolic links are followed, because configuration is often put in place with them.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

#[cfg(unix)]
use rustix::fs::OFlags;

/// Everything in a file of at most `max_len_bytes`.
///
/// # Errors
///
/// [`TrustedFileError`]. Nothing of a file that is refused is used.
pub fn read(path: impl AsRef<Path>, max_len_bytes: usize) -> Result<Vec<u8>, TrustedFileError> {
    let path = path.as_ref();
    let mut content = Vec::new();
    open(path)?
        .take((max_len_bytes as u64).saturating_add(1))
        .read_to_end(&mut content)
        .map_err(|source| TrustedFileError::Io {
            path: path.into(),
            source,
        })?;
    if content.len() > max_len_bytes {
        return Err(TrustedFileError::TooLarge {
            path: path.into(),
            max_len_bytes,
        });
    }
    Ok(content)
}

/// The file itself, opened for reading: for whoever looks at its beginning first.
///
/// # Errors
///
/// As [`read`], without [`TrustedFileError::TooLarge`].
pub fn open(path: impl AsRef<Path>) -> Result<File, TrustedFileError> {
    let path = path.as_ref();
    let io_error = |source| TrustedFileError::Io {
        path: path.into(),
        source,
    };
    let not_a_file = || TrustedFileError::NotAFile { path: path.into() };

    // Looked at before it is opened, because opening a device can have effects.
    if !fs::metadata(path).map_err(io_error)?.is_file() {
        return Err(not_a_file());
    }
    let mut options = OpenOptions::new();
    options.read(true);
    // A pipe that took its place meanwhile is not waited for.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, OFlags::NONBLOCK.bits() as i32);
    let file = options.open(path).map_err(io_error)?;
    let metadata = file.metadata().map_err(io_error)?;
    if !metadata.is_file() {
        return Err(not_a_file());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let mode = metadata.mode() & 0o7777;
        if mode & 0o022 != 0 {
            return Err(TrustedFileError::WritableByOthers {
                path: path.into(),
                mode,
            });
        }
    }
    Ok(file)
}

/// Puts `content` in the place of what a file has, and waits until it is on disk: whoever reads it meanwhile, or after a
/// crash, gets all of the old or all of the new.
///
/// The file keeps its mode; a new one can be read by all and written by its owner (mode 0644, as far as the process's
/// umask lets it). Who changes what is there takes the [`lock`] first.
///
/// # Errors
///
/// What the operating system refuses. The file is then as it was.
pub fn replace(path: impl AsRef<Path>, content: &[u8]) -> io::Result<()> {
    let path = path.as_ref();
    let beside = with_suffix(path, &format!(".{}.new", std::process::id()));
    // What a process of this id left behind when it was killed.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let replaced = write_beside(&beside, path, content).and_then(|()| fs::rename(&beside, path));
    if replaced.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&beside);
    } else {
        sync_folder_of(path);
    }
    replaced
}

fn write_beside(beside: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
    let mut file = options.open(beside)?;
    match fs::metadata(path) {
        Ok(metadata) => file.set_permissions(metadata.permissions())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    file.write_all(content)?;
    file.sync_all()
}

/// Waits until nobody else holds the lock of a file, and holds it until the answer is dropped.
///
/// The lock is on a file beside it, `PATH.lock`, which stays there: the file itself is another one after each
/// [`replace`].
///
/// # Errors
///
/// What the operating system refuses.
pub fn lock(path: impl AsRef<Path>) -> io::Result<FileLock> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options
            .mode(0o600)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    }
    let file = options.open(with_suffix(path.as_ref(), ".lock"))?;
    file.lock()?;
    Ok(FileLock { _file: file })
}

/// That nobody else changes a file. Comes from [`lock`].
#[derive(Debug)]
#[must_use = "the lock is given up when this is dropped"]
pub struct FileLock {
    /// The lock ends when the file is closed, also by the end of the process.
    _file: File,
}

/// `path` itself with something after its last component, whatever bytes that has.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Makes a file's name durable as well. Not every file system can, and then the name is as durable as it makes it.
pub(super) fn sync_folder_of(path: &Path) {
    match path.parent() {
        Some(folder) if folder != Path::new("") => sync_folder(folder),
        _ => sync_folder(Path::new(".")),
    }
}

/// Makes a folder where there is none, and those above it, for its owner alone.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Makes the names in a folder durable, where the file system can.
pub(crate) fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustedFileError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The path is a folder, a pipe or a device.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Others than its owner can change it.
    #[error("{} has mode {mode:04o}: others could change it; run `chmod go-w` on it", path.display())]
    WritableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// There is too much of it.
    #[error("{} has more than {max_len_bytes} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most that it may have.
        max_len_bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots");
        fs::write(&path, "nobody").unwrap();
        for (other, is_read) in [(0o644, true), (0o444, true), (0o664, false), (0o646, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(other)).unwrap();
            match read(&path, 6) {
                Ok(content) => assert!(is_read && content == b"nobody", "{other:o}"),
                Err(TrustedFileError::WritableByOthers { mode, .. }) => {
                    assert!(!is_read && mode == other, "{other:o}");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// It would be waited for, and for ever.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        for path in [folder.path(), &pipe, Path::new("/dev/zero")] {
            let error = read(path, 6).unwrap_err();
            assert!(
                matches!(error, TrustedFileError::NotAFile { .. }),
                "{error}"
            );
        }
        let missing = read(folder.path().join("missing"), 6).unwrap_err();
        assert!(matches!(missing, TrustedFileError::Io { .. }), "{missing}");
    }

    #[test]
    fn at_most_so_much_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots");
        fs::write(&path, "nobody").unwrap();
        assert_eq!(read(&path, usize::MAX).unwrap(), b"nobody");
        let error = read(&path, 5).unwrap_err();
        assert!(
            matches!(error, TrustedFileError::TooLarge { .. }),
            "{error}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_keeps_its_mode_and_leaves_nothing_beside_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        replace(&path, b"one").unwrap();
        assert_eq!(mode() & 0o022, 0);
        for kept in [0o600, 0o640, 0o444] {
            fs::set_permissions(&path, fs::Permissions::from_mode(kept)).unwrap();
            replace(&path, b"two").unwrap();
            assert_eq!((mode(), fs::read(&path).unwrap()), (kept, b"two".to_vec()));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn one_at_a_time_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("count");
        replace(&path, b"0").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _lock = lock(&path).unwrap();
                    let count = String::from_utf8(read(&path, 8).unwrap()).unwrap();
                    let next = count.parse::<u32>().unwrap() + 1;
                    replace(&path, next.to_string().as_bytes()).unwrap();
                });
            }
        });
        assert_eq!(read(&path, 8).unwrap(), b"8");
    }
}
