//! How a call ends when it does not end well.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::stopped::Stopped;
use crate::attestation::Denied;
use crate::quota::{BudgetExceeded, RoundsExceeded, cause};
use crate::recovery::{Cause, Refused};

/// The stable code of a failure, for programs, and the exit code that it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureCode {
    /// The handler returned an error: exit code 1.
    Failed,
    /// The command line could not be understood: exit code 2.
    Usage,
    /// Time ran out, the call's or an attempt's, whoever set it: exit code 7. What was begun may have had its effect.
    Deadline,
    /// No valid attestation: exit code 8.
    Attestation,
    /// Over budget: exit code 9.
    Budget,
    /// A policy did not let the call through, as where a circuit breaker is open: exit code 10. What the policy
    /// guards was not begun.
    Unavailable,
    /// The handler panicked: exit code 101.
    Panicked,
    /// Interrupted by the user: exit code 130.
    Cancelled,
}

impl FailureCode {
    /// All of them.
    pub(super) const ALL: [Self; 8] = [
        Self::Failed,
        Self::Usage,
        Self::Deadline,
        Self::Attestation,
        Self::Budget,
        Self::Unavailable,
        Self::Panicked,
        Self::Cancelled,
    ];

    /// The code as machine-readable output shows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Deadline => "deadline",
            Self::Attestation => "attestation",
            Self::Budget => "budget",
            Self::Unavailable => "unavailable",
            Self::Panicked => "panicked",
            Self::Cancelled => "cancelled",
        }
    }

    /// The exit code of a process that ends this way.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Deadline => 7,
            Self::Attestation => 8,
            Self::Budget => 9,
            Self::Unavailable => 10,
            Self::Panicked => 101,
            Self::Cancelled => 130,
        }
    }
}

/// The error of a call: any error of a handler, with the code that its cause deserves.
///
/// It converts from every error, so a handler may return it and use `?` freely; like other catch-all
/// error types it is itself no [`Error`]. A refused attestation, an exceeded budget or a passed
/// deadline anywhere among the causes decides the code.
///
/// ```
/// use cnv::command::{Failure, FailureCode};
///
/// fn read() -> Result<String, Failure> {
///     Ok(std::fs::read_to_string("/nonexistent")?)
/// }
/// assert_eq!(read().unwrap_err().code(), FailureCode::Failed);
/// ```
pub struct Failure {
    code: FailureCode,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    retry_after: Option<Duration>,
    /// Whether the message is all that the caller hears.
    is_whole: bool,
}

impl Failure {
    /// A failure that a message says all of.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Failed, message)
    }

    /// A failure of how the command was called: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Usage, message)
    }

    pub(super) fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            source: None,
            retry_after: None,
            is_whole: false,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> FailureCode {
        self.code
    }

    /// How long to wait before the same call may succeed, where that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The causes, outermost first, without those that the message repeats. A refused attestation is the last of them: why
    /// it was refused is for the audit log and not for the caller.
    pub fn causes(&self) -> impl Iterator<Item = String> + '_ {
        let mut said = self.message.clone();
        let is_told =
            |error: &&(dyn Error + 'static)| error.is::<Denied>() || Denied::of(*error).is_none();
        self.chain()
            .take_while(is_told)
            .skip(if self.is_whole { usize::MAX } else { 1 })
            .filter_map(move |error| {
                let text = error.to_string();
                let news = !said.contains(&text);
                said.push('\n');
                said.push_str(&text);
                news.then_some(text)
            })
    }

    /// The refusal among the causes: this call's, or that of a function within it.
    pub(super) fn denial(&self) -> Option<Denied> {
        self.chain().find_map(Denied::of)
    }

    /// What a policy said, where that is among the causes.
    pub(super) fn refusal(&self) -> Option<Refused> {
        self.chain().find_map(Refused::of)
    }

    /// The error that the handler returned and its causes, down to a refusal.
    fn chain(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        let first = self.error().map(|error| error as &(dyn Error + 'static));
        std::iter::successors(first, |error| match Denied::of(*error) {
            Some(_) => None,
            None => cause(*error),
        })
    }

    /// The same with another message, which is all that the caller hears.
    pub(super) fn with_whole_message(mut self, message: String) -> Self {
        self.message = message;
        self.is_whole = true;
        self
    }

    /// The same with a time after which another try makes sense.
    pub(super) fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The error that the handler returned, if there was one. Of a denial it has the reason, which
    /// [`Display`](fmt::Display) keeps from the caller: it is for the program that serves the call.
    #[must_use]
    pub fn error(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.source.as_deref()
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            code: classify(&error),
            message: error.to_string(),
            retry_after: retry_after(&error),
            source: Some(Box::new(error)),
            is_whole: false,
        }
    }
}

/// How long to wait, by what a policy said among the causes, or by what a server did.
fn retry_after(error: &(dyn Error + 'static)) -> Option<Duration> {
    std::iter::successors(Some(error), |error| cause(*error)).find_map(|error| {
        #[cfg(feature = "session")]
        if let Some(remote) = crate::session::RemoteFailure::of(error) {
            return remote.retry_after_ms.map(Duration::from_millis);
        }
        Refused::of(error)?.retry_after()
    })
}

/// The code of the first cause that has one of its own.
fn classify(error: &(dyn Error + 'static)) -> FailureCode {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<BudgetExceeded>() || error.is::<RoundsExceeded>() {
            return FailureCode::Budget;
        }
        if Denied::of(error).is_some() {
            return FailureCode::Attestation;
        }
        #[cfg(feature = "session")]
        if let Some(remote) = crate::session::RemoteFailure::of(error) {
            let known = FailureCode::ALL
                .iter()
                .find(|code| code.as_str() == remote.code);
            return known.copied().unwrap_or(FailureCode::Failed);
        }
        #[cfg(feature = "session")]
        if let Some(crate::session::SessionError::Closed(close)) = error.downcast_ref()
            && close.code() == crate::session::CloseCode::Attestation
        {
            return FailureCode::Attestation;
        }
        if let Some(refused) = Refused::of(error) {
            return match refused.cause() {
                Cause::DeadlinePassed | Cause::AttemptTimedOut => FailureCode::Deadline,
                Cause::Cancelled => FailureCode::Cancelled,
                _ => FailureCode::Unavailable,
            };
        }
        if let Some(stopped) = error.downcast_ref::<Stopped>() {
            return match stopped {
                Stopped::Deadline => FailureCode::Deadline,
                Stopped::Cancelled => FailureCode::Cancelled,
            };
        }
        next = cause(error);
    }
    FailureCode::Failed
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.causes().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({})", self.code.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::attestation::DenialReason;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot load the report")]
    struct Outer(#[source] io::Error);

    #[test]
    fn the_cause_decides_the_code_even_behind_an_io_error() {
        let stopped = io::Error::other(Stopped::Deadline);
        let failure = Failure::from(Outer(stopped));
        assert_eq!(failure.code(), FailureCode::Deadline);
        assert_eq!(
            failure.to_string(),
            "cannot load the report: the deadline passed"
        );
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the report is late: {source}: {}", source.0)]
    struct Inline {
        source: Outer,
    }

    #[test]
    fn what_a_message_says_of_its_causes_is_not_said_again() {
        let source = Outer(io::Error::other("disk on fire"));
        let failure = Failure::from(Inline { source });
        assert_eq!(
            failure.to_string(),
            "the report is late: cannot load the report: disk on fire"
        );
    }

    #[derive(Debug, thiserror::Error)]
    enum Refused {
        #[error("not allowed")]
        Source(#[source] Denied),
        #[error(transparent)]
        Transparent(Denied),
    }

    #[test]
    fn causes_end_at_a_refusal_however_it_is_wrapped() {
        let denied = || Denied::from(DenialReason::BearerNotAccepted);
        let cases = [
            (Failure::from(denied()), "attestation refused"),
            (
                Refused::Source(denied()).into(),
                "not allowed: attestation refused",
            ),
            (Refused::Transparent(denied()).into(), "attestation refused"),
            (
                Outer(io::Error::other(denied())).into(),
                "cannot load the report: attestation refused",
            ),
            (
                Outer(io::Error::other(Refused::Transparent(denied()))).into(),
                "cannot load the report: attestation refused",
            ),
        ];
        for (failure, told) in cases {
            assert_eq!(failure.to_string(), told);
            assert_eq!(failure.code(), FailureCode::Attestation, "{told}");
            let reason = failure.denial().map(|denied| denied.reason().clone());
            assert_eq!(reason, Some(DenialReason::BearerNotAccepted), "{told}");
        }
    }

    #[test]
    fn an_error_without_such_a_cause_is_a_plain_failure() {
        let failure = Failure::from(Outer(io::Error::other("disk on fire")));
        assert_eq!(failure.code().exit_code(), 1);
    }
}
