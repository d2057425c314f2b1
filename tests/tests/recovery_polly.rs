//! What Polly's documentation says of its circuit breaker, rule by rule, and where ours does something else on purpose.
//!
//! Sources: <https://www.pollydocs.org/strategies/circuit-breaker> with its sequence diagrams, and the pages of
//! `CircuitBreakerStrategyOptions` and `CircuitState` there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cnv::recovery::{
    Admission, BreakerState, Call, CallError, Cause, CircuitBreaker, Clock, Mode, Moment, Policy,
    Settings, Verdict,
};

const MS: Duration = Duration::from_millis(1);

/// A clock that the test sets.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Clock for Hand {
    fn now(&self) -> Moment {
        Moment::from_ns(self.0.load(Ordering::Relaxed))
    }
}

/// What happens to a breaker, one after the other.
#[derive(Clone, Copy, Debug)]
enum Step {
    Succeeds,
    Fails,
    /// It says nothing about the dependency.
    Ignored,
    /// Nothing is called.
    Refused(Cause),
    /// Begins, and is under way until one of the next two.
    Begins,
    EndsWell,
    EndsBadly,
    /// So many milliseconds pass.
    Passes(u64),
    Set(Mode),
    Is(BreakerState),
}

use BreakerState::{Closed, ForcedOpen, HalfOpen, Open};
use Step::{Begins, EndsBadly, EndsWell, Fails, Ignored, Is, Passes, Refused, Set, Succeeds};

/// The example of the documentation: `SamplingDuration` 2 s, `MinimumThroughput` 2, `FailureRatio` 0.5, `BreakDuration` 1 s.
/// The break is as long every time, and one probe decides.
const EXAMPLE: CircuitBreaker = CircuitBreaker::new()
    .window(Duration::from_secs(2))
    .minimum(2)
    .failures(0.5)
    .open(Duration::from_secs(1))
    .longest_open(Duration::from_secs(1))
    .probes(1)
    .half_open(Duration::from_secs(60));

/// What a break is at most: up to a quarter is added at random.
const BREAK_MS: u64 = 1250;

fn play(rule: &str, breaker: CircuitBreaker, steps: &[Step]) {
    let clock = Hand(Arc::new(AtomicU64::new(10_000_000_000)));
    let settings = Settings::new().circuit_breaker(breaker);
    let policy = Policy::with_clock("polly", settings, clock.clone());
    let mut under_way: Vec<Admission<'_, Hand>> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let place = format!("{rule}: step {} of {steps:?}", at + 1);
        let enter = || {
            policy
                .try_enter(policy.now())
                .unwrap_or_else(|_| panic!("{place}"))
        };
        match *step {
            Succeeds => enter().succeed(policy.now()),
            Fails => enter().fail(policy.now()),
            Ignored => drop(enter()),
            Refused(cause) => {
                let refused = policy.try_enter(policy.now()).expect_err(&place);
                assert_eq!(refused.cause(), cause, "{place}");
            }
            Begins => under_way.push(enter()),
            EndsWell => under_way.remove(0).succeed(policy.now()),
            EndsBadly => under_way.remove(0).fail(policy.now()),
            Passes(ms) => {
                clock.0.fetch_add(ms * 1_000_000, Ordering::Relaxed);
            }
            Set(mode) => policy.set_mode(mode),
            Is(state) => assert_eq!(policy.state(), state, "{place}"),
        }
    }
}

#[test]
fn what_means_the_same_is_the_same() {
    let table: &[(&str, CircuitBreaker, &[Step])] = &[
        (
            "below the ratio it does not break",
            EXAMPLE,
            &[Succeeds, Succeeds, Fails, Is(Closed), Succeeds],
        ),
        (
            "at the ratio it breaks, and rejects",
            EXAMPLE,
            &[Succeeds, Fails, Is(Open), Refused(Cause::Open)],
        ),
        (
            "a probe that succeeds closes it",
            EXAMPLE,
            &[
                Fails,
                Is(Closed),
                Fails,
                Is(Open),
                Refused(Cause::Open),
                Passes(BREAK_MS),
                Succeeds,
                Is(Closed),
            ],
        ),
        (
            "a probe that fails opens it for another break",
            EXAMPLE,
            &[
                Fails,
                Fails,
                Refused(Cause::Open),
                Passes(BREAK_MS),
                Fails,
                Is(Open),
                Refused(Cause::Open),
                Passes(999),
                Refused(Cause::Open),
                Passes(BREAK_MS - 999),
                Succeeds,
                Is(Closed),
            ],
        ),
        (
            "it stays broken for the break duration",
            EXAMPLE,
            &[
                Fails,
                Fails,
                Passes(999),
                Refused(Cause::Open),
                Passes(BREAK_MS - 999),
                Succeeds,
            ],
        ),
        (
            "fewer actions than the minimum throughput say nothing",
            EXAMPLE.minimum(8),
            &[
                Fails,
                Fails,
                Fails,
                Fails,
                Fails,
                Fails,
                Fails,
                Is(Closed),
                Fails,
                Is(Open),
            ],
        ),
        (
            "successes count for the throughput and for the ratio",
            EXAMPLE.minimum(8),
            &[
                Succeeds,
                Succeeds,
                Succeeds,
                Succeeds,
                Succeeds,
                Fails,
                Fails,
                Fails,
                Fails,
                Is(Closed),
                Fails,
                Is(Open),
            ],
        ),
        (
            "what is older than the sampling duration counts no more",
            EXAMPLE,
            &[
                Fails,
                Passes(2001),
                Fails,
                Is(Closed),
                Passes(100),
                Fails,
                Is(Open),
            ],
        ),
        (
            "the sampling goes with the clock and does not begin anew at its edge",
            EXAMPLE,
            &[Passes(1900), Fails, Passes(200), Fails, Is(Open)],
        ),
        (
            "after a break it counts from nothing",
            EXAMPLE,
            &[
                Fails,
                Fails,
                Passes(BREAK_MS),
                Succeeds,
                Is(Closed),
                Fails,
                Is(Closed),
                Fails,
                Is(Open),
            ],
        ),
        (
            "one action at a time tries whether it works again",
            EXAMPLE,
            &[
                Fails,
                Fails,
                Passes(BREAK_MS),
                Begins,
                Is(HalfOpen),
                Refused(Cause::ProbesOut),
                EndsWell,
                Is(Closed),
                Succeeds,
            ],
        ),
        (
            "isolated, it blocks until it is closed by hand",
            EXAMPLE,
            &[
                Set(Mode::ForcedOpen),
                Is(ForcedOpen),
                Refused(Cause::ForcedOpen),
                Passes(3_600_000),
                Refused(Cause::ForcedOpen),
                Set(Mode::Normal),
                Is(Closed),
                Succeeds,
            ],
        ),
        (
            "closed by hand, it counts from nothing",
            EXAMPLE,
            &[
                Fails,
                Set(Mode::ForcedOpen),
                Set(Mode::Normal),
                Fails,
                Is(Closed),
                Fails,
                Is(Open),
            ],
        ),
        (
            "what began before says nothing about an isolated circuit",
            EXAMPLE,
            &[
                Begins,
                Begins,
                Set(Mode::ForcedOpen),
                EndsBadly,
                EndsWell,
                Is(ForcedOpen),
            ],
        ),
    ];
    for (rule, breaker, steps) in table {
        play(rule, *breaker, steps);
    }
}

/// The exception that broke the circuit is the caller's, and the rejection says when to come back.
#[test]
fn the_error_that_breaks_it_is_returned_and_a_rejection_says_when() {
    let policy = Policy::with_clock(
        "polly",
        Settings::new().circuit_breaker(EXAMPLE),
        Hand::default(),
    );
    let call = |answer: Result<u8, &'static str>| {
        policy.call_blocking(Call::new(), |_| Verdict::Fail, move |_| answer)
    };
    for _ in 0..2 {
        assert_eq!(call(Err("down")), Err(CallError::Failed("down")));
    }
    let refused = *call(Ok(1)).unwrap_err().refused().unwrap();
    let after = refused.retry_after().unwrap();
    assert!((1000 * MS..=1250 * MS).contains(&after), "{after:?}");
}

#[test]
fn what_differs_on_purpose() {
    let table: &[(&str, CircuitBreaker, &[Step])] = &[
        (
            "a break is twice as long when it opens again, unless `longest_open` is as short",
            EXAMPLE.longest_open(Duration::from_secs(60)),
            &[
                Fails,
                Fails,
                Passes(1250),
                Fails,
                Passes(1999),
                Refused(Cause::Open),
                Passes(501),
                Succeeds,
            ],
        ),
        (
            "several probes can be asked for, and all have to succeed",
            EXAMPLE.probes(2),
            &[
                Fails,
                Fails,
                Passes(BREAK_MS),
                Begins,
                Begins,
                Refused(Cause::ProbesOut),
                EndsWell,
                Is(HalfOpen),
                EndsBadly,
                Is(Open),
            ],
        ),
        (
            "a probe that does not come back has its time, and then it is open again",
            EXAMPLE.half_open(Duration::from_secs(5)),
            &[
                Fails,
                Fails,
                Passes(BREAK_MS),
                Begins,
                Passes(4999),
                Refused(Cause::ProbesOut),
                Passes(1),
                Refused(Cause::Open),
                Is(Open),
                EndsWell,
                Is(Open),
            ],
        ),
        (
            "what is ignored is no success either, and leaves the probe to others",
            EXAMPLE,
            &[
                Fails,
                Ignored,
                Ignored,
                Ignored,
                Fails,
                Is(Open),
                Passes(BREAK_MS),
                Ignored,
                Is(HalfOpen),
                Succeeds,
                Is(Closed),
            ],
        ),
        (
            "what began before it opened is not counted by the circuit that closes after it",
            EXAMPLE,
            &[
                Begins,
                Begins,
                Fails,
                Fails,
                Passes(BREAK_MS),
                Succeeds,
                EndsBadly,
                EndsBadly,
                Is(Closed),
                Fails,
                Is(Closed),
            ],
        ),
        (
            "to set the mode that it has does not close it: another one in between does",
            EXAMPLE,
            &[
                Fails,
                Fails,
                Set(Mode::Normal),
                Is(Open),
                Set(Mode::Disabled),
                Set(Mode::Normal),
                Is(Closed),
            ],
        ),
        (
            "one call can be enough, where Polly asks for two",
            EXAMPLE.minimum(1),
            &[Fails, Is(Open)],
        ),
    ];
    for (rule, breaker, steps) in table {
        play(rule, *breaker, steps);
    }
}
