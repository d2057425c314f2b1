//! What is taken back before it expires: signed, numbered lists with a mandatory next update.

mod entries;
mod error;
mod id_table;
mod list;
mod set;

pub use entries::{RevocationEntries, RevocationEntry};
pub use error::{RevocationError, RevocationListError};
pub use list::{MAX_UPDATE_SECONDS, RevocationList, RevocationListDigest};
pub use set::{Freshness, RevocationSet, Revoked};
