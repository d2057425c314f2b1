//! What an expansion puts around a body.

use std::error::Error;

use super::course::Attempt;
use super::refused::Refused;
use super::verdict::Verdict;
use crate::quota::{BudgetExceeded, RoundsExceeded, cause};

/// A body for the one attempt that is made of it.
#[inline]
pub fn once<R>(body: impl FnOnce(Attempt) -> R) -> impl FnMut(Attempt) -> R {
    let mut body = Some(body);
    move |attempt| match body.take() {
        Some(body) => body(attempt),
        None => unreachable!("without `#[retry]` there is one attempt"),
    }
}

/// What can say that it was refused.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry a refusal",
    label = "a function under a policy has to be able to refuse",
    note = "return `Result<_, E>` where `E: From<cnv::recovery::Refused>`"
)]
pub trait Refusal {
    /// The value that says so.
    fn refuse(refused: Refused) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T, E: From<Refused>> Refusal for Result<T, E> {
    #[inline]
    fn refuse(refused: Refused) -> Self {
        Err(refused.into())
    }
}

/// What a function returns that may fail.
pub trait Failing {
    /// What it failed with.
    type Error;
}

impl<T, E> Failing for Result<T, E> {
    type Error = E;
}

/// What a function returns that was refused.
#[inline]
pub fn refuse<R: Refusal>(refused: Refused) -> R {
    R::refuse(refused)
}

/// An argument that several attempts have.
#[diagnostic::on_unimplemented(
    message = "each attempt needs a `{Self}` of its own, which cannot be cloned",
    label = "`#[retry]` runs the body again with the same arguments",
    note = "take a reference to it, or an `Arc`"
)]
pub trait Again {
    /// The same once more.
    fn again(&self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> Again for T {
    #[inline]
    fn again(&self) -> Self {
        self.clone()
    }
}

/// An argument for one more attempt.
#[inline]
pub fn again<T: Again>(argument: &T) -> T {
    argument.again()
}

/// An error of which the function says nothing. What it means depends on what can be seen of it: of the traits below the
/// expansion finds the method of the first that holds.
#[derive(Debug)]
pub struct Unsaid<'a, E>(pub &'a E);

/// An error whose causes can be looked at.
pub trait OfCauses {
    /// What it means: whoever was refused by cnv itself is not tried again, and says nothing about the dependency.
    fn verdict(&self, is_retried: bool) -> Verdict;
}

impl<E: Error + 'static> OfCauses for Unsaid<'_, E> {
    fn verdict(&self, is_retried: bool) -> Verdict {
        verdict_of(self.0, is_retried)
    }
}

#[cfg(feature = "command")]
impl OfCauses for Unsaid<'_, crate::command::Failure> {
    fn verdict(&self, is_retried: bool) -> Verdict {
        match self.0.error() {
            Some(error) => verdict_of(error, is_retried),
            None => is_retried.into(),
        }
    }
}

/// Any other error.
pub trait OfNothing {
    /// What it means.
    fn verdict(&self, is_retried: bool) -> Verdict;
}

impl<E> OfNothing for &Unsaid<'_, E> {
    fn verdict(&self, is_retried: bool) -> Verdict {
        is_retried.into()
    }
}

fn verdict_of(error: &(dyn Error + 'static), is_retried: bool) -> Verdict {
    let mut causes = std::iter::successors(Some(error), |error| cause(*error));
    let is_own = |error: &(dyn Error + 'static)| {
        let is_own = error.is::<BudgetExceeded>() || error.is::<RoundsExceeded>();
        #[cfg(feature = "attestation")]
        let is_own = is_own || crate::attestation::Denied::of(error).is_some();
        #[cfg(feature = "command")]
        let is_own = is_own || error.is::<crate::command::Stopped>();
        is_own || Refused::of(error).is_some()
    };
    if causes.any(is_own) {
        Verdict::Ignore
    } else {
        is_retried.into()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn verdict<E: Error + 'static>(error: &E) -> Verdict {
        Unsaid(error).verdict(true)
    }

    /// Passes on the source of what it wraps, and so hides what it wraps.
    #[cfg(feature = "attestation")]
    #[derive(Debug, thiserror::Error)]
    #[error(transparent)]
    struct Transparent(crate::attestation::Denied);

    #[test]
    fn what_cnv_refused_says_nothing_about_a_dependency() {
        let rounds = RoundsExceeded {
            max: 1,
            operation: "f",
        };
        assert_eq!(verdict(&rounds), Verdict::Ignore);
        assert_eq!(verdict(&io::Error::other(rounds)), Verdict::Ignore);
        assert_eq!(verdict(&io::Error::other("down")), Verdict::Retry);
        #[cfg(feature = "attestation")]
        {
            let denied =
                || crate::attestation::Denied::from(crate::attestation::DenialReason::Missing);
            assert_eq!(verdict(&denied()), Verdict::Ignore);
            assert_eq!(verdict(&Transparent(denied())), Verdict::Ignore);
        }
        struct Opaque;
        assert_eq!((&Unsaid(&Opaque)).verdict(true), Verdict::Retry);
        assert_eq!((&Unsaid(&Opaque)).verdict(false), Verdict::Fail);
    }
}
