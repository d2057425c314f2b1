//! Taking tokens back: adding to a revocation list.

#![allow(
    clippy::too_many_arguments,
    reason = "an argument of a verb is an option on the command line"
)]

use std::path::PathBuf;

use cnv::attestation::revocation::RevocationEntry;
use cnv::attestation::{AttestationId, KeyId, Timestamp};
use cnv::prelude::*;
use serde::Serialize;

use super::token;
use crate::arguments::{IssuedBefore, TimeToLive};
use crate::revocation::{self, Row, Signed};

/// What was taken back, and the list that says so.
#[derive(Debug, Serialize)]
pub struct Revoked {
    #[serde(flatten)]
    list: Signed,
    revoked: Vec<Row>,
}

/// Takes attestations back: signs the next revocation list with what is named added to it.
///
/// A token's last link is revoked, or the one that `--link` names, and with a link everything that was delegated from
/// it. `--key-id` revokes a key: what it issued and what was issued to it. `--issued-before` revokes what a key issued up
/// to now or to a time. The list is replaced at once; programs ask it from their next reading on. The first list is made
/// with `cnv revocation sign`.
///
/// Examples:
///   cnv attestation revoke @agent.token --list revoked.txt --key root.pem
///   cnv attestation revoke --key-id 0123456789abcdef0123456789abcdef --list revoked.txt --key root.pem
#[verb(noun = "attestation", effect = "write", public)]
#[budget(memory = "1GB", cpu = "1min", io = "100k")]
pub fn revoke(
    cx: Context,
    /// @ and the file with the token, or - for standard input
    #[arg(value_name = "@FILE|-")]
    token: Option<String>,
    /// Which link of the token, from 1 for the root's [default: the last]
    #[arg(long, value_name = "NUMBER", requires = "token")]
    link: Option<usize>,
    /// Revoke the link with this id; may be given several times
    #[arg(long, value_name = "ID")]
    id: Vec<AttestationId>,
    /// Revoke the key with this id; may be given several times
    #[arg(long = "key-id", value_name = "ID")]
    key_id: Vec<KeyId>,
    /// Revoke what the key with this id issued before now, or before a time
    #[arg(long, value_name = "KEY_ID[=TIME]")]
    issued_before: Vec<IssuedBefore>,
    /// The revocation list, which is replaced
    #[arg(long, value_name = "FILE")]
    list: PathBuf,
    /// The private key that signs the list
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// In how long the next list follows, such as 6h or 1d
    #[arg(long, value_name = "TIME", default_value = "1d")]
    next_update: TimeToLive,
) -> Result<Revoked, Failure> {
    let now = Timestamp::now();
    let mut entries: Vec<RevocationEntry> = id.into_iter().map(RevocationEntry::Link).collect();
    if let Some(token) = token {
        let chain = token::parse(&token::read(&cx, Some(&token))?)?;
        let links = chain.links();
        let number = link.unwrap_or(links.len());
        let found = number.checked_sub(1).and_then(|index| links.get(index));
        let link = found.ok_or(NoLink {
            number,
            links: links.len(),
        })?;
        entries.push(RevocationEntry::Link(link.id()));
    }
    entries.extend(key_id.into_iter().map(RevocationEntry::Key));
    entries.extend(issued_before.iter().map(|given| given.entry(now)));
    if entries.is_empty() {
        return Err(Failure::usage(
            "name what to revoke: a token, --id, --key-id or --issued-before",
        ));
    }
    let revoked = entries.iter().copied().map(Row::of).collect();
    let signed = revocation::add(&list, &key, entries.into_iter().collect(), now, next_update)?;
    Ok(Revoked {
        list: signed,
        revoked,
    })
}

/// The token has no such link.
#[derive(Debug, thiserror::Error)]
#[error(
    "the token has no link {number}: it has links 1 to {links}, as `cnv attestation inspect` shows them"
)]
pub struct NoLink {
    number: usize,
    links: usize,
}
