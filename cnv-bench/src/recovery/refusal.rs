//! Goal 3: a call that is refused, and what that allocates.

use std::hint::black_box;

use cnv::recovery::{Bulkhead, Call, CircuitBreaker, Mode, Policy, Settings as Recovery, Verdict};

use super::{at_once, goal};
use crate::allocations;
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Ratio, Settings, measure};

const OPEN: &str = "an open breaker";
const FULL: &str = "a full bulkhead";
const FORCED: &str = "a breaker that is forced open";

fn call(policy: &Policy) -> bool {
    let body = |_| async { Ok::<_, u64>(black_box(7)) };
    let called = policy.call(Call::new(), |_: &u64| Verdict::Fail, body);
    at_once(called).is_some_and(|result| result.is_err())
}

/// Measures them.
pub fn run(settings: Settings) -> (Vec<Group>, Vec<Goal>) {
    let breaker = CircuitBreaker::new()
        .consecutive(1)
        .open(super::peers::SECOND * 3600);
    let open = Policy::new("open", Recovery::new().circuit_breaker(breaker));
    open.try_enter(open.now())
        .expect("it is closed")
        .fail(open.now());
    let forced = Policy::new("forced", Recovery::new().circuit_breaker(breaker));
    forced.set_mode(Mode::ForcedOpen);
    let full = Policy::new("full", Recovery::new().bulkhead(Bulkhead::new(1)));
    let _only = full.try_enter(full.now()).expect("there is room for one");
    let contenders = vec![
        Contender::new(OPEN, || call(&open)),
        Contender::new(FULL, || call(&full)),
        Contender::new(FORCED, || call(&forced)),
    ];
    let measured = measure("a refusal", 1, settings, contenders);
    let ns = "a refusal, ns";
    let mut goals = vec![
        goal(3, ns, OPEN, Wanted::AtMost(50.0), measured.ns(OPEN)),
        goal(3, ns, FULL, Wanted::AtMost(50.0), measured.ns(FULL)),
        goal(3, ns, FORCED, Wanted::ForInformation, measured.ns(FORCED)),
    ];
    for (name, policy) in [(OPEN, &open), (FULL, &full)] {
        let mut refused = true;
        let count = allocations::count(|| {
            for _ in 0..100 {
                refused &= call(policy);
            }
        });
        assert!(refused, "what is measured are refusals");
        let text = "allocations in 100 refusals";
        goals.push(goal(
            3,
            text,
            name,
            Wanted::AtMost(0.0),
            Ratio::exact(count as f64),
        ));
    }
    (vec![Group::from(&measured)], goals)
}
