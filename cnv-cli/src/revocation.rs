//! `cnv revocation`: signs, shows and merges lists of what was taken back.

#![allow(
    clippy::too_many_arguments,
    reason = "an argument of a verb is an option on the command line"
)]

use std::path::{Path, PathBuf};
use std::str::FromStr;

use cnv::attestation::revocation::{
    RevocationDelta, RevocationEntries, RevocationEntry, RevocationError, RevocationList,
    RevocationListError, RevocationUpdate,
};
use cnv::attestation::{
    AttestationId, KeyId, PrivateKey, PublicKey, Timestamp, TrustStore, key_file,
};
use cnv::prelude::*;
use cnv::quota::charge_io;
use serde::Serialize;

use crate::attestation::TimeToLive;
use crate::publish;

const LIST: &str = "revocation list";

/// `KEY_ID` or `KEY_ID=TIME`.
#[derive(Debug, Clone, Copy)]
pub struct IssuedBefore {
    issuer: KeyId,
    /// The present moment where none was given.
    before: Option<Timestamp>,
}

/// What was written is no key id with a time.
#[derive(Debug, thiserror::Error)]
#[error(
    "write a key id (32 hexadecimal digits), alone for now or with `=` and a time such as 2026-11-22T22:17:56Z"
)]
pub struct NoIssuedBefore;

impl FromStr for IssuedBefore {
    type Err = NoIssuedBefore;

    fn from_str(text: &str) -> Result<Self, NoIssuedBefore> {
        let (issuer, before) = match text.split_once('=') {
            Some((issuer, moment)) => (issuer, Some(moment_of(moment).ok_or(NoIssuedBefore)?)),
            None => (text, None),
        };
        let issuer = issuer.parse().map_err(|_| NoIssuedBefore)?;
        Ok(Self { issuer, before })
    }
}

/// The moment that is written `YYYY-MM-DDThh:mm:ssZ`, as every time is shown.
fn moment_of(text: &str) -> Option<Timestamp> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years count from March, so that the leap day is the last of its year.
    let (years, months) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let leap_days = years / 4 - years / 100 + years / 400;
    let days = years * 365 + leap_days + (153 * months + 2) / 5 + day - 1;
    let days_since_1970 = days.checked_sub(719_468)?;
    let seconds = ((days_since_1970 * 24 + hour) * 60 + minute) * 60 + second;
    let moment = Timestamp::from_unix_seconds(seconds);
    // Refuses the 30th of February, the 61st minute, and every other spelling.
    (moment.to_string() == text).then_some(moment)
}

/// The id of a link, or of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Id {
    /// 64 digits.
    Link(AttestationId),
    /// 32 digits.
    Key(KeyId),
}

/// What was written is no id.
#[derive(Debug, thiserror::Error)]
#[error(
    "write the id of a link (64 hexadecimal digits) or of a key (32), as `cnv revocation show --entries` shows it"
)]
pub struct NoId;

impl FromStr for Id {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let link = text.parse().map(Self::Link).ok();
        link.or_else(|| text.parse().map(Self::Key).ok())
            .ok_or(NoId)
    }
}

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
    let base = base
        .map(|path| read_list(&path, |list| list.verify(&key.public_key())))
        .transpose()?;
    let issued_before = issued_before
        .into_iter()
        .map(|given| RevocationEntry::IssuedBefore {
            issuer: given.issuer,
            before: given.before.unwrap_or(now),
        });
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

/// Reads a whole list and checks whose it is.
fn read_list(
    path: &Path,
    verify: impl Fn(&RevocationList) -> Result<(), RevocationError>,
) -> Result<RevocationList, Failure> {
    let RevocationUpdate::List(list) = read_update(path)? else {
        return Err(ListError::Delta { path: path.into() }.into());
    };
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

/// A list or a delta, and whether it was verified.
#[derive(Debug, Serialize)]
pub struct Shown {
    kind: &'static str,
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
    number: u64,
    /// The number of the list that a delta leads on from.
    #[serde(skip_serializing_if = "Option::is_none")]
    base_number: Option<u64>,
    issuer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_at: Option<String>,
    next_update: String,
    stale: bool,
    links: usize,
    keys: usize,
    issued_before: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

/// One entry of a list.
#[derive(Debug, Serialize)]
struct Row {
    kind: &'static str,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
}

impl Row {
    fn of(entry: RevocationEntry) -> Self {
        let (kind, id, before) = match entry {
            RevocationEntry::Link(link) => ("link", link.to_string(), None),
            RevocationEntry::Key(key) => ("key", key.to_string(), None),
            RevocationEntry::IssuedBefore { issuer, before } => (
                "issued_before",
                issuer.to_string(),
                Some(before.to_string()),
            ),
            _ => ("unknown", String::new(), None),
        };
        Self { kind, id, before }
    }
}

/// Shows what a list or a delta says.
///
/// Anybody can write a list that says anything: give the issuer's key with `--public` to verify it.
#[verb(noun = "revocation", effect = "read")]
#[budget(memory = "1GB", cpu = "1min", io = "100k")]
pub async fn show(
    cx: Context,
    /// The list or the delta
    file: PathBuf,
    /// Verify that this key issued it
    #[arg(long, value_name = "KEY")]
    public: Option<PublicKey>,
    /// Also show each entry, one a row
    #[arg(long)]
    entries: bool,
) -> Result<Shown, Failure> {
    let update = read_update(&file)?;
    if let Some(key) = &public {
        let verified = match &update {
            RevocationUpdate::List(list) => list.verify(key),
            RevocationUpdate::Delta(delta) => delta.verify(key),
            _ => Ok(()),
        };
        verified.map_err(|source| ListError::NotBelieved { path: file, source })?;
    }
    let (shown, listed) = match &update {
        RevocationUpdate::List(list) => (
            Shown {
                kind: "list",
                base_number: None,
                issued_at: Some(list.issued_at().to_string()),
                digest: Some(list.digest().to_string()),
                ..shown(list.number(), list.issuer(), list.next_update())
            },
            list.entries(),
        ),
        RevocationUpdate::Delta(delta) => (
            Shown {
                kind: "delta",
                base_number: Some(delta.base_number()),
                ..shown(delta.number(), delta.issuer(), delta.next_update())
            },
            delta.additions(),
        ),
        _ => return Err(NotKnown.into()),
    };
    let mut shown = Shown {
        verified: public.is_some(),
        note: public
            .is_none()
            .then_some("not verified: anybody could have written this"),
        ..shown
    };
    for entry in listed.iter() {
        match entry {
            RevocationEntry::Link(_) => shown.links += 1,
            RevocationEntry::Key(_) => shown.keys += 1,
            _ => shown.issued_before += 1,
        }
        if entries {
            cx.checkpoint()?;
            cx.stdout().send(&Row::of(entry)).await?;
        }
    }
    Ok(shown)
}

/// A kind of update that this program does not know.
#[derive(Debug, thiserror::Error)]
#[error("this is neither a list nor a delta")]
pub struct NotKnown;

fn shown(number: u64, issuer: KeyId, next_update: Timestamp) -> Shown {
    Shown {
        kind: "",
        verified: false,
        note: None,
        number,
        base_number: None,
        issuer: issuer.to_string(),
        issued_at: None,
        next_update: next_update.to_string(),
        stale: Timestamp::now() >= next_update,
        links: 0,
        keys: 0,
        issued_before: 0,
        digest: None,
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_shown() {
        for seconds in [0, 68_255_999, 951_827_696, 4_107_542_399, 253_402_300_799] {
            let moment = Timestamp::from_unix_seconds(seconds);
            assert_eq!(moment_of(&moment.to_string()), Some(moment));
        }
        for wrong in [
            "",
            "now",
            "2026-11-22",
            "2026-02-29T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T22:60:00Z",
            "2026-11-22T22:17:56",
            "2026-11-22T22:17:56z",
            "2026-11-22 22:17:56Z",
            "1969-12-31T23:59:59Z",
            "2026-13-01T00:00:00Z",
            "2026-11-22T22:17:56Zx",
            "+026-11-22T22:17:56Z",
        ] {
            assert_eq!(moment_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_issuer_and_a_time() {
        let id = "0123456789abcdef0123456789abcdef";
        let given: IssuedBefore = id.parse().unwrap();
        assert_eq!(
            (given.issuer.to_string().as_str(), given.before),
            (id, None)
        );
        let given: IssuedBefore = format!("{id}=2000-02-29T12:34:56Z").parse().unwrap();
        assert_eq!(
            given.before,
            Some(Timestamp::from_unix_seconds(951_827_696))
        );
        for wrong in ["", "x", "0123=2000-02-29T12:34:56Z", &format!("{id}=")] {
            assert!(wrong.parse::<IssuedBefore>().is_err(), "{wrong}");
        }
    }

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
