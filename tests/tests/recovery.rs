//! Calls under a policy: what follows on what, and what is refused.

use std::cell::Cell;
use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
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

fn fail(_: &&str) -> Verdict {
    Verdict::Fail
}

fn retry(_: &&str) -> Verdict {
    Verdict::Retry
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
