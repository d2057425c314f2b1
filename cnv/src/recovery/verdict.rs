//! What an error of a call means.

use core::time::Duration;

/// What to do about an error that a call returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The dependency failed, and another attempt may succeed.
    Retry,
    /// The dependency failed, and says when to come back. It is honoured exactly: no jitter, no cap. Where that is after
    /// the call's deadline, or without one in more than five minutes (or the retries' `cap`, if that is longer), no attempt
    /// follows, and the error, which knows when, is returned at once.
    RetryAfter(Duration),
    /// The dependency failed, and another attempt would fail as well.
    Fail,
    /// It says nothing about the dependency, as where the caller is at fault: neither a success nor a failure, and no
    /// attempt follows.
    Ignore,
}

impl From<bool> for Verdict {
    /// Whether it may be tried again.
    fn from(is_retryable: bool) -> Self {
        if is_retryable {
            Self::Retry
        } else {
            Self::Fail
        }
    }
}

impl From<Option<Duration>> for Verdict {
    /// Tried again after this time, where there is one.
    fn from(retry_after: Option<Duration>) -> Self {
        retry_after.map_or(Self::Fail, Self::RetryAfter)
    }
}
