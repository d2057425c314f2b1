//! A budget that is spent at run time, by hand.

use super::budget::Budget;
use super::exceeded::BudgetExceeded;
use super::limits::Limits;
use super::resource::{Resource, UNLIMITED};

/// Limits and what has been taken of them so far.
///
/// A pool counts what it is told and measures nothing; one owner spends from it. A request that does
/// not fit is refused whole and takes nothing.
///
/// ```
/// use cnv::quota::{BudgetPool, MediumBudget};
///
/// let mut pool = BudgetPool::from_budget(&MediumBudget::default());
/// pool.allocate_memory(100_000)?;
/// pool.consume_cpu(50_000)?;
/// pool.consume_io(10)?;
/// assert_eq!(pool.stats().memory_utilization(), 0.1);
/// # Ok::<(), cnv::quota::BudgetExceeded>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetPool {
    limits: Limits,
    used: Limits,
}

impl BudgetPool {
    /// A pool with all that the budget type `B` allows.
    #[must_use]
    pub const fn from_budget<B: Budget>(_: &B) -> Self {
        Self::from_limits(B::LIMITS)
    }

    /// A pool with all that `limits` allow.
    #[must_use]
    pub const fn from_limits(limits: Limits) -> Self {
        let used = Limits {
            memory_bytes: 0,
            cpu_ns: 0,
            io_ops: 0,
            network_bytes: 0,
        };
        Self { limits, used }
    }

    /// Takes `bytes` of memory.
    ///
    /// # Errors
    /// Where less than `bytes` is left; nothing is taken. After enough was
    /// [released](Self::release_memory) the same request succeeds.
    pub fn allocate_memory(&mut self, bytes: u64) -> Result<(), BudgetExceeded> {
        self.take(Resource::Memory, bytes)
    }

    /// Gives `bytes` of memory back, at most what was taken.
    pub fn release_memory(&mut self, bytes: u64) {
        self.used.memory_bytes = self.used.memory_bytes.saturating_sub(bytes);
    }

    /// Takes `ns` nanoseconds of processor time.
    ///
    /// # Errors
    /// Where less than `ns` is left; nothing is taken.
    pub fn consume_cpu(&mut self, ns: u64) -> Result<(), BudgetExceeded> {
        self.take(Resource::Cpu, ns)
    }

    /// Takes `operations` input and output operations.
    ///
    /// # Errors
    /// Where fewer are left; nothing is taken.
    pub fn consume_io(&mut self, operations: u64) -> Result<(), BudgetExceeded> {
        self.take(Resource::Io, operations)
    }

    /// Takes `bytes` of network traffic.
    ///
    /// # Errors
    /// Where less than `bytes` is left; nothing is taken.
    pub fn consume_network(&mut self, bytes: u64) -> Result<(), BudgetExceeded> {
        self.take(Resource::Network, bytes)
    }

    /// What has been taken so far, of how much.
    #[must_use]
    pub const fn stats(&self) -> PoolStats {
        PoolStats {
            limits: self.limits,
            used: self.used,
        }
    }

    fn take(&mut self, resource: Resource, amount: u64) -> Result<(), BudgetExceeded> {
        let limit = self.limits.limit(resource);
        let used = match resource {
            Resource::Memory => &mut self.used.memory_bytes,
            Resource::Cpu => &mut self.used.cpu_ns,
            Resource::Io => &mut self.used.io_ops,
            Resource::Network => &mut self.used.network_bytes,
        };
        if limit == UNLIMITED {
            *used = used.saturating_add(amount);
            return Ok(());
        }
        match used.checked_add(amount) {
            Some(sum) if sum <= limit => {
                *used = sum;
                Ok(())
            }
            _ => Err(BudgetExceeded::refused(
                resource, limit, *used, amount, None,
            )),
        }
    }
}

/// A pool at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStats {
    limits: Limits,
    used: Limits,
}

impl PoolStats {
    /// What the pool started with, in the resource's unit.
    #[must_use]
    pub const fn limit(&self, resource: Resource) -> u64 {
        self.limits.limit(resource)
    }

    /// What has been taken and not released. Of an unlimited resource it stops counting at
    /// `u64::MAX`.
    #[must_use]
    pub const fn used(&self, resource: Resource) -> u64 {
        self.used.limit(resource)
    }

    /// What is left; [`UNLIMITED`] of an unlimited resource, whatever was taken.
    #[must_use]
    pub const fn remaining(&self, resource: Resource) -> u64 {
        match self.limit(resource) {
            UNLIMITED => UNLIMITED,
            limit => limit - self.used(resource),
        }
    }

    /// The part of the limit that is used, from 0.0 to 1.0; 0.0 where there is no limit, and where
    /// the limit is 0, of which nothing can be used.
    #[must_use]
    pub fn utilization(&self, resource: Resource) -> f64 {
        match self.limit(resource) {
            0 | UNLIMITED => 0.0,
            limit => self.used(resource) as f64 / limit as f64,
        }
    }

    /// The part of the memory that is taken, as [`utilization`](Self::utilization) has it.
    #[must_use]
    pub fn memory_utilization(&self) -> f64 {
        self.utilization(Resource::Memory)
    }

    /// The part of the processor time that is taken, as [`utilization`](Self::utilization) has it.
    #[must_use]
    pub fn cpu_utilization(&self) -> f64 {
        self.utilization(Resource::Cpu)
    }

    /// The part of the I/O operations that is taken, as [`utilization`](Self::utilization) has it.
    #[must_use]
    pub fn io_utilization(&self) -> f64 {
        self.utilization(Resource::Io)
    }

    /// The part of the network bytes that is taken, as [`utilization`](Self::utilization) has it.
    #[must_use]
    pub fn network_utilization(&self) -> f64 {
        self.utilization(Resource::Network)
    }
}
