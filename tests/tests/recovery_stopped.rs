//! Calls that are stopped in the middle: by whoever made them, by time, and by waiting for themselves.

mod sessions;

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use cnv::command::FailureCode;
use cnv::prelude::*;
use cnv::recovery::{
    Attempt, Bulkhead, Call, Cause, Clock, Deadline, Jitter, Moment, Policy, Refused, Retry,
    Settings, Stage, Trace,
};
use cnv::session::{CallError, SessionLimits};
use cnv::{bulkhead, circuit_breaker, retry, timeout};
use tokio::sync::oneshot;

use sessions::{Served, probe, run, until};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// One place, one more to wait, and an hour between two attempts.
const PATIENT: Settings = Settings::new()
    .bulkhead(Bulkhead::new(1).queue(1))
    .retry(Retry::new().base(HOUR).cap(HOUR).jitter(Jitter::None));

fn down(_: Attempt) -> Result<(), &'static str> {
    Err("down")
}

fn retry_all(_: &&str) -> bool {
    true
}

fn refused<T: std::fmt::Debug>(result: Result<T, cnv::recovery::CallError<&str>>) -> Refused {
    *result.unwrap_err().refused().expect("it was refused")
}

/// Waits for another thread.
fn wait_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
}

#[test]
fn a_thread_that_waits_stops_when_its_call_is_cancelled() {
    let policy = Policy::new("threads", PATIENT);
    let call_blocking = |cancelled: oneshot::Receiver<()>, trace: &mut Trace| {
        let cancelled = pin!(async { cancelled.await.unwrap() });
        let call = Call::new().cancelled(cancelled).trace(trace);
        refused(policy.call_blocking(call, retry_all, down))
    };
    // In the queue.
    let place = policy.try_enter(policy.now()).unwrap();
    let (cancel, cancelled) = oneshot::channel();
    let mut trace = Trace::new();
    let queued = std::thread::scope(|scope| {
        let thread = scope.spawn(|| call_blocking(cancelled, &mut trace));
        wait_until(|| policy.counters().waiting == 1);
        cancel.send(()).unwrap();
        thread.join().unwrap()
    });
    assert_eq!(
        (queued.stage(), queued.cause(), queued.attempts()),
        (Stage::Queue, Cause::Cancelled, 0)
    );
    assert_eq!(trace.to_string(), "queued, refused queue cancelled");
    assert_eq!(policy.counters().waiting, 0);
    place.succeed(policy.now());
    // Between two attempts.
    let (cancel, cancelled) = oneshot::channel();
    let mut trace = Trace::new();
    let backing_off = std::thread::scope(|scope| {
        let thread = scope.spawn(|| call_blocking(cancelled, &mut trace));
        wait_until(|| policy.counters().retries == 1);
        cancel.send(()).unwrap();
        thread.join().unwrap()
    });
    assert_eq!(
        (
            backing_off.stage(),
            backing_off.cause(),
            backing_off.attempts()
        ),
        (Stage::Backoff, Cause::Cancelled, 1)
    );
    assert_eq!(
        trace.to_string(),
        "failed, backed_off 3600000 ms, refused backoff cancelled"
    );
    assert_eq!(policy.counters().running, 0, "its place is free again");
}

/// tokio's clock, which stands still where nothing waits.
#[derive(Clone, Copy)]
struct Paused(tokio::time::Instant);

impl Clock for Paused {
    fn now(&self) -> Moment {
        Moment::from_ns(self.0.elapsed().as_nanos() as u64)
    }
}

fn paused<T>(settings: Settings, test: impl AsyncFnOnce(&Policy<Paused>) -> T) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let clock = Paused(tokio::time::Instant::now() - HOUR);
        test(&Policy::with_clock("tasks", settings, clock)).await
    })
}

#[test]
fn a_task_that_waits_stops_when_its_call_is_cancelled() {
    paused(PATIENT, async |policy| {
        let begin = tokio::time::Instant::now();
        let place = policy.try_enter(policy.now()).unwrap();
        let cancelled = pin!(tokio::time::sleep(5 * MS));
        let call = Call::new().cancelled(cancelled);
        let queued = refused(
            policy
                .call(call, retry_all, |attempt| async move { down(attempt) })
                .await,
        );
        assert_eq!(
            (queued.stage(), queued.cause()),
            (Stage::Queue, Cause::Cancelled)
        );
        place.succeed(policy.now());
        let cancelled = pin!(tokio::time::sleep(5 * MS));
        let call = Call::new().cancelled(cancelled);
        let backing_off = refused(
            policy
                .call(call, retry_all, |attempt| async move { down(attempt) })
                .await,
        );
        assert_eq!(
            (backing_off.stage(), backing_off.cause()),
            (Stage::Backoff, Cause::Cancelled)
        );
        assert_eq!(begin.elapsed(), 10 * MS);
        let counters = policy.counters();
        assert_eq!((counters.running, counters.waiting), (0, 0));
    });
}

/// An attempt has to hear of it by other means, and a call that ends well is not refused.
#[test]
fn an_attempt_goes_on_when_its_call_is_cancelled() {
    paused(PATIENT, async |policy| {
        let cancelled = pin!(std::future::ready(()));
        let call = Call::new().cancelled(cancelled);
        let body = |_| async {
            tokio::time::sleep(MS).await;
            Ok::<_, &str>(1)
        };
        assert_eq!(policy.call(call, retry_all, body).await, Ok(1));
    });
}

/// Asks what is down, on a thread of its own.
#[verb(noun = "job", effect = "read")]
#[retry(attempts = 3, base = "60min", cap = "60min", jitter = "none")]
fn insist(cx: &Context, name: String) -> Result<u8, Failure> {
    cx.checkpoint()?;
    probe(&name)
        .begun
        .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    Err(Failure::failed("down"))
}

#[test]
fn a_handler_that_blocks_ends_between_two_attempts_when_its_client_asks() {
    run(async {
        let app = App::new("jobs").verbs(verbs![insist]);
        let served = Served::of(app, SessionLimits::default()).await;
        let client = served.client().await;
        let mut call = client.call(["job", "insist", "insisted"]).await.unwrap();
        until("it runs", || probe("insisted").begun() == 1).await;
        call.cancel();
        let Err(CallError::Failed(failure)) = call.next().await else {
            panic!("it goes on");
        };
        assert_eq!((&*failure.code, failure.exit_code), ("cancelled", 130));
        assert_eq!(
            failure.message,
            "`job insist` did not answer: the call was cancelled, after 1 attempt"
        );
        let receipt: serde_json::Value = serde_json::from_str(call.receipt().unwrap()).unwrap();
        let decisions = &receipt["recovery"][0]["decisions"];
        assert_eq!(decisions[2], "refused backoff cancelled", "{receipt}");
        assert_eq!(probe("insisted").begun(), 1);
    });
}

#[retry(attempts = 2, base = "60min", cap = "60min", jitter = "none")]
#[bulkhead(max = 1)]
async fn store(cx: &Context) -> Result<u8, Failure> {
    cx.checkpoint()?;
    Err(Failure::failed("down"))
}

#[circuit_breaker(consecutive = 9)]
async fn hang(cx: &Context) -> Result<u8, Failure> {
    cx.checkpoint()?;
    pending().await
}

/// Asks twice, and waits for neither.
#[verb(noun = "job", effect = "read")]
async fn impatient(cx: &Context) -> Result<u8, Failure> {
    let mut store = Box::pin(store(cx));
    let mut hang = Box::pin(hang(cx));
    poll_fn(|task| {
        assert!(store.as_mut().poll(task).is_pending());
        assert!(hang.as_mut().poll(task).is_pending());
        Poll::Ready(())
    })
    .await;
    drop(store);
    drop(hang);
    Ok(1)
}

/// Waits for what hangs.
#[verb(noun = "job", effect = "read")]
async fn wait(cx: &Context) -> Result<u8, Failure> {
    hang(cx).await
}

#[test]
fn what_was_decided_of_a_call_that_is_dropped_is_in_the_receipt() {
    let app = App::new("jobs").verbs(verbs![impatient, wait]);
    let reply = app.call_blocking(["job", "impatient"]);
    assert!(reply.result.is_ok());
    let decided = reply.receipt.unwrap().decided;
    let traces = decided.iter().map(|decided| decided.trace.to_string());
    assert_eq!(
        traces.collect::<Vec<_>>(),
        ["failed, backed_off 3600000 ms, abandoned", "abandoned"]
    );
    // Whether the function's timer was first or its caller's.
    let reply = app.call_blocking(["job", "wait", "--timeout", "20ms"]);
    assert_eq!(reply.result.unwrap_err().code(), FailureCode::Deadline);
    let decided = reply.receipt.unwrap().decided;
    assert_eq!((decided.len(), decided[0].trace.attempts()), (1, 1));
}

/// Whoever calls a policy in a call of its own wants a second place of the bulkhead while it keeps the first.
#[test]
fn a_call_within_a_call_of_the_same_policy_waits_for_itself_and_not_for_ever() {
    let one = Bulkhead::new(1);
    for (bulkhead, left, expected) in [
        // There is no queue: it hears so at once.
        (one, None, (Stage::Bulkhead, Cause::Full, 0)),
        (
            one.queue(1).wait(20 * MS),
            None,
            (Stage::Queue, Cause::WaitTimedOut, 20),
        ),
        (
            one.queue(1),
            Some(30 * MS),
            (Stage::Queue, Cause::DeadlinePassed, 30),
        ),
    ] {
        paused(Settings::new().bulkhead(bulkhead), async |policy| {
            let begin = tokio::time::Instant::now();
            let outer = policy.call(Call::new(), retry_all, |_| async {
                let deadline = left.map(|left| Deadline::at(policy.now().after(left)));
                let call = Call::new().deadline(deadline);
                let inner = policy.call(call, retry_all, |_| async { Ok::<_, &str>(()) });
                Ok(refused(inner.await))
            });
            let refused = outer.await.unwrap();
            let waited_ms = begin.elapsed().as_millis();
            assert_eq!((refused.stage(), refused.cause(), waited_ms), expected);
            assert_eq!(policy.counters().running, 0);
        });
    }
    // The policy's own timeout ends both: the inner call, which began later, is gone with the outer one.
    let settings = Settings::new().bulkhead(one.queue(1)).timeout(40 * MS);
    paused(settings, async |policy| {
        let outer = policy.call(Call::new(), retry_all, |_| async {
            tokio::time::sleep(MS).await;
            policy
                .call(Call::new(), retry_all, |_| async { Ok::<_, &str>(()) })
                .await
                .map_err(|_| "refused")
        });
        let refused = refused(outer.await);
        assert_eq!(
            (refused.stage(), refused.cause()),
            (Stage::Attempt, Cause::DeadlinePassed)
        );
        let counters = policy.counters();
        assert_eq!((counters.running, counters.waiting), (0, 0));
    });
}

/// Takes longer than an attempt may, or than all may.
#[verb(noun = "job", effect = "read")]
#[timeout("60min", attempt = "10ms")]
async fn attempt_too_long(cx: &Context) -> Result<u8, Failure> {
    cx.checkpoint()?;
    pending().await
}

/// Takes longer than it may.
#[verb(noun = "job", effect = "read")]
#[timeout("10ms")]
async fn too_long(cx: &Context) -> Result<u8, Failure> {
    cx.checkpoint()?;
    pending().await
}

static BUSY: Policy = Policy::new(
    "busy",
    Settings::new().bulkhead(Bulkhead::new(1).queue(1).wait(Duration::from_millis(10))),
);

/// Has no turn.
#[verb(noun = "job", effect = "read")]
#[bulkhead(on = BUSY)]
async fn no_turn(cx: &Context) -> Result<u8, Failure> {
    cx.checkpoint()?;
    Ok(1)
}

/// A call that time ended has one code, whoever set the time; what was never begun has the other.
#[test]
fn whatever_took_too_long_has_the_code_of_a_deadline() {
    let app = Arc::new(App::new("jobs").verbs(verbs![attempt_too_long, too_long, no_turn]));
    let place = BUSY.try_enter(BUSY.now()).unwrap();
    for (words, code) in [
        (&["job", "attempt-too-long"][..], FailureCode::Deadline),
        (
            &["job", "attempt-too-long", "--timeout", "1ms"],
            FailureCode::Deadline,
        ),
        (&["job", "too-long"], FailureCode::Deadline),
        (&["job", "no-turn"], FailureCode::Unavailable),
    ] {
        let failure = app.call_blocking(words.iter().copied()).result.unwrap_err();
        assert_eq!(failure.code(), code, "{words:?}: {failure}");
    }
    drop(place);
}
