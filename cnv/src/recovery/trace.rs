//! What a policy decided in one call, for its receipt.

use core::fmt;
use core::time::Duration;

use super::refused::{Cause, Stage};

/// How many decisions a [`Trace`] keeps.
const KEPT: usize = 16;

/// What was decided, in order, in the place that the trace has: 16 decisions, and the count of those after them.
///
/// A call whose first attempt succeeds without waiting leaves it empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    decisions: [Option<Decision>; KEPT],
    len: u8,
    dropped: u32,
    attempts: u32,
}

/// One decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// The call waits for a place in the bulkhead.
    Queued,
    /// It has its place.
    Admitted,
    /// It was let through as a probe of a half-open circuit breaker.
    Probe,
    /// An attempt failed with an error of its own.
    Failed,
    /// An attempt failed, and its error says nothing about the dependency.
    Ignored,
    /// An attempt took too long.
    TimedOut,
    /// An attempt panicked.
    Panicked,
    /// Whoever waited for the call dropped it.
    Abandoned,
    /// The next attempt is made after this time.
    BackedOff(Duration),
    /// No other attempt: the retry budget is used up.
    RetryBudgetSpent,
    /// No other attempt: what remains until the deadline is shorter than the backoff.
    TooLittleTime,
    /// No other attempt: the dependency wants to be asked again later than a call without a deadline waits.
    PushbackTooLong,
    /// The call was refused or cut off.
    Refused(Stage, Cause),
}

impl Trace {
    /// One without decisions.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            decisions: [None; KEPT],
            len: 0,
            dropped: 0,
            attempts: 0,
        }
    }

    /// The decisions, the first first.
    pub fn decisions(&self) -> impl Iterator<Item = Decision> + '_ {
        self.decisions.iter().map_while(|decision| *decision)
    }

    /// How many decisions came after those that are kept.
    #[must_use]
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    /// How many attempts were made.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(super) fn push(&mut self, decision: Decision) {
        match self.decisions.get_mut(usize::from(self.len)) {
            Some(place) => {
                *place = Some(decision);
                self.len += 1;
            }
            None => self.dropped = self.dropped.saturating_add(1),
        }
    }

    pub(super) const fn begin_attempt(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Queued => "queued",
            Self::Admitted => "admitted",
            Self::Probe => "probe",
            Self::Failed => "failed",
            Self::Ignored => "ignored",
            Self::TimedOut => "timed_out",
            Self::Panicked => "panicked",
            Self::Abandoned => "abandoned",
            Self::BackedOff(time) => return write!(f, "backed_off {} ms", time.as_millis()),
            Self::RetryBudgetSpent => "retry_budget_spent",
            Self::TooLittleTime => "too_little_time",
            Self::PushbackTooLong => "pushback_too_long",
            Self::Refused(stage, cause) => {
                return write!(f, "refused {} {}", stage.as_str(), cause.as_str());
            }
        };
        f.write_str(text)
    }
}

impl fmt::Display for Trace {
    /// One decision after the other, with commas between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, decision) in self.decisions().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            decision.fmt(f)?;
        }
        match self.dropped {
            0 => Ok(()),
            dropped => write!(f, ", and {dropped} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_no_place_for_is_counted() {
        let mut trace = Trace::new();
        trace.push(Decision::Failed);
        trace.push(Decision::BackedOff(Duration::from_millis(20)));
        assert_eq!(trace.to_string(), "failed, backed_off 20 ms");
        for _ in 2..KEPT {
            trace.push(Decision::Failed);
        }
        assert_eq!((trace.decisions().count(), trace.dropped()), (KEPT, 0));
        trace.push(Decision::Refused(Stage::Deadline, Cause::DeadlinePassed));
        assert_eq!((trace.decisions().count(), trace.dropped()), (KEPT, 1));
        assert!(trace.to_string().ends_with("failed, and 1 more"));
    }
}
