//! What a policy counted.

/// What happened under a policy since it was made. Each count stays at its end when it is reached.
///
/// They are read one after the other while calls go on, so sums of them may be off by calls that just ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Calls that succeeded.
    pub successes: u64,
    /// Attempts that failed with an error of their own.
    pub failures: u64,
    /// Attempts whose error says nothing about the dependency.
    pub ignored: u64,
    /// Attempts cut off because they took too long, or because the deadline passed.
    pub timeouts: u64,
    /// Attempts that panicked.
    pub panics: u64,
    /// Attempts whose caller went away.
    pub abandoned: u64,
    /// Attempts that took as long as the breaker calls slow, successful or not.
    pub slow: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Retries for which the retry budget had nothing.
    pub retries_refused: u64,
    /// How often the circuit breaker opened.
    pub opened: u64,
    /// Attempts that tried whether it works again.
    pub probes: u64,
    /// Attempts that the circuit breaker refused.
    pub refused_by_breaker: u64,
    /// Calls for which the bulkhead had no place.
    pub refused_by_bulkhead: u64,
    /// Calls whose deadline had passed before they began.
    pub refused_by_deadline: u64,
    /// Calls that waited for a place.
    pub queued: u64,
    /// Calls that waited too long for one.
    pub waits_timed_out: u64,
    /// Calls that wait now.
    pub waiting: u64,
    /// Calls that have a permit of the bulkhead now; 0 without one.
    pub running: u64,
}

/// Something that is counted under the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A success of a call from before the breaker's present state.
    UncountedSuccess,
    Failure,
    Ignored,
    TimedOut,
    Panic,
    Abandoned,
    Slow,
    Retry,
    RetryRefused,
    Opened,
    Probe,
    RefusedByBreaker,
    RefusedByBulkhead,
    RefusedByDeadline,
    Queued,
    WaitTimedOut,
}

pub(super) struct Tally(Counters);

impl Tally {
    pub(super) const fn new() -> Self {
        Self(Counters {
            successes: 0,
            failures: 0,
            ignored: 0,
            timeouts: 0,
            panics: 0,
            abandoned: 0,
            slow: 0,
            retries: 0,
            retries_refused: 0,
            opened: 0,
            probes: 0,
            refused_by_breaker: 0,
            refused_by_bulkhead: 0,
            refused_by_deadline: 0,
            queued: 0,
            waits_timed_out: 0,
            waiting: 0,
            running: 0,
        })
    }

    pub(super) fn add(&mut self, event: Event) {
        let counters = &mut self.0;
        let count = match event {
            Event::UncountedSuccess => &mut counters.successes,
            Event::Failure => &mut counters.failures,
            Event::Ignored => &mut counters.ignored,
            Event::TimedOut => &mut counters.timeouts,
            Event::Panic => &mut counters.panics,
            Event::Abandoned => &mut counters.abandoned,
            Event::Slow => &mut counters.slow,
            Event::Retry => &mut counters.retries,
            Event::RetryRefused => &mut counters.retries_refused,
            Event::Opened => &mut counters.opened,
            Event::Probe => &mut counters.probes,
            Event::RefusedByBreaker => &mut counters.refused_by_breaker,
            Event::RefusedByBulkhead => &mut counters.refused_by_bulkhead,
            Event::RefusedByDeadline => &mut counters.refused_by_deadline,
            Event::Queued => &mut counters.queued,
            Event::WaitTimedOut => &mut counters.waits_timed_out,
        };
        *count = count.saturating_add(1);
    }

    /// With what is counted elsewhere.
    pub(super) fn counters(&self, elsewhere: &Counters) -> Counters {
        Counters {
            successes: self.0.successes.saturating_add(elsewhere.successes),
            refused_by_breaker: self
                .0
                .refused_by_breaker
                .saturating_add(elsewhere.refused_by_breaker),
            waiting: elsewhere.waiting,
            running: elsewhere.running,
            ..self.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_stay_at_their_end() {
        let mut tally = Tally::new();
        tally.0.failures = u64::MAX;
        tally.0.refused_by_breaker = u64::MAX - 1;
        tally.add(Event::Failure);
        let elsewhere = Counters {
            refused_by_breaker: 2,
            successes: 3,
            ..Counters::default()
        };
        let counters = tally.counters(&elsewhere);
        assert_eq!(
            (counters.failures, counters.refused_by_breaker),
            (u64::MAX, u64::MAX)
        );
        assert_eq!(counters.successes, 3);
    }
}
