//! `ops tree`: digests directory trees.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cnv::command::Stopped;
use cnv::prelude::*;
use cnv::quota::{File, charge_io};
use cnv_examples::tree::{Entry, EntryKind, TreeDigest, TreeError, entries, hex};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

const BLOCK_BYTES: usize = 256 << 10;

/// Why a tree could not be digested.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    #[error("stopped early")]
    Stopped(#[from] Stopped),
    #[error("the tree has changed or cannot be read")]
    Tree(#[from] TreeError),
    #[error("`{}` is not a directory", .0.display())]
    NotADirectory(PathBuf),
}

/// What `tree digest` says of a tree.
#[derive(Debug, JsonSchema, Serialize)]
pub struct TreeReport {
    root: String,
    files: u64,
    links: u64,
    bytes: u64,
    sha256: String,
    largest: Vec<FileRow>,
}

/// One file.
#[derive(Debug, JsonSchema, Serialize)]
struct FileRow {
    path: String,
    bytes: u64,
    sha256: String,
}

/// Digests a directory tree with SHA-256: names, contents and link targets, in sorted order.
///
/// Two trees with the same digest hold the same files. Symbolic links are not followed.
#[verb(noun = "tree", effect = "read")]
#[budget(memory = "256MB", cpu = "10min", io = "10M")]
pub async fn digest(
    cx: Context,
    /// The directory
    root: PathBuf,
    /// How many of the largest files to list
    #[arg(long, default_value_t = 5)]
    top: usize,
) -> Result<TreeReport, DigestError> {
    if !root.is_dir() {
        return Err(match std::fs::metadata(&root) {
            Ok(_) => DigestError::NotADirectory(root),
            Err(error) => TreeError::new(root, error).into(),
        });
    }
    let entries = entries(&root, || Ok(charge_io(1)?))?;
    let bytes = entries.iter().map(|entry| entry.len_bytes).sum();
    let progress = cx.progress(bytes);
    let mut tree = TreeDigest::default();
    let mut rows: Vec<FileRow> = Vec::new();
    let mut block = vec![0; BLOCK_BYTES];
    for entry in &entries {
        cx.checkpoint()?;
        let content = content_digest(&cx, &root, entry, &mut block)?;
        tree.entry(entry, &content);
        progress.advance(entry.len_bytes);
        if entry.kind == EntryKind::File {
            keep_largest(&mut rows, entry, &content, top);
        }
    }
    let files = entries.iter().filter(|entry| entry.kind == EntryKind::File);
    let files = files.count() as u64;
    Ok(TreeReport {
        root: root.display().to_string(),
        files,
        links: entries.len() as u64 - files,
        bytes,
        sha256: tree.finish(),
        largest: rows,
    })
}

fn content_digest(
    cx: &Context,
    root: &Path,
    entry: &Entry,
    block: &mut [u8],
) -> Result<[u8; 32], DigestError> {
    let path = root.join(&entry.path);
    let fault = |error: io::Error| TreeError::new(&path, error);
    let mut hasher = Sha256::new();
    match entry.kind {
        EntryKind::Link => {
            charge_io(1).map_err(|error| fault(error.into()))?;
            let target = std::fs::read_link(&path).map_err(fault)?;
            hasher.update(target.as_os_str().as_encoded_bytes());
        }
        EntryKind::File => {
            let mut file = File::open(&path).map_err(fault)?;
            loop {
                cx.checkpoint()?;
                let read = file.read(block).map_err(fault)?;
                if read == 0 {
                    break;
                }
                hasher.update(&block[..read]);
            }
        }
    }
    Ok(hasher.finalize().into())
}

/// Keeps the `top` largest, largest first, equal ones by path.
fn keep_largest(rows: &mut Vec<FileRow>, entry: &Entry, content: &[u8; 32], top: usize) {
    let at = rows.partition_point(|row| row.bytes >= entry.len_bytes);
    if at < top {
        rows.truncate(top - 1);
        rows.insert(
            at,
            FileRow {
                path: entry.path.display().to_string(),
                bytes: entry.len_bytes,
                sha256: hex(content),
            },
        );
    }
}
