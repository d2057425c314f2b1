//! What the policies of an application count.

use crate::recovery::{BreakerState, Counters, Policy};
use crate::trace::metrics::{Family, Number, Point, Points};

const STATES: [BreakerState; 6] = [
    BreakerState::Closed,
    BreakerState::Open,
    BreakerState::HalfOpen,
    BreakerState::ForcedOpen,
    BreakerState::Disabled,
    BreakerState::MetricsOnly,
];

/// One policy at one moment.
struct Seen {
    name: &'static str,
    state: Option<BreakerState>,
    has_bulkhead: bool,
    counters: Counters,
}

/// A number of a policy, with one more label where there are several.
type Of = (Option<(&'static str, &'static str)>, fn(&Counters) -> u64);

/// The metrics of these policies, which are sorted by their names.
pub(super) fn collect(policies: &[&'static Policy]) -> Vec<Family> {
    let mut seen: Vec<Seen> = Vec::with_capacity(policies.len());
    for policy in policies {
        // Two of one name are a fault of the application, and one of them is shown.
        if seen
            .last()
            .is_some_and(|before| before.name == policy.name())
        {
            continue;
        }
        let settings = policy.settings();
        seen.push(Seen {
            name: policy.name(),
            state: settings.has_circuit_breaker().then(|| policy.state()),
            has_bulkhead: settings.has_bulkhead(),
            counters: policy.counters(),
        });
    }
    let any = |_: &Seen| true;
    let with_breaker = |seen: &Seen| seen.state.is_some();
    let with_bulkhead = |seen: &Seen| seen.has_bulkhead;
    let families = [
        breakers(&seen),
        counter(
            "cnv.breaker.opened",
            "{opening}",
            "How often the circuit breaker of a policy opened.",
            numbers(&seen, with_breaker, &[(None, |of| of.opened)]),
        ),
        counter(
            "cnv.breaker.probes",
            "{attempt}",
            "Attempts that tried whether a dependency works again.",
            numbers(&seen, with_breaker, &[(None, |of| of.probes)]),
        ),
        Family::new(
            "cnv.bulkhead.active",
            "{call}",
            "Calls that have a place in the bulkhead of a policy.",
            Points::Gauge(numbers(&seen, with_bulkhead, &[(None, |of| of.running)])),
        ),
        Family::new(
            "cnv.bulkhead.queue",
            "{call}",
            "Calls that wait for a place in the bulkhead of a policy.",
            Points::Gauge(numbers(&seen, with_bulkhead, &[(None, |of| of.waiting)])),
        ),
        counter(
            "cnv.bulkhead.queued",
            "{call}",
            "Calls that waited for a place, or do.",
            numbers(&seen, with_bulkhead, &[(None, |of| of.queued)]),
        ),
        counter(
            "cnv.policy.attempts",
            "{attempt}",
            "Attempts under a policy, by how they ended.",
            numbers(
                &seen,
                any,
                &[
                    (Some(("outcome", "ok")), |of| of.successes),
                    (Some(("outcome", "failed")), |of| of.failures),
                    (Some(("outcome", "ignored")), |of| of.ignored),
                    (Some(("outcome", "timeout")), |of| of.timeouts),
                    (Some(("outcome", "panicked")), |of| of.panics),
                    (Some(("outcome", "abandoned")), |of| of.abandoned),
                ],
            ),
        ),
        counter(
            "cnv.policy.slow",
            "{attempt}",
            "Attempts that the circuit breaker of a policy calls slow.",
            numbers(&seen, with_breaker, &[(None, |of| of.slow)]),
        ),
        counter(
            "cnv.policy.retries",
            "{attempt}",
            "Attempts after the first.",
            numbers(&seen, any, &[(None, |of| of.retries)]),
        ),
        counter(
            "cnv.policy.refused",
            "{call}",
            "What a policy did not let through, by what refused it.",
            numbers(
                &seen,
                any,
                &[
                    (Some(("cause", "breaker")), |of| of.refused_by_breaker),
                    (Some(("cause", "bulkhead")), |of| of.refused_by_bulkhead),
                    (Some(("cause", "deadline")), |of| of.refused_by_deadline),
                    (Some(("cause", "queue_wait")), |of| of.waits_timed_out),
                    (Some(("cause", "retry_budget")), |of| of.retries_refused),
                ],
            ),
        ),
    ];
    families.into_iter().collect()
}

fn counter(
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    points: Vec<Point<Number>>,
) -> Family {
    Family::new(name, unit, help, Points::Counter(points))
}

/// Which state each breaker is in: 1 for that one, and 0 for the others.
fn breakers(seen: &[Seen]) -> Family {
    let mut points = Vec::new();
    for policy in seen {
        for state in STATES.iter().filter(|_| policy.state.is_some()) {
            let is_it = u64::from(policy.state == Some(*state));
            let labels = [("policy", policy.name), ("state", state.as_str())];
            points.push(Point::new(labels, is_it));
        }
    }
    Family::new(
        "cnv.breaker.state",
        "",
        "The state of the circuit breaker of a policy: 1 for the one that it is in, 0 for the others.",
        Points::Gauge(points),
    )
}

fn numbers(seen: &[Seen], of: impl Fn(&Seen) -> bool, numbers: &[Of]) -> Vec<Point<Number>> {
    let mut points = Vec::new();
    for policy in seen.iter().filter(|policy| of(policy)) {
        for (label, number) in numbers {
            let labels = [("policy", policy.name)].into_iter().chain(*label);
            points.push(Point::new(labels, number(&policy.counters)));
        }
    }
    points
}
