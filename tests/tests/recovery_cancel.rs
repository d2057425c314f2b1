//! Calls that are dropped at each of their polls: nothing that they held stays behind.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use cnv::recovery::{
    Admission, Attempt, Bulkhead, Call, CircuitBreaker, Clock, Jitter, Moment, Policy, Retry,
    Settings, Verdict,
};
use tokio::time::{advance, sleep};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);
const PROBES: u32 = 2;

#[derive(Clone, Copy)]
struct Paused(tokio::time::Instant);

impl Clock for Paused {
    fn now(&self) -> Moment {
        Moment::from_ns(self.0.elapsed().as_nanos() as u64)
    }
}

const SETTINGS: Settings = Settings::new()
    .timeout(S.saturating_mul(30))
    .attempt_timeout(Duration::from_millis(45))
    .retry(Retry::new().jitter(Jitter::None).budget(1.0, 1000))
    .circuit_breaker(CircuitBreaker::new().consecutive(1).probes(PROBES))
    .bulkhead(Bulkhead::new(1).queue(2).wait(S));

/// Counts how often it is woken.
#[derive(Default)]
struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls every 10 ms, so often, and drops the future. Says whether it was over by then.
async fn poll_and_drop<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    {
        let mut future = pin!(future);
        for _ in 0..polls {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(value);
            }
            advance(10 * MS).await;
        }
    }
    // A timer, or a place in the queue, that was left behind would wake it.
    let before = wakes.0.load(Ordering::SeqCst);
    advance(S.saturating_mul(3600)).await;
    assert_eq!(
        wakes.0.load(Ordering::SeqCst),
        before,
        "after {polls} polls"
    );
    assert_eq!(
        Arc::strong_count(&wakes),
        2,
        "a waker is kept after {polls} polls"
    );
    None
}

/// Drops the calls of `scenario` after 0, 1, 2.. polls, until one is over before.
fn at_every_poll<F: Future>(
    expected_polls: std::ops::Range<usize>,
    before: fn(&Policy<Paused>),
    scenario: impl Fn(&'static Policy<Paused>) -> F,
    afterwards: fn(&Policy<Paused>),
) {
    for polls in 0.. {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        let is_over = runtime.block_on(async {
            let clock = Paused(tokio::time::Instant::now() - S);
            let policy = Box::leak(Box::new(Policy::with_clock("cancelled", SETTINGS, clock)));
            before(policy);
            let is_over = poll_and_drop(polls, scenario(policy)).await.is_some();
            let counters = policy.counters();
            assert_eq!(
                (counters.running, counters.waiting),
                (0, 0),
                "after {polls} polls"
            );
            if !is_over {
                afterwards(policy);
            }
            is_over
        });
        if is_over {
            assert!(expected_polls.contains(&polls), "it took {polls} polls");
            return;
        }
    }
}

/// Waits, fails, takes too long, and succeeds.
async fn body(attempt: Attempt) -> Result<(), ()> {
    sleep(25 * MS).await;
    match attempt.number() {
        1 => return Err(()),
        2 => sleep(S).await,
        _ => sleep(5 * MS).await,
    }
    Ok(())
}

fn retry(_: &()) -> Verdict {
    Verdict::Retry
}

fn metrics_only(policy: &Policy<Paused>) {
    policy.set_mode(cnv::recovery::Mode::MetricsOnly);
}

fn is_as_new(policy: &Policy<Paused>) {
    let permit = policy.try_enter(policy.now()).expect("the permit is back");
    permit.succeed(policy.now());
}

#[test]
fn in_attempts_and_backoffs() {
    at_every_poll(
        20..40,
        metrics_only,
        |policy| policy.call(Call::new(), retry, body),
        is_as_new,
    );
}

#[test]
fn in_the_queue() {
    at_every_poll(
        5..60,
        metrics_only,
        |policy| async {
            let first = policy.try_enter(policy.now()).unwrap();
            let mut second = pin!(policy.call(Call::new(), retry, body));
            let mut third = pin!(policy.call(Call::new(), retry, body));
            let mut first = Some(first);
            let mut polls = 0;
            let mut done = [false; 2];
            std::future::poll_fn(|cx| {
                polls += 1;
                if polls == 4
                    && let Some(admission) = first.take()
                {
                    admission.succeed(policy.now());
                }
                for (done, call) in done.iter_mut().zip([&mut second, &mut third]) {
                    *done = *done || call.as_mut().poll(cx).is_ready();
                }
                if done == [true; 2] {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        },
        is_as_new,
    );
}

/// What is held of the half-open breaker: as many probes as there were are let through afterwards.
#[test]
fn as_a_probe() {
    at_every_poll(
        3..10,
        |policy| {
            policy.try_enter(policy.now()).unwrap().fail(policy.now());
        },
        |policy| async {
            let mut opened = pin!(sleep(7 * S));
            let mut call = pin!(policy.call(Call::new(), retry, |_| async {
                sleep(15 * MS).await;
                Ok::<(), ()>(())
            }));
            advance(7 * S).await;
            opened.as_mut().await;
            call.as_mut().await
        },
        |policy| {
            let probe = |_| -> Admission<'_, Paused> { policy.try_enter(policy.now()).unwrap() };
            for number in 0..PROBES {
                probe(number).succeed(policy.now());
            }
            assert_eq!(policy.state(), cnv::recovery::BreakerState::Closed);
            // None of them was let through for nothing.
            let counters = policy.counters();
            assert!(counters.probes <= u64::from(PROBES) + 1, "{counters:?}");
        },
    );
}
