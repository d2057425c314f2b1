//! Goals 1 and 2: a call that succeeds at once.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;

use backon::Retryable;
use cnv::recovery::{
    Bulkhead, Call, CircuitBreaker, Clock, Moment, Monotonic, Policy, RecoveryLayer, Retry,
    Settings as Recovery, Verdict,
};
use failsafe::CircuitBreaker as _;
use tokio::sync::Semaphore;
use tower::{Layer, service_fn};

use super::peers::{self, SECOND, answer};
use super::{at_once, goal};
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Measured, Settings, measure};

const CNV: &str = "cnv";
const EXACT: &str = "cnv, exact clock";
const QUEUE: &str = "cnv, with a queue";
const BLOCKING: &str = "cnv, blocking";
const LAYER: &str = "cnv, as a tower layer";
const TOWER: &str = "tower";
const RESILIENCE: &str = "tower-resilience";
const BARE: &str = "the body alone";
const HANDED: &str = "cnv, time at hand";
const FAILSAFE: &str = "failsafe";
const SEMAPHORE: &str = "tokio's Semaphore";
const BACKON: &str = "backon";
const COARSE: &str = "coarse";
const FINE: &str = "exact";
const INSTANT: &str = "Instant";

const ALL: Recovery = Recovery::new()
    .timeout(SECOND)
    .retry(Retry::new())
    .circuit_breaker(CircuitBreaker::new())
    .bulkhead(Bulkhead::new(16));

/// Reads the exact clock, whatever the settings need.
struct Exact;

impl Clock for Exact {
    fn now(&self) -> Moment {
        Monotonic.fine_now()
    }
}

fn again(_: &Infallible) -> Verdict {
    Verdict::Retry
}

/// Calls `answer` under a policy.
fn call<C: Clock>(policy: &Policy<C>) -> Option<u64> {
    let called = policy.call(Call::new(), again, |_| answer(black_box(7)));
    at_once(called)?.ok()
}

/// Measures them.
pub fn run(settings: Settings) -> (Vec<Group>, Vec<Goal>) {
    let all = all(settings);
    let breaker = breaker(settings);
    let bulkhead = bulkhead(settings);
    let retry = retry(settings);
    let clock = clock(settings);
    let text = "admitted by all four, ns over the body";
    let over_body = all.ns_over(CNV, BARE);
    let stack = "of all four, times as fast as";
    let alone = "the breaker alone";
    let info = Wanted::ForInformation;
    let goals = vec![
        goal(1, text, "coarse clock", Wanted::AtMost(12.0), over_body),
        goal(1, text, "exact clock", info, all.ns_over(EXACT, BARE)),
        goal(1, text, "with a queue", info, all.ns_over(QUEUE, BARE)),
        goal(1, text, "blocking", info, all.ns_over(BLOCKING, BARE)),
        goal(1, text, "as a tower layer", info, all.ns_over(LAYER, BARE)),
        goal(
            1,
            text,
            "the coarse clock's part of it",
            info,
            clock.ns_over(COARSE, BARE),
        ),
        goal(
            1,
            stack,
            "tower",
            Wanted::AtLeast(6.0),
            all.speed_over(CNV, &[TOWER]),
        ),
        goal(
            1,
            stack,
            "tower, as a layer",
            info,
            all.speed_over(LAYER, &[TOWER]),
        ),
        goal(
            1,
            stack,
            "tower-resilience",
            info,
            all.speed_over(CNV, &[RESILIENCE]),
        ),
        goal(
            2,
            alone,
            "ns, time at hand",
            Wanted::AtMost(4.0),
            breaker.ns_over(HANDED, BARE),
        ),
        goal(2, alone, "ns", info, breaker.ns_over(CNV, BARE)),
        goal(
            2,
            alone,
            "failsafe / cnv",
            Wanted::AtLeast(15.0),
            breaker.speed_over(HANDED, &[FAILSAFE]),
        ),
        goal(
            2,
            alone,
            "failsafe / cnv with its clock",
            info,
            breaker.speed_over(CNV, &[FAILSAFE]),
        ),
        goal(
            2,
            "the bulkhead alone",
            "tokio's Semaphore / cnv",
            info,
            bulkhead.speed_over(HANDED, &[SEMAPHORE]),
        ),
        goal(
            2,
            "retry alone",
            "backon / cnv",
            info,
            retry.speed_over(CNV, &[BACKON]),
        ),
    ];
    let groups = [&all, &breaker, &bulkhead, &retry, &clock];
    (groups.map(Group::from).into(), goals)
}

fn all(settings: Settings) -> Measured {
    let policy = Policy::new("all", ALL);
    let exact = Policy::with_clock("exact", ALL, Exact);
    let queue = Policy::new("queue", ALL.bulkhead(Bulkhead::new(16).queue(16)));
    let blocking = Policy::new("blocking", ALL);
    let layer = RecoveryLayer::new(Arc::new(Policy::new("layer", ALL)), again);
    let mut layer = layer.layer(service_fn(answer));
    let mut tower = peers::tower();
    let mut resilience = peers::tower_resilience();
    let contenders = vec![
        Contender::new(BARE, || at_once(answer(black_box(7)))),
        Contender::new(CNV, || call(&policy)),
        Contender::new(EXACT, || call(&exact)),
        Contender::new(QUEUE, || call(&queue)),
        Contender::new(BLOCKING, || {
            blocking.call_blocking(Call::new(), again, |_| Ok(black_box(7_u64) + 1))
        }),
        Contender::new(LAYER, || peers::call(&mut layer, 7)),
        Contender::new(TOWER, || peers::call(&mut tower, 7)),
        Contender::new(RESILIENCE, || peers::call(&mut resilience, 7)),
    ];
    measure("a call that succeeds", 1, settings, contenders)
}

fn breaker(settings: Settings) -> Measured {
    let breaker = || {
        Policy::new(
            "breaker",
            Recovery::new().circuit_breaker(CircuitBreaker::new()),
        )
    };
    let (policy, handed) = (breaker(), breaker());
    let now = handed.now();
    let failsafe = peers::failsafe();
    let body = || Ok::<u64, Infallible>(black_box(7));
    let contenders = vec![
        Contender::new(BARE, body),
        Contender::new(CNV, || policy.call_blocking(Call::new(), again, |_| body())),
        Contender::new(HANDED, || {
            let permit = handed.try_enter(black_box(now)).ok()?;
            let value = body().ok()?;
            permit.succeed(now);
            Some(value)
        }),
        Contender::new(FAILSAFE, || failsafe.call(body).ok()),
    ];
    measure("a breaker", 1, settings, contenders)
}

fn bulkhead(settings: Settings) -> Measured {
    let policy = Policy::new("bulkhead", Recovery::new().bulkhead(Bulkhead::new(16)));
    let now = policy.now();
    let semaphore = Semaphore::new(16);
    let contenders = vec![
        Contender::new(HANDED, || {
            policy
                .try_enter(black_box(now))
                .map(|permit| permit.succeed(now))
                .is_ok()
        }),
        Contender::new(SEMAPHORE, || semaphore.try_acquire().is_ok()),
    ];
    measure("a bulkhead", 1, settings, contenders)
}

fn retry(settings: Settings) -> Measured {
    let policy = Policy::new("retry", Recovery::new().retry(Retry::new()));
    let backoff = backon::ExponentialBuilder::default()
        .with_jitter()
        .with_max_times(2);
    let contenders = vec![
        Contender::new(CNV, || call(&policy)),
        Contender::new(BACKON, || {
            let called = (|| answer(black_box(7))).retry(backoff);
            at_once(called.into_future())
        }),
    ];
    measure("a retry that is not needed", 1, settings, contenders)
}

fn clock(settings: Settings) -> Measured {
    let contenders = vec![
        Contender::new(BARE, || black_box(7)),
        Contender::new(COARSE, || Monotonic.now()),
        Contender::new(FINE, || Monotonic.fine_now()),
        Contender::new(INSTANT, std::time::Instant::now),
    ];
    measure("a clock", 1, settings, contenders)
}
