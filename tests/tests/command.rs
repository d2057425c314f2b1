//! The pipeline as a caller in the same process meets it: resolve, authorise, admit, run, receipt.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use cnv::attestation::revocation::Revocations;
use cnv::attestation::{
    CapabilityAttestation, Denied, Evidence, ManualClock, PrivateKey, SystemClock, Timestamp,
    TrustStore, Verifier, development_authority,
};
use cnv::audit::{AuditLog, AuditOptions};
use cnv::capability::CapabilityContract;
use cnv::command::{Effect, FailureCode, Fault, Reply, Stopped};
use cnv::prelude::*;
use cnv::quota::{File, MeteredAllocator, Resource};
use serde::Serialize;

#[global_allocator]
static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();

/// Adds.
#[verb(noun = "sum", effect = "pure")]
fn add(left: u8, right: u8) -> Result<u8, Failure> {
    left.checked_add(right)
        .ok_or_else(|| Failure::failed("the sum is too large"))
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("not allowed")]
    Denied(#[from] Denied),
    #[error("cannot read")]
    Io(#[from] std::io::Error),
    #[error("stopped")]
    Stopped(#[from] Stopped),
}

/// Reads a file byte by byte, which is more operations than its budget has for most files.
#[verb(noun = "file", effect = "read")]
#[requires_attestation(read_only)]
#[budget(memory = "1MB", cpu = "1s", io = 10)]
fn bytes(cx: Context, path: std::path::PathBuf) -> Result<usize, ReadError> {
    let mut file = File::open(path)?;
    let mut byte = [0];
    let mut read = 0;
    while file.read(&mut byte)? == 1 {
        cx.checkpoint()?;
        read += 1;
    }
    Ok(read)
}

/// Counts to three at most.
#[verb(noun = "sum", effect = "network", public)]
#[budget(memory = "10KB", cpu = "10us", io = 10, network = "1KB")]
fn rounds(size: u32) -> Result<u32, cnv::quota::RoundsExceeded> {
    let mut count = 0;
    #[repeat(max = 3)]
    while count < size {
        count += 1;
    }
    Ok(count)
}

/// Takes more memory than it declares, and says what it saw.
#[verb(noun = "memory", effect = "pure")]
#[budget(memory = "1KB")]
fn fill(size: usize) -> Result<usize, Failure> {
    Ok(vec![1_u8; size].iter().map(|byte| usize::from(*byte)).sum())
}

#[derive(Serialize)]
struct Step {
    step: u32,
}

/// Streams and then waits for ever.
#[verb(noun = "stream", effect = "pure")]
async fn forever(cx: &Context, #[arg(long)] steps: u32) -> Result<(), Failure> {
    for step in 0..steps {
        cx.stdout().send(&Step { step }).await?;
    }
    loop {
        cx.sleep(Duration::from_secs(3600)).await?;
    }
}

/// Streams and ends.
#[verb(noun = "stream", effect = "pure")]
async fn count(cx: Context, steps: u32) -> Result<u32, Failure> {
    for step in 0..steps {
        cx.stdout().send(&Step { step }).await?;
    }
    Ok(steps)
}

mod duplicate {
    use cnv::prelude::*;

    #[verb(noun = "sum", name = "add", effect = "pure")]
    pub fn other() -> Result<(), Failure> {
        Ok(())
    }

    #[verb(noun = "sum", name = "twice", effect = "pure")]
    pub fn options(#[arg(long)] a: u8, #[arg(long = "a")] b: u8) -> Result<u8, Failure> {
        Ok(a + b)
    }
}

fn app() -> App {
    App::new("trial")
        .verbs(verbs![add, self::bytes, fill, forever, count, rounds])
        .development()
}

fn code(reply: &Reply) -> FailureCode {
    reply.result.as_ref().unwrap_err().code()
}

#[test]
fn a_call_returns_its_value_and_a_receipt() {
    let reply = app().call_blocking(["sum", "add", "2", "3"]);
    assert_eq!(reply.result.unwrap().as_json(), "5");
    let receipt = reply.receipt.unwrap();
    assert_eq!(receipt.verb.to_string(), "sum add");
    assert_eq!(receipt.verb.effect(), Effect::Pure);
    assert!(receipt.attestation.is_none() && receipt.failure.is_none());
}

/// Servers spawn calls on runtimes with several threads.
#[test]
fn a_call_may_cross_threads() {
    fn is_send(_: &impl Send) {}
    is_send(&app().call(["sum", "add", "2", "3"]));
}

#[test]
fn a_handlers_error_is_a_failure_with_code_1() {
    let reply = app().call_blocking(["sum", "add", "200", "100"]);
    assert_eq!(code(&reply).exit_code(), 1);
    assert_eq!(
        reply.result.unwrap_err().to_string(),
        "the sum is too large"
    );
    assert_eq!(reply.receipt.unwrap().failure, Some(FailureCode::Failed));
}

#[test]
fn what_cannot_be_parsed_is_a_usage_error_and_runs_nothing() {
    for arguments in [
        &["sum", "add", "2"][..],
        &["sum", "add", "2", "x"],
        &["sum", "add", "2", "256"],
        &["sum", "subtract", "2", "2"],
        &["sum"],
        &[],
        &["sum", "add", "1", "1", "--timeout", "soon"],
        &["sum", "add", "1", "1", "--output", "xml"],
        &["sum", "add", "1", "1", "--json", "--frames"],
    ] {
        let reply = app().call_blocking(arguments);
        assert_eq!(code(&reply).exit_code(), 2, "{arguments:?}");
        assert!(reply.receipt.is_none(), "{arguments:?}");
    }
}

#[test]
fn io_beyond_the_budget_is_refused_where_it_happens() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    // Opening, eight bytes, and the read that finds the end: ten operations.
    std::fs::write(path, [0; 8]).unwrap();
    let reply = app().call_blocking(["file", "bytes", path]);
    assert_eq!(reply.result.unwrap().as_json(), "8");
    assert_eq!(reply.receipt.unwrap().usage.io_ops, 10);

    std::fs::write(path, [0; 9]).unwrap();
    let reply = app().call_blocking(["file", "bytes", path]);
    assert_eq!(code(&reply).exit_code(), 9);
    assert_eq!(
        reply.receipt.unwrap().usage.io_ops,
        10,
        "the eleventh did not happen"
    );
}

#[test]
fn memory_beyond_the_budget_is_reported() {
    let within = app().call_blocking(["memory", "fill", "100"]);
    assert_eq!(within.receipt.unwrap().over(), None);
    let beyond = app().call_blocking(["memory", "fill", "1000000"]);
    assert_eq!(beyond.result.unwrap().as_json(), "1000000");
    let receipt = beyond.receipt.unwrap();
    assert_eq!(receipt.over(), Some(Resource::Memory));
    // The peak is net of what the call frees of its arguments.
    assert!(receipt.usage.memory_peak_bytes.unwrap() >= 990_000);
    assert!(
        receipt.to_string().ends_with("over budget: memory"),
        "{receipt}"
    );
}

#[test]
fn a_budget_larger_than_the_application_allows_is_not_admitted() {
    let limits = cnv::quota::Limits {
        io_ops: 9,
        ..cnv::quota::Limits::unlimited()
    };
    let app = app().limits(limits);
    let faults = app.check().unwrap_err();
    assert!(matches!(
        faults.iter().next().unwrap(),
        Fault::OverLimits {
            resource: Resource::Io,
            ..
        }
    ));
    assert_eq!(
        code(&app.call_blocking(["file", "bytes", "/dev/null"])).exit_code(),
        9
    );
    assert!(app.call_blocking(["sum", "add", "1", "1"]).result.is_ok());
}

#[test]
fn a_deadline_ends_a_call_that_waits() {
    let arguments = ["stream", "forever", "--steps", "2", "--timeout", "20ms"];
    let reply = app().call_blocking(arguments);
    assert_eq!(code(&reply).exit_code(), 7);
    assert_eq!(reply.items.len(), 2, "what was streamed before is kept");
}

#[test]
fn a_deadline_that_has_passed_starts_nothing() {
    let reply = app().call_blocking(["stream", "count", "5", "--timeout", "0ms"]);
    assert_eq!(code(&reply).exit_code(), 7);
    assert!(reply.items.is_empty());
}

#[test]
fn items_come_in_order_before_the_result() {
    let reply = app().call_blocking(["stream", "count", "3"]);
    let items: Vec<_> = reply.items.iter().map(|item| item.as_json()).collect();
    assert_eq!(items, [r#"{"step":0}"#, r#"{"step":1}"#, r#"{"step":2}"#]);
    assert_eq!(reply.result.unwrap().as_json(), "3");
}

#[test]
fn a_dry_run_explains_and_does_nothing() {
    let reply = app().call_blocking(["file", "bytes", "/nonexistent", "--dry-run"]);
    let text = reply.result.unwrap().as_json().to_owned();
    for part in [
        r#""effect":"read""#,
        "read_only",
        r#""memory":"1 MB""#,
        r#""io":"10""#,
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(reply.receipt.is_none());
}

#[test]
fn a_budget_that_is_a_tier_is_explained_by_its_name() {
    let reply = app().call_blocking(["sum", "rounds", "3", "--dry-run"]);
    let text = reply.result.unwrap().as_json().to_owned();
    assert!(text.contains(r#""tier":"SmallBudget""#), "{text}");
}

#[test]
fn a_loop_that_goes_on_is_over_budget() {
    let reply = app().call_blocking(["sum", "rounds", "3"]);
    assert_eq!(reply.result.unwrap().as_json(), "3");
    let reply = app().call_blocking(["sum", "rounds", "4"]);
    assert_eq!(code(&reply).exit_code(), 9);
}

#[test]
fn start_up_faults_are_found_together() {
    assert!(matches!(
        App::new("empty").check().unwrap_err().iter().next(),
        Some(Fault::NoVerbs)
    ));
    let app = App::new("trial")
        .verbs(verbs![add])
        .verbs(verbs![duplicate::other, duplicate::options]);
    let faults = app.check().unwrap_err();
    assert_eq!(faults.iter().count(), 2);
    let text = faults.to_string();
    for part in ["command::add", "duplicate::other", "command.rs:", "`--a`"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(self::app().check().is_ok());
}

fn trusting(contract: CapabilityContract) -> (App, String) {
    let (key, public) = PrivateKey::generate();
    let mut store = TrustStore::new();
    store.add("root", public).unwrap();
    let token = CapabilityAttestation::new(contract, "agent-42", 60, &key).to_string();
    let app = app().trust(store).accept_bearer().without_revocation();
    (app, token)
}

#[test]
fn a_guarded_verb_runs_under_a_valid_attestation() {
    let (app, token) = trusting(CapabilityContract::read_write());
    let reply = app.call_blocking(["file", "bytes", "/dev/null", "--attestation", &token]);
    assert_eq!(reply.result.unwrap().as_json(), "0");
    let by = reply.receipt.unwrap().attestation.unwrap();
    assert_eq!(
        (by.subject.as_str(), by.issuer_name.as_str()),
        ("agent-42", "root")
    );
    assert!(!by.development);
}

#[test]
fn without_one_that_covers_it_nothing_runs() {
    let (app, token) = trusting(CapabilityContract::network());
    let (_, foreign) = trusting(CapabilityContract::dangerous());
    let truncated = &token[..token.len() - 1];
    for arguments in [
        &["--attestation", &token][..],
        &["--attestation", &foreign],
        &["--attestation", truncated],
        &["--attestation", ""],
        &["--attestation", "@/nonexistent"],
        &[],
    ] {
        let reply = app.call_blocking([&["file", "bytes", "/nonexistent"], arguments].concat());
        assert_eq!(code(&reply).exit_code(), 8, "{arguments:?}");
        let used = reply.receipt.map_or(0, |receipt| receipt.usage.io_ops);
        assert_eq!(used, 0, "{arguments:?}");
    }
}

const GUARDED: [&str; 3] = ["file", "bytes", "/dev/null"];

#[test]
fn without_roots_everything_that_is_guarded_is_denied() {
    let app = App::new("trial").verbs(verbs![add, self::bytes]);
    let denied = app.call_blocking(GUARDED);
    assert_eq!(code(&denied).exit_code(), 8);
    let told = denied.result.unwrap_err().to_string();
    for part in [
        "--trust",
        "CNV_TRUST",
        "`cnv key new`",
        "`cnv attestation issue`",
        "`App::development()`",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert!(app.call_blocking(["sum", "add", "1", "1"]).result.is_ok());
}

#[test]
fn the_development_authority_ends_where_anything_is_set_up() {
    let developing = app().call_blocking(GUARDED);
    assert!(developing.receipt.unwrap().attestation.unwrap().development);

    let root = PrivateKey::from_seed(&[1; 32]).public_key();
    let mut roots = TrustStore::new();
    roots.add("root", root).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = AuditLog::open(
        folder.path(),
        PrivateKey::from_seed(&[2; 32]),
        AuditOptions::new("trial"),
    );
    let set_up = [
        ("roots", app().trust(TrustStore::new())),
        ("roots", app().trust(roots.clone())),
        (
            "revocations",
            app().revocations(Arc::new(Revocations::new(roots.clone()))),
        ),
        ("a log", app().audit(Arc::new(log.unwrap()))),
    ];
    for (what, app) in set_up {
        let denied = app.call_blocking(GUARDED);
        assert_eq!(code(&denied).exit_code(), 8, "{what}");
    }
    let store = folder.path().join("roots.txt");
    std::fs::write(&store, format!("{root}  root\n")).unwrap();
    for option in [
        ["--attestation", "cnv1.AAAA"],
        ["--trust", store.to_str().unwrap()],
    ] {
        let denied = app().call_blocking([&GUARDED[..], &option].concat());
        assert_eq!(code(&denied).exit_code(), 8, "{option:?}");
    }
}

/// Whoever types the command has no say in whom the program believes.
#[test]
fn a_program_with_roots_of_its_own_takes_none_from_its_caller() {
    let (app, token) = trusting(CapabilityContract::read_only());
    let stranger = PrivateKey::from_seed(&[77; 32]);
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("roots.txt");
    std::fs::write(&store, format!("{}  stranger\n", stranger.public_key())).unwrap();
    let forged =
        CapabilityAttestation::new(CapabilityContract::dangerous(), "a", 60, &stranger).to_string();
    let store = store.to_str().unwrap();
    for token in [&token, &forged] {
        let call = [&GUARDED[..], &["--attestation", token, "--trust", store]].concat();
        assert_eq!(code(&app.call_blocking(call)).exit_code(), 2);
    }
    let call = [&GUARDED[..], &["--attestation", &token]].concat();
    assert!(app.call_blocking(call).result.is_ok());
    // A program that leaves its roots to its operator has the option.
    let app = App::new("trial")
        .verbs(verbs![self::bytes])
        .accept_bearer()
        .without_revocation();
    let call = [&GUARDED[..], &["--attestation", &forged, "--trust", store]].concat();
    assert!(app.call_blocking(call).result.is_ok());
}

/// The reply of a denied call, as its caller hears it.
fn told(app: &App, arguments: &[&str]) -> String {
    let reply = app.call_blocking(arguments.iter().copied());
    assert_eq!(code(&reply), FailureCode::Attestation);
    let failure = reply.result.unwrap_err();
    let debug = format!("{failure:?}");
    let text = failure.to_string();
    assert!(debug.starts_with(&text), "{debug}");
    assert_eq!(failure.causes().count(), 0);
    text
}

/// Calls something that asks for more than it asks for itself.
#[verb(noun = "file", effect = "read", public)]
async fn fetch(cx: Context) -> Result<(), ReadError> {
    inner_fetch(cx).await
}

#[requires_attestation(network)]
async fn inner_fetch(cx: Context) -> Result<(), ReadError> {
    cx.checkpoint()?;
    Ok(())
}

#[test]
fn a_denial_says_nothing_of_its_reason() {
    let (app, token) = trusting(CapabilityContract::network());
    let app = app.verbs(verbs![fetch]);
    let expired = CapabilityAttestation::builder(CapabilityContract::read_only(), "a")
        .issued_at(Timestamp::from_unix_seconds(1_000_000))
        .bearer()
        .sign(&PrivateKey::from_seed(&[1; 32]))
        .unwrap()
        .to_string();
    let number = |text: &str| text.split_once("; call ").unwrap().1[..32].to_owned();
    let mut numbers = std::collections::BTreeSet::new();
    for arguments in [
        &["--attestation", &token][..],
        &["--attestation", &expired],
        &["--attestation", ""],
        &[],
    ] {
        let text = told(&app, &[&GUARDED, arguments].concat());
        numbers.insert(number(&text));
        assert_eq!(
            text.replace(&number(&text), "ID"),
            "attestation refused: `file bytes` requires `read_only/unlimited/stable/harmless`; call ID: there is no \
             audit log to find the reason in; its operator names one in CNV_AUDIT"
        );
    }
    assert_eq!(numbers.len(), 4);
    let text = told(&app, &["file", "fetch"]);
    let within = "attestation refused: `file fetch` called what requires more; call ID: ";
    assert!(
        text.replace(&number(&text), "ID").starts_with(within),
        "{text}"
    );

    // Where the program says so, and only there.
    let app = app.explain_denials();
    let text = told(&app, &GUARDED);
    assert_eq!(
        text,
        "attestation refused: no attestation was presented, and this command requires one"
    );
    let text = told(&app, &["file", "fetch"]);
    assert!(
        text.starts_with("not allowed: attestation refused: no "),
        "{text}"
    );
}

#[test]
fn a_clock_of_ones_own_decides() {
    let (app, token) = trusting(CapabilityContract::read_only());
    let call = [&GUARDED[..], &["--attestation", &token]].concat();
    let clock = Arc::new(ManualClock::at(Timestamp::now()));
    let app = app.clock(clock.clone());
    assert!(app.call_blocking(call.clone()).result.is_ok());
    clock.advance_seconds(60);
    assert_eq!(code(&app.call_blocking(call)).exit_code(), 8);
}

#[test]
fn the_receipt_repeats_the_transaction() {
    let sum = ["sum", "add", "1", "1"];
    let none = app().call_blocking(sum).receipt.unwrap();
    assert_eq!(none.transaction_id, None);
    let id = "00112233-4455-6677-8899-aabbccddeeff";
    let given = app().call_blocking([&sum[..], &["--transaction", id]].concat());
    let receipt = serde_json::to_value(given.receipt.unwrap()).unwrap();
    assert_eq!(receipt["transaction_id"], id.replace('-', ""));
    for wrong in ["", "7", "00112233445566778899aabbccddeefg"] {
        let refused = app().call_blocking([&sum[..], &["--transaction", wrong]].concat());
        assert_eq!(code(&refused).exit_code(), 2, "{wrong}");
    }
}

/// A guard of its own inside the handler, behind a pipeline that already let the call in.
#[requires_attestation(network, via = evidence)]
async fn inner(evidence: &Evidence, ran: &std::cell::Cell<bool>) -> Result<(), Denied> {
    ran.set(true);
    Ok(())
}

#[test]
fn the_guard_stands_before_the_body_also_without_a_pipeline() {
    let clock = Arc::new(SystemClock);
    let poll = |contract| {
        let evidence = development_authority(contract, clock.clone()).unwrap();
        let ran = std::cell::Cell::new(false);
        let mut future = std::pin::pin!(inner(&evidence, &ran));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(result) = future.as_mut().poll(&mut cx) else {
            panic!("nothing in it waits");
        };
        (result.is_ok(), ran.get())
    };
    assert_eq!(poll(CapabilityContract::network()), (true, true));
    assert_eq!(poll(CapabilityContract::read_only()), (false, false));
}

/// A body whose items have the names of what the guard looks at.
#[requires_attestation(network, via = evidence)]
#[cnv::budget(cpu = "1ms")]
#[allow(non_upper_case_globals)]
fn disguised(evidence: &Evidence) -> Result<bool, Denied> {
    static evidence: Anyone = Anyone;
    let _ = evidence;
    Ok(true)
}

/// Evidence that would let anyone in.
struct Anyone;

impl cnv::attestation::CarriesEvidence for Anyone {
    fn evidence(&self) -> &Evidence {
        static ANYONE: std::sync::OnceLock<Evidence> = std::sync::OnceLock::new();
        ANYONE.get_or_init(|| {
            development_authority(CapabilityContract::dangerous(), Arc::new(SystemClock)).unwrap()
        })
    }
}

#[test]
fn no_item_of_the_body_stands_in_for_the_evidence() {
    let none = Evidence::new(&Verifier::builder(TrustStore::new(), Arc::new(SystemClock)).build());
    assert!(cnv::run!(disguised(&none)).is_err());
}

/// Attributes that a condition brings count like any other, in every order.
#[verb(noun = "conditional", effect = "read")]
#[cfg_attr(all(), cnv::prelude::requires_attestation(read_only))]
#[cfg_attr(any(), budget(io = 1))]
fn conditional(cx: Context) -> Result<(), Failure> {
    cx.checkpoint()?;
    Ok(())
}

#[test]
fn conditional_attributes_are_part_of_the_verb() {
    let [entry] = verbs![conditional];
    assert!(entry.spec().contract().is_some());
    assert!(entry.spec().limits().is_none());
}

#[test]
fn what_an_application_does_not_accept_is_refused() {
    use cnv::attestation::revocation::{RevocationList, RevocationUpdate, Revocations};
    use cnv::attestation::{DenialReason, Timestamp};
    use std::sync::Arc;

    let (key, public) = PrivateKey::generate();
    let mut store = TrustStore::new();
    store.add("ops", public).unwrap();
    let contract = CapabilityContract::read_only();
    let token = CapabilityAttestation::new(contract, "agent-42", 60, &key).to_string();
    let reason = |app: App| {
        let call = ["file", "bytes", "/dev/null", "--attestation", &token];
        let failure = app.call_blocking(call).result.unwrap_err();
        let error = failure.error().unwrap().downcast_ref::<Denied>();
        error.unwrap().reason().clone()
    };
    let trusting = || app().trust(store.clone());
    assert_eq!(
        reason(trusting().without_revocation()),
        DenialReason::BearerNotAccepted
    );
    let none = DenialReason::NoRevocationList { root: public.id() };
    assert_eq!(reason(trusting().accept_bearer()), none);

    let revocations = Arc::new(Revocations::new(store.clone()));
    let listed = || trusting().accept_bearer().revocations(revocations.clone());
    assert_eq!(reason(listed()), none);
    // Fresh when it was put in force, and stale since.
    let at = Timestamp::from_unix_seconds;
    let list = RevocationList::sign(Default::default(), 1, at(1_000), at(2_000), &key).unwrap();
    let update = RevocationUpdate::List(list);
    revocations.update(update, at(1_500)).unwrap();
    let stale = reason(listed());
    assert!(
        matches!(stale, DenialReason::StaleRevocationList { since, .. } if since == at(2_000)),
        "{stale:?}"
    );
}
