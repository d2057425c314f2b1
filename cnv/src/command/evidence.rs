//! The evidence of a call at the command-line door: the token that is presented, the key that its holder has, and what the
//! application and its environment say about whom to believe.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::app::{App, RevocationPolicy};
use super::failure::{Failure, FailureCode};
use super::spec::VerbSpec;
use crate::attestation::revocation::{RevocationFile, RevocationSource, RevocationUpdate};
use crate::attestation::{
    AttestationChain, Evidence, Possession, RequestDigest, RevocationSet, SystemClock, Timestamp,
    TrustStore, Verifier, VerifierBuilder, development_authority, key_file,
};
use crate::audit::{AuditLog, AuditOptions, Digest};
use crate::capability::CapabilityContract;

/// A token is at most 4 KiB of text; a file with one may end in a newline.
const TOKEN_FILE_MAX_BYTES: u64 = 8 * 1024;

/// Names the file of the private key that the presented token is held by.
const KEY: &str = "CNV_KEY";
/// Names the file of the revocation list.
const REVOCATIONS: &str = "CNV_REVOCATIONS";
/// Names the folder of the audit logs: each application has one of its name there.
const AUDIT: &str = "CNV_AUDIT";
/// Names the file of the private key that signs the audit log.
const AUDIT_KEY: &str = "CNV_AUDIT_KEY";

/// What the help says of the variables that have no option.
pub(super) const ENVIRONMENT_HELP: &str = "\
Environment, besides the options that name a variable:
  CNV_KEY          The private key's file of whoever holds the attestation
  CNV_REVOCATIONS  The revocation list's file, signed by a key in the trust store
  CNV_AUDIT        A folder for audit logs, one of each application's name, and with it
  CNV_AUDIT_KEY    the private key's file that signs them";

/// What a call presents, and what it asks for.
pub(super) struct Presented<'a> {
    /// The token, or `@` and the file with it.
    pub(super) token: Option<&'a OsStr>,
    pub(super) trust: Option<&'a Path>,
    /// The digest of the call's arguments.
    pub(super) arguments: Digest,
}

/// The evidence of a call: the given token against the configured roots, or a development authority where none are
/// configured and that is allowed. What the caller has to be told goes to `notice`.
///
/// A command that asks for no attestation runs without one, too: there a fault is told, and nothing is presented to what
/// it may call.
pub(super) fn evidence(
    app: &App,
    spec: &VerbSpec,
    presented: &Presented<'_>,
    notice: impl Fn(&str),
) -> Result<Evidence, Failure> {
    match decidable(app, spec, presented, &notice) {
        Err(failure) if spec.contract.is_none() => {
            notice(&format!("no attestation is presented: {failure}"));
            Ok(nothing())
        }
        decidable => decidable,
    }
}

/// What lets nobody do anything.
fn nothing() -> Evidence {
    Evidence::new(&Verifier::builder(TrustStore::new(), Arc::new(SystemClock)).build())
}

fn decidable(
    app: &App,
    spec: &VerbSpec,
    presented: &Presented<'_>,
    notice: impl Fn(&str),
) -> Result<Evidence, Failure> {
    let clock = Arc::new(SystemClock);
    let is_configured = presented.trust.is_some() || app.trust.is_some();
    if spec.contract.is_none() && !(is_configured && presented.token.is_some()) {
        return Ok(nothing());
    }
    let token = presented.token.map(read_token).transpose()?;
    let store = match (presented.trust, &app.trust) {
        (Some(path), _) => Some(TrustStore::load(path).map_err(refused)?),
        (None, Some(store)) => Some(store.clone()),
        (None, None) => None,
    };
    let Some(store) = store else {
        if token.is_none() && !app.production {
            notice(
                "no trust store is configured, so an authority made for this process vouches for the call; name one with --trust or CNV_TRUST",
            );
            return Ok(development_authority(
                CapabilityContract::dangerous(),
                clock,
            )?);
        }
        return Err(Failure::new(
            FailureCode::Attestation,
            "no trust store is configured to check an attestation against; name one with --trust or CNV_TRUST",
        ));
    };
    let verifier = Verifier::builder(store.clone(), clock).audience(app.name);
    let mut verifier = with_revocations(app, &store, verifier)?;
    if app.accepts_bearer {
        verifier = verifier.accept_bearer();
    }
    let verifier = verifier.build();
    if let RevocationPolicy::Live(live) = &app.revocation {
        verifier.follow(live).map_err(refused)?;
    }
    let evidence = Evidence::new(&verifier);
    match token {
        Some(token) => prove(app, spec, &token, presented.arguments, evidence, notice),
        None => Ok(evidence),
    }
}

/// The list of the application, then the one that the environment names. Without either everything is refused, unless the
/// application said that it has none.
fn with_revocations(
    app: &App,
    store: &TrustStore,
    builder: VerifierBuilder,
) -> Result<VerifierBuilder, Failure> {
    Ok(match (&app.revocation, env::var_os(REVOCATIONS)) {
        // It is followed.
        (RevocationPolicy::Live(_), _) => builder,
        (_, Some(path)) => builder
            .revocations(load_list(Path::new(&path), store)?)
            .map_err(refused)?,
        (RevocationPolicy::Unused, None) => builder.without_revocation(),
        (RevocationPolicy::Missing, None) => builder,
    })
}

/// Reads the list in a file, which a root has to have signed.
fn load_list(path: &Path, store: &TrustStore) -> Result<RevocationSet, Failure> {
    let bytes = RevocationFile::new(path).load().map_err(refused)?;
    let about = |text: &str| {
        let message = format!("the revocation list `{}` {text}", path.display());
        Failure::new(FailureCode::Attestation, message)
    };
    let list = match RevocationUpdate::read(&bytes.unwrap_or_default()) {
        Ok(RevocationUpdate::List(list)) => list,
        Ok(RevocationUpdate::Delta(_)) => return Err(about("is a delta; name the whole list")),
        Err(error) => return Err(about(&format!("is none: {error}"))),
    };
    let issuer = list.issuer();
    let Some(root) = store.find(&issuer) else {
        return Err(about(&format!(
            "was signed by the key {issuer}, which is not in the trust store"
        )));
    };
    RevocationSet::new(list, root.key(), Timestamp::now())
        .map_err(|error| about(&format!("cannot be used: {error}")))
}

/// Presents a token, and proves possession of the key that it names, for this call, where the environment says where the key is.
fn prove(
    app: &App,
    spec: &VerbSpec,
    token: &str,
    arguments: Digest,
    evidence: Evidence,
    notice: impl Fn(&str),
) -> Result<Evidence, Failure> {
    let evidence = evidence.with_token(token);
    // What is no token is refused by the guard, and a bearer's needs no proof.
    let chain = token.parse::<AttestationChain>();
    let Some(needed) = chain.ok().and_then(|chain| chain.leaf().holder_key()) else {
        return Ok(evidence);
    };
    let Some(path) = env::var_os(KEY).map(PathBuf::from) else {
        notice(&format!(
            "the attestation is held by the key {needed}; name the file of its private half in {KEY}"
        ));
        return Ok(evidence);
    };
    let key = key_file::load(&path).map_err(refused)?;
    let given = key.public_key().id();
    if given != needed {
        let message = format!(
            "the attestation is held by the key {needed}, and {KEY} names `{}` with the key {given}",
            path.display()
        );
        return Err(Failure::new(FailureCode::Attestation, message));
    }
    let mut request = format!("{spec}\0").into_bytes();
    request.extend_from_slice(arguments.as_bytes());
    let request = RequestDigest::of(&request);
    let possession = Possession {
        token,
        audience: Some(app.name),
        nonce: evidence.verifier().challenge()?,
        request,
        signed_at: Timestamp::now(),
    };
    let proof = possession.sign(&key);
    Ok(evidence.with_proof(proof, request))
}

/// The audit log of the application, or the one that the environment names. A call that cannot be recorded does not run.
pub(super) fn audit_log(app: &App) -> Result<Option<Arc<AuditLog>>, Failure> {
    if let Some(log) = &app.audit {
        return Ok(Some(Arc::clone(log)));
    }
    let Some(folder) = env::var_os(AUDIT) else {
        return Ok(None);
    };
    let not_run = |why: String| {
        let message = format!("the call was not run, because it cannot be recorded: {why}");
        Failure::new(FailureCode::Failed, message)
    };
    let Some(key) = env::var_os(AUDIT_KEY) else {
        return Err(not_run(format!(
            "{AUDIT} names an audit log, and {AUDIT_KEY} no private key that signs it; make one with `cnv key new`"
        )));
    };
    let key = key_file::load(key).map_err(|error| not_run(with_causes(&error)))?;
    let folder = Path::new(&folder).join(app.name);
    let log = AuditLog::open(folder, key, AuditOptions::new(app.name))
        .map_err(|error| not_run(with_causes(&error)))?;
    Ok(Some(Arc::new(log)))
}

/// The token, or what stands in the file after `@`.
fn read_token(text: &OsStr) -> Result<String, Failure> {
    let refused = |message: String| Failure::new(FailureCode::Attestation, message);
    let Some(path) = text.as_encoded_bytes().strip_prefix(b"@") else {
        let token = text.to_str().map(str::to_owned);
        return token.ok_or_else(|| refused("the attestation is not text".to_owned()));
    };
    let path = path_after_at(path, text);
    let unreadable = |error: io::Error| {
        refused(format!(
            "cannot read the attestation in `{}`: {error}",
            path.display()
        ))
    };
    let mut token = String::new();
    let file = std::fs::File::open(&path).map_err(unreadable)?;
    io::Read::read_to_string(
        &mut io::Read::take(file, TOKEN_FILE_MAX_BYTES + 1),
        &mut token,
    )
    .map_err(unreadable)?;
    if token.len() as u64 > TOKEN_FILE_MAX_BYTES {
        return Err(unreadable(io::Error::other("too large to be a token")));
    }
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

/// A trust store, a list or a key that cannot be read lets nobody act.
fn refused(error: impl std::error::Error) -> Failure {
    Failure::new(FailureCode::Attestation, with_causes(&error))
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    message
}
