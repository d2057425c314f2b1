//! Why a list was refused.

use crate::attestation::binary::Truncated;
use crate::attestation::{KeyId, Timestamp};

use super::RevocationListDigest;
use super::list::MAX_UPDATE_SECONDS;

/// Why bytes or a text are no revocation list or delta. Whether its signature holds is another question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationListError {
    /// It is longer than any list. Nothing of it was read.
    #[error("it is {len} bytes long, at most {max} are allowed")]
    Oversized {
        /// Its length in bytes.
        len: usize,
        /// The longest allowed.
        max: usize,
    },
    /// The text does not start with the prefix.
    #[error("it does not start with `{prefix}`")]
    Prefix {
        /// The prefix.
        prefix: &'static str,
    },
    /// The text is not base64url without padding, in its one spelling.
    #[error("it is not base64url without padding")]
    Encoding,
    /// It ends too early.
    #[error("it is cut off: at least {missing_bytes} more bytes are needed")]
    Truncated {
        /// How many bytes the field that is being read still needs.
        missing_bytes: u64,
    },
    /// There is something after its end.
    #[error("it has {extra_bytes} bytes after its end")]
    TrailingBytes {
        /// How many bytes are left over.
        extra_bytes: usize,
    },
    /// It has a form that this release does not know.
    #[error("it has form {form}, which this release does not read")]
    UnknownForm {
        /// The form it gives.
        form: u8,
    },
    /// Its next update is not after its issue, or too long after it.
    #[error(
        "its next update at {next_update} is not 1 to {MAX_UPDATE_SECONDS} seconds after its issue at {issued_at}"
    )]
    NextUpdate {
        /// When it was issued.
        issued_at: Timestamp,
        /// When it is stale.
        next_update: Timestamp,
    },
    /// Its entries are not in strictly ascending order.
    #[error("its {kind} number {place} is not above the one before it")]
    Order {
        /// Which kind of entry.
        kind: &'static str,
        /// The first such entry of that kind, from 0.
        place: usize,
    },
    /// Its entries are not those that its header speaks of.
    #[error("its entries are not those that were signed")]
    EntriesDigest,
}

impl From<Truncated> for RevocationListError {
    fn from(Truncated { missing_bytes }: Truncated) -> Self {
        Self::Truncated { missing_bytes }
    }
}

/// Why a well-formed list was not put in force. The one before it stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// It is another issuer's.
    #[error("the revocation list was issued by the key {issuer}, expected was {expected}")]
    WrongIssuer {
        /// The id of the key that it gives.
        issuer: KeyId,
        /// The id of the key that is believed.
        expected: KeyId,
    },
    /// It is the list of a key that is no root here. Whoever grants nothing takes nothing back.
    #[error("the revocation list was issued by the key {issuer}, which is not trusted here")]
    UntrustedIssuer {
        /// The id of the key that it gives.
        issuer: KeyId,
    },
    /// The issuer did not sign it.
    #[error("the revocation list is not signed by the key {issuer} that it names")]
    BadSignature {
        /// The id of the key that it gives.
        issuer: KeyId,
    },
    /// Its next update was due already.
    #[error(
        "the revocation list {number} is stale: its next update was due at {since}, {for_seconds} seconds ago"
    )]
    StaleList {
        /// Its number.
        number: u64,
        /// When its next update was due.
        since: Timestamp,
        /// How long ago that is.
        for_seconds: u64,
    },
    /// It was issued in the future, clock skew allowed for.
    #[error(
        "the revocation list {number} was issued in the future, at {issued_at}, {in_seconds} seconds from now; is this machine's clock right?"
    )]
    FutureList {
        /// Its number.
        number: u64,
        /// When it says that it was issued.
        issued_at: Timestamp,
        /// How long that is from now.
        in_seconds: u64,
    },
    /// It has a lower number than one that was seen.
    #[error("the revocation list {number} is older than {have}, which was seen already")]
    Older {
        /// Its number.
        number: u64,
        /// The number that was seen.
        have: u64,
    },
    /// It has the number of a list that was seen, and says something else.
    #[error(
        "there are two revocation lists with the number {number}: {have} was seen, this is {digest}"
    )]
    Fork {
        /// The number that both have.
        number: u64,
        /// What names this list.
        digest: RevocationListDigest,
        /// What names the list that was seen.
        have: RevocationListDigest,
    },
    /// It is a delta from another list than the one in force.
    #[error(
        "the delta leads on from the revocation list {base_number} ({base_digest}), in force is {have_number} ({have_digest})"
    )]
    OtherBase {
        /// The number of the list that it was made from.
        base_number: u64,
        /// What names that list.
        base_digest: RevocationListDigest,
        /// The number of the list in force.
        have_number: u64,
        /// What names the list in force.
        have_digest: RevocationListDigest,
    },
    /// It is a delta whose additions do not make the list that was signed.
    #[error("the delta does not lead to the revocation list that was signed")]
    Delta(#[source] RevocationListError),
}
