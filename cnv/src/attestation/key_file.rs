//! Private keys in files that only their owner can read.
//!
//! A key that others can read is everybody's key, so [`load`] refuses it instead of warning. Encrypting the file with a
//! passphrase was rejected: a daemon would need the passphrase beside the key.
//!
//! ```
//! use cnv::attestation::{PrivateKey, key_file};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("authority.pem");
//!
//! let (key, public) = PrivateKey::generate();
//! key_file::create(&path, &key)?;
//! assert_eq!(key_file::load(&path)?.public_key(), public);
//! assert!(key_file::create(&path, &key).is_err(), "a key is never overwritten");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! On Unix [`create`] makes the file with mode 0600 and [`load`] refuses any mode that gives the group or others
//! something. Elsewhere the folder's access list decides, and modes are not checked. The file's owner, access lists
//! beyond the mode, and the folders above the file are not checked on any system. A symbolic link is refused in the
//! last component of the path only.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

#[cfg(unix)]
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::trusted_file::sync_folder_of;
use super::{PrivateKey, PrivateKeyError};

/// The longest key file that [`load`] reads, in bytes. PKCS#8 of an Ed25519 key in PEM has 119.
pub const MAX_LEN_BYTES: usize = 4096;

/// Writes `key` to a new file that only its owner can read, and waits until it is on disk.
///
/// A file that cannot be written whole is removed again.
///
/// # Errors
///
/// [`KeyFileError::Exists`] where something of that name is there already, a dangling symbolic link included;
/// [`KeyFileError::Mode`] where the file system does not keep modes; [`KeyFileError::Io`] for what else the operating
/// system refuses.
pub fn create(path: impl AsRef<Path>, key: &PrivateKey) -> Result<(), KeyFileError> {
    let path = path.as_ref();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);

    let file = options.open(path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.into() },
        _ => KeyFileError::Io {
            path: path.into(),
            source,
        },
    })?;
    let written = write_whole(path, file, key);
    if written.is_err() {
        // The first error is the one to report. A file that cannot be removed either stays private to its owner.
        let _ = fs::remove_file(path);
    }
    written
}

fn write_whole(path: &Path, mut file: File, key: &PrivateKey) -> Result<(), KeyFileError> {
    let io_error = |source| KeyFileError::Io {
        path: path.into(),
        source,
    };
    // Before the secret goes in: some file systems give every file the mode they were mounted with.
    check_mode(path, &file.metadata().map_err(io_error)?)?;
    file.write_all(key.to_pkcs8_pem().as_bytes())
        .map_err(io_error)?;
    file.sync_all().map_err(io_error)?;
    sync_folder_of(path);
    Ok(())
}

/// Reads the key in a file that only its owner can read.
///
/// # Errors
///
/// [`KeyFileError::Symlink`], [`NotAFile`](KeyFileError::NotAFile), [`Mode`](KeyFileError::Mode),
/// [`Replaced`](KeyFileError::Replaced) and [`TooLarge`](KeyFileError::TooLarge) for a file that is refused unread,
/// [`Key`](KeyFileError::Key) for one that holds no key, [`Io`](KeyFileError::Io) for what the operating system
/// refuses. Each names the path; none is worth a retry before somebody has changed the file.
pub fn load(path: impl AsRef<Path>) -> Result<PrivateKey, KeyFileError> {
    let path = path.as_ref();
    let (file, metadata) = open(path)?;
    check_mode(path, &metadata)?;
    read(path, file)
}

/// Reads a key from a file that another tool made, and says which mode it has where that gives the group or others
/// something: then they may have the key.
///
/// For the one time that a key is brought over, into a file that [`create`] makes.
///
/// # Errors
///
/// As [`load`], without [`KeyFileError::Mode`].
pub fn import(path: impl AsRef<Path>) -> Result<(PrivateKey, Option<u32>), KeyFileError> {
    let path = path.as_ref();
    let (file, metadata) = open(path)?;
    let mode = match check_mode(path, &metadata) {
        Err(KeyFileError::Mode { mode, .. }) => Some(mode),
        _ => None,
    };
    Ok((read(path, file)?, mode))
}

/// Opens a file, and nothing that a name leads to in its stead.
fn open(path: &Path) -> Result<(File, Metadata), KeyFileError> {
    let io_error = |source| KeyFileError::Io {
        path: path.into(),
        source,
    };
    // Looked at before it is opened, because opening a device can have effects.
    let named = fs::symlink_metadata(path).map_err(io_error)?;
    if named.file_type().is_symlink() {
        return Err(KeyFileError::Symlink { path: path.into() });
    }
    if !named.is_file() {
        return Err(KeyFileError::NotAFile { path: path.into() });
    }
    let mut options = OpenOptions::new();
    options.read(true);
    // What took its place meanwhile is not followed, and a pipe is not waited for.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32,
    );
    let file = options.open(path).map_err(io_error)?;
    let opened = file.metadata().map_err(io_error)?;
    if !is_same_file(&named, &opened) {
        return Err(KeyFileError::Replaced { path: path.into() });
    }
    Ok((file, opened))
}

fn read(path: &Path, file: File) -> Result<PrivateKey, KeyFileError> {
    // One byte more than allowed tells a file that is too long; the capacity is final, so that no copy of the key is
    // left behind by growing.
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_LEN_BYTES + 1));
    file.take(MAX_LEN_BYTES as u64 + 1)
        .read_to_end(&mut content)
        .map_err(|source| KeyFileError::Io {
            path: path.into(),
            source,
        })?;
    if content.len() > MAX_LEN_BYTES {
        return Err(KeyFileError::TooLarge { path: path.into() });
    }
    let pem = std::str::from_utf8(&content)
        .map_err(|source| PrivateKeyError::Pkcs8 {
            source: source.into(),
        })
        .and_then(PrivateKey::from_pkcs8_pem);
    pem.map_err(|source| KeyFileError::Key {
        path: path.into(),
        source,
    })
}

/// Whether the file that was opened is the one that was looked at.
#[cfg(unix)]
fn is_same_file(named: &Metadata, opened: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (named.dev(), named.ino()) == (opened.dev(), opened.ino())
}

#[cfg(not(unix))]
fn is_same_file(_named: &Metadata, opened: &Metadata) -> bool {
    opened.is_file()
}

/// Refuses a file that the group or others can do anything with.
#[cfg(unix)]
fn check_mode(path: &Path, metadata: &Metadata) -> Result<(), KeyFileError> {
    use std::os::unix::fs::MetadataExt;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Mode {
            path: path.into(),
            mode,
        });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_path: &Path, _metadata: &Metadata) -> Result<(), KeyFileError> {
    Ok(())
}

/// Why a key file was not written or not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// Something of that name is there already; a key is never overwritten.
    #[error("{} exists already; a private key is never overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The path is a symbolic link.
    #[error("{} is a symbolic link; name the private key's file itself", path.display())]
    Symlink {
        /// The link.
        path: PathBuf,
    },
    /// The path is a folder, a pipe or a device.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The group or others have access.
    #[error("{} has mode {mode:04o}: others could read or change the private key; run `chmod 600` on it", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file was exchanged for another while it was being opened.
    #[error("{} was replaced while it was being opened", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// The file is longer than a key can be.
    #[error("{} has more than {MAX_LEN_BYTES} bytes, so it is not a private key", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no private key.
    #[error("{} holds no private key", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with its content.
        source: PrivateKeyError,
    },
    /// The operating system refused.
    #[error("cannot use the private key's file {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}
