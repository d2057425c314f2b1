//! What an expansion puts around the body of a function with a budget where nothing meters it, because
//! there is no standard library to do so with or because the feature `metering` is off: nothing.

use super::exceeded::BudgetExceeded;
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

/// Meters nothing.
#[inline]
#[must_use = "an expansion keeps the guard for as long as the body runs"]
pub const fn enter_cooperative(_operation: &'static str, _limits: Limits) -> Unmetered {
    Unmetered
}

/// `future` as it is.
#[inline]
pub fn metered<F: Future>(_operation: &'static str, _limits: Limits, future: F) -> F {
    future
}

/// `future` as it is.
#[inline]
pub fn metered_cooperative<F, T, E>(_operation: &'static str, _limits: Limits, future: F) -> F
where
    F: Future<Output = Result<T, E>>,
    E: From<BudgetExceeded>,
{
    future
}

/// Passes: nothing is counted that could be over.
///
/// # Errors
/// None here.
#[inline]
#[cfg(not(feature = "std"))]
pub const fn checkpoint() -> Result<(), BudgetExceeded> {
    Ok(())
}
