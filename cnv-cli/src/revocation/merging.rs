//! Merging lists into one.

use std::path::PathBuf;

use cnv::attestation::revocation::{RevocationEntries, RevocationList};
use cnv::attestation::{Timestamp, TrustStore};
use cnv::prelude::*;
use cnv::quota::charge_io;

use super::{LIST, Signed, load_key, next_number, read_list, sign_list, signed};
use crate::arguments::TimeToLive;
use crate::publish;

/// Merges lists into one that has the entries of all.
///
/// Each list has to be the issuer's own or of a key in `--store`. The number is the one after the
/// issuer's own list among them, or 1.
#[verb(noun = "revocation", effect = "write", public)]
#[budget(memory = "4GB", cpu = "5min", io = "1M")]
pub fn merge(
    /// The lists to merge
    #[arg(required = true, value_name = "FILE")]
    lists: Vec<PathBuf>,
    /// The private key to sign the merged list with
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The trust store with the keys whose lists are believed [default: only one's own]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// In how long the next list follows, such as 6h or 1d
    #[arg(long, value_name = "TIME", default_value = "1d")]
    next_update: TimeToLive,
    /// The number of the merged list
    #[arg(long)]
    number: Option<u64>,
    /// Write the list to this file instead of printing it; a list that is there is replaced
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
) -> Result<Signed, Failure> {
    let key = load_key(&key)?;
    let own = key.public_key();
    let _lock = out
        .as_deref()
        .map(|path| publish::lock(path, LIST))
        .transpose()?;
    let mut believed = TrustStore::new();
    if let Some(path) = store {
        // Opening and reading it.
        charge_io(2)?;
        believed = TrustStore::load(path)?;
    }
    let mut entries = RevocationEntries::default();
    let mut last = None;
    for path in &lists {
        let list = read_list(path, |list| {
            let root = believed.find(&list.issuer());
            list.verify(root.map_or(&own, |root| root.key()))
        })?;
        if list.issuer() == own.id() {
            last = last.max(Some(list.number()));
        }
        entries = entries.union(list.entries());
    }
    let number = next_number(number, last)?;
    let list = sign_list(entries, number, Timestamp::now(), next_update, &key)?;
    if let Some(path) = &out {
        publish::replace(path, LIST, RevocationList::PREFIX, &list.to_string())?;
    }
    Ok(signed(&list, out))
}
