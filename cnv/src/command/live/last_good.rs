//! The overlay that was in force last, kept in the application's state folder: a program that starts with a bad file
//! serves on with it.
//!
//! It has the overlay's text and not the grammar, so that it is checked against the program again when it is read.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::attestation::trusted_file::{self, TrustedFileError};
use crate::grammar::MAX_OVERLAY_BYTES;

/// A text of the largest overlay, with every character escaped, and the rest.
const MAX_BYTES: usize = 8 * MAX_OVERLAY_BYTES;

/// The version of the form.
const SCHEMA: u32 = 1;

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LastGood {
    schema: u32,
    /// The digest of the grammar of the program that had it in force.
    pub(super) program: String,
    /// The overlay's text.
    pub(super) overlay: String,
    /// Since when each name that an argument had is on its way out.
    pub(super) migrations: Vec<Migration>,
    /// The digest of the text that was refused last, which is in the audit log already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
}

/// Since when the name that an argument had is on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Migration {
    pub(super) verb: String,
    pub(super) old: String,
    pub(super) since_unix_seconds: u64,
}

/// Why it is not known what was in force.
#[derive(Debug, thiserror::Error)]
pub(super) enum LastGoodError {
    #[error(transparent)]
    File(#[from] TrustedFileError),
    #[error("cannot keep the overlay that is in force in {path}")]
    Io { path: String, source: io::Error },
    #[error(
        "{path} does not hold the overlay that was in force; if it is damaged, find out why before you remove it"
    )]
    Content { path: String },
}

impl LastGood {
    pub(super) fn new(program: String, overlay: String, migrations: Vec<Migration>) -> Self {
        Self {
            schema: SCHEMA,
            program,
            overlay,
            migrations,
            refused: None,
        }
    }

    /// What is kept in the folder for an application; `None` where nothing is.
    pub(super) fn load(folder: &Path, application: &str) -> Result<Option<Self>, LastGoodError> {
        let path = path(folder, application);
        let bytes = match trusted_file::read(&path, MAX_BYTES) {
            Err(TrustedFileError::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                return Ok(None);
            }
            bytes => bytes?,
        };
        match serde_json::from_slice::<Self>(&bytes) {
            Ok(kept) if kept.schema == SCHEMA => Ok(Some(kept)),
            _ => Err(LastGoodError::Content {
                path: path.display().to_string(),
            }),
        }
    }

    /// Puts it in the place of what is kept. Of several processes the last one's stays.
    pub(super) fn store(&self, folder: &Path, application: &str) -> Result<(), LastGoodError> {
        let path = path(folder, application);
        let write = || {
            trusted_file::create_folder(folder)?;
            let _lock = trusted_file::lock(&path)?;
            trusted_file::replace(&path, serde_json::to_string(self)?.as_bytes())
        };
        write().map_err(|source| LastGoodError::Io {
            path: path.display().to_string(),
            source,
        })
    }
}

fn path(folder: &Path, application: &str) -> PathBuf {
    folder.join(format!("{application}.overlay"))
}
