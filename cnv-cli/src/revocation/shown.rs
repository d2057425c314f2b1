//! Showing what a list or a delta says.

use std::path::PathBuf;

use cnv::attestation::revocation::{RevocationEntry, RevocationUpdate};
use cnv::attestation::{KeyId, PublicKey, Timestamp};
use cnv::prelude::*;
use serde::Serialize;

use super::{ListError, read_update};

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
pub(crate) struct Row {
    kind: &'static str,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
}

impl Row {
    pub(crate) fn of(entry: RevocationEntry) -> Self {
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
