//! What was used, as a value.

use std::fmt;

use super::IS_METERED;
use super::clock::CpuClock;
use crate::quota::exceeded::BudgetExceeded;
use crate::quota::limits::Limits;
use crate::quota::quantity::Quantity;
use crate::quota::resource::Resource;

/// What a piece of work used. [`Display`](fmt::Display) rounds to three digits.
///
/// Without the feature `metering` nothing is counted: the numbers are 0, and
/// [`is_metered`](Self::is_metered) tells a count of none from no count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Heap memory at its peak, above what the thread held at the start, in bytes. `None` where
    /// the program did not install a [`MeteredAllocator`](super::MeteredAllocator).
    pub memory_peak_bytes: Option<u64>,
    /// All heap memory allocated, whether freed since or not, in bytes. Unlike the peak, frees have
    /// no part in it.
    pub memory_gross_bytes: Option<u64>,
    /// Processor time in nanoseconds, as `cpu_clock` tells it.
    pub cpu_ns: u64,
    /// The clock that `cpu_ns` comes from.
    pub cpu_clock: CpuClock,
    /// I/O operations through the wrappers of this module, refused ones left out.
    pub io_ops: u64,
    /// Network bytes through the wrappers of this module, both ways.
    pub network_bytes: u64,
    /// Whether I/O or network was refused within the work, because this budget or one inside it had less left: the
    /// error may have gone no further than the body. I/O where both were.
    pub refused: Option<Resource>,
}

impl Usage {
    /// Whether anything was counted: whether the feature `metering` is on.
    #[must_use]
    pub const fn is_metered(&self) -> bool {
        IS_METERED
    }

    /// The use of one resource in its unit; `None` for memory that is not metered, and for everything
    /// where the feature `metering` is off.
    #[must_use]
    pub const fn used(&self, resource: Resource) -> Option<u64> {
        if !IS_METERED {
            return None;
        }
        match resource {
            Resource::Memory => self.memory_peak_bytes,
            Resource::Cpu => Some(self.cpu_ns),
            Resource::Io => Some(self.io_ops),
            Resource::Network => Some(self.network_bytes),
        }
    }

    /// The first resource, in the order of [`Resource::ALL`], of which more was used than `limits`
    /// allow. What is not metered is not over.
    #[must_use]
    pub const fn first_over(&self, limits: &Limits) -> Option<Resource> {
        let mut i = 0;
        while i < Resource::ALL.len() {
            let resource = Resource::ALL[i];
            if let Some(used) = self.used(resource)
                && used > limits.limit(resource)
            {
                return Some(resource);
            }
            i += 1;
        }
        None
    }

    /// Compares the use with what was allowed.
    ///
    /// # Errors
    /// For the resource that [`first_over`](Self::first_over) names. The work is done by then: a
    /// retry of it would use as much again.
    pub const fn check(&self, limits: &Limits) -> Result<(), BudgetExceeded> {
        let Some(resource) = self.first_over(limits) else {
            return Ok(());
        };
        let Some(used) = self.used(resource) else {
            return Ok(());
        };
        let overrun = BudgetExceeded::overrun(resource, limits.limit(resource), used);
        match resource {
            Resource::Cpu if self.cpu_clock.is_upper_bound() => Err(overrun.at_most()),
            _ => Err(overrun),
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !IS_METERED {
            return f.write_str("not metered");
        }
        match self.memory_peak_bytes {
            Some(bytes) => write!(f, "memory {}", Quantity::rounded(Resource::Memory, bytes))?,
            None => f.write_str("memory not metered")?,
        }
        let is_at_most = self.cpu_clock.is_upper_bound() && self.cpu_ns > 0;
        let at_most = if is_at_most { "at most " } else { "" };
        let cpu = Quantity::rounded(Resource::Cpu, self.cpu_ns);
        let io = Quantity::new(Resource::Io, self.io_ops);
        let network = Quantity::rounded(Resource::Network, self.network_bytes);
        write!(f, ", cpu {at_most}{cpu}, io {io}, network {network}")
    }
}

#[cfg(all(test, feature = "metering"))]
mod tests {
    use super::*;

    const USAGE: Usage = Usage {
        memory_peak_bytes: Some(1_203_456),
        memory_gross_bytes: Some(9_000_000),
        cpu_ns: 12_000_000,
        cpu_clock: CpuClock::Thread,
        io_ops: 41,
        network_bytes: 0,
        refused: None,
    };

    #[test]
    fn usage_reads_as_people_say_it() {
        assert_eq!(
            USAGE.to_string(),
            "memory 1.2 MB, cpu 12 ms, io 41, network none"
        );
        let bound = Usage {
            memory_peak_bytes: None,
            cpu_clock: CpuClock::Wall,
            ..USAGE
        };
        let said = "memory not metered, cpu at most 12 ms, io 41, network none";
        assert_eq!(bound.to_string(), said);
        let cycles = Usage {
            cpu_clock: CpuClock::Cycles,
            ..bound
        };
        assert_eq!(cycles.to_string(), said);
        let limits = Limits {
            cpu_ns: 1,
            ..Limits::unlimited()
        };
        assert!(cycles.check(&limits).unwrap_err().is_upper_bound);
    }

    #[test]
    fn memory_that_is_not_metered_is_not_over() {
        let limits = Limits {
            memory_bytes: 1_000_000,
            ..Limits::unlimited()
        };
        assert_eq!(USAGE.first_over(&limits), Some(Resource::Memory));
        assert_eq!(USAGE.check(&limits).unwrap_err().used, 1_203_456);
        let unmetered = Usage {
            memory_peak_bytes: None,
            ..USAGE
        };
        assert_eq!(unmetered.check(&limits), Ok(()));
    }
}
