//! What one call of an application leaves to the next, to calls under way, and to the next start: time, lists, and that
//! neither goes back.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use cnv::attestation::revocation::{
    RevocationEntries, RevocationEntry, RevocationList, RevocationUpdate, Revocations,
};
use cnv::attestation::{
    CapabilityAttestation, DenialReason, ManualClock, PrivateKey, ReadOnly, Timestamp, TrustStore,
};
use cnv::capability::CapabilityContract;
use cnv::prelude::*;

const NOON: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

fn later(seconds: u64) -> Timestamp {
    NOON.checked_add_seconds(seconds).unwrap()
}

fn root() -> PrivateKey {
    PrivateKey::from_seed(&[1; 32])
}

fn roots() -> TrustStore {
    let mut store = TrustStore::new();
    store.add("root", root().public_key()).unwrap();
    store
}

/// Reads.
#[verb(noun = "file", effect = "read")]
#[requires_attestation(read_only)]
fn read(cx: Context) -> Result<(), Failure> {
    Ok(())
}

/// What a handler puts in force while it runs.
static MEANWHILE: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();

/// Reads for long, and looks in between whether it still may.
#[verb(noun = "file", effect = "read")]
#[requires_attestation(read_only)]
fn follow(cx: Context, permit: Permit<'_, ReadOnly>) -> Result<&'static str, Failure> {
    permit.recheck()?;
    MEANWHILE.get().unwrap()();
    permit.recheck()?;
    Ok("went on")
}

/// An attestation for a minute from noon.
fn attestation() -> CapabilityAttestation {
    CapabilityAttestation::builder(CapabilityContract::read_only(), "agent-42")
        .issued_at(NOON)
        .ttl(60)
        .bearer()
        .sign(&root())
        .unwrap()
}

fn list(number: u64, revoked: Option<RevocationEntry>) -> RevocationUpdate {
    let entries: RevocationEntries = revoked.into_iter().collect();
    let list = RevocationList::sign(entries, number, NOON, later(3600), &root());
    RevocationUpdate::List(list.unwrap())
}

fn app(clock: &Arc<ManualClock>) -> App {
    App::new("reader")
        .verbs(verbs![read, follow])
        .trust(roots())
        .accept_bearer()
        .clock(clock.clone())
}

fn call(app: &App, verb: &str) -> Result<String, Failure> {
    let token = attestation().to_string();
    let reply = app.call_blocking(["file", verb, "--attestation", &token]);
    reply.result.map(|output| output.as_json().to_owned())
}

#[track_caller]
fn reason(result: Result<String, Failure>) -> DenialReason {
    let failure = result.unwrap_err();
    let denied = failure
        .error()
        .and_then(|error| error.downcast_ref::<Denied>());
    denied
        .unwrap_or_else(|| panic!("{failure:?}"))
        .reason()
        .clone()
}

#[test]
fn a_list_that_is_put_in_force_reaches_a_call_under_way() {
    let clock = Arc::new(ManualClock::at(NOON));
    let revocations = Arc::new(Revocations::new(roots()));
    revocations.update(list(1, None), NOON).unwrap();
    let app = app(&clock).revocations(Arc::clone(&revocations));
    call(&app, "read").unwrap();
    let put = move || {
        let revoked = RevocationEntry::Link(attestation().id());
        revocations.update(list(2, Some(revoked)), NOON).unwrap();
    };
    assert!(MEANWHILE.set(Box::new(put)).is_ok());
    let refused = reason(call(&app, "follow"));
    assert!(matches!(refused, DenialReason::Revoked(_)), "{refused:?}");
}

#[test]
fn a_clock_that_is_set_back_brings_nothing_back() {
    let clock = Arc::new(ManualClock::at(NOON));
    let app = app(&clock).without_revocation();
    call(&app, "read").unwrap();
    clock.advance_seconds(60);
    let expired = |app: &App| matches!(reason(call(app, "read")), DenialReason::Expired { .. });
    assert!(expired(&app));
    clock.set(NOON);
    assert!(expired(&app));
}

#[test]
fn the_time_is_kept_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = |at| {
        let clock = Arc::new(ManualClock::at(at));
        app(&clock)
            .without_revocation()
            .state(folder.path().join("state"))
    };
    assert!(matches!(
        reason(call(&start(later(600)), "read")),
        DenialReason::Expired { .. }
    ));
    let again = reason(call(&start(NOON), "read"));
    assert!(matches!(again, DenialReason::Expired { .. }), "{again:?}");
}

fn with_list(state: &Path, update: RevocationUpdate) -> App {
    let revocations = Revocations::new(roots());
    revocations.update(update, NOON).unwrap();
    let clock = Arc::new(ManualClock::at(NOON));
    app(&clock).revocations(Arc::new(revocations)).state(state)
}

#[test]
fn an_older_list_is_not_taken_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let revoked = RevocationEntry::Link(attestation().id());
    let first = with_list(&state, list(2, Some(revoked)));
    assert!(matches!(
        reason(call(&first, "read")),
        DenialReason::Revoked(_)
    ));
    drop(first);
    let second = with_list(&state, list(1, None)).explain_denials();
    let failure = call(&second, "read").unwrap_err();
    assert_eq!(failure.code().exit_code(), 8);
    assert!(
        failure.to_string().contains("list 1 is older than 2"),
        "{failure}"
    );
    // Another folder knows of nothing.
    call(
        &with_list(&folder.path().join("other"), list(1, None)),
        "read",
    )
    .unwrap();
}

#[test]
fn a_state_that_cannot_be_read_denies() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    call(&with_list(&state, list(1, None)), "read").unwrap();
    for file in std::fs::read_dir(&state).unwrap() {
        std::fs::write(file.unwrap().path(), "nonsense").unwrap();
    }
    let failure = call(&with_list(&state, list(1, None)), "read").unwrap_err();
    assert_eq!(failure.code().exit_code(), 8);
}

/// The operator may change the file of the roots while the program runs.
#[test]
fn roots_that_the_operator_takes_away_are_gone_at_the_next_call() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("roots.txt");
    std::fs::write(&store, format!("{}  root\n", root().public_key())).unwrap();
    let clock = Arc::new(ManualClock::at(NOON));
    let app = App::new("reader")
        .verbs(verbs![read])
        .accept_bearer()
        .without_revocation()
        .clock(clock);
    let token = attestation().to_string();
    let path = store.to_str().unwrap();
    let call = || {
        app.call_blocking(["file", "read", "--attestation", &token, "--trust", path])
            .result
    };
    call().unwrap();
    std::fs::write(&store, "").unwrap();
    let failure = call().unwrap_err();
    let denied = failure.error().unwrap().downcast_ref::<Denied>().unwrap();
    assert!(matches!(
        denied.reason(),
        DenialReason::UnknownIssuer { .. }
    ));
}
