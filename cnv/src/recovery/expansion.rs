//! What an expansion puts around a body.

use super::course::Attempt;
use super::refused::Refused;

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
    /// What it is when the body failed.
    type Error;

    /// The value that says so.
    fn refuse(refused: Refused) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T, E: From<Refused>> Refusal for Result<T, E> {
    type Error = E;

    #[inline]
    fn refuse(refused: Refused) -> Self {
        Err(refused.into())
    }
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
