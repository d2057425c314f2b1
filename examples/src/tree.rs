//! One digest for a whole directory tree.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// A file or symbolic link of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path below the root.
    pub path: PathBuf,
    /// What it is.
    pub kind: EntryKind,
    /// The size in bytes; of a link, that of its target's name.
    pub len_bytes: u64,
}

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A symbolic link, which is never followed.
    Link,
}

/// Why a tree cannot be digested.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`", path.display())]
pub struct TreeError {
    /// What could not be read.
    pub path: PathBuf,
    #[source]
    source: io::Error,
}

impl TreeError {
    /// The error of reading `path`.
    pub fn new(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self {
            path: path.into(),
            source,
        }
    }
}

/// All files and links below `root`, sorted by the bytes of their paths. Sockets, pipes and devices
/// have no content to digest and are left out. `visit` is called once for every directory, before it
/// is read.
///
/// # Errors
///
/// [`TreeError`] where a directory cannot be read, or where `visit` fails.
pub fn entries(
    root: &Path,
    mut visit: impl FnMut() -> io::Result<()>,
) -> Result<Vec<Entry>, TreeError> {
    let mut entries = Vec::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        let full = root.join(&directory);
        let fault = |error| TreeError::new(&full, error);
        visit().map_err(fault)?;
        for entry in fs::read_dir(&full).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let path = directory.join(entry.file_name());
            let metadata = entry
                .metadata()
                .map_err(|error| TreeError::new(entry.path(), error))?;
            let kind = if metadata.is_dir() {
                directories.push(path);
                continue;
            } else if metadata.is_symlink() {
                EntryKind::Link
            } else if metadata.is_file() {
                EntryKind::File
            } else {
                continue;
            };
            entries.push(Entry {
                path,
                kind,
                len_bytes: metadata.len(),
            });
        }
    }
    entries.sort_unstable_by(|a, b| bytes(a.path.as_os_str()).cmp(bytes(b.path.as_os_str())));
    Ok(entries)
}

fn bytes(name: &OsStr) -> &[u8] {
    name.as_encoded_bytes()
}

/// The digest of a tree: SHA-256 over every entry's kind, path and content digest, each length
/// prefixed, so that no two trees give the same bytes. Times, owners and modes are not part of it.
#[derive(Debug, Clone, Default)]
pub struct TreeDigest {
    hasher: Sha256,
}

impl TreeDigest {
    /// Adds the next entry; entries come in the order of [`entries`].
    pub fn entry(&mut self, entry: &Entry, content_sha256: &[u8; 32]) {
        let path = bytes(entry.path.as_os_str());
        self.hasher.update([match entry.kind {
            EntryKind::File => 0,
            EntryKind::Link => 1,
        }]);
        self.hasher.update((path.len() as u64).to_be_bytes());
        self.hasher.update(path);
        self.hasher.update(content_sha256);
    }

    /// The digest in hexadecimal.
    #[must_use]
    pub fn finish(self) -> String {
        hex(&self.hasher.finalize().into())
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str) -> Entry {
        Entry {
            path: path.into(),
            kind: EntryKind::File,
            len_bytes: 0,
        }
    }

    fn digest(entries: &[Entry]) -> String {
        let mut digest = TreeDigest::default();
        for entry in entries {
            digest.entry(entry, &[0; 32]);
        }
        digest.finish()
    }

    #[test]
    fn names_kinds_and_splits_all_count() {
        let link = Entry {
            kind: EntryKind::Link,
            ..entry("a")
        };
        let digests = [
            digest(&[]),
            digest(&[entry("a")]),
            digest(&[entry("b")]),
            digest(&[link]),
            digest(&[entry("a"), entry("b")]),
            digest(&[entry("b"), entry("a")]),
        ];
        for (index, one) in digests.iter().enumerate() {
            assert!(!digests[..index].contains(one), "{index}");
        }
    }
}
