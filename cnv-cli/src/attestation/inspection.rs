//! Showing what a token says.

use cnv::attestation::{Link, Timestamp};
use cnv::prelude::*;
use serde::Serialize;

use super::token;
use crate::arguments::span;

/// What a token says, unverified.
#[derive(Debug, Serialize)]
pub struct Inspected {
    verified: bool,
    note: &'static str,
    /// Whether any link is.
    expired: bool,
    links: Vec<LinkRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metadata: Vec<MetadataRow>,
}

/// One link of a chain, the root's first.
#[derive(Debug, Serialize)]
pub(super) struct LinkRow {
    link: usize,
    subject: String,
    held_by: String,
    issuer: String,
    contract: String,
    audience: Option<String>,
    depth: u8,
    issued_at: String,
    not_before: String,
    expires_at: String,
    expires_in: String,
    id: String,
}

/// What was added for people and logs.
#[derive(Debug, Serialize)]
struct MetadataRow {
    link: usize,
    key: String,
    value: String,
}

/// The key that has to be possessed, or who else can use the link.
pub(super) fn holder(link: &Link) -> String {
    link.holder_key()
        .map_or_else(|| "bearer".to_owned(), |key| key.to_string())
}

/// How long a link is still valid, or how long it has not been.
pub(super) fn expires_in(link: &Link, now: Timestamp) -> String {
    let ends = link.expires_at();
    match ends.seconds_since(now) {
        0 => format!("expired {} ago", span(now.seconds_since(ends))),
        left => span(left),
    }
}

pub(super) fn rows(links: &[Link], now: Timestamp) -> Vec<LinkRow> {
    let row = |(index, link): (usize, &Link)| LinkRow {
        link: index + 1,
        subject: link.subject().to_owned(),
        held_by: holder(link),
        issuer: link.issuer().to_string(),
        contract: link.contract().to_string(),
        audience: link.audience().map(str::to_owned),
        depth: link.depth(),
        issued_at: link.issued_at().to_string(),
        not_before: link.not_before().to_string(),
        expires_at: link.expires_at().to_string(),
        expires_in: expires_in(link, now),
        id: link.id().to_string(),
    };
    links.iter().enumerate().map(row).collect()
}

/// Shows what a token says, one row for each link, without verifying it.
///
/// Anybody can write a token that says anything: only `cnv attestation verify` tells whether it holds.
///
/// Examples:
///   cnv attestation inspect @agent.token
///   cnv attestation inspect - --json < agent.token
#[verb(noun = "attestation", effect = "read")]
#[budget(memory = "1MB", cpu = "50ms", io = 100)]
pub fn inspect(
    cx: Context,
    /// @ and the file with the token, or - for standard input [default: CNV_ATTESTATION]
    #[arg(value_name = "@FILE|-")]
    token: Option<String>,
) -> Result<Inspected, Failure> {
    let chain = token::parse(&token::read(&cx, token.as_deref())?)?;
    let now = Timestamp::now();
    let links = chain.links();
    let metadata = links.iter().enumerate().flat_map(|(index, link)| {
        link.metadata().iter().map(move |(key, value)| MetadataRow {
            link: index + 1,
            key: key.clone(),
            value: value.clone(),
        })
    });
    Ok(Inspected {
        verified: false,
        note: "not verified: anybody could have written this",
        expired: links.iter().any(|link| link.expires_at() <= now),
        links: rows(links, now),
        metadata: metadata.collect(),
    })
}
