//! Checking whether a token holds, as a program that is called would.

#![allow(
    clippy::too_many_arguments,
    reason = "an argument of a verb is an option on the command line"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cnv::attestation::revocation::ReloadError;
use cnv::attestation::{
    AttestationChain, CapabilityAttestation, DenialReason, Evidence, Floors, KeyId, ManualClock,
    Possession, PossessionFault, PublicKey, RequestDigest, RevocationSet, Timestamp, TrustStore,
    Verifier, key_file,
};
use cnv::capability::{CapabilityContract, ResourceBand, Safety, Stability};
use cnv::prelude::*;
use cnv::quota::charge_io;
use serde::Serialize;

use super::inspection::{LinkRow, rows};
use super::token;
use crate::arguments::Moment;
use crate::revocation;

/// The name of a key that is given on the command line, where a trust store would have one.
const GIVEN_KEY: &str = "--public";

/// An attestation that holds.
#[derive(Debug, Serialize)]
pub struct Confirmed {
    verified: bool,
    subject: String,
    contract: String,
    audience: Option<String>,
    /// The root's name in the trust store, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_by: Option<String>,
    issuer: String,
    possession: String,
    revocation: String,
    at: String,
    expires_at: String,
    id: String,
    links: Vec<LinkRow>,
}

/// Verifies a token against a trust store or a public key, as a program that is called would.
///
/// Form, root, attenuation, time, audience, capability, revocation, signatures and possession are checked, in this
/// order; the first check that fails is reported with the link that it concerns, and the exit code is then 8. Say where
/// the revocation list is, which a trusted key has to have signed, or that there is none. With `--state` no list is
/// believed that is older than one that was seen before, and no clock that was set back.
///
/// Examples:
///   cnv attestation verify @agent.token --store roots.txt --revocations revoked.txt --audience ops --key agent.pem
///   cnv attestation verify @agent.token --store roots.txt --without-revocation --at 2026-11-22T22:17:56Z
#[verb(noun = "attestation", effect = "read")]
#[budget(memory = "1GB", cpu = "1min", io = "100k")]
pub fn verify(
    cx: Context,
    /// @ and the file with the token, or - for standard input [default: CNV_ATTESTATION]
    #[arg(value_name = "@FILE|-")]
    token: Option<String>,
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
    /// The revocation list; or say --without-revocation
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "without_revocation",
        conflicts_with = "without_revocation"
    )]
    revocations: Option<PathBuf>,
    /// Ask no revocation list
    #[arg(long)]
    without_revocation: bool,
    /// The folder that keeps the latest list's number and the time; with --at it is neither asked nor changed
    #[arg(long, value_name = "FOLDER", env = "CNV_STATE")]
    state: Option<PathBuf>,
    /// What it has to allow, in the form that `cnv attestation issue` takes [default: anything]
    #[arg(long = "class", value_name = "CLASS")]
    required: Option<CapabilityContract>,
    /// The application that it is presented to [default: none in particular]
    #[arg(long)]
    audience: Option<String>,
    /// The moment to decide for, such as 2026-11-22T22:17:56Z [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Moment>,
    /// The private key that holds the token, to prove possession with it
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
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
    let floors = match (state, &at) {
        (Some(folder), None) => {
            // Making it sure that there is the folder, opening the file, reading it, and then locking it, reading it
            // again, writing it beside, making it durable and giving it its name, for the list and for the time.
            charge_io(3 + 2 * 6)?;
            Some(Arc::new(Floors::open(folder)?))
        }
        _ => None,
    };
    let now = match (at, &floors) {
        (Some(at), _) => at.0,
        (None, Some(floors)) => Timestamp::now().max(floors.moment()),
        (None, None) => Timestamp::now(),
    };
    let token = token::read(&cx, token.as_deref())?;
    let chain = token::parse(&token).ok();

    let mut builder =
        Verifier::builder(trusted.clone(), Arc::new(ManualClock::at(now))).accept_bearer();
    if let Some(floors) = floors {
        builder = builder.floors(floors)?;
    }
    let mut revocation = "not asked".to_owned();
    match &revocations {
        Some(path) => {
            let set = list_in_force(path, &trusted, now)?;
            revocation = format!("list {}, next update {}", set.number(), set.next_update());
            builder = builder.revocations(set).map_err(|source| NotFollowing {
                path: path.into(),
                source,
            })?;
        }
        None => {
            debug_assert!(without_revocation);
            builder = builder.without_revocation();
        }
    }
    if let Some(audience) = &audience {
        builder = builder.audience(audience.as_str());
    }
    let verifier = builder.build();
    let mut evidence = Evidence::new(&verifier).with_token(&token);
    if let Some(path) = &key {
        evidence = with_proof(
            evidence,
            path,
            &token,
            chain.as_ref(),
            audience.as_deref(),
            now,
        )?;
    }
    let decided = evidence
        .authorise(&required.unwrap_or(LEAST))
        .map(|_permit| ());
    let proof_is_missing = |denied: &Denied| {
        *denied.reason() == DenialReason::Possession(PossessionFault::Missing) && key.is_none()
    };
    // The proof is asked for last, so all else holds where it is what is missing.
    if let Err(denied) = decided
        && !proof_is_missing(&denied)
    {
        return Err(Refused::new(denied, chain.as_ref(), &trusted).into());
    }
    let chain = match chain {
        Some(chain) => chain,
        None => token::parse(&token)?,
    };
    let (root, leaf) = (chain.root(), chain.leaf());
    let root_name = trusted
        .find(&root.issuer())
        .map(|root| root.name().to_owned());
    let ends = chain.links().iter().map(|link| link.expires_at()).min();
    Ok(Confirmed {
        verified: true,
        subject: leaf.subject().to_owned(),
        contract: leaf.contract().to_string(),
        audience: leaf.audience().map(str::to_owned),
        issued_by: root_name.filter(|name| name != GIVEN_KEY),
        issuer: root.issuer().to_string(),
        possession: match (leaf.holder_key(), key) {
            (None, _) => "not needed: whoever has the token can use it".to_owned(),
            (Some(key), Some(_)) => format!("proved, of the key {key}"),
            (Some(key), None) => format!("not checked, of the key {key}"),
        },
        revocation,
        at: now.to_string(),
        expires_at: ends.unwrap_or_default().to_string(),
        id: leaf.id().to_string(),
        links: rows(chain.links(), now),
    })
}

/// The list in a file, which a trusted key has to have signed.
fn list_in_force(
    path: &Path,
    trusted: &TrustStore,
    now: Timestamp,
) -> Result<RevocationSet, Failure> {
    let list = revocation::read_whole(path)?;
    let issuer = list.issuer();
    let root = trusted.find(&issuer).ok_or_else(|| UnknownListIssuer {
        path: path.into(),
        issuer,
    })?;
    let set = RevocationSet::new(list, root.key(), now);
    Ok(set.map_err(|source| revocation::ListError::NotBelieved {
        path: path.into(),
        source,
    })?)
}

/// A revocation list does not come after the one that was seen before.
#[derive(Debug, thiserror::Error)]
#[error("the list `{}` is not believed", path.display())]
pub struct NotFollowing {
    path: PathBuf,
    #[source]
    source: ReloadError,
}

/// A revocation list is somebody else's.
#[derive(Debug, thiserror::Error)]
#[error("the revocation list `{}` was signed by the key {issuer}, which is not trusted here; give the list of a key in the trust store", path.display())]
pub struct UnknownListIssuer {
    path: PathBuf,
    issuer: KeyId,
}

fn with_proof(
    evidence: Evidence,
    path: &Path,
    token: &str,
    chain: Option<&AttestationChain>,
    audience: Option<&str>,
    now: Timestamp,
) -> Result<Evidence, Failure> {
    charge_io(3)?;
    let key = key_file::load(path)?;
    let given = key.public_key().id();
    if let Some(leaf) = chain.map(AttestationChain::leaf)
        && let Some(needed) = leaf.holder_key()
        && needed != given
    {
        return Err(OtherHolder {
            needed,
            subject: leaf.subject().to_owned(),
            given,
            path: path.into(),
        }
        .into());
    }
    let request = RequestDigest::of(b"cnv attestation verify");
    let possession = Possession {
        token,
        audience,
        nonce: evidence.verifier().challenge()?,
        request,
        signed_at: now,
    };
    let proof = possession.sign(&key);
    Ok(evidence.with_proof(proof, request))
}

/// The key is not the one that holds the token.
#[derive(Debug, thiserror::Error)]
#[error("the token is held by the key {needed} of `{subject}`, and `{}` has the key {given}", path.display())]
pub struct OtherHolder {
    needed: KeyId,
    subject: String,
    given: KeyId,
    path: PathBuf,
}

/// What every attestation covers.
const LEAST: CapabilityContract = CapabilityContract::pure()
    .with_band(ResourceBand::Tiny)
    .with_stability(Stability::Frozen)
    .with_safety(Safety::Harmless);

/// An attestation that does not hold: the link and the check that failed, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{denied}: {told}")]
pub struct Refused {
    #[source]
    denied: Denied,
    told: String,
}

impl Refused {
    fn new(denied: Denied, chain: Option<&AttestationChain>, trusted: &TrustStore) -> Self {
        let mut told = String::new();
        if let Some(place) = denied.link().filter(|place| place.links > 1) {
            let _ = write!(told, "{place}: ");
        }
        let _ = write!(told, "{}{}", denied.reason(), Advice(denied.reason()));
        if let (Some(place), Some(chain)) = (denied.link(), chain)
            && place.links > 1
        {
            let link = &chain.links()[place.link - 1];
            let issuer = match place.link {
                1 => trusted.find(&link.issuer()).map(|root| root.name()),
                later => Some(chain.links()[later - 2].subject()),
            };
            let _ = write!(told, " (link {} is `{}`'s", place.link, link.subject());
            if let Some(issuer) = issuer {
                let _ = write!(told, ", issued by `{issuer}`");
            }
            told.push(')');
        }
        Self { denied, told }
    }
}

/// What to do, where the reason does not say so itself.
struct Advice<'a>(&'a DenialReason);

impl std::fmt::Display for Advice<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            DenialReason::Malformed(_) => {
                let prefix = CapabilityAttestation::PREFIX;
                write!(f, "; copy all of it, from `{prefix}` to its end")
            }
            DenialReason::WrongAudience {
                meant_for,
                this: None,
            } => write!(
                f,
                "; to verify it as `{meant_for}` would, add `--audience {meant_for}`"
            ),
            DenialReason::WrongAudience {
                this: Some(this), ..
            } => write!(f, "; ask its issuer for one with the audience `{this}`"),
            DenialReason::Insufficient { need, .. } => {
                write!(f, "; ask its issuer for one with `--class {need}`")
            }
            DenialReason::BadSignature { .. } | DenialReason::Escalation(_) => {
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
    fn every_grant_covers_the_least_contract() {
        let classes = ["pure", "read_only", "read_write", "network", "dangerous"];
        for class in classes {
            let narrowest: CapabilityContract =
                format!("{class}/tiny/frozen/harmless").parse().unwrap();
            assert!(narrowest.covers(&LEAST), "{class}");
        }
    }
}
