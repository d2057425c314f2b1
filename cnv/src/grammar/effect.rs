//! What a call may do to the world.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a call may do to the world, as `#[verb(effect = "..")]` declares it. Each may do more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Effect {
    /// Computes from its arguments alone.
    Pure,
    /// Reads files or other local state.
    Read,
    /// Changes files or other local state.
    Write,
    /// Speaks to other machines.
    Network,
    /// May do anything, such as starting other programs.
    Dangerous,
}

impl Effect {
    /// The word that the attribute takes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Read => "read",
            Self::Write => "write",
            Self::Network => "network",
            Self::Dangerous => "dangerous",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
