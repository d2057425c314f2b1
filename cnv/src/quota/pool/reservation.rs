//! What a piece of work holds of a pool.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

use super::BudgetPool;
use crate::quota::exceeded::BudgetExceeded;
use crate::quota::limits::Limits;
#[cfg(feature = "std")]
use crate::quota::meter::Usage;
use crate::quota::resource::Resource;

/// What [`BudgetPool::try_reserve`] took, for as long as the work lasts.
///
/// Dropping it gives the memory back. Processor time, I/O and network stay spent, in full unless the work was
/// [settled](Self::settle). One that is leaked holds its memory for ever.
#[must_use = "the memory of a reservation that is dropped is given back"]
pub struct Reservation<'a> {
    pool: Holder<'a>,
    /// What was asked for.
    limits: Limits,
    /// What the pool's counters were raised by: less than was asked for where they were at their end, and nothing for
    /// what has no limit, until it is settled. So the counters are the sum of what was charged, whatever happens.
    charged: Limits,
}

pub(super) enum Holder<'a> {
    Borrowed(&'a BudgetPool),
    Shared(Arc<BudgetPool>),
}

impl Deref for Holder<'_> {
    type Target = BudgetPool;

    fn deref(&self) -> &BudgetPool {
        match self {
            Self::Borrowed(pool) => pool,
            Self::Shared(pool) => pool,
        }
    }
}

impl<'a> Reservation<'a> {
    pub(super) fn take(pool: Holder<'a>, limits: Limits) -> Result<Self, BudgetExceeded> {
        let charged = pool.charge(&limits)?;
        Ok(Self {
            pool,
            limits,
            charged,
        })
    }
}

impl Reservation<'_> {
    /// What was reserved, for the meter of the work.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Puts what the work really used in the place of what was reserved: what it did not use is given back, of
    /// every resource, and what it used beyond is taken, whether the pool has as much or not.
    ///
    /// Memory is held at its peak from now until the reservation is dropped; where it was not metered, as it was
    /// reserved. The work may be settled again, as when it was one step of several: what counts is the last.
    ///
    /// ```
    /// use cnv::quota::{BudgetPool, LargeBudget, Limits, Resource, charge_io, measure};
    ///
    /// let pool = BudgetPool::from_budget(&LargeBudget::default());
    /// let mut reservation = pool.try_reserve(Limits {
    ///     memory_bytes: 1_000_000,
    ///     cpu_ns: 5_000_000,
    ///     io_ops: 100,
    ///     network_bytes: 0,
    /// })?;
    /// let (result, usage) = measure("step", reservation.limits(), || charge_io(3));
    /// result?;
    /// reservation.settle(&usage)?;
    /// assert_eq!(pool.stats().used(Resource::Io), 3);
    /// # Ok::<(), cnv::quota::BudgetExceeded>(())
    /// ```
    ///
    /// # Errors
    /// For the first resource of which more was used than reserved. It is counted by then, and where that is more than
    /// the pool has, [`PoolStats::first_over`](super::PoolStats::first_over) says so and nothing more is admitted.
    #[cfg(feature = "std")]
    pub fn settle(&mut self, usage: &Usage) -> Result<(), BudgetExceeded> {
        let used = |resource| usage.used(resource).unwrap_or(self.charged.limit(resource));
        self.settle_with(Limits::each(used))
    }

    /// Does what `settle` does, with numbers of one's own.
    ///
    /// ```
    /// use cnv::quota::{BudgetPool, LargeBudget, Limits, Resource, TinyBudget, Budget};
    ///
    /// let pool = BudgetPool::from_budget(&LargeBudget::default());
    /// let mut reservation = pool.try_reserve(TinyBudget::LIMITS)?;
    /// let over = reservation.settle_with(Limits { cpu_ns: 3_000, ..TinyBudget::LIMITS });
    /// assert_eq!(over.unwrap_err().to_string(), "over budget: cpu: 3 us used, 1 us allowed");
    /// assert_eq!(pool.stats().used(Resource::Cpu), 3_000);
    /// # Ok::<(), cnv::quota::BudgetExceeded>(())
    /// ```
    ///
    /// # Errors
    /// For the first resource of which more was used than reserved. It is counted by then.
    pub fn settle_with(&mut self, used: Limits) -> Result<(), BudgetExceeded> {
        self.charged = self.pool.recharge(&self.charged, &used);
        match used.first_over(&self.limits) {
            None => Ok(()),
            Some(resource) => Err(BudgetExceeded::refused(
                resource,
                self.limits.limit(resource),
                used.limit(resource),
                0,
                None,
            )),
        }
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.pool
            .release_memory(self.charged.limit(Resource::Memory));
    }
}

impl fmt::Debug for Reservation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("limits", &self.limits)
            .field("charged", &self.charged)
            .finish_non_exhaustive()
    }
}
