//! Bulkhead and circuit breaker beside a model of them that keeps a list of what happened, on a clock that the test sets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cnv::recovery::{
    Admission, BreakerState, Bulkhead, Call, Cause, CircuitBreaker, Clock, Mode, Moment, Policy,
    Settings, Verdict,
};
use proptest::prelude::*;

const BUCKET: u64 = 1_000_000_000;
const WINDOW: u64 = 10 * BUCKET;
const MAX: u32 = 6;
const PROBES: u32 = 3;
const MINIMUM: usize = 5;
const CONSECUTIVE: u32 = 7;
const OPEN: u64 = 5 * BUCKET;
const HALF_OPEN: u64 = 10 * BUCKET;

/// A clock that stands where it is set.
#[derive(Default)]
struct Set(AtomicU64);

impl Set {
    fn set(&self, now_ns: u64) {
        self.0.store(now_ns, Ordering::Relaxed);
    }
}

impl Clock for Set {
    fn now(&self) -> Moment {
        Moment::from_ns(self.0.load(Ordering::Relaxed))
    }
}

const BREAKER: CircuitBreaker = CircuitBreaker::new()
    .failures(0.5)
    .window(Duration::from_nanos(WINDOW))
    .minimum(MINIMUM as u32)
    .consecutive(CONSECUTIVE)
    .open(Duration::from_nanos(OPEN))
    .longest_open(Duration::from_nanos(2 * OPEN))
    .probes(PROBES)
    .half_open(Duration::from_nanos(HALF_OPEN));

fn policy(settings: Settings) -> Policy<Set> {
    let policy = Policy::with_clock("model", settings, Set::default());
    policy.clock().set(START);
    policy
}

const START: u64 = 1000 * BUCKET;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Closed,
    Open {
        since: u64,
        span: u64,
    },
    HalfOpen {
        since: u64,
        out: u32,
        succeeded: u32,
    },
}

/// A permit of the model: the state's number when it was given, and whether it was a probe.
#[derive(Clone, Copy, Debug)]
struct Held {
    epoch: u32,
    is_probe: bool,
}

struct Model {
    phase: Phase,
    epoch: u32,
    /// When, and whether it was a failure.
    happened: Vec<(u64, bool)>,
    streak: u32,
    /// The latest moment at which the window was looked at.
    start: u64,
}

impl Model {
    fn new() -> Self {
        Self {
            phase: Phase::Closed,
            epoch: 0,
            happened: Vec::new(),
            streak: 0,
            start: 0,
        }
    }

    fn enter_phase(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
    }

    /// A reading that is less than a window late is as good as the latest. After a clock went back further, what happened
    /// is as long ago as it was.
    fn look(&mut self, now: u64) {
        match self.start.checked_sub(now) {
            Some(1..WINDOW) => return,
            Some(back) => {
                for (at, _) in &mut self.happened {
                    *at = at.saturating_sub(back);
                }
            }
            None => {}
        }
        self.start = now;
        self.happened.retain(|(at, _)| now - at < WINDOW);
    }

    /// Whether a call is let through, with the reason where it is not.
    fn enter(&mut self, now: u64, held: usize) -> Result<Held, Cause> {
        let is_over = |since: u64, span| now >= since && now - since >= span;
        if held == MAX as usize {
            return Err(match self.phase {
                Phase::Open { since, span } if now >= since && !is_over(since, span) => Cause::Open,
                Phase::HalfOpen {
                    since,
                    out,
                    succeeded,
                } if out + succeeded == PROBES && now >= since && !is_over(since, HALF_OPEN) => {
                    Cause::ProbesOut
                }
                _ => Cause::Full,
            });
        }
        match self.phase {
            Phase::Open { since, span } if now >= since && !is_over(since, span) => {
                return Err(Cause::Open);
            }
            _ => self.look(now),
        }
        match &mut self.phase {
            Phase::Closed => {
                return Ok(Held {
                    epoch: self.epoch,
                    is_probe: false,
                });
            }
            Phase::Open { since, .. } if now < *since => {
                *since = now;
                return Err(Cause::Open);
            }
            Phase::Open { .. } => {
                self.enter_phase(Phase::HalfOpen {
                    since: now,
                    out: 0,
                    succeeded: 0,
                });
            }
            Phase::HalfOpen { since, out, .. } => {
                if now < *since || is_over(*since, HALF_OPEN) && *out == 0 {
                    *since = now;
                } else if is_over(*since, HALF_OPEN) {
                    self.open(now);
                    return Err(Cause::Open);
                }
            }
        }
        let epoch = self.epoch;
        match &mut self.phase {
            Phase::HalfOpen { out, succeeded, .. } if *out + *succeeded < PROBES => {
                *out += 1;
                Ok(Held {
                    epoch,
                    is_probe: true,
                })
            }
            _ => Err(Cause::ProbesOut),
        }
    }

    /// For a time that has to be found out.
    fn open(&mut self, now: u64) {
        self.enter_phase(Phase::Open {
            since: now,
            span: 0,
        });
    }

    fn end(&mut self, held: Held, now: u64, outcome: Option<bool>) {
        if held.epoch != self.epoch {
            return;
        }
        if held.is_probe {
            let Phase::HalfOpen { out, succeeded, .. } = &mut self.phase else {
                unreachable!("the state has not changed");
            };
            *out -= 1;
            match outcome {
                None => {}
                Some(true) => {
                    *succeeded += 1;
                    if *succeeded == PROBES {
                        self.happened.clear();
                        self.streak = 0;
                        self.start = now;
                        self.enter_phase(Phase::Closed);
                    }
                }
                Some(false) => self.open(now),
            }
            return;
        }
        self.look(now);
        let Some(is_success) = outcome else { return };
        self.happened.push((self.start, !is_success));
        self.streak = if is_success { 0 } else { self.streak + 1 };
        let failures = self
            .happened
            .iter()
            .filter(|(_, is_failure)| *is_failure)
            .count();
        let is_failing = self.happened.len() >= MINIMUM && 2 * failures >= self.happened.len();
        if !is_success && (is_failing || self.streak == CONSECUTIVE) {
            self.open(now);
        }
    }

    fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// With a reading of the clock that is so many buckets old.
    Enter(u64),
    Succeed(prop::sample::Index, u64),
    Fail(prop::sample::Index, u64),
    Drop(prop::sample::Index),
    /// By so many buckets.
    Pass(u64),
    Back(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    // Shorter than the breaker stays open, so that whoever opens it late sees it open.
    let late = || prop_oneof![4 => Just(0), 1 => 1..OPEN / BUCKET];
    prop_oneof![
        10 => late().prop_map(Step::Enter),
        5 => (index(), late()).prop_map(|(index, late)| Step::Succeed(index, late)),
        5 => (index(), late()).prop_map(|(index, late)| Step::Fail(index, late)),
        1 => index().prop_map(Step::Drop),
        4 => (1..4_u64).prop_map(Step::Pass),
        1 => (4..40_u64).prop_map(Step::Pass),
        1 => (1..40_u64).prop_map(Step::Back),
    ]
}

/// Takes a permit out of what is held, if there is one.
fn take<'p>(
    held: &mut Vec<(Held, Admission<'p, Set>)>,
    index: &prop::sample::Index,
) -> Option<(Held, Admission<'p, Set>)> {
    (!held.is_empty()).then(|| held.remove(index.index(held.len())))
}

fn check(steps: &[Step]) {
    let settings = Settings::new()
        .circuit_breaker(BREAKER)
        .bulkhead(Bulkhead::new(MAX));
    let policy = policy(settings);
    let mut model = Model::new();
    let mut held = Vec::new();
    let mut now = START;
    for step in steps {
        match step {
            Step::Enter(late) => {
                let read = now - late * BUCKET;
                let entered = policy.try_enter(Moment::from_ns(read));
                let expected = model.enter(read, held.len());
                match (entered, expected) {
                    (Ok(permit), Ok(own)) => held.push((own, permit)),
                    (entered, expected) => assert_eq!(
                        entered.map(|_| ()).map_err(|refused| refused.cause()),
                        expected.map(|_| ()),
                    ),
                }
            }
            Step::Succeed(index, late) => {
                if let Some((own, permit)) = take(&mut held, index) {
                    let read = now - late * BUCKET;
                    permit.succeed(Moment::from_ns(read));
                    model.end(own, read, Some(true));
                }
            }
            Step::Fail(index, late) => {
                if let Some((own, permit)) = take(&mut held, index) {
                    let read = now - late * BUCKET;
                    permit.fail(Moment::from_ns(read));
                    model.end(own, read, Some(false));
                }
            }
            Step::Drop(index) => {
                if let Some((own, permit)) = take(&mut held, index) {
                    drop(permit);
                    model.end(own, now, None);
                }
            }
            Step::Pass(buckets) => now += buckets * BUCKET,
            Step::Back(buckets) => now -= buckets * BUCKET,
        }
        policy.clock().set(now);
        if let Phase::Open { since, span: 0 } = model.phase {
            let refused = policy.try_enter(policy.now()).unwrap_err();
            let span = now - since + refused.retry_after().unwrap().as_nanos() as u64;
            assert!((OPEN..=2 * OPEN * 5 / 4).contains(&span), "{span}");
            model.phase = Phase::Open { since, span };
        }
        assert_eq!(policy.state(), model.state());
        assert_eq!(policy.counters().running, held.len() as u64);
    }
    // Whatever happened: what works again is called again.
    drop(held);
    policy.clock().set(now + 1000 * BUCKET);
    for _ in 0..PROBES {
        policy
            .try_enter(policy.now())
            .unwrap()
            .succeed(policy.now());
    }
    assert_eq!(policy.state(), BreakerState::Closed);
    let all: Vec<_> = (0..MAX)
        .map(|_| policy.try_enter(policy.now()).unwrap())
        .collect();
    assert_eq!(
        policy.try_enter(policy.now()).unwrap_err().cause(),
        Cause::Full
    );
    drop(all);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn it_does_what_the_model_does(steps in prop::collection::vec(step(), 1..120)) {
        check(&steps);
    }

    /// At any moments there are, also those of a clock that is out of its mind.
    #[test]
    fn no_jump_of_the_clock_makes_it_stick(moments in prop::collection::vec(any::<(u64, u8)>(), 1..100)) {
        let settings = Settings::new().circuit_breaker(BREAKER).bulkhead(Bulkhead::new(1));
        let policy = policy(settings);
        for (now, what) in moments {
            policy.clock().set(now);
            if let Ok(permit) = policy.try_enter(policy.now()) {
                match what % 3 {
                    0 => permit.succeed(policy.now()),
                    1 => permit.fail(policy.now()),
                    _ => drop(permit),
                }
            }
        }
        // From wherever it stands it runs as a clock does: within the longest time that it may be open, it is tried.
        let now = policy.now().as_ns() / 2;
        for second in 0..=(2 * OPEN * 5 / 4 + HALF_OPEN) / BUCKET + u64::from(PROBES) {
            policy.clock().set(now + second * BUCKET);
            if let Ok(permit) = policy.try_enter(policy.now()) {
                permit.succeed(policy.now());
            }
        }
        prop_assert_eq!(policy.state(), BreakerState::Closed);
    }
}

#[test]
fn after_a_million_successes_it_opens_within_a_window() {
    let policy = policy(Settings::new().circuit_breaker(CircuitBreaker::new()));
    let at = |ns| policy.clock().set(START + ns);
    let call = 1_000_000; // 1000 calls a second
    for number in 0..1_000_000 {
        at(number * call);
        policy
            .try_enter(policy.now())
            .unwrap()
            .succeed(policy.now());
    }
    let begin = 1_000_000 * call;
    let window = WINDOW;
    let opened = (0..).map(|number| number * call).find(|ns| {
        at(begin + ns);
        policy.try_enter(policy.now()).unwrap().fail(policy.now());
        policy.state() == BreakerState::Open
    });
    // Half of the calls of the window have failed after half of it.
    let opened = opened.unwrap();
    assert!(
        (window * 2 / 5..=window * 3 / 5).contains(&opened),
        "{opened}"
    );
    assert_eq!(policy.counters().successes, 1_000_000);
}

/// Each reading is from before what was counted last, as where a thread is held up between the clock and the lock.
#[test]
fn readings_that_come_late_open_it_all_the_same() {
    let policy = policy(Settings::new().circuit_breaker(CircuitBreaker::new()));
    let opened = (0..900_u64).find(|number| {
        let now = START + number * 10_000_000;
        policy.clock().set(now);
        let permit = policy.try_enter(policy.now()).unwrap();
        let late = Moment::from_ns(now - 3 * BUCKET);
        if number % 3 == 0 {
            permit.succeed(late)
        } else {
            permit.fail(late)
        }
        policy.state() == BreakerState::Open
    });
    // As soon as there are enough calls.
    assert_eq!(opened, Some(19));
}

/// A success at once is reported with the moment at which its call began, unless that is long over.
#[test]
fn a_body_that_held_its_thread_up_forgets_nothing() {
    let policy = policy(Settings::new().circuit_breaker(CircuitBreaker::new()));
    let fail = || policy.try_enter(policy.now()).unwrap().fail(policy.now());
    let mut call = Box::pin(policy.call(
        Call::new(),
        |_: &()| Verdict::Fail,
        |_| {
            policy.clock().set(START + 2 * WINDOW);
            (0..19).for_each(|_| fail());
            std::future::ready(Ok(()))
        },
    ));
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(call.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
    fail();
    assert_eq!(policy.state(), BreakerState::Open);
}

#[test]
fn a_part_that_is_too_small_never_opens() {
    let policy = policy(Settings::new().circuit_breaker(CircuitBreaker::new()));
    for number in 0..100_000_u64 {
        policy.clock().set(START + number * 1_000_000);
        let permit = policy.try_enter(policy.now()).unwrap();
        // 40 % of them, in turn.
        if number % 5 < 2 {
            permit.fail(policy.now())
        } else {
            permit.succeed(policy.now())
        }
    }
    assert_eq!(
        (policy.state(), policy.counters().opened),
        (BreakerState::Closed, 0)
    );
}

#[test]
fn results_from_before_a_change_of_mode_say_nothing() {
    let policy = policy(Settings::new().circuit_breaker(BREAKER.consecutive(1)));
    let before = policy.try_enter(policy.now()).unwrap();
    policy.set_mode(Mode::MetricsOnly);
    policy.set_mode(Mode::Normal);
    before.fail(policy.now());
    assert_eq!(policy.state(), BreakerState::Closed);
    policy.try_enter(policy.now()).unwrap().fail(policy.now());
    assert_eq!(policy.state(), BreakerState::Open);
}
