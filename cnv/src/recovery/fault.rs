//! What is wrong with settings.

use core::error::Error;
use core::fmt;

/// Why a policy cannot do what its settings say. In a `static` it is a compile error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SettingsFault {
    /// The timeout is zero, or longer than a century, as no time may be.
    Timeout,
    /// The timeout of an attempt is zero.
    AttemptTimeout,
    /// There are no attempts, or more than 100.
    Attempts,
    /// The first backoff is zero or longer than the longest.
    Backoff,
    /// The part of the calls that may be tried again is not from 0 to 1.
    RetryBudget,
    /// The part of the calls that has to fail is not above 0 and up to 1.
    FailureRatio,
    /// Calls would be slow from no time on, or the part of them is not above 0 and up to 1.
    Slow,
    /// The window is shorter than 10 ms.
    Window,
    /// Ratios would be taken of no calls.
    Minimum,
    /// It would open at no failures.
    Consecutive,
    /// The time that it stays open is zero or longer than the longest.
    Open,
    /// There are no probes, or they have no time.
    Probes,
    /// No calls may run, or more than [`BULKHEAD_MAX`](super::BULKHEAD_MAX) run or wait.
    Bulkhead,
    /// There is a time to wait for and nobody may wait, or it is zero.
    Wait,
}

impl SettingsFault {
    /// What is wrong, and what to write instead.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "the timeout is zero or longer than a century",
            Self::AttemptTimeout => "the timeout of an attempt is zero or longer than a century",
            Self::Attempts => "attempts are 1 to 100",
            Self::Backoff => "the backoff begins above zero and not above its cap",
            Self::RetryBudget => "the retry budget's ratio is from 0 to 1",
            Self::FailureRatio => "the ratio of failures is above 0 and at most 1",
            Self::Slow => "slow calls have a duration above zero and a ratio above 0 and at most 1",
            Self::Window => "the window is at least 10 ms",
            Self::Minimum => "the minimum of calls is at least 1",
            Self::Consecutive => "consecutive failures are at least 1",
            Self::Open => "the time that it stays open is above zero and not above the longest",
            Self::Probes => "probes are at least 1 and have some time",
            Self::Bulkhead => "a bulkhead lets 1 to 1048575 calls run, and at most as many wait",
            Self::Wait => "a time to wait is above zero and needs a queue",
        }
    }
}

impl fmt::Display for SettingsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error for SettingsFault {}
