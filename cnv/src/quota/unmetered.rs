//! What an expansion puts around the body of a function with a budget where there is no standard library
//! to meter with: nothing. Nothing can charge either, since the wrappers are not there.

use super::limits::Limits;

/// The guard of a body that is not metered.
#[derive(Debug)]
pub struct Unmetered;

/// Meters nothing.
#[inline]
#[must_use = "an expansion keeps the guard for as long as the body runs"]
pub const fn enter(_operation: &'static str, _limits: Limits) -> Unmetered {
    Unmetered
}

/// `future` as it is.
#[inline]
pub async fn metered<F: Future>(_operation: &'static str, _limits: Limits, future: F) -> F::Output {
    future.await
}
