//! A budget that is spent at run time, by as many threads as there are.

mod counters;
#[cfg(all(loom, test))]
mod models;
mod reservation;
mod stats;

use alloc::sync::Arc;
use core::fmt;

use counters::Counters;
use reservation::Holder;

use super::budget::Budget;
use super::exceeded::BudgetExceeded;
use super::limits::Limits;
use super::resource::{Resource, UNLIMITED};

pub use reservation::Reservation;
pub use stats::PoolStats;

/// A `const fn`, but for loom, whose atomics are not made in const evaluation.
macro_rules! const_fn {
    ($(#[$attribute:meta])* $visibility:vis const fn $($function:tt)*) => {
        #[cfg(not(all(loom, test)))]
        $(#[$attribute])*
        $visibility const fn $($function)*

        #[cfg(all(loom, test))]
        $(#[$attribute])*
        $visibility fn $($function)*
    };
}
use const_fn;

/// Limits and what has been taken of them so far, shared by threads.
///
/// What is taken is within the limits at every moment, however many threads ask: a request names any number of resources
/// and gets all or nothing. A refusal is the truth of one moment of the call, and a request that was refused stood in
/// nobody's way: of two that fit singly and not together one is admitted.
///
/// [`try_reserve`](Self::try_reserve) is for a piece of work, whose memory comes back when it is over; the other methods
/// take one resource at a time, by hand. A pool counts what it is told and measures nothing.
///
/// ```
/// use std::thread;
/// use cnv::quota::{Budget, BudgetPool, LargeBudget, MediumBudget, Resource};
///
/// // For ten pieces of work of a medium budget in all. Also for a `static`: the constructors are `const`.
/// let pool = BudgetPool::from_budget(&LargeBudget::default());
/// thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| {
///             let reservation = pool.try_reserve(MediumBudget::LIMITS).expect("there is enough for four");
///             // The work.
///             drop(reservation);
///         });
///     }
/// });
/// assert_eq!(pool.stats().used(Resource::Memory), 0);
/// assert_eq!(pool.stats().used(Resource::Cpu), 4_000_000);
/// ```
///
/// # Costs
/// About 600 bytes. There is no lock and nobody is woken: a call that changes something makes three atomic exchanges, in
/// some 50 ns, where another thread was faster some more; one that is refused, and [`stats`](Self::stats), make none.
///
/// # Targets
/// It is there where the target has 64-bit atomics.
pub struct BudgetPool {
    limits: Limits,
    used: Counters,
}

impl BudgetPool {
    const_fn! {
        /// A pool with all that the budget type `B` allows.
        #[must_use]
        pub const fn from_budget<B: Budget>(_: &B) -> Self {
            Self::from_limits(B::LIMITS)
        }
    }

    const_fn! {
        /// A pool with all that `limits` allow.
        #[must_use]
        pub const fn from_limits(limits: Limits) -> Self {
            Self {
                limits,
                used: Counters::new(),
            }
        }
    }

    /// Takes all that `limits` name, for as long as the reservation lives.
    ///
    /// What is [`UNLIMITED`] in a request is refused by a pool that has a limit, and is counted by one that has
    /// none only when it is [settled](Reservation::settle).
    ///
    /// # Errors
    /// For the first resource, in the order of [`Resource::ALL`], of which less is left; nothing is taken. A retry
    /// helps after others gave back.
    pub fn try_reserve(&self, limits: Limits) -> Result<Reservation<'_>, BudgetExceeded> {
        Reservation::take(Holder::Borrowed(self), limits)
    }

    /// As [`try_reserve`](Self::try_reserve), for a task or a thread that may outlive the caller.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::thread;
    /// use cnv::quota::{Budget, BudgetPool, LargeBudget, SmallBudget};
    ///
    /// let pool = Arc::new(BudgetPool::from_budget(&LargeBudget::default()));
    /// let reservation = pool.try_reserve_owned(SmallBudget::LIMITS)?;
    /// let worker = thread::spawn(move || drop(reservation));
    /// # worker.join().unwrap();
    /// # Ok::<(), cnv::quota::BudgetExceeded>(())
    /// ```
    ///
    /// # Errors
    /// As for `try_reserve`.
    pub fn try_reserve_owned(
        self: &Arc<Self>,
        limits: Limits,
    ) -> Result<Reservation<'static>, BudgetExceeded> {
        Reservation::take(Holder::Shared(Arc::clone(self)), limits)
    }

    /// Takes `bytes` of memory.
    ///
    /// ```
    /// use cnv::quota::{BudgetPool, MediumBudget};
    ///
    /// let pool = BudgetPool::from_budget(&MediumBudget::default());
    /// pool.allocate_memory(100_000)?;
    /// assert_eq!(pool.stats().memory_utilization(), 0.1);
    /// pool.release_memory(100_000);
    /// # Ok::<(), cnv::quota::BudgetExceeded>(())
    /// ```
    ///
    /// # Errors
    /// Where less than `bytes` is left; nothing is taken. After enough was
    /// [released](Self::release_memory) the same request succeeds.
    pub fn allocate_memory(&self, bytes: u64) -> Result<(), BudgetExceeded> {
        self.take(Resource::Memory, bytes)
    }

    /// Gives `bytes` of memory back, at most what was taken. What a reservation holds it gives back itself.
    pub fn release_memory(&self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let held = Limits {
            memory_bytes: bytes,
            ..NOTHING
        };
        self.recharge(&held, &NOTHING);
    }

    /// Takes `ns` nanoseconds of processor time.
    ///
    /// # Errors
    /// Where less than `ns` is left; nothing is taken.
    pub fn consume_cpu(&self, ns: u64) -> Result<(), BudgetExceeded> {
        self.take(Resource::Cpu, ns)
    }

    /// Takes `operations` input and output operations.
    ///
    /// # Errors
    /// Where fewer are left; nothing is taken.
    pub fn consume_io(&self, operations: u64) -> Result<(), BudgetExceeded> {
        self.take(Resource::Io, operations)
    }

    /// Takes `bytes` of network traffic.
    ///
    /// # Errors
    /// Where less than `bytes` is left; nothing is taken.
    pub fn consume_network(&self, bytes: u64) -> Result<(), BudgetExceeded> {
        self.take(Resource::Network, bytes)
    }

    /// What is taken at one moment, of how much.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        PoolStats {
            limits: self.limits,
            used: self.used.used(),
        }
    }

    /// Takes what `asked` names and says by how much the counters were raised.
    fn charge(&self, asked: &Limits) -> Result<Limits, BudgetExceeded> {
        // What has no limit on either side says nothing about how much it will be.
        let asked = Limits::each(|resource| match asked.limit(resource) {
            UNLIMITED if self.limits.limit(resource) == UNLIMITED => 0,
            amount => amount,
        });
        self.used.try_update(|used| {
            let next = self.admit(used, &asked)?;
            Ok((
                next,
                Limits::each(|resource| next.limit(resource) - used.limit(resource)),
            ))
        })
    }

    /// Takes `used` in the place of what was `charged` before, also where it is more than is left, and says by how much
    /// the counters are raised now.
    fn recharge(&self, charged: &Limits, used: &Limits) -> Limits {
        let recharged = self.used.try_update(|counters| {
            let of_others = Limits::each(|resource| {
                counters
                    .limit(resource)
                    .saturating_sub(charged.limit(resource))
            });
            let next = Limits::each(|resource| {
                of_others
                    .limit(resource)
                    .saturating_add(used.limit(resource))
            });
            let raised = Limits::each(|resource| next.limit(resource) - of_others.limit(resource));
            Ok::<_, core::convert::Infallible>((next, raised))
        });
        match recharged {
            Ok(raised) => raised,
        }
    }

    fn take(&self, resource: Resource, amount: u64) -> Result<(), BudgetExceeded> {
        let asked = Limits::each(|each| if each == resource { amount } else { 0 });
        self.used
            .try_update(|used| Ok((self.admit(used, &asked)?, ())))
    }

    /// The counters with `asked` added, where that is within the limits.
    fn admit(&self, used: &Limits, asked: &Limits) -> Result<Limits, BudgetExceeded> {
        let mut refused = None;
        let next = Limits::each(|resource| {
            let (used, asked) = (used.limit(resource), asked.limit(resource));
            let limit = self.limits.limit(resource);
            let sum = used.saturating_add(asked);
            // Asking for nothing is within any limit, also one that settled work went over.
            if asked > 0 && limit != UNLIMITED && sum > limit {
                refused.get_or_insert(BudgetExceeded::refused(resource, limit, used, asked, None));
            }
            sum
        });
        refused.map_or(Ok(next), Err)
    }
}

const NOTHING: Limits = Limits {
    memory_bytes: 0,
    cpu_ns: 0,
    io_ops: 0,
    network_bytes: 0,
};

impl Limits {
    /// What `amount` says of each resource, asked in the order of [`Resource::ALL`].
    fn each(mut amount: impl FnMut(Resource) -> u64) -> Self {
        let [memory_bytes, cpu_ns, io_ops, network_bytes] = Resource::ALL.map(&mut amount);
        Self {
            memory_bytes,
            cpu_ns,
            io_ops,
            network_bytes,
        }
    }
}

impl fmt::Debug for BudgetPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PoolStats { limits, used } = self.stats();
        f.debug_struct("BudgetPool")
            .field("limits", &limits)
            .field("used", &used)
            .finish()
    }
}
