//! What an attestation says, and the rules that it has to keep whether it is being made or being read.

use std::collections::BTreeMap;

use crate::capability::CapabilityContract;
use crate::plain::is_plain;

use super::field::{self, TextFault};
use super::{KeyId, PublicKey, Timestamp};

/// The longest subject and the longest audience, in bytes of UTF-8.
pub(super) const MAX_PARTY_BYTES: usize = 256;
/// The longest metadata key, in bytes of UTF-8.
pub(super) const MAX_METADATA_KEY_BYTES: usize = 64;
/// The longest metadata value, in bytes of UTF-8.
pub(super) const MAX_METADATA_VALUE_BYTES: usize = 1024;
/// The most metadata entries.
pub(super) const MAX_METADATA_ENTRIES: usize = 32;

/// The most links of a chain, and so the largest depth that a link can have.
pub const MAX_DEPTH: u8 = 8;

/// Who can use a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Whoever has the token. Nothing can be delegated from it.
    Bearer,
    /// Whoever has the private key.
    Key {
        /// The public half as it stands in the link. It is imported only after the link's signature held.
        key: [u8; PublicKey::LEN_BYTES],
        id: KeyId,
        /// How many links the chain may have from this one on, itself counted.
        depth: u8,
    },
}

impl Holder {
    pub(super) fn of(key: &PublicKey, depth: u8) -> Self {
        Self::Key {
            key: *key.as_bytes(),
            id: key.id(),
            depth,
        }
    }

    /// How many links the chain may have from this one on, itself counted.
    pub(super) fn depth(&self) -> u8 {
        match self {
            Self::Bearer => 1,
            Self::Key { depth, .. } => *depth,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) issuer: KeyId,
    pub(super) contract: CapabilityContract,
    pub(super) issued_at: Timestamp,
    pub(super) not_before: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) subject: String,
    pub(super) audience: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) holder: Holder,
}

impl Claims {
    /// The first moment of validity: nothing is valid before it was issued.
    pub(super) fn starts_at(&self) -> Timestamp {
        self.issued_at.max(self.not_before)
    }

    /// Checks every rule that does not depend on when and where the attestation is used.
    pub(super) fn check(&self) -> Result<(), ClaimsError> {
        check_text("subject", &self.subject, MAX_PARTY_BYTES)?;
        if let Some(audience) = &self.audience {
            check_text("audience", audience, MAX_PARTY_BYTES)?;
        }
        if self.metadata.len() > MAX_METADATA_ENTRIES {
            return Err(ClaimsError::TooMuchMetadata {
                entries: self.metadata.len(),
                max: MAX_METADATA_ENTRIES,
            });
        }
        for (key, value) in &self.metadata {
            check_text("metadata key", key, MAX_METADATA_KEY_BYTES)?;
            // A value may be empty: the key alone says something.
            if !value.is_empty() {
                check_text("metadata value", value, MAX_METADATA_VALUE_BYTES)?;
            }
        }
        if let Holder::Key { depth, .. } = self.holder
            && !(1..=MAX_DEPTH).contains(&depth)
        {
            return Err(ClaimsError::Depth { depth });
        }
        let starts_at = self.starts_at();
        if starts_at > self.expires_at {
            return Err(ClaimsError::NeverValid {
                starts_at,
                expires_at: self.expires_at,
            });
        }
        Ok(())
    }
}

fn check_text(field: &'static str, text: &str, max_bytes: usize) -> Result<(), ClaimsError> {
    field::check(text, max_bytes, is_plain).map_err(|fault| ClaimsError::Text { field, fault })
}

/// A rule about what an attestation may say that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// A text is empty, too long (256 bytes for subject and audience, 64 for a metadata key, 1024 for a metadata value)
    /// or has a control character.
    #[error("the {field} {fault}")]
    Text {
        /// Which text: `"subject"`, `"audience"`, `"metadata key"` or `"metadata value"`.
        field: &'static str,
        /// What is wrong with it.
        fault: TextFault,
    },
    /// There are more than 32 metadata entries.
    #[error("there are {entries} metadata entries, at most {max} are allowed")]
    TooMuchMetadata {
        /// How many there are.
        entries: usize,
        /// How many are allowed.
        max: usize,
    },
    /// The depth is not one that a link can have.
    #[error("the depth is {depth}; a chain has 1 to {MAX_DEPTH} links")]
    Depth {
        /// The depth that was given.
        depth: u8,
    },
    /// It would end before it begins.
    #[error("it would expire at {expires_at}, before it becomes valid at {starts_at}")]
    NeverValid {
        /// The later of the moment of issue and the first moment of validity.
        starts_at: Timestamp,
        /// The moment from which it is expired.
        expires_at: Timestamp,
    },
}
