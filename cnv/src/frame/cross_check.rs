//! A check of the author's own: what it says, and where a layout has it.

use core::fmt;

/// What a check of the author's own says: nothing, or why it refuses the frame.
pub type CheckResult = Result<(), Option<&'static str>>;

/// What a function for `#[frame(check = ..)]` returns. Of one frame it says the same each time: where many are
/// checked, it is asked again to find the one that it refused.
#[diagnostic::on_unimplemented(
    message = "a check returns `bool` or `Result<(), &'static str>`, not `{Self}`",
    label = "this function returns something else",
    note = "an error type `E` is fine, too, where `&'static str` implements `From<E>`"
)]
pub trait CheckOutcome {
    /// `Ok`, or the reason where there is one.
    fn into_result(self) -> CheckResult;
}

impl CheckOutcome for bool {
    fn into_result(self) -> CheckResult {
        if self { Ok(()) } else { Err(None) }
    }
}

impl<E: Into<&'static str>> CheckOutcome for Result<(), E> {
    fn into_result(self) -> CheckResult {
        self.map_err(|error| Some(error.into()))
    }
}

/// The author's own check of the frame whose bytes these are.
///
/// # Safety
///
/// The bytes are those of a valid value of the frame type.
pub(super) type Run = unsafe fn(&[u8]) -> CheckResult;

/// The author's own check of a frame type.
#[derive(Clone, Copy)]
pub struct CrossCheck {
    pub(super) name: &'static str,
    pub(super) run: Run,
}

impl CrossCheck {
    pub(super) const fn new(name: &'static str, run: Run) -> Self {
        Self { name, run }
    }
}

impl fmt::Debug for CrossCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
