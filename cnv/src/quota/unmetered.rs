//! What an expansion puts around the body of a function with a budget where nothing meters it, because
//! there is no standard library to do so with or because the feature `metering` is off: nothing.
//!
//! The macros leave all of it out where they are compiled without their own feature `metering`, so that an `async` body
//! is in no other future. Cargo compiles them once for all of cnv in a build, though: with a build script whose cnv meters
//! come macros that meter, for a program whose cnv does not.

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
pub fn metered_cooperative<F: Future>(
    _operation: &'static str,
    _limits: Limits,
    _stop: fn(BudgetExceeded) -> F::Output,
    future: F,
) -> F {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_is_nothing() {
        assert_eq!(size_of::<Unmetered>(), 0);
        let none = Limits {
            io_ops: 0,
            ..Limits::unlimited()
        };
        let _outer = enter("outer", none);
        let _inner = enter_cooperative("inner", none);
        let future = metered("future", none, core::future::ready(1));
        drop::<core::future::Ready<i32>>(future);
    }

    /// Where nothing is counted, nothing is refused, and nothing is said to have been counted.
    #[test]
    #[cfg(feature = "std")]
    fn wrappers_forward_and_usage_says_that_it_knows_nothing() {
        use std::io::{Read, Write};

        use crate::quota::{
            Enforcement, Metered, Operation, Resource, TinyBudget, charge_io, checkpoint,
            is_memory_metered, measure_with,
        };

        let nothing = Limits {
            memory_bytes: 0,
            cpu_ns: 0,
            io_ops: 0,
            network_bytes: 0,
        };
        let (echoed, usage) = measure_with("echo", nothing, Enforcement::Cooperative, || {
            let mut bytes = Vec::new();
            Metered::new(&mut bytes).write_all(b"three").unwrap();
            charge_io(1_000).unwrap();
            checkpoint().unwrap();
            let mut all = String::new();
            Metered::network(&bytes[..])
                .read_to_string(&mut all)
                .unwrap();
            all
        });
        assert_eq!(echoed, "three");
        assert!(!usage.is_metered() && !is_memory_metered());
        assert_eq!(
            Resource::ALL.map(|resource| usage.used(resource)),
            [None; 4]
        );
        assert_eq!(usage.check(&nothing), Ok(()));
        assert_eq!(usage.to_string(), "not metered");
        let operation = Operation::<TinyBudget>::new("ten").enforce(Enforcement::Cooperative);
        assert_eq!(operation.execute(|| charge_io(10)), Ok(()));
    }
}
