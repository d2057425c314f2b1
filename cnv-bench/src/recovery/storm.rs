//! Goal 4: what a backend sees that is fully down.

use std::time::Duration;

use cnv::recovery::{
    Bulkhead, Call, CircuitBreaker, Clock, Jitter, Moment, Policy, Retry, Settings as Recovery,
    Verdict,
};

use super::goal;
use crate::report::{Goal, Wanted};
use crate::rounds::Ratio;

/// Calls that are offered.
const OFFERED: u64 = 100_000;

/// How often a second.
const PER_SECOND: u64 = 1000;

/// A clock that the storm sets, so that a hundred seconds are over in one.
#[derive(Default)]
struct Set(std::sync::atomic::AtomicU64);

impl Clock for Set {
    fn now(&self) -> Moment {
        Moment::from_ns(self.0.load(std::sync::atomic::Ordering::Relaxed))
    }
}

/// Measures them.
pub fn run() -> Vec<Goal> {
    let retry = Retry::new()
        .base(Duration::from_nanos(1))
        .cap(Duration::from_nanos(1));
    let retry = retry.jitter(Jitter::None);
    let budget = Recovery::new().retry(retry);
    let all = budget
        .circuit_breaker(CircuitBreaker::new())
        .bulkhead(Bulkhead::new(16));
    let unbounded = Recovery::new().retry(retry.budget(1.0, u32::MAX));
    let text = "sent to a dead backend / offered";
    let goals = [
        ("all four", all, Wanted::AtMost(1.2)),
        ("retry alone", budget, Wanted::AtMost(1.2)),
        (
            "retry with all the budget there is",
            unbounded,
            Wanted::ForInformation,
        ),
    ];
    let goals = goals.map(|(part, settings, wanted)| {
        goal(4, text, part, wanted, Ratio::exact(amplification(settings)))
    });
    goals.into()
}

fn amplification(settings: Recovery) -> f64 {
    let policy = Policy::with_clock("dead", settings, Set::default());
    let mut sent = 0_u64;
    for call in 0..OFFERED {
        let clock = policy.clock();
        clock.0.store(
            call * 1_000_000_000 / PER_SECOND,
            std::sync::atomic::Ordering::Relaxed,
        );
        let down = |_| {
            sent += 1;
            Err::<(), ()>(())
        };
        let result = policy.call_blocking(Call::new(), |()| Verdict::Retry, down);
        assert!(result.is_err());
    }
    sent as f64 / OFFERED as f64
}
