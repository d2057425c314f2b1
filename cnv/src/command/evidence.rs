//! The evidence of a call at the command-line door: the token that is presented, the key that its holder has, and what the
//! application and its environment say about whom to believe.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::app::{App, RevocationPolicy};
use super::audit::Tell;
use super::deciding::Roots;
use super::failure::{Failure, FailureCode};
use super::log::{AUDIT, AUDIT_KEY};
use super::spec::VerbSpec;
use crate::attestation::{
    AttestationChain, Evidence, Possession, RequestDigest, TrustStore, Verifier,
    development_authority, key_file, trusted_file,
};
use crate::audit::Digest;
use crate::capability::CapabilityContract;

/// A token is at most 4 KiB of text; a file with one may end in a newline.
const TOKEN_FILE_MAX_BYTES: usize = 8 * 1024;

/// Names the file of the private key that the presented token is held by.
const KEY: &str = "CNV_KEY";
/// Names the trust store's file, where the program leaves its roots to its operator.
pub(super) const TRUST: &str = "CNV_TRUST";
/// Names the folder that keeps time and lists from going back, where the program leaves it to its operator.
pub(super) const STATE: &str = "CNV_STATE";
/// Names the files of the revocation lists, one of each root, separated as in `PATH`.
pub(super) const REVOCATIONS: &str = "CNV_REVOCATIONS";

/// What the help says of the variables that have no option.
pub(super) fn environment_help() -> String {
    let of_traces = if cfg!(feature = "trace") {
        TRACE_HELP
    } else {
        ""
    };
    format!("{HELP}{of_traces}")
}

const HELP: &str = "\
Environment, besides the options that name a variable:
  CNV_KEY          The private key's file of whoever holds the attestation
  CNV_TRUST        The trust store's file, unless the program has its own roots
  CNV_REVOCATIONS  The files of the roots' revocation lists, separated as in PATH
  CNV_STATE        A folder that keeps the clock and the lists from going back between runs
  CNV_AUDIT        A folder for audit logs, one of each application's name, and with it
  CNV_AUDIT_KEY    the private key's file that signs them";

const TRACE_HELP: &str = "
  TRACEPARENT      The trace that the call belongs to, and the span that makes it
  TRACESTATE       What the tracing systems on the way have to say
  BAGGAGE          What the parts of a system tell each other";

/// What a call presents, and what it asks for.
pub(super) struct Presented<'a> {
    /// The token, or `@` and the file with it.
    pub(super) token: Option<&'a OsStr>,
    /// The trust store that the operator names, where the program leaves its roots to its operator.
    pub(super) trust: Option<&'a Path>,
    /// The digest of the call's arguments, for who needs it.
    pub(super) arguments: &'a dyn Fn() -> Digest,
}

/// Why there is nothing to decide by.
pub(super) enum Unfit {
    /// What the caller brought, or has to set up: told as it is.
    Callers(Failure),
    /// What the operator keeps: a denial like any other.
    Operators(Failure),
}

impl Unfit {
    fn callers(message: impl Into<String>) -> Self {
        Self::Callers(Failure::new(FailureCode::Attestation, message))
    }

    pub(super) fn operators(message: impl Into<String>) -> Self {
        Self::Operators(Failure::new(FailureCode::Attestation, message))
    }

    pub(super) const fn failure(&self) -> &Failure {
        let (Self::Callers(failure) | Self::Operators(failure)) = self;
        failure
    }
}

/// What a person can do where nobody is trusted.
const NOBODY_IS_TRUSTED: &str = "attestation refused: there is no trust store to check an attestation against; name one \
     with --trust or CNV_TRUST (`cnv key new` makes a key and the store's line for it, `cnv attestation issue` a token). A \
     program that is being developed says `App::development()`";

/// The evidence of a call, and the digest of its token: the given token against the configured roots, or a development
/// authority where the program asked for one and nothing is configured. What the caller has to be told goes to `tell`.
///
/// A command that asks for no attestation runs without one, too: there a fault is told, and nothing is presented to what
/// it may call.
pub(super) fn evidence(
    app: &App,
    spec: &VerbSpec,
    presented: &Presented<'_>,
    tell: &Tell<'_>,
) -> (Result<Evidence, Unfit>, Option<Digest>) {
    let mut digest = None;
    let decidable = decidable(app, spec, presented, &mut digest, tell);
    let evidence = match decidable {
        Err(unfit) if spec.contract.is_none() => {
            let why = match &unfit {
                Unfit::Operators(_) if !app.explains_denials => "it cannot be checked".to_owned(),
                unfit => unfit.failure().to_string(),
            };
            tell(&format!("no attestation is presented: {why}"));
            Ok(nothing(app))
        }
        decidable => decidable,
    };
    (evidence, digest)
}

/// What lets nobody do anything.
pub(super) fn nothing(app: &App) -> Evidence {
    Evidence::new(&Verifier::builder(TrustStore::new(), app.time()).build())
}

fn decidable(
    app: &App,
    spec: &VerbSpec,
    presented: &Presented<'_>,
    digest: &mut Option<Digest>,
    tell: &Tell<'_>,
) -> Result<Evidence, Unfit> {
    let is_configured = presented.trust.is_some() || app.trust.is_some();
    if spec.contract.is_none() && !(is_configured && presented.token.is_some()) {
        return Ok(nothing(app));
    }
    let token = presented.token.map(read_token).transpose()?;
    *digest = token
        .as_ref()
        .map(|token| Digest::from_bytes(Sha256::digest(token).into()));
    let roots = match (&app.trust, presented.trust) {
        (Some(store), _) => Roots::Programs(store),
        (None, Some(path)) => Roots::Operators(path),
        (None, None) if app.development && presented.token.is_none() && is_bare(app) => {
            tell(
                "nothing is set up, so an authority made for this process vouches for the call, as the program asks for with `App::development()`",
            );
            return development(app);
        }
        (None, None) => return Err(Unfit::callers(NOBODY_IS_TRUSTED)),
    };
    let verifier = app.deciding.verifier(app, roots)?;
    let evidence = Evidence::new(&verifier);
    match token {
        Some(token) => prove(app, spec, &token, (presented.arguments)(), evidence, tell),
        None => Ok(evidence),
    }
}

/// An authority made for the process, which vouches for everything.
pub(super) fn development(app: &App) -> Result<Evidence, Unfit> {
    let authority = development_authority(CapabilityContract::dangerous(), app.time());
    authority.map_err(|error| Unfit::Operators(error.into()))
}

/// The verifier, with the roots of the program or those that its environment names.
#[cfg(feature = "session")]
pub(super) fn verifier(app: &App) -> Result<Verifier, Unfit> {
    match (&app.trust, env::var_os(TRUST)) {
        (Some(store), _) => app.deciding.verifier(app, Roots::Programs(store)),
        (None, Some(path)) => app.deciding.verifier(app, Roots::Operators(path.as_ref())),
        (None, None) => Err(Unfit::callers(NOBODY_IS_TRUSTED)),
    }
}

/// Whether nothing of a real set-up is there, besides what a call presents. Whoever is missing one part of it must not get
/// everything.
pub(super) fn is_bare(app: &App) -> bool {
    let is_named = |variable: &&str| env::var_os(variable).is_some();
    app.trust.is_none()
        && app.audit.is_none()
        && app.state.is_none()
        && !matches!(app.revocation, RevocationPolicy::Live(_))
        && ![TRUST, KEY, REVOCATIONS, STATE, AUDIT, AUDIT_KEY]
            .iter()
            .any(is_named)
}

/// Presents a token, and proves possession of the key that it names, for this call, where the environment says where the key is.
fn prove(
    app: &App,
    spec: &VerbSpec,
    token: &str,
    arguments: Digest,
    evidence: Evidence,
    tell: &Tell<'_>,
) -> Result<Evidence, Unfit> {
    let evidence = evidence.with_token(token);
    // What is no token is refused by the guard, and a bearer's needs no proof.
    let chain = token.parse::<AttestationChain>();
    let Some(needed) = chain.ok().and_then(|chain| chain.leaf().holder_key()) else {
        return Ok(evidence);
    };
    let Some(path) = env::var_os(KEY).map(PathBuf::from) else {
        tell(&format!(
            "the attestation is held by the key {needed}; name the file of its private half in {KEY}"
        ));
        return Ok(evidence);
    };
    let key = key_file::load(&path).map_err(|error| Unfit::callers(with_causes(&error)))?;
    let given = key.public_key().id();
    if given != needed {
        return Err(Unfit::callers(format!(
            "the attestation is held by the key {needed}, and {KEY} names `{}` with the key {given}",
            path.display()
        )));
    }
    let mut request = format!("{spec}\0").into_bytes();
    request.extend_from_slice(arguments.as_bytes());
    let request = RequestDigest::of(&request);
    let nonce = evidence.verifier().challenge();
    let possession = Possession {
        token,
        audience: Some(app.name),
        nonce: nonce.map_err(|error| Unfit::Operators(error.into()))?,
        request,
        signed_at: evidence.verifier().latest_moment(),
    };
    let proof = possession.sign(&key);
    Ok(evidence.with_proof(proof, request))
}

/// The token, or what stands in the file after `@`.
fn read_token(text: &OsStr) -> Result<String, Unfit> {
    let Some(path) = text.as_encoded_bytes().strip_prefix(b"@") else {
        let token = text.to_str().map(str::to_owned);
        return token.ok_or_else(|| Unfit::callers("the attestation is not text"));
    };
    let path = path_after_at(path, text);
    let unreadable = |why: &dyn std::error::Error| {
        Unfit::callers(format!(
            "cannot read the attestation in `{}`: {}",
            path.display(),
            with_causes(why)
        ))
    };
    let content =
        trusted_file::read(&path, TOKEN_FILE_MAX_BYTES).map_err(|why| unreadable(&why))?;
    let token = str::from_utf8(&content).map_err(|why| unreadable(&why))?;
    Ok(token.trim_end().to_owned())
}

/// The path behind `@`. File names are bytes on Unix; elsewhere one that is not text cannot be split
/// off safely, and is looked for under the whole argument, where there is no such file.
fn path_after_at(path: &[u8], text: &OsStr) -> PathBuf {
    #[cfg(unix)]
    {
        let _ = text;
        PathBuf::from(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path))
    }
    #[cfg(not(unix))]
    {
        PathBuf::from(std::str::from_utf8(path).map_or(text, OsStr::new))
    }
}

/// A trust store or a list that cannot be read lets nobody act.
pub(super) fn kept(error: impl std::error::Error) -> Unfit {
    Unfit::operators(with_causes(&error))
}

pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    message
}
