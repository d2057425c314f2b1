//! Refusals: one sentence for the caller, the whole story for the operator.

use core::fmt;
use std::error::Error;

use crate::capability::{CapabilityContract, Gap};

use super::{
    AttestationError, KeyId, LinkFault, PossessionFault, PublicKeyError, Timestamp, TokenError,
    revocation::Revoked,
};

/// A guarded function was not allowed to run.
///
/// `Display` is the same sentence whatever the reason was: a caller that could tell "expired" from "forged" or from
/// "enough for another command" could feel its way to what is accepted. The reason is in [`reason`](Self::reason), in
/// [`source`](Error::source) and in `Debug`, for the operator's log; keep it out of what goes back to the caller.
#[derive(Clone, PartialEq, Eq)]
pub struct Denied {
    // Boxed, so that the `Result` of every guarded call stays small.
    detail: Box<Detail>,
}

/// The reason, and which link of a chain it concerns: what [`Denied`] has as its source.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Detail {
    reason: DenialReason,
    place: Option<LinkPlace>,
}

/// Which link of a chain is meant. `Display` prints `link 2 of 3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkPlace {
    /// The link, from 1 for the root's.
    pub link: usize,
    /// How many links the chain has.
    pub links: usize,
}

impl fmt::Display for LinkPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {} of {}", self.link, self.links)
    }
}

impl Denied {
    /// A refusal because of the link with this number, from 1.
    pub(super) fn at_link(link: usize, links: usize, reason: DenialReason) -> Self {
        let place = Some(LinkPlace { link, links });
        Self {
            detail: Box::new(Detail { reason, place }),
        }
    }

    /// Which check failed, and with what values.
    #[must_use]
    pub fn reason(&self) -> &DenialReason {
        &self.detail.reason
    }

    /// Which link the reason concerns, or `None` where it is not about one link.
    #[must_use]
    pub fn link(&self) -> Option<LinkPlace> {
        self.detail.place
    }

    /// The refusal that `error` is. A wrapper that passes on the source of what it wraps, as `#[error(transparent)]` makes
    /// one, hides the refusal itself and leaves its detail.
    #[cfg(any(feature = "command", feature = "recovery"))]
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let detail = error.downcast_ref::<Detail>();
        let denied = error.downcast_ref::<Self>().cloned();
        denied.or_else(|| {
            detail.map(|detail| Self {
                detail: Box::new(detail.clone()),
            })
        })
    }
}

impl From<DenialReason> for Denied {
    fn from(reason: DenialReason) -> Self {
        Self {
            detail: Box::new(Detail {
                reason,
                place: None,
            }),
        }
    }
}

/// The link is named where there are several.
impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) if place.links > 1 => write!(f, "{place}: {}", self.reason),
            _ => self.reason.fmt(f),
        }
    }
}

impl Error for Detail {}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("attestation refused")
    }
}

impl fmt::Debug for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denied")
            .field("reason", &self.detail.reason)
            .field("link", &self.detail.place)
            .finish()
    }
}

impl Error for Denied {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.detail)
    }
}

/// Why an attestation was not accepted, in the order in which the checks are made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DenialReason {
    /// None was presented.
    #[error("no attestation was presented, and this command requires one")]
    Missing,
    /// What was presented is no attestation.
    #[error("what was presented is no attestation: {0}")]
    Malformed(TokenError),
    /// It was made with values that were refused, so it has no signature.
    #[error("the attestation was never signed: {0}")]
    NotSigned(AttestationError),
    /// It was issued by a key that is not trusted here.
    #[error(
        "the issuer's key {issuer} is not trusted here; add the public key to the trust store to trust it"
    )]
    UnknownIssuer {
        /// The key that it says it was signed with.
        issuer: KeyId,
    },
    /// A link grants more than the one before it.
    #[error("{0}; its issuer has no right to that")]
    Escalation(LinkFault),
    /// It is a bearer token, and this verifier accepts none.
    #[error(
        "it is a bearer token, and this verifier accepts only those whose holder proves possession of a key"
    )]
    BearerNotAccepted,
    /// It is expired.
    #[error(
        "the attestation expired {ago_seconds} s ago, at {expired_at}; ask its issuer for a new one"
    )]
    Expired {
        /// The first moment at which it was expired.
        expired_at: Timestamp,
        /// How long ago that was, in seconds.
        ago_seconds: u64,
    },
    /// It is not valid yet, clock skew allowed for.
    #[error(
        "the attestation is valid in {wait_seconds} s, from {valid_from}; is this machine's clock right?"
    )]
    NotYetValid {
        /// The first moment of its validity.
        valid_from: Timestamp,
        /// How long that is from now, in seconds.
        wait_seconds: u64,
    },
    /// It is meant for another verifier.
    #[error("the attestation is meant for `{meant_for}`, {}", this_audience(this.as_deref()))]
    WrongAudience {
        /// The audience it names.
        meant_for: String,
        /// The audience that this verifier answers to, or `None` where it has no name.
        this: Option<String>,
    },
    /// The command is for attestations that name one audience, and it does not name that one.
    #[error("the command is for attestations that name the audience `{required}`, and this one {}", names(named.as_deref()))]
    AudienceRequired {
        /// The audience that the command asks for.
        required: &'static str,
        /// The audience that the attestation names, or `None` where it is for any.
        named: Option<String>,
    },
    /// It does not cover what the command requires.
    #[error("the attestation does not cover the command: {gap} (held: {have}; needed: {need})")]
    Insufficient {
        /// What it grants.
        have: CapabilityContract,
        /// What the command requires.
        need: CapabilityContract,
        /// The first dimension in which that is not enough.
        gap: Gap,
    },
    /// It is revoked.
    #[error("{0}; ask its issuer for a new attestation")]
    Revoked(Revoked),
    /// There is no revocation list of its root, and this verifier asks for one.
    #[error(
        "there is no revocation list of the root {root} to ask, so what it revoked is not known; give the verifier one, or build it `without_revocation()`"
    )]
    NoRevocationList {
        /// The id of the root's key.
        root: KeyId,
    },
    /// The revocation list is stale.
    #[error(
        "the next revocation list was due at {since}, {for_seconds} s ago, so what was revoked since is not known; load a newer one"
    )]
    StaleRevocationList {
        /// When the next one was due.
        since: Timestamp,
        /// How long ago that is, in seconds.
        for_seconds: u64,
    },
    /// The revocation list was issued in the future, clock skew allowed for.
    #[error(
        "the revocation list was issued in the future, at {issued_at}, {in_seconds} s from now; is this machine's clock right?"
    )]
    FutureRevocationList {
        /// When it says that it was issued.
        issued_at: Timestamp,
        /// How long that is from now, in seconds.
        in_seconds: u64,
    },
    /// Its signature is not the trusted key's: it was forged, or changed after it was signed.
    #[error(
        "the signature is not that of the trusted key {issuer}: the attestation is forged or was changed"
    )]
    BadSignature {
        /// The trusted key that it names as its issuer.
        issuer: KeyId,
    },
    /// The key that a link names is none.
    #[error("the key that it is held by was refused: {0}")]
    HolderKey(PublicKeyError),
    /// Possession of the key that the last link names was not proved.
    #[error("{0}")]
    Possession(PossessionFault),
}

fn names(audience: Option<&str>) -> String {
    audience.map_or_else(|| "names none".to_owned(), |name| format!("names `{name}`"))
}

fn this_audience(name: Option<&str>) -> String {
    name.map_or_else(
        || "this verifier has no name".to_owned(),
        |name| format!("this is `{name}`"),
    )
}
