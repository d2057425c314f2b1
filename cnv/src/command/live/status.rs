//! How an application's grammar stands.

use std::path::PathBuf;

use serde::Serialize;

/// How an application's grammar stands, as `grammar status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LiveStatus {
    /// The overlay's file.
    pub file: PathBuf,
    /// How the file stands to what is in force.
    #[serde(flatten)]
    pub state: LiveState,
    /// How often another grammar came into force in this process; 0 is the program's own.
    pub version: u64,
    /// The digest of the grammar that is in force.
    pub grammar: String,
    /// How often a text was checked against the program.
    pub compilations: u64,
    /// Why the overlay that is in force could not be written down, where that is so: after a restart with a bad file, the one
    /// that was written down last is in force. Each look at the file tries again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unkept: Option<String>,
}

/// How the overlay's file stands to what is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
#[non_exhaustive]
pub enum LiveState {
    /// What it says is in force.
    Current,
    /// It has changed, and is being written or checked.
    Candidate,
    /// It is refused; what was in force before is.
    Rejected {
        /// What is wrong, with its line where it is one.
        why: String,
    },
    /// What it says is in force, and so are names of arguments that are on their way out.
    Draining {
        /// When the next one ends, in seconds since 1970.
        until: u64,
    },
    /// It is gone; what was in force before is.
    Stale {
        /// What is missing.
        why: String,
    },
}
