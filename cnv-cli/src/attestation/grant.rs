//! Making tokens: a root's first link, and further ones below it.

#![allow(
    clippy::too_many_arguments,
    reason = "an argument of a verb is an option on the command line"
)]

use std::path::{Path, PathBuf};
use std::str::FromStr;

use cnv::attestation::{
    AttestationChain, CapabilityAttestation, DEFAULT_TTL_SECONDS, DelegationError, LinkFault,
    PrivateKey, Timestamp, key_file,
};
use cnv::capability::CapabilityContract;
use cnv::prelude::*;
use cnv::quota::charge_io;
use serde::Serialize;

use super::inspection::{expires_in, holder};
use super::token;
use crate::arguments::{TimeToLive, span};
use crate::public_key::GivenKey;

/// `KEY=VALUE`.
#[derive(Debug, Clone)]
pub struct MetadataEntry {
    key: String,
    value: String,
}

/// What was written has no `=`.
#[derive(Debug, thiserror::Error)]
#[error("write a key, `=` and a value, such as ticket=4711")]
pub struct NoMetadataEntry;

impl FromStr for MetadataEntry {
    type Err = NoMetadataEntry;

    fn from_str(text: &str) -> Result<Self, NoMetadataEntry> {
        let (key, value) = text.split_once('=').ok_or(NoMetadataEntry)?;
        Ok(Self {
            key: key.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// A token that was made; the values are those of its last link.
#[derive(Debug, Serialize)]
pub struct Granted {
    links: usize,
    subject: String,
    held_by: String,
    contract: String,
    audience: Option<String>,
    issuer: String,
    /// How many links may still follow.
    further_links: u8,
    expires_at: String,
    expires_in: String,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// Writes or shows the token of a chain.
fn granted(chain: &AttestationChain, out: Option<&Path>) -> Result<Granted, Failure> {
    let text = chain.to_string();
    if let Some(path) = out {
        token::write(path, &text)?;
    }
    let leaf = chain.leaf();
    Ok(Granted {
        links: chain.links().len(),
        subject: leaf.subject().to_owned(),
        held_by: holder(leaf),
        contract: leaf.contract().to_string(),
        audience: leaf.audience().map(str::to_owned),
        issuer: leaf.issuer().to_string(),
        further_links: leaf.depth() - 1,
        expires_at: leaf.expires_at().to_string(),
        expires_in: expires_in(leaf, Timestamp::now()),
        id: leaf.id().to_string(),
        token: out.is_none().then_some(text),
        file: out.map(|path| path.display().to_string()),
    })
}

fn load(key: &Path) -> Result<PrivateKey, Failure> {
    // Looking at the file, opening it and reading it.
    charge_io(3)?;
    Ok(key_file::load(key)?)
}

/// Issues an attestation: a signed token that lets its holder act.
///
/// `--held-by` names the public key of whoever may use it: the token is worth nothing without the private
/// half, and can be delegated. With `--bearer` whoever has the token can use it, and only programs that accept
/// bearer tokens take it. Keep the time to live short. `--out` writes the token where only you can read it; a
/// command takes it from there with `--attestation @FILE`.
///
/// Examples:
///   cnv attestation issue --key root.pem --subject team-a --held-by @team.pub --class read_write --ttl 7d --out team.token
///   cnv attestation issue --key root.pem --subject agent-42 --bearer --class read_only/small --audience ops --ttl 15min
#[verb(noun = "attestation", effect = "write", public)]
#[budget(memory = "1MB", cpu = "50ms", io = 20)]
pub fn issue(
    /// The issuer's private key, as `cnv key new` made it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Who may act, such as agent-42
    #[arg(long)]
    subject: String,
    /// The public key of whoever may use it, or @ and a file with one; or say --bearer
    #[arg(
        long,
        value_name = "KEY|@FILE",
        required_unless_present = "bearer",
        conflicts_with = "bearer"
    )]
    held_by: Option<GivenKey>,
    /// Let whoever has the token use it
    #[arg(long)]
    bearer: bool,
    /// What it may do: pure, read_only, read_write, network or dangerous
    ///
    /// A narrower contract is CLASS/BAND, CLASS/BAND/STABILITY or CLASS/BAND/STABILITY/SAFETY, such as
    /// read_only/small: bands are tiny, small, medium, large and unlimited; stabilities experimental,
    /// stable and frozen; safeties irreversible, reversible and harmless.
    #[arg(long = "class", value_name = "CLASS", default_value = "read_only")]
    contract: CapabilityContract,
    /// How long it is valid, such as 90s, 15min, 8h or 7d
    #[arg(long, value_name = "TIME", default_value = "1h")]
    ttl: TimeToLive,
    /// The only application that may accept it, such as ops [default: any]
    #[arg(long)]
    audience: Option<String>,
    /// How many links the chain may have, this one counted: 1 to 8, where 1 allows no delegation [default: 4]
    #[arg(long, value_name = "LINKS", conflicts_with = "bearer")]
    depth: Option<u8>,
    /// Something for people and logs to read; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<MetadataEntry>,
    /// Write the token to this new file instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
) -> Result<Granted, Failure> {
    let holder = held_by.map(GivenKey::read).transpose()?;
    let key = load(&key)?;
    let mut builder = CapabilityAttestation::builder(contract, subject).ttl(ttl.seconds);
    if let Some(audience) = audience {
        builder = builder.audience(audience);
    }
    for MetadataEntry { key, value } in metadata {
        builder = builder.metadata(key, value);
    }
    let attestation = match (holder, bearer) {
        (None, _) => builder.bearer().sign(&key)?,
        (Some(holder), _) => {
            let builder = builder.held_by(&holder);
            match depth {
                Some(links) => builder.depth(links).sign(&key)?,
                None => builder.sign(&key)?,
            }
        }
    };
    granted(&attestation.try_into()?, out.as_deref())
}

/// Delegates an attestation: adds a link that grants the same or less to somebody else.
///
/// Needs nothing but the token and the private key that holds it. What is not said stays as the token has it;
/// the time to live is one hour, or what is left of the token's. What would grant more is refused, and nothing is
/// signed. The token itself is not verified here: see `cnv attestation verify`.
///
/// Examples:
///   cnv attestation delegate @team.token --key team.pem --subject agent-42 --held-by @agent.pub --class read_only --ttl 10min --out agent.token
///   cnv attestation delegate - --key team.pem --subject job-7 --bearer < team.token
#[verb(noun = "attestation", effect = "write", public)]
#[budget(memory = "1MB", cpu = "50ms", io = 120)]
pub fn delegate(
    cx: Context,
    /// @ and the file with the token, or - for standard input [default: CNV_ATTESTATION]
    #[arg(value_name = "@FILE|-")]
    token: Option<String>,
    /// The private key that holds the token
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Who may act, such as agent-42
    #[arg(long)]
    subject: String,
    /// The public key of whoever may use it, or @ and a file with one; or say --bearer
    #[arg(
        long,
        value_name = "KEY|@FILE",
        required_unless_present = "bearer",
        conflicts_with = "bearer"
    )]
    held_by: Option<GivenKey>,
    /// Let whoever has the token use it
    #[arg(long)]
    bearer: bool,
    /// What it may do, in the form that `cnv attestation issue` takes [default: what the token allows]
    #[arg(long = "class", value_name = "CLASS")]
    contract: Option<CapabilityContract>,
    /// How long it is valid, such as 90s, 15min, 8h or 7d [default: 1h, or what is left]
    #[arg(long, value_name = "TIME")]
    ttl: Option<TimeToLive>,
    /// The only application that may accept it, where the token allows any [default: the token's]
    #[arg(long)]
    audience: Option<String>,
    /// How many links may still come, this one counted [default: one less than the token's last link has]
    #[arg(long, value_name = "LINKS", conflicts_with = "bearer")]
    depth: Option<u8>,
    /// Something for people and logs to read; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<MetadataEntry>,
    /// Write the token to this new file instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
) -> Result<Granted, Failure> {
    let parent = token::parse(&token::read(&cx, token.as_deref())?)?;
    let holder = held_by.map(GivenKey::read).transpose()?;
    let key = load(&key)?;
    let now = Timestamp::now();
    let ttl_seconds = lifetime(&parent, ttl, now)?;
    let mut link = parent.delegate(subject).issued_at(now).ttl(ttl_seconds);
    if let Some(contract) = contract {
        link = link.narrow_to(contract);
    }
    if let Some(audience) = audience {
        link = link.audience(audience);
    }
    for MetadataEntry { key, value } in metadata {
        link = link.metadata(key, value);
    }
    let signed = match (holder, bearer) {
        (None, _) => link.bearer().sign(&key),
        (Some(holder), _) => {
            let link = link.held_by(&holder);
            match depth {
                Some(links) => link.depth(links).sign(&key),
                None => link.sign(&key),
            }
        }
    };
    let chain = signed.map_err(|refused| NotDelegated {
        allowed: allowed(&refused, &parent),
        refused,
    })?;
    granted(&chain, out.as_deref())
}

/// How long the new link is valid: never longer than the token. A time to live that was asked for is not cut silently.
fn lifetime(
    parent: &AttestationChain,
    asked: Option<TimeToLive>,
    now: Timestamp,
) -> Result<u64, TooLong> {
    let ends = parent.links().iter().map(|link| link.expires_at()).min();
    let ends = ends.unwrap_or_default();
    let left = ends.seconds_since(now);
    match asked {
        _ if left == 0 => Err(TooLong::Expired { ends }),
        Some(asked) if asked.seconds > left => Err(TooLong::Longer {
            asked: span(asked.seconds),
            ends,
            left,
        }),
        Some(asked) => Ok(asked.seconds),
        None => Ok(left.min(DEFAULT_TTL_SECONDS)),
    }
}

/// A link would be valid longer than its token.
#[derive(Debug, thiserror::Error)]
pub enum TooLong {
    /// The token is not valid any more.
    #[error("not delegated: the token expired at {ends}; ask its issuer for a new one")]
    Expired {
        /// When it expired.
        ends: Timestamp,
    },
    /// More was asked for than is left.
    #[error(
        "not delegated: the time to live of {asked} goes beyond the token's end at {ends}; `--ttl` can be at most {left}s, or be left out"
    )]
    Longer {
        /// What was asked for.
        asked: String,
        /// When the token ends.
        ends: Timestamp,
        /// The seconds until then.
        left: u64,
    },
}

/// A link that was not signed, with what could be.
#[derive(Debug, thiserror::Error)]
#[error("not delegated: {refused}{allowed}")]
pub struct NotDelegated {
    #[source]
    refused: DelegationError,
    allowed: String,
}

/// What to write instead.
fn allowed(refused: &DelegationError, parent: &AttestationChain) -> String {
    match refused {
        DelegationError::Escalation(fault) => match fault {
            LinkFault::Capability { parent, .. } => {
                format!("; `--class` can be at most {parent}")
            }
            LinkFault::Audience { parent, .. } => {
                format!("; `--audience` can only be {parent}, or be left out")
            }
            LinkFault::Depth { parent, .. } => {
                format!("; `--depth` can be at most {}", parent.saturating_sub(1))
            }
            _ => String::new(),
        },
        DelegationError::OtherKey { .. } => {
            format!(
                "; give the key of `{}` with `--key`",
                parent.leaf().subject()
            )
        }
        DelegationError::TooDeep => "; ask its issuer for one with a larger `--depth`".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_split_at_the_first_equals_sign() {
        let entry: MetadataEntry = "query=a=b".parse().unwrap();
        assert_eq!((entry.key.as_str(), entry.value.as_str()), ("query", "a=b"));
        assert!("ticket".parse::<MetadataEntry>().is_err());
    }
}
