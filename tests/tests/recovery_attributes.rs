//! `#[timeout]`, `#[retry]`, `#[circuit_breaker]` and `#[bulkhead]` on functions, methods and verbs, by tokio's paused time.

use std::cell::Cell;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cnv::command::FailureCode;
use cnv::prelude::*;
use cnv::quota::{BudgetExceeded, charge_io};
use cnv::recovery::{
    BreakerState, Bulkhead, Cause, CircuitBreaker, Mode, Policy, Refused, Settings, Stage, Verdict,
};
use cnv::{bulkhead, circuit_breaker, retry, timeout};
use tokio::time::{Instant, sleep};

const MS: Duration = Duration::from_millis(1);

/// With time that stands still but for what is waited for.
fn paused<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("busy")]
    Busy,
    #[error("wrong")]
    Wrong,
    #[error(transparent)]
    Refused(#[from] Refused),
}

fn is_busy(error: &Fault) -> bool {
    matches!(error, Fault::Busy)
}

/// Runs again after an error that says so, with the arguments as they were.
#[retry(attempts = 3, base = "10ms", jitter = "none", when = is_busy)]
async fn third_time(calls: &AtomicU32, mut words: Vec<&str>) -> Result<usize, Fault> {
    words.push("once more");
    match calls.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Err(Fault::Busy),
        2 => Ok(words.len()),
        _ => Err(Fault::Wrong),
    }
}

#[test]
fn every_attempt_has_the_arguments_anew() {
    let calls = AtomicU32::new(0);
    let start = paused(async {
        let start = Instant::now();
        assert_eq!(third_time(&calls, vec!["a"]).await.unwrap(), 2);
        start.elapsed()
    });
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    // 10 and 20 ms.
    assert!((30 * MS..40 * MS).contains(&start), "{start:?}");
    let failed = paused(third_time(&calls, Vec::new())).unwrap_err();
    assert!(matches!(failed, Fault::Wrong), "not tried again: {failed}");
    assert_eq!(calls.load(Ordering::Relaxed), 4);
}

struct Store {
    calls: Cell<u32>,
}

impl Store {
    /// A method, and one that blocks.
    #[retry(attempts = 2, base = "1ms")]
    fn load(&self, key: &mut String) -> Result<u32, io::Error> {
        key.push('!');
        self.calls.set(self.calls.get() + 1);
        match self.calls.get() {
            1 => Err(io::Error::other("down")),
            calls => Ok(calls),
        }
    }
}

#[test]
fn a_method_that_blocks_is_tried_again() {
    let store = Store {
        calls: Cell::new(0),
    };
    let mut key = String::from("a");
    assert_eq!(store.load(&mut key).unwrap(), 2);
    assert_eq!(key, "a!!");
}

#[timeout("1min", attempt = "30ms")]
#[retry(attempts = 5, base = "1ms", jitter = "none")]
async fn slow(calls: &AtomicU32) -> Result<(), Refused> {
    calls.fetch_add(1, Ordering::Relaxed);
    sleep(Duration::from_secs(60)).await;
    Ok(())
}

#[test]
fn attempts_are_cut_off() {
    let calls = AtomicU32::new(0);
    let refused = paused(slow(&calls)).unwrap_err();
    assert_eq!(refused.stage(), Stage::Attempt);
    assert_eq!(calls.load(Ordering::Relaxed), refused.attempts());
    assert_eq!(refused.attempts(), 5);
    assert_eq!(refused.cause(), Cause::AttemptTimedOut);
}

static GEO: Policy = Policy::new(
    "geo",
    Settings::new()
        .circuit_breaker(CircuitBreaker::new().consecutive(2))
        .bulkhead(Bulkhead::new(4)),
);

#[circuit_breaker(on = GEO, when = verdict)]
async fn locate(answer: Result<u8, Fault>) -> Result<u8, Fault> {
    answer
}

#[bulkhead(on = GEO)]
#[timeout("50ms")]
async fn route() -> Result<u8, Fault> {
    sleep(Duration::from_secs(9)).await;
    Ok(1)
}

fn verdict(error: &Fault) -> Verdict {
    match error {
        Fault::Wrong => Verdict::Ignore,
        _ => Verdict::Fail,
    }
}

#[test]
fn functions_share_a_policy_and_have_their_own_timeouts() {
    paused(async {
        for _ in 0..9 {
            assert!(matches!(locate(Err(Fault::Wrong)).await, Err(Fault::Wrong)));
        }
        assert_eq!(GEO.state(), BreakerState::Closed, "errors of the caller");
        assert!(matches!(locate(Err(Fault::Busy)).await, Err(Fault::Busy)));
        let Err(Fault::Refused(late)) = route().await else {
            panic!("it has 50 ms");
        };
        assert_eq!((late.policy(), late.stage()), ("geo", Stage::Attempt));
        assert_eq!(GEO.state(), BreakerState::Open, "two of two functions");
        let Err(Fault::Refused(refused)) = locate(Ok(1)).await else {
            panic!("it is open");
        };
        assert_eq!(refused.cause(), Cause::Open);
        GEO.set_mode(Mode::Disabled);
        assert_eq!(locate(Ok(1)).await.unwrap(), 1);
        GEO.set_mode(Mode::Normal);
    });
}

/// Each attempt may use all of it.
#[retry(attempts = 2, base = "1ms")]
#[budget(io = 2)]
async fn metered(calls: &AtomicU32, more: u64) -> Result<(), io::Error> {
    calls.fetch_add(1, Ordering::Relaxed);
    charge_io(2)?;
    charge_io(more)?;
    Err(io::Error::other("again"))
}

#[test]
fn attempts_are_metered_one_by_one() {
    let calls = AtomicU32::new(0);
    let failed = paused(run!(metered(&calls, 0))).unwrap_err();
    assert_eq!(failed.to_string(), "again");
    assert_eq!(calls.swap(0, Ordering::Relaxed), 2);
    let over = paused(run!(metered(&calls, 1))).unwrap_err();
    assert_eq!(
        calls.load(Ordering::Relaxed),
        1,
        "a budget is not tried again"
    );
    let over = BudgetExceeded::in_chain(&over).expect("the third is refused");
    assert_eq!((over.limit, over.operation), (2, Some("metered")));
}

/// What is left to the attempts of a verb, as its handler sees it.
static LEFT: Mutex<Vec<Duration>> = Mutex::new(Vec::new());

/// Asks the dependency.
#[verb(noun = "place", effect = "read")]
#[timeout("10s", attempt = "2s")]
#[retry(attempts = 2, base = "1ms")]
async fn ask(cx: &Context, down: bool) -> Result<u8, Failure> {
    let outer = cx.remaining().unwrap();
    within(cx).await?;
    LEFT.lock().unwrap().push(outer);
    match down {
        true => Err(Failure::failed("down")),
        false => Ok(1),
    }
}

#[timeout("1s")]
async fn within(cx: &Context) -> Result<(), Failure> {
    LEFT.lock().unwrap().push(cx.remaining().unwrap());
    Ok(())
}

#[test]
fn a_deadline_is_inherited_and_decisions_are_in_the_receipt() {
    let app = App::new("places").verbs(verbs![ask]);
    let reply = app.call_blocking(["place", "ask", "--down"]);
    let failure = reply.result.unwrap_err();
    assert_eq!(failure.to_string(), "down");
    let receipt = reply.receipt.unwrap();
    let [decided] = &receipt.decided[..] else {
        panic!("{:?}", receipt.decided);
    };
    assert_eq!((decided.policy, decided.trace.attempts()), ("place ask", 2));
    let json = serde_json::to_value(&receipt).unwrap();
    assert_eq!(json["recovery"][0]["decisions"][0], "failed", "{json}");
    let left = std::mem::take(&mut *LEFT.lock().unwrap());
    let [inner, outer, ..] = left[..] else {
        panic!("{left:?}")
    };
    assert!(inner <= 1_000 * MS && outer <= 2_000 * MS, "{left:?}");

    // The caller's own is the earlier one here.
    let reply = app.call_blocking(["place", "ask", "--timeout", "500ms"]);
    assert!(reply.receipt.unwrap().decided.is_empty());
    let left = std::mem::take(&mut *LEFT.lock().unwrap());
    assert!(
        left.len() == 2 && left.iter().all(|left| *left <= 500 * MS),
        "{left:?}"
    );
}

static FULL: Policy = Policy::new("full", Settings::new().bulkhead(Bulkhead::new(1)));

/// Has one place.
#[verb(noun = "place", effect = "read")]
#[bulkhead(on = FULL)]
async fn book(cx: &Context) -> Result<u8, Failure> {
    cx.checkpoint()?;
    Ok(1)
}

/// Panics.
#[verb(noun = "place", effect = "read")]
fn blow_up() -> Result<u8, Failure> {
    panic!("secret")
}

#[test]
fn a_refusal_and_a_panic_have_codes_of_their_own() {
    let app = App::new("places").verbs(verbs![book, blow_up]);
    let place = FULL.try_enter(FULL.now()).unwrap();
    let reply = app.call_blocking(["place", "book"]);
    let failure = reply.result.unwrap_err();
    assert_eq!(failure.code(), FailureCode::Unavailable, "{failure}");
    drop(place);
    assert!(app.call_blocking(["place", "book"]).result.is_ok());

    let reply = app.call_blocking(["place", "blow-up"]);
    let failure = reply.result.unwrap_err();
    assert_eq!(failure.code(), FailureCode::Panicked);
    assert_eq!(failure.to_string(), "the handler panicked");
    assert_eq!(reply.receipt.unwrap().failure, Some(FailureCode::Panicked));
    assert_eq!(app.panics(), 1);
}

static TWIN: Policy = Policy::new("place book", Settings::new());

/// Like another.
#[verb(noun = "place", name = "book", effect = "read")]
#[bulkhead(max = 1)]
async fn other_book(cx: &Context) -> Result<u8, Failure> {
    cx.checkpoint()?;
    Ok(1)
}

#[test]
fn two_policies_of_one_name_are_a_fault_at_start_up() {
    let app = App::new("places").verbs(verbs![other_book]).policy(&TWIN);
    let faults = app.check().unwrap_err().to_string();
    assert!(
        faults.contains("two policies are called `place book`"),
        "{faults}"
    );
}

static FORCED: Policy = Policy::new(
    "dependency",
    Settings::new().circuit_breaker(CircuitBreaker::new().consecutive(3)),
);

/// Asks a dependency.
#[verb(noun = "place", effect = "read")]
#[circuit_breaker(on = FORCED)]
async fn find(cx: &Context, #[arg(long)] fails: bool) -> Result<u8, Failure> {
    cx.checkpoint()?;
    match fails {
        true => Err(Failure::failed("down")),
        false => Ok(1),
    }
}

/// A reload that says the same changes nothing, and what the overlay does not name any more goes by its rules.
#[test]
fn an_overlay_forces_a_breaker_open() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ops.toml");
    let write = |text: &str| std::fs::write(&file, format!("schema = 1\n{text}")).unwrap();
    write("policies.dependency.breaker = \"forced_open\"");
    let app = App::new("places").verbs(verbs![find]).overlay(&file);
    let reload = || {
        let live = app.live_grammar().unwrap();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime
            .enable_all()
            .build()
            .unwrap()
            .block_on(live.reload())
    };
    let call = |fails: &[&str]| {
        let words = ["place", "find"].into_iter().chain(fails.iter().copied());
        let result = app.call_blocking(words).result;
        result.map_err(|failure| failure.code())
    };
    assert_eq!(call(&[]).unwrap_err(), FailureCode::Unavailable);
    write("policies.dependency.breaker = \"disabled\"");
    reload().unwrap();
    for _ in 0..9 {
        assert_eq!(call(&["--fails"]).unwrap_err(), FailureCode::Failed);
    }
    write("");
    reload().unwrap();
    for _ in 0..3 {
        assert_eq!(call(&["--fails"]).unwrap_err(), FailureCode::Failed);
    }
    assert_eq!(FORCED.state(), BreakerState::Open);
    write("# The same in other words.");
    reload().unwrap();
    assert_eq!(FORCED.state(), BreakerState::Open, "it is left alone");

    write("[policies.dependenzy]\nbreaker = \"force_open\"\n");
    let why = reload().unwrap_err().why;
    assert!(
        why.contains("there is no policy `dependenzy`")
            && why.contains("did you mean `dependency`?"),
        "{why}"
    );
    assert!(
        why.contains("`force_open` is no mode of a circuit breaker")
            && why.contains("did you mean `forced_open`?"),
        "{why}"
    );
}

#[test]
fn a_row_for_each_policy() {
    let app = App::new("places")
        .verbs(verbs![book])
        .verbs(cnv::command::recovery_control());
    let rows = app.call_blocking(["recovery", "show"]).result.unwrap();
    let rows: serde_json::Value = serde_json::from_str(rows.as_json()).unwrap();
    assert_eq!(
        (&rows[0]["policy"], &rows[0]["breaker"]),
        (&"full".into(), &"closed".into())
    );
    // It looks once, and again until its time is over.
    let reply = app.call_blocking(["recovery", "watch", "--every", "1min", "--timeout", "500ms"]);
    assert_eq!(reply.result.unwrap_err().code(), FailureCode::Deadline);
    assert_eq!(reply.items.len(), 1);
}

#[derive(Debug, thiserror::Error)]
#[error("of another")]
struct Wrapped(#[source] Fault);

/// Fails by what another policy said, behind two wrappers, one of which is transparent.
#[retry(attempts = 3, base = "1ms")]
async fn wraps(calls: &AtomicU32) -> Result<(), Wrapped> {
    calls.fetch_add(1, Ordering::Relaxed);
    let place = FULL_TOO.try_enter(FULL_TOO.now()).unwrap();
    let refused = full_too().await.map_err(Wrapped);
    drop(place);
    refused
}

impl From<Refused> for Wrapped {
    fn from(refused: Refused) -> Self {
        Self(refused.into())
    }
}

static FULL_TOO: Policy = Policy::new("full too", Settings::new().bulkhead(Bulkhead::new(1)));

#[bulkhead(on = FULL_TOO)]
async fn full_too() -> Result<(), Fault> {
    Ok(())
}

#[test]
fn what_another_policy_refused_is_not_tried_again_and_decides_the_code() {
    let calls = AtomicU32::new(0);
    let refused = paused(wraps(&calls)).unwrap_err();
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    let failure = Failure::from(refused);
    assert_eq!(failure.code(), FailureCode::Unavailable, "{failure}");
}
