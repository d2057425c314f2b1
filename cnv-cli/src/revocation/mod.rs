//! `cnv revocation`: signs, shows and merges lists of what was taken back.

#![allow(
    clippy::too_many_arguments,
    reason = "an argument of a verb is an option on the command line"
)]

mod merging;
mod shown;

use std::path::{Path, PathBuf};

use cnv::attestation::revocation::{
    RevocationDelta, RevocationEntries, RevocationEntry, RevocationError, RevocationList,
    RevocationListError, RevocationUpdate,
};
use cnv::attestation::{AttestationId, KeyId, PrivateKey, Timestamp, key_file};
use cnv::prelude::*;
use cnv::quota::charge_io;
use serde::Serialize;

pub use merging::merge;
pub(crate) use shown::Row;
pub use shown::show;

use crate::arguments::{Id, IssuedBefore, TimeToLive};
use crate::publish;

const LIST: &str = "revocation list";

impl Id {
    fn names(self, entry: &RevocationEntry) -> bool {
        match *entry {
            RevocationEntry::Link(link) => self == Self::Link(link),
            RevocationEntry::Key(key) => self == Self::Key(key),
            RevocationEntry::IssuedBefore { issuer, .. } => self == Self::Key(issuer),
            _ => false,
        }
    }
}

impl IssuedBefore {
    /// What stands on the list.
    pub(crate) fn entry(self, now: Timestamp) -> RevocationEntry {
        RevocationEntry::IssuedBefore {
            issuer: self.issuer,
            before: self.before.unwrap_or(now),
        }
    }
}

/// A list that was signed.
#[derive(Debug, Serialize)]
pub struct Signed {
    number: u64,
    issuer: String,
    issued_at: String,
    next_update: String,
    entries: usize,
    /// Entries that are not in the list before, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<usize>,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<String>,
}

/// Signs a list of what is revoked.
///
/// `--base` names the list before: the new one has its entries as well and the next number. A list is
/// stale from its next update on, and then everything is denied, so sign the next one in time, also where
/// nothing was added.
///
/// Examples:
///   cnv revocation sign --key root.pem --out revoked.txt
///   cnv revocation sign --key root.pem --base revoked.txt --next-update 6h --out revoked.txt
#[verb(noun = "revocation", effect = "write", public)]
#[budget(memory = "1GB", cpu = "1min", io = "100k")]
pub fn sign(
    /// The issuer's private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The list before, of the same issuer [default: this is the first]
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Revoke the attestation with this id; may be given several times
    #[arg(long, value_name = "ID")]
    link: Vec<AttestationId>,
    /// Revoke the key with this id: what it issued and what was issued to it
    #[arg(long = "key-id", value_name = "ID")]
    key_id: Vec<KeyId>,
    /// Revoke what the key with this id issued before now, or before a time
    #[arg(long, value_name = "KEY_ID[=TIME]")]
    issued_before: Vec<IssuedBefore>,
    /// Take the entries with this id off the list, because what they name has expired
    #[arg(long, value_name = "ID", requires = "base")]
    remove: Vec<Id>,
    /// In how long the next list follows, such as 6h or 1d
    #[arg(long, value_name = "TIME", default_value = "1d")]
    next_update: TimeToLive,
    /// The number of the list [default: one more than the list before]
    #[arg(long)]
    number: Option<u64>,
    /// Write the list to this file instead of printing it; a list that is there is replaced
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also write what is added to the list before, for those who have it
    #[arg(
        long,
        value_name = "FILE",
        requires = "base",
        conflicts_with = "remove"
    )]
    delta: Option<PathBuf>,
) -> Result<Signed, Failure> {
    let key = load_key(&key)?;
    let now = Timestamp::now();
    let _lock = out
        .as_deref()
        .map(|path| publish::lock(path, LIST))
        .transpose()?;
    let base = base
        .map(|path| read_list(&path, |list| list.verify(&key.public_key())))
        .transpose()?;
    let issued_before = issued_before.into_iter().map(|given| given.entry(now));
    let added: RevocationEntries = link
        .into_iter()
        .map(RevocationEntry::Link)
        .chain(key_id.into_iter().map(RevocationEntry::Key))
        .chain(issued_before)
        .collect();
    let entries = match &base {
        Some(base) => {
            let kept = kept(base.entries(), &remove)?;
            kept.union(&added)
        }
        None => added,
    };
    let last = base.as_ref().map(RevocationList::number);
    let number = next_number(number, last)?;
    let list = sign_list(entries, number, now, next_update, &key)?;
    let way = base
        .as_ref()
        .filter(|_| remove.is_empty())
        .map(|base| RevocationDelta::between(base, &list))
        .transpose()?;
    if let Some(path) = &out {
        publish::replace(path, LIST, RevocationList::PREFIX, &list.to_string())?;
    }
    if let (Some(path), Some(way)) = (&delta, &way) {
        publish::replace(path, "delta", RevocationDelta::PREFIX, &way.to_string())?;
    }
    let mut signed = signed(&list, out);
    signed.added = way.map(|way| way.additions().len());
    signed.delta_file = delta.map(|path| path.display().to_string());
    Ok(signed)
}

/// Signs the list after the one in a file, with more on it, and puts it in its place.
pub(crate) fn add(
    path: &Path,
    key: &Path,
    added: RevocationEntries,
    now: Timestamp,
    next_update: TimeToLive,
) -> Result<Signed, Failure> {
    let key = load_key(key)?;
    if !path.exists() {
        return Err(NoList { path: path.into() }.into());
    }
    // Until it is replaced: who adds to it at the same time has to add to the next.
    let _lock = publish::lock(path, LIST)?;
    let base = read_list(path, |list| list.verify(&key.public_key()))?;
    let entries = base.entries().union(&added);
    let new = entries.len() - base.entries().len();
    let number = next_number(None, Some(base.number()))?;
    let list = sign_list(entries, number, now, next_update, &key)?;
    publish::replace(path, LIST, RevocationList::PREFIX, &list.to_string())?;
    let mut signed = signed(&list, Some(path.into()));
    signed.added = Some(new);
    Ok(signed)
}

/// There is no list to add to.
#[derive(Debug, thiserror::Error)]
#[error("there is no revocation list `{}`; make the first with `cnv revocation sign --key FILE --out {}`", path.display(), path.display())]
pub struct NoList {
    path: PathBuf,
}

fn signed(list: &RevocationList, out: Option<PathBuf>) -> Signed {
    Signed {
        number: list.number(),
        issuer: list.issuer().to_string(),
        issued_at: list.issued_at().to_string(),
        next_update: list.next_update().to_string(),
        entries: list.entries().len(),
        added: None,
        digest: list.digest().to_string(),
        list: out.is_none().then(|| list.to_string()),
        file: out.map(|path| path.display().to_string()),
        delta_file: None,
    }
}

fn load_key(path: &Path) -> Result<PrivateKey, Failure> {
    // Looking at the file, opening it and reading it.
    charge_io(3)?;
    Ok(key_file::load(path)?)
}

fn sign_list(
    entries: RevocationEntries,
    number: u64,
    now: Timestamp,
    next_update: TimeToLive,
    key: &PrivateKey,
) -> Result<RevocationList, Failure> {
    let next_update = now
        .checked_add_seconds(next_update.seconds)
        .unwrap_or(Timestamp::from_unix_seconds(u64::MAX));
    Ok(RevocationList::sign(
        entries,
        number,
        now,
        next_update,
        key,
    )?)
}

/// What of a list stays when the entries with some ids are taken off it.
fn kept(entries: &RevocationEntries, remove: &[Id]) -> Result<RevocationEntries, NotListed> {
    if let Some(id) = remove
        .iter()
        .find(|id| !entries.iter().any(|entry| id.names(&entry)))
    {
        let id = match id {
            Id::Link(link) => link.to_string(),
            Id::Key(key) => key.to_string(),
        };
        return Err(NotListed { id });
    }
    Ok(entries
        .iter()
        .filter(|entry| !remove.iter().any(|id| id.names(entry)))
        .collect())
}

/// What is to be taken off the list is not on it.
#[derive(Debug, thiserror::Error)]
#[error("the list before has no entry with the id {id}, so it cannot be taken off")]
pub struct NotListed {
    id: String,
}

/// The number that was given, or the one after the last.
fn next_number(given: Option<u64>, last: Option<u64>) -> Result<u64, NotNext> {
    let last = last.unwrap_or(0);
    match given.map_or_else(|| last.checked_add(1), Some) {
        Some(number) if number > last => Ok(number),
        _ => Err(NotNext { last }),
    }
}

/// The number does not come after the last.
#[derive(Debug, thiserror::Error)]
#[error(
    "the number has to be above {last}: verifiers refuse a list that is not newer than the one they have"
)]
pub struct NotNext {
    last: u64,
}

fn read_update(path: &Path) -> Result<RevocationUpdate, Failure> {
    let bytes = publish::read(path, LIST, RevocationUpdate::MAX_LEN_BYTES)?;
    Ok(
        RevocationUpdate::read(&bytes).map_err(|source| ListError::Malformed {
            path: path.into(),
            source,
        })?,
    )
}

/// Reads a whole list. Whose it is is not checked.
pub(crate) fn read_whole(path: &Path) -> Result<RevocationList, Failure> {
    match read_update(path)? {
        RevocationUpdate::List(list) => Ok(list),
        _ => Err(ListError::Delta { path: path.into() }.into()),
    }
}

/// Reads a whole list and checks whose it is.
fn read_list(
    path: &Path,
    verify: impl Fn(&RevocationList) -> Result<(), RevocationError>,
) -> Result<RevocationList, Failure> {
    let list = read_whole(path)?;
    verify(&list).map_err(|source| ListError::NotBelieved {
        path: path.into(),
        source,
    })?;
    Ok(list)
}

/// Why a file is not taken as a list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It is none.
    #[error("`{}` is no revocation list", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        #[source]
        source: RevocationListError,
    },
    /// It is a delta.
    #[error("`{}` is a delta; give the whole list", path.display())]
    Delta {
        /// The file.
        path: PathBuf,
    },
    /// It is another issuer's or was changed.
    #[error("the list `{}` is not believed", path.display())]
    NotBelieved {
        /// The file.
        path: PathBuf,
        #[source]
        source: RevocationError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_rises() {
        assert_eq!(next_number(None, None).unwrap(), 1);
        assert_eq!(next_number(None, Some(6)).unwrap(), 7);
        assert_eq!(next_number(Some(9), Some(6)).unwrap(), 9);
        assert!(next_number(Some(6), Some(6)).is_err());
        assert!(next_number(Some(0), None).is_err());
        assert!(next_number(None, Some(u64::MAX)).is_err());
    }
}
