//! `cnv attestation`: issues tokens, shows what they say, and checks whether they hold.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use cnv::attestation::{
    CapabilityAttestation, DenialReason, PublicKey, Timestamp, TrustStore, key_file,
};
use cnv::capability::{CapabilityContract, ResourceBand, Safety, Stability};
use cnv::prelude::*;
use cnv::quota::{File, charge_io};
use serde::Serialize;

use crate::stdin::Stdin;

/// A token has at most 4096 characters, and may stand among spaces and line ends.
const MAX_INPUT_BYTES: u64 = 2 * CapabilityAttestation::MAX_TEXT_LEN as u64;

/// The name of a key that is given on the command line, where a trust store would have one.
const GIVEN_KEY: &str = "--public";

/// A time to live: a whole number and `s`, `min`, `h` or `d`.
#[derive(Debug, Clone, Copy)]
pub struct TimeToLive {
    pub(crate) seconds: u64,
}

/// What was written is no time to live.
#[derive(Debug, thiserror::Error)]
#[error("write a whole number and a unit, from 1s to 3650d, such as 15min, 8h or 7d")]
pub struct NoTimeToLive;

/// Ten years.
const MAX_TTL_SECONDS: u64 = 3650 * 24 * 60 * 60;

impl FromStr for TimeToLive {
    type Err = NoTimeToLive;

    fn from_str(text: &str) -> Result<Self, NoTimeToLive> {
        let split = text.find(|c: char| !c.is_ascii_digit());
        let (number, unit) = text.split_at(split.unwrap_or(text.len()));
        let unit_seconds = match unit {
            "s" => 1,
            "min" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return Err(NoTimeToLive),
        };
        let number: u64 = number.parse().map_err(|_| NoTimeToLive)?;
        let seconds = number.checked_mul(unit_seconds).ok_or(NoTimeToLive)?;
        // None at all would be expired at once, and more outlives every key.
        (1..=MAX_TTL_SECONDS)
            .contains(&seconds)
            .then_some(Self { seconds })
            .ok_or(NoTimeToLive)
    }
}

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

/// An attestation that was issued.
#[derive(Debug, Serialize)]
pub struct Issued {
    subject: String,
    contract: String,
    audience: Option<String>,
    issuer: String,
    expires_at: String,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// Issues an attestation: a signed token that lets its bearer act.
///
/// Whoever has the token can use it until it expires, and nothing takes it back before, so keep the time
/// to live short. `--out` writes it where only you can read it; a command takes it from there with
/// `--attestation @FILE`.
#[verb(noun = "attestation", effect = "write", public)]
#[budget(memory = "1MB", cpu = "50ms", io = 10)]
pub fn issue(
    /// The issuer's private key, as `cnv key new` made it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Who may act, such as agent-42
    #[arg(long)]
    subject: String,
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
    /// Something for people and logs to read; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<MetadataEntry>,
    /// Write the token to this new file instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
) -> Result<Issued, Failure> {
    // Looking at the file, opening it and reading it.
    charge_io(3)?;
    let key = key_file::load(&key)?;
    let mut builder = CapabilityAttestation::builder(contract, subject)
        .ttl(ttl.seconds)
        .bearer();
    if let Some(audience) = audience {
        builder = builder.audience(audience);
    }
    for MetadataEntry { key, value } in metadata {
        builder = builder.metadata(key, value);
    }
    let attestation = builder.sign(&key)?;
    let token = attestation.to_string();
    if let Some(path) = &out {
        write_token(path, &token).map_err(|source| TokenFileError::Write {
            path: path.clone(),
            source,
        })?;
    }
    Ok(Issued {
        subject: attestation.subject().to_owned(),
        contract: attestation.contract().to_string(),
        audience: attestation.audience().map(str::to_owned),
        issuer: attestation.issuer().to_string(),
        expires_at: attestation.expires_at().to_string(),
        id: attestation.id().to_string(),
        token: out.is_none().then_some(token),
        file: out.map(|path| path.display().to_string()),
    })
}

/// Writes a token to a new file that only its owner can read; one that cannot be written whole is
/// removed again.
fn write_token(path: &Path, token: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = File::open_with(&options, path)?;
    let written = file.write_all(format!("{token}\n").as_bytes());
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(path);
    }
    written
}

/// Why a token was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It could not be read.
    #[error("cannot read a token from {place}")]
    Read {
        /// The file, or standard input.
        place: String,
        #[source]
        source: io::Error,
    },
    /// There is too much of it.
    #[error("{place} has more than {MAX_INPUT_BYTES} bytes, so it is not a token")]
    TooLarge {
        /// The file, or standard input.
        place: String,
    },
    /// It could not be written.
    #[error("cannot write the token to `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// The token itself, or what stands in the file after `@` or, for `-`, on standard input.
fn read_token(cx: &Context, given: &str) -> Result<String, TokenFileError> {
    let (place, input) = if given == "-" {
        let input = Stdin::open(cx).map(|stdin| Box::new(stdin) as Box<dyn Read>);
        ("standard input".to_owned(), input)
    } else if let Some(path) = given.strip_prefix('@') {
        let input = File::open(path).map(|file| Box::new(file) as Box<dyn Read>);
        (format!("`{path}`"), input)
    } else {
        return Ok(given.to_owned());
    };
    let mut text = String::new();
    let read = input.and_then(|input| input.take(MAX_INPUT_BYTES + 1).read_to_string(&mut text));
    match read {
        Err(source) => Err(TokenFileError::Read { place, source }),
        Ok(len) if len as u64 > MAX_INPUT_BYTES => Err(TokenFileError::TooLarge { place }),
        Ok(_) => Ok(text.trim().to_owned()),
    }
}

/// What a token says, unverified.
#[derive(Debug, Serialize)]
pub struct Inspected {
    verified: bool,
    note: &'static str,
    subject: String,
    class: &'static str,
    resource_band: &'static str,
    stability: &'static str,
    safety: &'static str,
    audience: Option<String>,
    issuer: String,
    issued_at: String,
    not_before: String,
    expires_at: String,
    expired: bool,
    id: String,
    metadata: BTreeMap<String, String>,
}

/// Shows what a token says, without verifying it.
///
/// Anybody can write a token that says anything: only `cnv attestation verify` tells whether it holds.
#[verb(noun = "attestation", effect = "read")]
#[budget(memory = "1MB", cpu = "50ms", io = 100)]
pub fn inspect(
    cx: Context,
    /// The token, @ and a file with it, or - for standard input
    #[arg(value_name = "TOKEN|@FILE|-")]
    token: String,
) -> Result<Inspected, Failure> {
    let token = read_token(&cx, &token)?;
    let attestation: CapabilityAttestation = token.parse().map_err(NotAToken)?;
    let contract = attestation.contract();
    Ok(Inspected {
        verified: false,
        note: "not verified: anybody could have written this",
        subject: attestation.subject().to_owned(),
        class: contract.class().name(),
        resource_band: contract.band().name(),
        stability: contract.stability().name(),
        safety: contract.safety().name(),
        audience: attestation.audience().map(str::to_owned),
        issuer: attestation.issuer().to_string(),
        issued_at: attestation.issued_at().to_string(),
        not_before: attestation.not_before().to_string(),
        expires_at: attestation.expires_at().to_string(),
        expired: attestation.is_expired(),
        id: attestation.id().to_string(),
        metadata: attestation.metadata().clone(),
    })
}

/// What was given has another form than a token.
#[derive(Debug, thiserror::Error)]
#[error("this is no attestation")]
pub struct NotAToken(#[source] cnv::attestation::TokenError);

/// An attestation that holds.
#[derive(Debug, Serialize)]
pub struct Confirmed {
    verified: bool,
    subject: String,
    contract: String,
    audience: Option<String>,
    /// The issuer's name in the trust store, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_by: Option<String>,
    issuer: String,
    expires_at: String,
    id: String,
}

/// Verifies a token against a trust store or a public key.
///
/// Form, issuer, time, audience, capability and signature are checked, in this order; the first check
/// that fails is reported, and the exit code is then 8.
#[verb(noun = "attestation", effect = "read")]
#[budget(memory = "8MB", cpu = "1s", io = 100)]
pub fn verify(
    cx: Context,
    /// The token, @ and a file with it, or - for standard input
    #[arg(value_name = "TOKEN|@FILE|-")]
    token: String,
    /// The trust store with the keys to believe; or name one key with --public
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "public",
        conflicts_with = "public"
    )]
    store: Option<PathBuf>,
    /// The one key to believe, instead of a trust store
    #[arg(long, value_name = "KEY")]
    public: Option<PublicKey>,
    /// What it has to allow, in the form that `cnv attestation issue` takes [default: anything]
    #[arg(long = "class", value_name = "CLASS")]
    required: Option<CapabilityContract>,
    /// The application that it is presented to [default: none in particular]
    #[arg(long)]
    audience: Option<String>,
) -> Result<Confirmed, Failure> {
    let mut trusted = TrustStore::new();
    if let Some(path) = store {
        // Opening and reading it.
        charge_io(2)?;
        trusted = TrustStore::load(path)?;
    }
    if let Some(key) = public {
        trusted.add(GIVEN_KEY, key)?;
    }
    let token = read_token(&cx, &token)?;
    let required = required.unwrap_or(LEAST);
    let verified = trusted
        .verify_token(&token, &required, audience.as_deref(), Timestamp::now())
        .map_err(Refused::from)?;
    Ok(Confirmed {
        verified: true,
        subject: verified.subject().to_owned(),
        contract: verified.contract().to_string(),
        audience: verified.audience().map(str::to_owned),
        issued_by: Some(verified.issuer_name().to_owned()).filter(|name| name != GIVEN_KEY),
        issuer: verified.issuer().to_string(),
        expires_at: verified.expires_at().to_string(),
        id: verified.id().to_string(),
    })
}

/// What every attestation covers.
const LEAST: CapabilityContract = CapabilityContract::pure()
    .with_band(ResourceBand::Tiny)
    .with_stability(Stability::Frozen)
    .with_safety(Safety::Harmless);

/// An attestation that does not hold: the check that failed, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{denied}: {}{}", denied.reason(), Advice(denied.reason()))]
pub struct Refused {
    #[from]
    #[source]
    denied: Denied,
}

/// What to do, where the reason does not say so itself.
struct Advice<'a>(&'a DenialReason);

impl std::fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            DenialReason::Malformed(_) => {
                write!(
                    f,
                    "; copy all of it, from `{}` to its end",
                    CapabilityAttestation::PREFIX
                )
            }
            DenialReason::WrongAudience {
                meant_for,
                this: None,
            } => {
                write!(
                    f,
                    "; to verify it as `{meant_for}` would, add `--audience {meant_for}`"
                )
            }
            DenialReason::WrongAudience {
                this: Some(this), ..
            } => {
                write!(f, "; ask its issuer for one with the audience `{this}`")
            }
            DenialReason::Insufficient { need, .. } => {
                write!(f, "; ask its issuer for one with `--class {need}`")
            }
            DenialReason::BadSignature { .. } => {
                f.write_str("; do not use it, and ask its issuer for a new one")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_live_have_units() {
        let seconds = |text: &str| text.parse::<TimeToLive>().ok().map(|ttl| ttl.seconds);
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("15min"), Some(900));
        assert_eq!(seconds("3650d"), Some(MAX_TTL_SECONDS));
        assert_eq!(seconds("7d"), Some(604_800));
        for wrong in [
            "",
            "1",
            "h",
            "-1h",
            "1.5h",
            "1 h",
            "1m",
            "0h",
            "3651d",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn metadata_is_split_at_the_first_equals_sign() {
        let entry: MetadataEntry = "query=a=b".parse().unwrap();
        assert_eq!((entry.key.as_str(), entry.value.as_str()), ("query", "a=b"));
        assert!("ticket".parse::<MetadataEntry>().is_err());
    }

    #[test]
    fn every_grant_covers_the_least_contract() {
        let classes = ["pure", "read_only", "read_write", "network", "dangerous"];
        for class in classes {
            let narrowest: CapabilityContract =
                format!("{class}/tiny/frozen/harmless").parse().unwrap();
            assert!(narrowest.covers(&LEAST), "{class}");
        }
    }
}
