//! What a policy says in place of an answer.

use core::error::Error;
use core::fmt;
use core::time::Duration;
use std::io;

/// Where a call ended that was refused or cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Before anything: its deadline had passed.
    Deadline,
    /// At the bulkhead: as many ran, and waited, as may.
    Bulkhead,
    /// In the bulkhead's queue.
    Queue,
    /// At the circuit breaker.
    CircuitBreaker,
    /// In an attempt.
    Attempt,
    /// Between two attempts.
    Backoff,
}

impl Stage {
    /// Its name, for logs and receipts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Bulkhead => "bulkhead",
            Self::Queue => "queue",
            Self::CircuitBreaker => "circuit_breaker",
            Self::Attempt => "attempt",
            Self::Backoff => "backoff",
        }
    }
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The call's deadline passed.
    DeadlinePassed,
    /// An attempt took longer than it may.
    AttemptTimedOut,
    /// The wait for a place took longer than it may.
    WaitTimedOut,
    /// There was no place, neither to run nor to wait.
    Full,
    /// The circuit breaker is open.
    Open,
    /// The circuit breaker is half-open, and its probes are out.
    ProbesOut,
    /// The circuit breaker was forced open.
    ForcedOpen,
    /// Whoever made the call took it back.
    Cancelled,
}

impl Cause {
    /// Its name, for logs and receipts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeadlinePassed => "deadline_passed",
            Self::AttemptTimedOut => "attempt_timed_out",
            Self::WaitTimedOut => "wait_timed_out",
            Self::Full => "full",
            Self::Open => "open",
            Self::ProbesOut => "probes_out",
            Self::ForcedOpen => "forced_open",
            Self::Cancelled => "cancelled",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::DeadlinePassed => "its deadline passed",
            Self::AttemptTimedOut => "the attempt took too long",
            Self::WaitTimedOut => "it waited too long for its turn",
            Self::Full => "too many calls are running",
            Self::Open => "the circuit breaker is open",
            Self::ProbesOut => "the circuit breaker is half-open, and others try",
            Self::ForcedOpen => "the circuit breaker was forced open",
            Self::Cancelled => "the call was cancelled",
        }
    }
}

/// A call that a policy refused or cut off. Making one allocates nothing.
///
/// A retry makes sense: not before [`retry_after`](Self::retry_after), where it is known, and not where the cause is the
/// caller's own deadline or its cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub(super) detail: Detail,
}

/// What there is to know: what a [`Refused`] has as its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Detail {
    pub(super) policy: &'static str,
    pub(super) stage: Stage,
    pub(super) cause: Cause,
    /// [`NO_RETRIES`] where the call has none: it has room beside the two.
    pub(super) retries_left: u16,
    pub(super) attempts: u32,
    /// `None` in all ones, which is no time that a setting has: the error is then a word shorter.
    pub(super) retry_after_ns: u64,
    pub(super) remaining_ns: u64,
}

/// Of [`Detail::retry_after_ns`] and [`Detail::remaining_ns`]: there is none.
pub(super) const UNKNOWN: u64 = u64::MAX;

/// Of [`Detail::retries_left`]: the call has no retries.
pub(super) const NO_RETRIES: u16 = u16::MAX;

/// As many retries as can be told of.
pub(super) fn most_retries(left: u32) -> u16 {
    u16::try_from(left).map_or(NO_RETRIES - 1, |left| left.min(NO_RETRIES - 1))
}

impl Refused {
    /// The name of the policy.
    #[must_use]
    pub const fn policy(&self) -> &'static str {
        self.detail.policy
    }

    /// Where the call ended.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.detail.stage
    }

    /// Why it ended.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        self.detail.cause
    }

    /// How many attempts were made.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.detail.attempts
    }

    /// After what time it makes sense to call again, where that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        known(self.detail.retry_after_ns)
    }

    /// How much time was left until the call's deadline, if it had one.
    #[must_use]
    pub const fn remaining(&self) -> Option<Duration> {
        known(self.detail.remaining_ns)
    }

    /// How many retries the policy's retry budget had left for all of its calls together, up to 65 534; `None` where the
    /// call has no retries.
    ///
    /// It is what was left after the last failure, with what time has earned since: successes since then earned some more.
    #[must_use]
    pub const fn retry_budget_left(&self) -> Option<u32> {
        match self.detail.retries_left {
            NO_RETRIES => None,
            left => Some(left as u32),
        }
    }
}

const fn known(ns: u64) -> Option<Duration> {
    if ns == UNKNOWN {
        None
    } else {
        Some(Duration::from_nanos(ns))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Detail {
            policy,
            cause,
            attempts,
            ..
        } = self.detail;
        write!(f, "`{policy}` did not answer: {}", cause.text())?;
        match attempts {
            0 => {}
            1 => f.write_str(", after 1 attempt")?,
            attempts => write!(f, ", after {attempts} attempts")?,
        }
        // Otherwise it is not what kept the call from another attempt.
        if cause == Cause::AttemptTimedOut && self.retry_budget_left() == Some(0) {
            f.write_str(", and the retry budget is used up")?;
        }
        match self.retry_after() {
            Some(time) => write!(
                f,
                "; try again in {} ms",
                time.as_nanos().div_ceil(1_000_000)
            ),
            None => Ok(()),
        }
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.detail)
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause.text())
    }
}

impl Error for Detail {}

impl Refused {
    /// The refusal that `error` is. A wrapper that passes on the source of what it wraps, as `#[error(transparent)]` makes
    /// one, hides the refusal itself and leaves its detail.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let detail = error.downcast_ref::<Detail>();
        let refused = error.downcast_ref::<Self>().copied();
        refused.or_else(|| detail.map(|&detail| Self { detail }))
    }
}

impl From<Refused> for io::Error {
    /// Of kind [`TimedOut`](io::ErrorKind::TimedOut) where time ran out, [`Other`](io::ErrorKind::Other) where the call was
    /// cancelled, and otherwise [`ResourceBusy`](io::ErrorKind::ResourceBusy).
    fn from(refused: Refused) -> Self {
        let kind = match refused.cause() {
            Cause::DeadlinePassed | Cause::AttemptTimedOut | Cause::WaitTimedOut => {
                io::ErrorKind::TimedOut
            }
            // `Interrupted` would have the callers of a reader try again.
            Cause::Cancelled => io::ErrorKind::Other,
            _ => io::ErrorKind::ResourceBusy,
        };
        Self::new(kind, refused)
    }
}

/// How a call under a policy failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError<E> {
    /// The last attempt returned this error.
    Failed(E),
    /// The policy refused the call, or cut it off.
    Refused(Refused),
}

impl<E> CallError<E> {
    /// The error as the caller's own.
    pub fn into_error(self) -> E
    where
        E: From<Refused>,
    {
        match self {
            Self::Failed(error) => error,
            Self::Refused(refused) => refused.into(),
        }
    }

    /// The refusal, if it is one.
    pub const fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Failed(_) => None,
            Self::Refused(refused) => Some(refused),
        }
    }
}

impl<E> From<Refused> for CallError<E> {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Refused(refused) => refused.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for CallError<E> {
    /// What caused the call's own error, or the refusal.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            Self::Refused(refused) => refused.source(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Refused = Refused {
        detail: Detail {
            policy: "geo",
            stage: Stage::CircuitBreaker,
            cause: Cause::Open,
            retries_left: 0,
            attempts: 0,
            retry_after_ns: 1_000_001,
            remaining_ns: UNKNOWN,
        },
    };

    #[test]
    fn it_says_who_why_and_when() {
        assert_eq!(
            REFUSED.to_string(),
            "`geo` did not answer: the circuit breaker is open; try again in 2 ms"
        );
        let cut_off = Refused {
            detail: Detail {
                stage: Stage::Attempt,
                cause: Cause::AttemptTimedOut,
                retries_left: NO_RETRIES,
                attempts: 3,
                retry_after_ns: UNKNOWN,
                remaining_ns: 7,
                ..REFUSED.detail
            },
        };
        assert_eq!(
            cut_off.to_string(),
            "`geo` did not answer: the attempt took too long, after 3 attempts"
        );
        assert_eq!(cut_off.remaining(), Some(Duration::from_nanos(7)));
        assert_eq!((REFUSED.remaining(), cut_off.retry_after()), (None, None));
        assert_eq!(
            (REFUSED.retry_budget_left(), cut_off.retry_budget_left()),
            (Some(0), None)
        );
        let spent = Refused {
            detail: Detail {
                retries_left: 0,
                attempts: 1,
                ..cut_off.detail
            },
        };
        assert_eq!(
            spent.to_string(),
            "`geo` did not answer: the attempt took too long, after 1 attempt, and the retry budget is used up"
        );
    }

    #[test]
    fn many_retries_are_not_none() {
        assert_eq!([0, 7].map(most_retries), [0, 7]);
        let most = [65_534, 65_535, 65_536, u32::MAX].map(most_retries);
        assert_eq!(most, [65_534; 4]);
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn it_is_five_words() {
        assert_eq!(size_of::<Refused>(), 40);
    }
}
