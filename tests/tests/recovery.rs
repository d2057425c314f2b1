//! Calls under a policy: what follows on what, and what is refused.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use cnv::recovery::{
    Attempt, BreakerState, Bulkhead, Call, CallError, Cause, CircuitBreaker, Clock, Deadline,
    Decision, Jitter, Mode, Moment, Policy, Retry, Settings, Stage, Trace, Verdict,
};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

/// tokio's clock, which stands still where nothing waits.
#[derive(Clone, Copy)]
struct Paused(tokio::time::Instant);

impl Paused {
    fn new() -> Self {
        Self(tokio::time::Instant::now() - S)
    }
}

impl Clock for Paused {
    fn now(&self) -> Moment {
        Moment::from_ns(self.0.elapsed().as_nanos() as u64)
    }
}

fn policy(settings: Settings) -> Policy<Paused> {
    Policy::with_clock("geo", settings, Paused::new())
}

/// Runs with a time that passes only while everything waits.
fn paused<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

/// Runs them all at the same time, and returns what each returned.
async fn together<F: Future>(calls: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut calls: Vec<_> = calls
        .into_iter()
        .map(|call| (Box::pin(call), None))
        .collect();
    poll_fn(|cx| {
        for (call, output) in &mut calls {
            if output.is_none()
                && let Poll::Ready(value) = call.as_mut().poll(cx)
            {
                *output = Some(value);
            }
        }
        if calls.iter().all(|(_, output)| output.is_some()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    calls.into_iter().filter_map(|(_, output)| output).collect()
}

fn fail(_: &&str) -> Verdict {
    Verdict::Fail
}

const STEADY: Retry = Retry::new().jitter(Jitter::None);

#[test]
fn a_call_that_succeeds_returns_its_value() {
    paused(async {
        let settings = Settings::new()
            .timeout(S)
            .retry(Retry::new())
            .circuit_breaker(CircuitBreaker::new())
            .bulkhead(Bulkhead::new(2));
        let policy = policy(settings);
        let mut trace = Trace::new();
        let call = Call::new().trace(&mut trace);
        let value = policy.call(call, fail, async |attempt: Attempt| {
            let left = attempt.deadline().unwrap().remaining_at(policy.now());
            assert_eq!(left, S);
            assert_eq!(policy.counters().running, 1);
            Ok(attempt.number())
        });
        assert_eq!(value.await, Ok(1));
        assert_eq!((trace.attempts(), trace.decisions().count()), (1, 0));
        let counters = policy.counters();
        assert_eq!((counters.successes, counters.running), (1, 0));
    });
}

/// Fails until attempt `last`, and says when each attempt began.
async fn attempts_until(
    policy: &Policy<Paused>,
    call: Call<'_>,
    last: u32,
    verdict: Verdict,
) -> (Result<u32, CallError<&'static str>>, Vec<u128>) {
    let begin = tokio::time::Instant::now();
    let times = std::cell::RefCell::new(Vec::new());
    let body = |attempt: Attempt| {
        times.borrow_mut().push(begin.elapsed().as_millis());
        let number = attempt.number();
        async move {
            if number < last {
                Err("down")
            } else {
                Ok(number)
            }
        }
    };
    let result = policy.call(call, |_: &&str| verdict, body).await;
    (result, times.into_inner())
}

#[test]
fn what_failed_is_tried_again_after_doubling_backoffs() {
    paused(async {
        let policy = policy(Settings::new().retry(STEADY));
        let mut trace = Trace::new();
        let call = Call::new().trace(&mut trace);
        let (result, times) = attempts_until(&policy, call, 3, Verdict::Retry).await;
        assert_eq!(result, Ok(3));
        assert_eq!(times, [0, 50, 150]);
        let expected = "failed, backed_off 50 ms, failed, backed_off 100 ms";
        assert_eq!(
            (trace.to_string().as_str(), trace.attempts()),
            (expected, 3)
        );

        let (result, times) = attempts_until(&policy, Call::new(), 4, Verdict::Retry).await;
        assert_eq!((result, times.len()), (Err(CallError::Failed("down")), 3));
        assert_eq!(policy.counters().retries, 4);
    });
}

#[test]
fn what_is_not_to_be_tried_again_is_not() {
    paused(async {
        let policy = policy(Settings::new().retry(STEADY));
        for verdict in [Verdict::Fail, Verdict::Ignore] {
            let (result, times) = attempts_until(&policy, Call::new(), 2, verdict).await;
            assert_eq!((result, times.len()), (Err(CallError::Failed("down")), 1));
        }
        let counters = policy.counters();
        assert_eq!((counters.failures, counters.ignored), (1, 1));
    });
}

#[test]
fn a_servers_pushback_is_honoured_exactly() {
    paused(async {
        let policy = policy(Settings::new().retry(Retry::new()));
        // Longer than the cap, and without jitter.
        for wait in [7 * MS, 30 * S] {
            let verdict = Verdict::RetryAfter(wait);
            let (result, times) = attempts_until(&policy, Call::new(), 2, verdict).await;
            assert_eq!((result, times), (Ok(2), vec![0, wait.as_millis()]));
        }
    });
}

/// A call that backs off keeps its permit.
#[test]
fn what_a_server_asks_for_has_an_end() {
    paused(async {
        let minute = S.saturating_mul(60);
        let cases = [
            (STEADY, 5 * minute, true),
            (STEADY, 5 * minute + MS, false),
            (STEADY.cap(10 * minute), 10 * minute, true),
            (STEADY.cap(10 * minute), 10 * minute + MS, false),
        ];
        for (retry, pushback, is_honoured) in cases {
            let policy = policy(Settings::new().retry(retry));
            let verdict = Verdict::RetryAfter(pushback);
            let mut trace = Trace::new();
            let begin = tokio::time::Instant::now();
            let call = Call::new().trace(&mut trace);
            let (result, _) = attempts_until(&policy, call, 2, verdict).await;
            if is_honoured {
                assert_eq!((result, begin.elapsed()), (Ok(2), pushback));
            } else {
                assert_eq!(result, Err(CallError::Failed("down")));
                assert_eq!(begin.elapsed(), Duration::ZERO);
                assert_eq!(trace.to_string(), "failed, pushback_too_long");
            }
            // A deadline says how long the caller would wait.
            let begin = tokio::time::Instant::now();
            let deadline = Deadline::at(policy.now().after(60 * minute));
            let call = Call::new().deadline(deadline);
            let (result, _) = attempts_until(&policy, call, 2, verdict).await;
            assert_eq!((result, begin.elapsed()), (Ok(2), pushback));
        }
    });
}

#[test]
fn a_backoff_that_ends_after_the_deadline_is_not_begun() {
    paused(async {
        let policy = policy(Settings::new().timeout(120 * MS).retry(STEADY));
        let mut trace = Trace::new();
        let call = Call::new().trace(&mut trace);
        let begin = tokio::time::Instant::now();
        let (result, times) = attempts_until(&policy, call, 9, Verdict::Retry).await;
        assert_eq!(
            (result, times),
            (Err(CallError::Failed("down")), vec![0, 50])
        );
        assert_eq!(begin.elapsed(), 50 * MS, "it waited for nothing");
        assert_eq!(trace.decisions().last(), Some(Decision::TooLittleTime));
    });
}

#[test]
fn the_retry_budget_bounds_what_all_calls_try_again() {
    paused(async {
        let retry = STEADY.attempts(2).base(MS).budget(0.2, 0);
        let policy = policy(Settings::new().retry(retry));
        let mut sent = 0;
        let mut trace = Trace::new();
        for _ in 0..100 {
            trace = Trace::new();
            let call = Call::new().trace(&mut trace);
            sent += attempts_until(&policy, call, 9, Verdict::Retry)
                .await
                .1
                .len();
        }
        assert_eq!(sent, 120);
        assert_eq!(policy.counters().retries_refused, 80);
        assert_eq!(trace.attempts(), 2);
    });
}

#[test]
fn a_refusal_says_what_is_left_of_the_retry_budget() {
    paused(async {
        // Two of all calls together, and one more for every ten of them.
        let retry = STEADY.attempts(2).base(MS).budget(0.1, 2);
        let settings = Settings::new().attempt_timeout(10 * MS).retry(retry);
        let policy = policy(settings.circuit_breaker(BREAKER.consecutive(4)));
        let hang = |_| pending::<Result<(), &str>>();
        let mut left = Vec::new();
        let mut last = None;
        for _ in 0..3 {
            let error = policy.call(Call::new(), fail, hang).await.unwrap_err();
            let refused = *error.refused().unwrap();
            left.push((
                refused.cause(),
                refused.attempts(),
                refused.retry_budget_left(),
            ));
            last = Some(refused.to_string());
        }
        assert_eq!(
            left,
            [
                (Cause::AttemptTimedOut, 2, Some(1)),
                (Cause::AttemptTimedOut, 2, Some(0)),
                (Cause::Open, 0, Some(0)),
            ]
        );
        assert!(!last.unwrap().contains("budget"), "it is not what kept it");
        policy.set_mode(Mode::Disabled);
        let error = policy.call(Call::new(), fail, hang).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`geo` did not answer: the attempt took too long, after 1 attempt, and the retry budget is used up"
        );
        // What time earns is there without a call.
        policy.set_mode(Mode::ForcedOpen);
        tokio::time::sleep(S).await;
        let refused = *succeeds(&policy).await.unwrap_err().refused().unwrap();
        assert_eq!(refused.retry_budget_left(), Some(2));
        // Who has no retries has nothing of it.
        let own = Settings::new();
        let call = Call::new().settings(&own);
        let error = policy.call(call, fail, hang).await.unwrap_err();
        assert_eq!(error.refused().unwrap().retry_budget_left(), None);
    });
}

/// One account has one rate.
#[test]
fn calls_with_retries_of_their_own_have_the_policys_retry_budget() {
    paused(async {
        let retries = async |settings: Settings, own: Retry| {
            let policy = policy(settings);
            let own = Settings::new().retry(own.attempts(2));
            for _ in 0..100 {
                let call = Call::new().settings(&own);
                let result = attempts_until(&policy, call, 9, Verdict::RetryAfter(MS)).await;
                assert!(result.0.is_err());
            }
            policy.counters().retries
        };
        let generous = STEADY.budget(1.0, 1000);
        let policys = Settings::new().retry(STEADY.budget(0.2, 0));
        assert_eq!(retries(policys, generous).await, 20);
        let policys = Settings::new().retry(generous);
        assert_eq!(retries(policys, STEADY.budget(0.0, 0)).await, 100);
        // Without any of its own it has the defaults: all of it happens within less than a second.
        let some = retries(Settings::new(), generous).await;
        assert!((20..=30).contains(&some), "{some}");
    });
}

#[test]
fn the_deadline_covers_every_attempt_and_backoff() {
    paused(async {
        let settings = Settings::new()
            .timeout(S)
            .attempt_timeout(400 * MS)
            .retry(STEADY.attempts(9));
        let policy = policy(settings);
        let begin = tokio::time::Instant::now();
        let limits = std::cell::RefCell::new(Vec::new());
        let mut trace = Trace::new();
        let call = Call::new().trace(&mut trace);
        let result = policy.call(call, fail, |attempt| {
            let left = attempt.deadline().unwrap().remaining_at(policy.now());
            limits.borrow_mut().push(left.as_millis());
            pending::<Result<(), &str>>()
        });
        let error = result.await.unwrap_err();
        let refused = error.refused().unwrap();
        assert_eq!(
            (refused.stage(), refused.cause()),
            (Stage::Attempt, Cause::DeadlinePassed)
        );
        assert_eq!(
            (refused.attempts(), refused.remaining()),
            (3, Some(Duration::ZERO))
        );
        assert_eq!(begin.elapsed(), S);
        // 400, backed off 50, 400, backed off 100: 50 are left.
        assert_eq!(limits.into_inner(), [400, 400, 50]);
        assert_eq!(policy.counters().timeouts, 3);
    });
}

#[test]
fn an_attempt_that_is_too_slow_is_tried_again() {
    paused(async {
        let settings = Settings::new()
            .attempt_timeout(100 * MS)
            .retry(STEADY.attempts(2));
        let policy = policy(settings);
        let body = |attempt: Attempt| async move {
            tokio::time::sleep(if attempt.number() == 1 { S } else { 99 * MS }).await;
            Ok::<_, &str>(attempt.number())
        };
        assert_eq!(policy.call(Call::new(), fail, body).await, Ok(2));
        let single = Policy::with_clock("one", settings.retry(STEADY.attempts(1)), Paused::new());
        let error = single.call(Call::new(), fail, body).await.unwrap_err();
        assert_eq!(error.refused().unwrap().cause(), Cause::AttemptTimedOut);
    });
}

/// tokio's clock, as coarse as a system's may be.
struct Coarse(Paused);

impl Clock for Coarse {
    fn now(&self) -> Moment {
        let exact_ns = self.0.now().as_ns();
        Moment::from_ns(exact_ns - exact_ns % 10_000_000)
    }

    fn fine_now(&self) -> Moment {
        self.0.now()
    }
}

#[test]
fn a_short_timeout_of_a_calls_own_is_not_shortened_by_a_coarse_clock() {
    paused(async {
        let settings = Settings::new().timeout(S);
        let policy = Policy::with_clock("shared", settings, Coarse(Paused::new()));
        let own = [
            Settings::new().timeout(5 * MS),
            Settings::new().attempt_timeout(5 * MS),
        ];
        // Just before the coarse clock's next tick.
        tokio::time::advance(9 * MS).await;
        for own in &own {
            let begin = tokio::time::Instant::now();
            let call = Call::new().settings(own);
            let hang = |_| pending::<Result<(), &str>>();
            policy.call(call, fail, hang).await.unwrap_err();
            assert_eq!(begin.elapsed(), 5 * MS);
        }
    });
}

#[test]
fn of_a_policys_timeouts_and_a_calls_own_the_shorter_ones_hold() {
    paused(async {
        let settings = Settings::new().timeout(S).attempt_timeout(400 * MS);
        let policy = policy(settings.retry(STEADY));
        let elapsed = async |own: Settings| {
            let begin = tokio::time::Instant::now();
            let call = Call::new().settings(&own);
            let hang = |_| pending::<Result<(), &str>>();
            let error = policy.call(call, fail, hang).await.unwrap_err();
            (begin.elapsed(), error.refused().unwrap().cause())
        };
        let own = Settings::new();
        for (own, expected) in [
            (own, 400 * MS),
            (own.timeout(2 * S).attempt_timeout(2 * S), 400 * MS),
            (own.attempt_timeout(300 * MS), 300 * MS),
        ] {
            assert_eq!(elapsed(own).await, (expected, Cause::AttemptTimedOut));
        }
        let cases = [
            (own.retry(STEADY.attempts(9)), S),
            (own.timeout(200 * MS), 200 * MS),
        ];
        for (own, expected) in cases {
            assert_eq!(elapsed(own).await, (expected, Cause::DeadlinePassed));
        }
    });
}

/// What passes before the body waits for the first time counts, as the deadline that it hears of says.
#[test]
fn an_attempts_time_begins_with_the_attempt() {
    paused(async {
        let policy = policy(Settings::new().attempt_timeout(100 * MS));
        let begin = tokio::time::Instant::now();
        let body = |_| async {
            // It passes within the first poll.
            tokio::time::advance(60 * MS).await;
            pending::<Result<(), &str>>().await
        };
        let error = policy.call(Call::new(), fail, body).await.unwrap_err();
        assert_eq!(error.refused().unwrap().cause(), Cause::AttemptTimedOut);
        assert_eq!(begin.elapsed(), 100 * MS);
    });
}

#[test]
fn a_child_has_no_more_time_than_its_parent() {
    paused(async {
        let policy = policy(Settings::new().timeout(S));
        let begin = tokio::time::Instant::now();
        let parent = Deadline::at(policy.now().after(300 * MS));
        assert_eq!(policy.deadline(Some(parent)), Some(parent));
        let call = Call::new().deadline(parent);
        let result = policy
            .call(call, fail, |_| pending::<Result<(), &str>>())
            .await;
        assert_eq!(
            result.unwrap_err().refused().unwrap().cause(),
            Cause::DeadlinePassed
        );
        assert_eq!(begin.elapsed(), 300 * MS);
        // It is over now: the body is not asked.
        let call = Call::new().deadline(parent);
        let result = policy
            .call(call, fail, |_| async { Ok::<_, &str>(()) })
            .await;
        let refused = *result.unwrap_err().refused().unwrap();
        assert_eq!((refused.stage(), refused.attempts()), (Stage::Deadline, 0));
        assert_eq!(policy.counters().refused_by_deadline, 1);
    });
}

/// The dependency had less time than the policy gives it.
#[test]
fn callers_in_a_hurry_do_not_open_the_breaker() {
    paused(async {
        let settings = Settings::new()
            .timeout(S)
            .attempt_timeout(600 * MS)
            .circuit_breaker(CircuitBreaker::new().consecutive(1));
        let policy = policy(settings);
        let hang = |_| pending::<Result<(), &str>>();
        for _ in 0..3 {
            let deadline = Deadline::at(policy.now().after(599 * MS));
            let call = Call::new().deadline(deadline);
            policy.call(call, fail, hang).await.unwrap_err();
        }
        let seen = (policy.state(), policy.counters().timeouts);
        assert_eq!(seen, (BreakerState::Closed, 3));
        // The attempt's own time is over first, and the policy's.
        for settings in [settings, settings.attempt_timeout(2 * S)] {
            let policy = Policy::with_clock("geo", settings, Paused::new());
            let call = Call::new().deadline(Deadline::at(policy.now().after(2 * S)));
            policy.call(call, fail, hang).await.unwrap_err();
            assert_eq!(policy.state(), BreakerState::Open);
        }
    });
}

#[test]
fn a_thread_that_is_late_for_its_caller_alone_does_not_open_the_breaker() {
    let settings = Settings::new()
        .timeout(3600 * S)
        .circuit_breaker(CircuitBreaker::new().consecutive(1));
    let policy = Policy::new("hurry", settings);
    let call = Call::new().deadline(Deadline::after(50 * MS));
    let result = policy.call_blocking(call, fail, |attempt| {
        while policy.now() < attempt.deadline().unwrap().moment() {
            std::thread::yield_now();
        }
        Ok("there it is")
    });
    assert_eq!(result, Ok("there it is"));
    assert_eq!(
        (policy.state(), policy.counters().timeouts),
        (BreakerState::Closed, 1)
    );
}

const BREAKER: CircuitBreaker = CircuitBreaker::new().consecutive(2).probes(2);

async fn fails(policy: &Policy<Paused>) -> CallError<&'static str> {
    let body = |_| async { Err::<(), _>("down") };
    policy.call(Call::new(), fail, body).await.unwrap_err()
}

async fn succeeds(policy: &Policy<Paused>) -> Result<(), CallError<&'static str>> {
    policy.call(Call::new(), fail, |_| async { Ok(()) }).await
}

#[test]
fn a_breaker_opens_tries_and_closes() {
    paused(async {
        let policy = policy(Settings::new().circuit_breaker(BREAKER));
        fails(&policy).await;
        succeeds(&policy).await.unwrap();
        fails(&policy).await;
        assert_eq!(
            policy.state(),
            BreakerState::Closed,
            "a success ends the streak"
        );
        fails(&policy).await;
        assert_eq!(policy.state(), BreakerState::Open);
        let refused = *succeeds(&policy).await.unwrap_err().refused().unwrap();
        assert_eq!(
            (refused.stage(), refused.cause()),
            (Stage::CircuitBreaker, Cause::Open)
        );
        let wait = refused.retry_after().unwrap();
        assert!((5 * S..=25 * S / 4).contains(&wait), "{wait:?}");

        tokio::time::sleep(wait - MS).await;
        assert!(succeeds(&policy).await.is_err());
        tokio::time::sleep(MS).await;
        let mut trace = Trace::new();
        let call = Call::new().trace(&mut trace);
        policy.call(call, fail, |_| async { Ok(()) }).await.unwrap();
        assert_eq!(trace.to_string(), "probe");
        assert_eq!(policy.state(), BreakerState::HalfOpen);
        succeeds(&policy).await.unwrap();
        assert_eq!(policy.state(), BreakerState::Closed);
        assert_eq!((policy.counters().opened, policy.counters().probes), (1, 2));
    });
}

#[test]
fn a_breaker_that_opens_again_stays_open_longer() {
    paused(async {
        let policy = policy(Settings::new().circuit_breaker(BREAKER));
        fails(&policy).await;
        fails(&policy).await;
        for base in [5, 10, 20, 40, 60, 60] {
            let refused = *fails(&policy).await.refused().unwrap();
            let wait = refused.retry_after().unwrap();
            assert!(
                (base * S..=base * S * 5 / 4).contains(&wait),
                "{base}: {wait:?}"
            );
            tokio::time::sleep(wait).await;
            assert!(fails(&policy).await.refused().is_none(), "it is a probe");
        }
    });
}

#[test]
fn half_open_does_not_wait_for_probes_that_never_come_back() {
    paused(async {
        let policy = policy(Settings::new().circuit_breaker(BREAKER));
        fails(&policy).await;
        fails(&policy).await;
        tokio::time::sleep(7 * S).await;
        let stuck = || policy.try_enter(policy.now());
        let (first, second) = (stuck().unwrap(), stuck().unwrap());
        assert_eq!(stuck().unwrap_err().cause(), Cause::ProbesOut);
        tokio::time::sleep(10 * S).await;
        assert_eq!(stuck().unwrap_err().cause(), Cause::Open);
        assert_eq!(policy.state(), BreakerState::Open);
        // What they say now is about what was.
        first.succeed(policy.now());
        second.fail(policy.now());
        assert_eq!(policy.state(), BreakerState::Open);
        tokio::time::sleep(13 * S).await;
        drop(stuck().unwrap());
        // A probe that was given back is there again.
        succeeds(&policy).await.unwrap();
        succeeds(&policy).await.unwrap();
        assert_eq!(policy.state(), BreakerState::Closed);
    });
}

#[test]
fn slow_calls_open_a_breaker() {
    paused(async {
        let breaker = CircuitBreaker::new().slow(S).minimum(4);
        let policy = policy(Settings::new().circuit_breaker(breaker));
        let after = |time| {
            policy.call(Call::new(), fail, move |_| async move {
                tokio::time::sleep(time).await;
                Ok::<_, &str>(())
            })
        };
        for time in [MS, 999 * MS, S] {
            after(time).await.unwrap();
        }
        assert_eq!(policy.state(), BreakerState::Closed);
        after(S).await.unwrap();
        assert_eq!(policy.state(), BreakerState::Open);
        assert_eq!(policy.counters().slow, 2);
    });
}

#[test]
fn modes_take_the_place_of_the_rules() {
    paused(async {
        let policy = policy(Settings::new().circuit_breaker(BREAKER));
        policy.set_mode(Mode::ForcedOpen);
        let refused = *succeeds(&policy).await.unwrap_err().refused().unwrap();
        assert_eq!(
            (refused.cause(), refused.retry_after()),
            (Cause::ForcedOpen, None)
        );
        for (mode, state) in [
            (Mode::Disabled, BreakerState::Disabled),
            (Mode::MetricsOnly, BreakerState::MetricsOnly),
        ] {
            policy.set_mode(mode);
            for _ in 0..50 {
                assert!(fails(&policy).await.refused().is_none());
            }
            assert_eq!(policy.state(), state);
        }
        policy.set_mode(Mode::Normal);
        fails(&policy).await;
        assert_eq!(
            policy.state(),
            BreakerState::Closed,
            "what was before counts no more"
        );
        fails(&policy).await;
        assert_eq!(policy.state(), BreakerState::Open);
        policy.set_mode(Mode::Disabled);
        succeeds(&policy).await.unwrap();
    });
}

/// How many run at a time, and in which order they began.
#[derive(Default)]
struct Seen {
    running: Cell<u32>,
    most: Cell<u32>,
    order: std::cell::RefCell<Vec<usize>>,
}

impl Seen {
    async fn run(&self, number: usize, time: Duration) -> Result<(), &'static str> {
        self.order.borrow_mut().push(number);
        self.running.set(self.running.get() + 1);
        self.most.set(self.most.get().max(self.running.get()));
        tokio::time::sleep(time).await;
        self.running.set(self.running.get() - 1);
        Ok(())
    }
}

#[test]
fn a_bulkhead_without_a_queue_refuses() {
    paused(async {
        let policy = policy(Settings::new().bulkhead(Bulkhead::new(2)));
        let seen = Seen::default();
        let call = |number| {
            policy.call(Call::new(), fail, {
                let seen = &seen;
                move |_| seen.run(number, S)
            })
        };
        let ends = together((0..3).map(call)).await;
        assert_eq!(ends[..2], [Ok(()), Ok(())]);
        let refused = *ends[2].unwrap_err().refused().unwrap();
        assert_eq!(
            (refused.stage(), refused.cause()),
            (Stage::Bulkhead, Cause::Full)
        );
        assert_eq!(call(3).await, Ok(()));
        assert_eq!(
            (seen.most.get(), policy.counters().refused_by_bulkhead),
            (2, 1)
        );
    });
}

/// An attempt that notes how many calls run when it is dropped.
struct Holds<'p> {
    policy: &'p Policy<Paused>,
    running: &'p Cell<Option<u64>>,
    result: Result<(), &'static str>,
}

impl Future for Holds<'_> {
    type Output = Result<(), &'static str>;

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(self.result)
    }
}

impl Drop for Holds<'_> {
    fn drop(&mut self) {
        self.running.set(Some(self.policy.counters().running));
    }
}

#[test]
fn an_attempt_is_gone_before_its_permit_goes_back() {
    paused(async {
        for result in [Ok(()), Err("down")] {
            let policy = policy(Settings::new().bulkhead(Bulkhead::new(1)));
            let running = Cell::new(None);
            let body = |_| Holds {
                policy: &policy,
                running: &running,
                result,
            };
            let expected = result.map_err(CallError::Failed);
            assert_eq!(policy.call(Call::new(), fail, body).await, expected);
            assert_eq!((running.get(), policy.counters().running), (Some(1), 0));
        }
    });
}

#[test]
fn those_who_wait_have_their_turns_in_order_and_not_for_ever() {
    paused(async {
        let bulkhead = Bulkhead::new(1).queue(3).wait(1500 * MS);
        let policy = policy(Settings::new().bulkhead(bulkhead));
        let seen = Seen::default();
        let call = |number| {
            policy.call(Call::new(), fail, {
                let seen = &seen;
                move |_| seen.run(number, S)
            })
        };
        let calls = together((0..5).map(call)).await;
        assert_eq!(calls[..2], [Ok(()), Ok(())]);
        for (late, cause) in [
            (calls[2], Cause::WaitTimedOut),
            (calls[3], Cause::WaitTimedOut),
            (calls[4], Cause::Full),
        ] {
            assert_eq!(late.unwrap_err().refused().unwrap().cause(), cause);
        }
        assert_eq!(seen.order.take(), [0, 1]);
        let counters = policy.counters();
        assert_eq!(
            (counters.queued, counters.waits_timed_out, counters.waiting),
            (3, 2, 0)
        );
        assert_eq!(counters.running, 0);

        let patient = Policy::with_clock(
            "patient",
            Settings::new().bulkhead(Bulkhead::new(1).back_pressure()),
            Paused::new(),
        );
        let call = |number| {
            patient.call(Call::new(), fail, {
                let seen = &seen;
                move |_| seen.run(number, S)
            })
        };
        let calls = together((0..5).map(call)).await;
        assert_eq!(calls, [Ok(()); 5]);
        assert_eq!(
            (seen.order.take(), seen.most.get()),
            (vec![0, 1, 2, 3, 4], 1)
        );
    });
}

#[test]
fn the_deadline_covers_the_queue() {
    paused(async {
        let settings = Settings::new()
            .timeout(S)
            .bulkhead(Bulkhead::new(1).queue(1));
        let policy = policy(settings);
        let permit = policy.try_enter(policy.now()).unwrap();
        let begin = tokio::time::Instant::now();
        let refused = *succeeds(&policy).await.unwrap_err().refused().unwrap();
        assert_eq!(
            (refused.stage(), refused.cause()),
            (Stage::Queue, Cause::DeadlinePassed)
        );
        assert_eq!(begin.elapsed(), S);
        drop(permit);
        succeeds(&policy).await.unwrap();
    });
}

/// A queue before a breaker that is open would fill with calls that fail at its end.
#[test]
fn an_open_breaker_is_not_waited_for() {
    paused(async {
        let settings = Settings::new()
            .circuit_breaker(BREAKER)
            .bulkhead(Bulkhead::new(1).queue(8));
        let policy = policy(settings);
        fails(&policy).await;
        fails(&policy).await;
        tokio::time::sleep(7 * S).await;
        policy.set_mode(Mode::Normal);
        let permit = policy.try_enter(policy.now()).unwrap();
        let second = policy.try_enter(policy.now()).unwrap_err();
        assert_eq!(second.cause(), Cause::Full);
        permit.fail(policy.now());
        assert_eq!(policy.state(), BreakerState::Open);
        let refused = *succeeds(&policy).await.unwrap_err().refused().unwrap();
        assert_eq!(refused.cause(), Cause::Open);
        assert_eq!(policy.counters().queued, 0);
    });
}

#[test]
fn a_panic_is_counted_and_goes_on() {
    let settings = Settings::new()
        .circuit_breaker(CircuitBreaker::new().consecutive(1))
        .bulkhead(Bulkhead::new(1));
    let caught = |run: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    let blocking = Policy::new("blocking", settings);
    let result = caught(&|| {
        let body = |_| -> Result<(), &str> { panic!("a fault") };
        let _ = blocking.call_blocking(Call::new(), fail, body);
    });
    assert_eq!(*result.unwrap_err().downcast::<&str>().unwrap(), "a fault");
    let waiting = Policy::new("waiting", settings);
    let result = caught(&|| {
        paused(async {
            let body = |_| async {
                tokio::task::yield_now().await;
                panic!("a fault")
            };
            let _: Result<(), _> = waiting.call(Call::new(), fail, body).await;
        });
    });
    assert_eq!(*result.unwrap_err().downcast::<&str>().unwrap(), "a fault");
    for policy in [&blocking, &waiting] {
        let counters = policy.counters();
        assert_eq!(
            (counters.panics, counters.running, counters.abandoned),
            (1, 0, 0)
        );
        assert_eq!(policy.state(), BreakerState::Open);
    }
}

#[test]
fn threads_wait_in_the_same_queue() {
    let policy = Policy::new(
        "threads",
        Settings::new().bulkhead(Bulkhead::new(2).queue(100)),
    );
    let (running, most) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let result = policy.call_blocking(Call::new(), fail, |_| {
                        most.fetch_max(
                            running.fetch_add(1, Ordering::SeqCst) + 1,
                            Ordering::SeqCst,
                        );
                        std::thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                        Ok(())
                    });
                    result.unwrap();
                }
            });
        }
    });
    let counters = policy.counters();
    assert_eq!(
        (counters.successes, counters.running, counters.waiting),
        (1600, 0, 0)
    );
    assert_eq!(most.into_inner(), 2);
}

/// Nobody wakes it but its own time.
#[test]
fn a_thread_waits_in_the_queue_no_longer_than_the_policys_timeout() {
    let bulkhead = Bulkhead::new(1).queue(1);
    let policy = Policy::new("q", Settings::new().bulkhead(bulkhead).timeout(5 * MS));
    let permit = policy.try_enter(policy.now()).unwrap();
    let result = policy.call_blocking(Call::new(), fail, |_| Ok(()));
    let refused = *result.unwrap_err().refused().unwrap();
    assert_eq!(
        (refused.stage(), refused.cause()),
        (Stage::Queue, Cause::DeadlinePassed)
    );
    permit.succeed(policy.now());
    assert_eq!(policy.counters().waiting, 0);
}

#[test]
fn a_thread_tries_again_too_and_is_late_where_it_blocks() {
    let retry = STEADY.base(Duration::from_nanos(1));
    let settings = Settings::new()
        .attempt_timeout(Duration::from_nanos(1))
        .circuit_breaker(CircuitBreaker::new().consecutive(1))
        .retry(retry);
    let lenient = Settings::new().retry(retry);
    let policy = Policy::new("threads", lenient);
    let result = policy.call_blocking(Call::new(), retry_all, |attempt| {
        if attempt.number() < 3 {
            Err("down")
        } else {
            Ok(attempt.number())
        }
    });
    assert_eq!(result, Ok(3));
    let policy = Policy::new("late", settings);
    let slow = |_| {
        std::thread::sleep(MS);
        Ok::<_, &str>("there it is")
    };
    let result = policy.call_blocking(Call::new(), retry_all, slow);
    assert_eq!(result, Ok("there it is"));
    assert_eq!(
        (policy.state(), policy.counters().timeouts),
        (BreakerState::Open, 1)
    );
}

fn retry_all(_: &&str) -> bool {
    true
}

/// The timer is set at the first wait, and asked whenever the body is.
#[test]
fn a_body_that_leaves_the_timer_nothing_is_cut_off_all_the_same() {
    paused(async {
        let policy = policy(Settings::new().timeout(S));
        let busy = |_| async {
            // Uses up all that tokio lets a task do in one poll, in every poll.
            loop {
                tokio::task::coop::consume_budget().await;
            }
            #[allow(unreachable_code, reason = "it says the type")]
            Ok::<(), &str>(())
        };
        let mut call = Box::pin(policy.call(Call::new(), fail, busy));
        let mut ended = None;
        for _ in 0..11 {
            ended = poll_fn(|cx| match call.as_mut().poll(cx) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending => Poll::Ready(None),
            })
            .await;
            tokio::time::advance(100 * MS).await;
        }
        let error = ended.expect("a second is over").unwrap_err();
        assert_eq!(error.refused().unwrap().cause(), Cause::DeadlinePassed);
    });
}
