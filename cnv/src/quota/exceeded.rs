//! The one error of this module.

use core::error::Error;
use core::fmt;
#[cfg(feature = "std")]
use std::io;

use super::quantity::Quantity;
use super::resource::Resource;

/// More of a resource was asked for, or used, than a budget allows.
///
/// A refused request took nothing: trying again helps only where something was released, or with a
/// larger budget. The message has the numbers in people's units:
///
/// ```
/// use cnv::quota::{BudgetPool, MediumBudget};
///
/// let pool = BudgetPool::from_budget(&MediumBudget::default());
/// pool.allocate_memory(950_000)?;
/// let refused = pool.allocate_memory(100_000).unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "over budget: memory: 100 KB asked for, 50 KB left of 1 MB",
/// );
/// # Ok::<(), cnv::quota::BudgetExceeded>(())
/// ```
///
/// Input and output report it as a [`std::io::Error`] of kind
/// [`QuotaExceeded`](io::ErrorKind::QuotaExceeded); [`in_chain`](Self::in_chain) finds it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetExceeded {
    /// The resource of which there was not enough.
    pub resource: Resource,
    /// What the budget allows, in the resource's unit.
    pub limit: u64,
    /// What was used of it, in the same unit. Above `limit` where use is observed rather than held.
    pub used: u64,
    /// What was asked for and refused, in the same unit; 0 where `used` itself is the fault.
    pub requested: u64,
    /// The operation whose budget it is, where it has a name.
    pub operation: Option<&'static str>,
    /// Whether `used` may be more than what was used: processor time that was taken from the wall clock, because less was
    /// declared than the thread's own clock is read for, or the platform has none.
    pub is_upper_bound: bool,
}

impl BudgetExceeded {
    /// A request that was refused.
    pub(super) const fn refused(
        resource: Resource,
        limit: u64,
        used: u64,
        requested: u64,
        operation: Option<&'static str>,
    ) -> Self {
        Self {
            resource,
            limit,
            used,
            requested,
            operation,
            is_upper_bound: false,
        }
    }

    /// Use that was found to be over only afterwards.
    #[cfg(any(feature = "std", test))]
    pub(super) const fn overrun(resource: Resource, limit: u64, used: u64) -> Self {
        Self::refused(resource, limit, used, 0, None)
    }

    /// The same, where `used` comes from the wall clock.
    #[cfg(any(feature = "std", test))]
    pub(super) const fn at_most(mut self) -> Self {
        self.is_upper_bound = true;
        self
    }

    /// What was left of the limit, in the resource's unit.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// The same error, said of the operation `name`.
    #[must_use]
    pub const fn of(mut self, name: &'static str) -> Self {
        self.operation = Some(name);
        self
    }

    /// The first `BudgetExceeded` among `error` and its sources, also inside a
    /// [`std::io::Error`].
    ///
    /// ```
    /// use std::io;
    /// use cnv::quota::{BudgetExceeded, BudgetPool, TinyBudget};
    ///
    /// let pool = BudgetPool::from_budget(&TinyBudget::default());
    /// let error = io::Error::from(pool.consume_io(2).unwrap_err());
    /// assert_eq!(BudgetExceeded::in_chain(&error).unwrap().requested, 2);
    /// ```
    #[must_use]
    pub fn in_chain<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = cause(error);
        }
        None
    }
}

/// What an error wraps. An I/O error hides that from `source`, and shows only what it wraps in turn.
pub(crate) fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    wrapped(error).or_else(|| error.source())
}

/// What an `io::Error` wraps, which its `source` skips.
#[cfg(feature = "std")]
fn wrapped<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let wrapped = error.downcast_ref::<io::Error>()?.get_ref()?;
    Some(wrapped)
}

#[cfg(not(feature = "std"))]
fn wrapped<'a>(_error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    None
}

impl fmt::Display for BudgetExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = self.resource;
        let quantity = |amount| Quantity::new(resource, amount);
        match self.operation {
            Some(operation) => write!(f, "over budget in `{operation}`: {resource}: ")?,
            None => write!(f, "over budget: {resource}: ")?,
        }
        if self.requested == 0 {
            let (used, limit) = (quantity(self.used), quantity(self.limit));
            let at_most = if self.is_upper_bound { "at most " } else { "" };
            return write!(f, "{at_most}{used} used, {limit} allowed");
        }
        write!(f, "{} asked for, ", quantity(self.requested))?;
        if self.limit == 0 {
            return f.write_str("none allowed");
        }
        let (left, limit) = (quantity(self.remaining()), quantity(self.limit));
        write!(f, "{left} left of {limit}")
    }
}

impl Error for BudgetExceeded {}

#[cfg(feature = "std")]
impl From<BudgetExceeded> for io::Error {
    fn from(exceeded: BudgetExceeded) -> Self {
        Self::new(io::ErrorKind::QuotaExceeded, exceeded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_says_what_was_asked_and_what_was_left() {
        let refused = BudgetExceeded::refused(Resource::Io, 100, 100, 1, Some("scan"));
        assert_eq!(
            refused.to_string(),
            "over budget in `scan`: io: 1 asked for, none left of 100"
        );
        let denied = BudgetExceeded::refused(Resource::Network, 0, 0, 1_000, None);
        assert_eq!(
            denied.to_string(),
            "over budget: network: 1 KB asked for, none allowed"
        );
        let overrun = BudgetExceeded::overrun(Resource::Memory, 1_000_000, 1_200_000);
        assert_eq!(
            overrun.of("scan").to_string(),
            "over budget in `scan`: memory: 1.2 MB used, 1 MB allowed"
        );
        let bound = BudgetExceeded::overrun(Resource::Cpu, 10_000, 12_000).at_most();
        assert_eq!(
            bound.to_string(),
            "over budget: cpu: at most 12 us used, 10 us allowed"
        );
    }

    #[cfg(feature = "std")]
    #[test]
    fn it_is_found_through_io_errors_and_sources() {
        #[derive(Debug)]
        struct Outer(io::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("outer")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let refused = BudgetExceeded::refused(Resource::Io, 1, 1, 1, None);
        let outer = Outer(io::Error::other(Outer(refused.into())));
        assert_eq!(BudgetExceeded::in_chain(&outer), Some(&refused));
        assert_eq!(
            BudgetExceeded::in_chain(&Outer(io::Error::other("no"))),
            None
        );
    }
}
