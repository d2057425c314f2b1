//! Attenuation: a link grants no more than the link before it.

use crate::capability::{CapabilityContract, Gap};

use super::Timestamp;
use super::claims::Claims;

/// Checks that `link` lies within `parent` in every dimension. The issuer needs no check: it is the parent's holder, or
/// the signature does not hold.
pub(super) fn check(parent: &Claims, link: &Claims) -> Result<(), LinkFault> {
    if let Some(gap) = parent.contract.first_gap(&link.contract) {
        return Err(LinkFault::Capability {
            parent: parent.contract,
            link: link.contract,
            gap,
        });
    }
    if link.not_before < parent.not_before {
        return Err(LinkFault::NotBefore {
            parent: parent.not_before,
            link: link.not_before,
        });
    }
    if link.expires_at > parent.expires_at {
        return Err(LinkFault::Expiry {
            parent: parent.expires_at,
            link: link.expires_at,
        });
    }
    if let Some(audience) = &parent.audience
        && link.audience.as_ref() != Some(audience)
    {
        return Err(LinkFault::Audience {
            parent: audience.clone(),
            link: link.audience.clone(),
        });
    }
    if link.holder.depth() >= parent.holder.depth() {
        return Err(LinkFault::Depth {
            parent: parent.holder.depth(),
            link: link.holder.depth(),
        });
    }
    Ok(())
}

/// How a link grants more than the link before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkFault {
    /// Its contract is not within the parent's.
    #[error(
        "it grants `{link}`, but the link before it only `{parent}`: {}",
        wider(gap)
    )]
    Capability {
        /// What the link before it grants.
        parent: CapabilityContract,
        /// What it grants.
        link: CapabilityContract,
        /// The first dimension in which that is more.
        gap: Gap,
    },
    /// It is valid before its parent is.
    #[error("it is valid from {link}, but the link before it only from {parent}")]
    NotBefore {
        /// The first moment of the parent's validity.
        parent: Timestamp,
        /// The first moment of its own.
        link: Timestamp,
    },
    /// It is valid after its parent is.
    #[error("it is valid until {link}, but the link before it only until {parent}")]
    Expiry {
        /// The end of the parent's validity.
        parent: Timestamp,
        /// The end of its own.
        link: Timestamp,
    },
    /// Its parent is meant for one audience, and it for another or for any.
    #[error(
        "it is meant for {}, but the link before it only for `{parent}`",
        link.as_ref().map_or_else(|| "any audience".to_owned(), |name| format!("`{name}`"))
    )]
    Audience {
        /// The parent's audience.
        parent: String,
        /// Its own.
        link: Option<String>,
    },
    /// Its depth is not smaller than its parent's.
    #[error("its depth is {link}, which has to be less than the {parent} of the link before it")]
    Depth {
        /// The parent's depth.
        parent: u8,
        /// Its own.
        link: u8,
    },
}

/// The dimension in which a link is wider than its parent.
fn wider(gap: &Gap) -> String {
    match gap {
        Gap::Class { held, needed } => format!("class `{needed}` is not within `{held}`"),
        Gap::Band { held, needed } => format!("resource band `{needed}` is larger than `{held}`"),
        Gap::Stability { held, needed } => {
            format!("stability `{needed}` is looser than `{held}`")
        }
        Gap::Safety { held, needed } => format!("safety `{needed}` is lower than `{held}`"),
    }
}
