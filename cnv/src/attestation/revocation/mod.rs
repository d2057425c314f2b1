//! What is taken back before it expires: signed, numbered lists with a mandatory next update.

mod delta;
mod entries;
mod error;
mod floor;
mod id_index;
mod list;
mod live;
mod set;
mod source;
#[cfg(test)]
mod tests;

pub use delta::{DeltaError, RevocationDelta};
pub use entries::{RevocationEntries, RevocationEntry};
pub use error::{RevocationError, RevocationListError};
pub use floor::FloorError;
pub use list::{MAX_UPDATE_SECONDS, RevocationList, RevocationListDigest};
pub use live::{ReloadError, Reloaded, Revocations};
pub use set::{Freshness, RevocationSet, Revoked};
pub use source::{
    RevocationFile, RevocationMailbox, RevocationSource, RevocationUpdate, SourceError,
};
