//! What an application's calls leave in its audit log.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use cnv::attestation::{CapabilityAttestation, ManualClock, PrivateKey, Timestamp, TrustStore};
use cnv::audit::{
    AuditEntry, AuditLog, AuditOptions, AuditReader, Decision, Digest, Outcome, VerifierKey,
};
use cnv::capability::CapabilityContract;
use cnv::prelude::*;
use cnv::quota::Limits;
use sha2::{Digest as _, Sha256};

const ORIGIN: &str = "example.com/audit/calls";

/// Adds two numbers.
#[verb(noun = "sum", effect = "pure")]
#[budget(memory = "1MB", cpu = "10ms", io = 0)]
fn add(left: i64, #[arg(long, default_value_t = 1)] right: i64) -> Result<i64, Failure> {
    left.checked_add(right)
        .ok_or_else(|| Failure::failed("the sum is too large"))
}

/// Streams the numbers below another.
#[verb(noun = "sum", effect = "pure")]
async fn count(cx: Context, below: u8) -> Result<&'static str, Failure> {
    for number in 0..below {
        cx.stdout().send(&number).await?;
    }
    Ok("done")
}

/// Reads, for whoever may.
#[verb(noun = "file", effect = "read")]
#[requires_attestation(read_only)]
async fn read(cx: Context) -> Result<&'static str, Failure> {
    Ok("content")
}

/// Calls something that needs more than it needs itself.
#[verb(noun = "file", effect = "read", public)]
async fn delegate(cx: Context) -> Result<&'static str, Failure> {
    fetch(cx).await
}

#[requires_attestation(network)]
async fn fetch(cx: Context) -> Result<&'static str, Failure> {
    Ok("fetched")
}

fn issuer() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

fn log_key() -> PrivateKey {
    PrivateKey::from_seed(&[8; 32])
}

fn app(log: AuditLog) -> App {
    let mut trust = TrustStore::new();
    trust.add("ops", issuer().public_key()).unwrap();
    App::new("calls")
        .verbs(verbs![add, count, read, delegate])
        .trust(trust)
        .accept_bearer()
        .without_revocation()
        .audit(Arc::new(log))
}

fn open(folder: &Path) -> AuditLog {
    AuditLog::open(folder, log_key(), AuditOptions::new(ORIGIN)).unwrap()
}

/// The entries that these calls leave.
fn entries_of(calls: &[&[&str]]) -> Vec<AuditEntry> {
    let folder = tempfile::tempdir().unwrap();
    let app = app(open(folder.path()));
    for call in calls {
        app.call_blocking(call.iter().copied());
    }
    // The last handle to the log writes what waits.
    drop(app);
    let reader = AuditReader::new(folder.path());
    let verifier = VerifierKey::new(ORIGIN, log_key().public_key()).unwrap();
    assert_eq!(reader.verify(&verifier).unwrap().unsigned, 0);
    reader
        .entries()
        .unwrap()
        .map(|read| read.unwrap().1)
        .collect()
}

#[test]
fn a_call_is_recorded_before_and_after_it_ran() {
    let entries = entries_of(&[&["sum", "add", "2"]]);
    let [before, after] = &entries[..] else {
        panic!("{entries:?}");
    };
    assert_eq!(
        (before.decision.clone(), &before.outcome, before.used),
        (Decision::Allowed, &None, None)
    );
    assert_eq!(after.outcome, Some(Outcome::Succeeded));
    assert_eq!(
        (before.call_id, before.verb.as_str()),
        (after.call_id, "sum add")
    );
    let budget = Limits {
        memory_bytes: 1_000_000,
        cpu_ns: 10_000_000,
        io_ops: 0,
        network_bytes: 0,
    };
    assert_eq!((before.budget, after.budget), (Some(budget), Some(budget)));
    assert!(after.used.is_some());
    assert_eq!(after.result, Some(Digest::of("cnv result 1", [&b"3"[..]])));

    let one = 1_u64.to_be_bytes();
    let arguments = [&b"left"[..], &one, b"2", b"right", &one, b"1"];
    assert_eq!(
        before.arguments,
        Some(Digest::of("cnv arguments 1", arguments))
    );
    assert_eq!(before.arguments, after.arguments);
}

#[test]
fn arguments_that_differ_have_other_digests_and_spelling_makes_none() {
    let entries = entries_of(&[
        &["sum", "add", "2", "--right", "1"],
        &["sum", "add", "2"],
        &["sum", "add", "2", "--json", "-q"],
        &["sum", "add", "1", "--right", "2"],
    ]);
    let digests: Vec<_> = entries.iter().map(|entry| entry.arguments).collect();
    assert_eq!(digests[0], digests[2]);
    assert_eq!(digests[0], digests[4]);
    assert_ne!(digests[0], digests[6]);
}

#[test]
fn what_was_streamed_is_part_of_the_result() {
    let entries = entries_of(&[&["sum", "count", "2"]]);
    let parts = ["0", "1", "\"done\""].map(str::as_bytes);
    assert_eq!(entries[1].result, Some(Digest::of("cnv result 1", parts)));
}

#[test]
fn a_failure_is_recorded_with_its_reason() {
    let entries = entries_of(&[&["sum", "add", "9223372036854775807"]]);
    let Some(Outcome::Failed(reason)) = &entries[1].outcome else {
        panic!("{entries:?}");
    };
    assert_eq!(
        (reason.code(), reason.detail()),
        ("failed", "the sum is too large")
    );
    assert_eq!(entries[1].result, None);
}

#[test]
fn an_attested_call_names_its_subject_and_link() {
    let attestation = CapabilityAttestation::builder(CapabilityContract::read_only(), "agent-42")
        .audience("calls")
        .bearer()
        .sign(&issuer())
        .unwrap();
    let token = attestation.to_string();
    let entries = entries_of(&[&["file", "read", "--attestation", &token]]);
    assert_eq!(entries.len(), 2);
    for entry in &entries {
        assert_eq!(entry.subject.as_deref(), Some("agent-42"));
        assert_eq!(entry.links, [Digest::from(attestation.id())]);
        assert_eq!(entry.decision, Decision::Allowed);
    }
}

#[test]
fn a_denied_call_is_recorded_with_the_reason_and_without_what_it_claims() {
    let expired = CapabilityAttestation::builder(CapabilityContract::read_only(), "agent-42")
        .issued_at(cnv::attestation::Timestamp::from_unix_seconds(1_000_000))
        .ttl(60)
        .bearer()
        .sign(&issuer())
        .unwrap()
        .to_string();
    let entries = entries_of(&[
        &["file", "read"],
        &["file", "read", "--attestation", &expired],
        &["file", "read", "--attestation", "cnv1.AAAA"],
        &["file", "read", "--attestation", "@/nonexistent/token"],
    ]);
    let arguments = Some(Digest::of("cnv arguments 1", []));
    assert!(entries.iter().all(|entry| entry.arguments == arguments));
    // Of what could be read; it says nothing that counts.
    let sha256 = |text: &str| Some(Digest::from_bytes(Sha256::digest(text).into()));
    let tokens: Vec<_> = entries.iter().map(|entry| entry.token).collect();
    assert_eq!(tokens, [None, sha256(&expired), sha256("cnv1.AAAA"), None]);
    let reasons: Vec<_> = entries
        .iter()
        .map(|entry| {
            assert_eq!(
                (&entry.subject, &entry.outcome, entry.links.len()),
                (&None, &None, 0)
            );
            assert_eq!(entry.verb, "file read");
            match &entry.decision {
                Decision::Denied(reason) => (reason.code(), reason.detail()),
                Decision::Allowed => panic!("{entry:?}"),
            }
        })
        .collect();
    let codes: Vec<_> = reasons.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, ["missing", "expired", "malformed", "attestation"]);
    assert!(
        reasons[1].1.contains("1970-01-12T13:47:40Z"),
        "{}",
        reasons[1].1
    );
}

fn token(contract: CapabilityContract) -> CapabilityAttestation {
    CapabilityAttestation::builder(contract, "agent-42")
        .bearer()
        .sign(&issuer())
        .unwrap()
}

#[test]
fn a_denial_within_a_call_is_its_outcome() {
    let token = token(CapabilityContract::read_only()).to_string();
    let entries = entries_of(&[&["file", "delegate", "--attestation", &token]]);
    assert_eq!(entries[0].decision, Decision::Allowed);
    assert_eq!(entries[0].token, None);
    let Some(Outcome::Failed(reason)) = &entries[1].outcome else {
        panic!("{entries:?}");
    };
    assert_eq!(reason.code(), "insufficient");
    let digest = Digest::from_bytes(Sha256::digest(&token).into());
    assert_eq!(entries[1].token, Some(digest));
    assert_eq!((&entries[1].subject, entries[1].links.len()), (&None, 0));
}

#[test]
fn a_token_that_only_a_function_within_used_is_in_the_receipt() {
    let attestation = token(CapabilityContract::network());
    let token = attestation.to_string();
    let entries = entries_of(&[&["file", "delegate", "--attestation", &token]]);
    assert_eq!((&entries[0].subject, entries[0].links.len()), (&None, 0));
    assert_eq!(entries[1].outcome, Some(Outcome::Succeeded));
    assert_eq!(entries[1].subject.as_deref(), Some("agent-42"));
    assert_eq!(entries[1].links, [Digest::from(attestation.id())]);
}

#[test]
fn every_entry_has_the_grammar_of_its_verb() {
    let add = ["sum", "add", "2"];
    let entries = entries_of(&[&add, &["sum", "count", "1"], &["file", "read"], &add]);
    let grammars: Vec<Digest> = entries.iter().map(|entry| entry.grammar.unwrap()).collect();
    let [add_before, add_after, count, _, read, again, _] = grammars[..] else {
        panic!("{entries:?}");
    };
    assert_eq!((add_before, add_before), (add_after, again));
    assert!(add_before != count && add_before != read && count != read);
    // It is what the application says of itself.
    let folder = tempfile::tempdir().unwrap();
    let explained = app(open(folder.path())).call_blocking(["sum", "add", "2", "--dry-run"]);
    let explained: serde_json::Value =
        serde_json::from_str(explained.result.unwrap().as_json()).unwrap();
    assert_eq!(explained["grammar"], add_before.to_string());
}

#[test]
fn a_transaction_is_recorded_with_each_of_its_calls() {
    let id = "00112233445566778899aabbccddeeff";
    let entries = entries_of(&[
        &["sum", "add", "2", "--transaction", id],
        &["file", "read", "--transaction", id],
        &["sum", "add", "2"],
    ]);
    let bytes = u128::from_str_radix(id, 16).unwrap().to_be_bytes();
    let ids: Vec<_> = entries.iter().map(|entry| entry.transaction_id).collect();
    let some = Some(bytes);
    assert_eq!(ids, [some, some, some, None, None]);
}

#[test]
fn entries_have_the_time_of_the_applications_clock() {
    let folder = tempfile::tempdir().unwrap();
    let noon = Timestamp::from_unix_seconds(1_800_000_000);
    let clock = Arc::new(ManualClock::at(noon));
    let app = app(open(folder.path())).clock(clock);
    app.call_blocking(["sum", "add", "2"]);
    app.call_blocking(["file", "read"]);
    drop(app);
    let entries = AuditReader::new(folder.path()).entries().unwrap();
    let times: Vec<_> = entries.map(|read| read.unwrap().1.time).collect();
    assert_eq!(times, [noon; 3]);
}

/// Ends the process in its body.
#[verb(noun = "process", effect = "dangerous", public)]
fn abort() -> Result<(), Failure> {
    std::process::abort()
}

/// The folder of the log of a process that ends itself.
const LOG_OF_ABORT: &str = "CNV_TESTS_LOG_OF_ABORT";

/// What [`a_call_that_ends_its_process_is_recorded`] runs in a process of its own.
#[test]
#[ignore = "ends the process"]
fn the_process_that_ends() {
    let folder = std::env::var_os(LOG_OF_ABORT).unwrap();
    let app = App::new("calls")
        .verbs(verbs![abort])
        .audit(Arc::new(open(Path::new(&folder))));
    app.call_blocking(["process", "abort"]);
}

#[test]
fn a_call_that_ends_its_process_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_ends", "--ignored"])
        .env(LOG_OF_ABORT, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
    let entries = AuditReader::new(folder.path()).entries().unwrap();
    let entries: Vec<_> = entries.map(|read| read.unwrap().1).collect();
    let [entry] = &entries[..] else {
        panic!("{entries:?}");
    };
    assert_eq!(
        (entry.verb.as_str(), &entry.outcome),
        ("process abort", &None)
    );
    assert_eq!(entry.decision, Decision::Allowed);
}

#[test]
fn what_is_no_call_leaves_nothing() {
    assert_eq!(
        entries_of(&[
            &["sum", "add"],
            &["no", "verb"],
            &["sum", "add", "2", "--dry-run"]
        ]),
        []
    );
}
