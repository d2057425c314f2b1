//! A metered stretch of work.

use super::clock::{CpuClock, Stopwatch};
use super::ledger::{Spent, Stretch, is_memory_metered};
use super::usage::Usage;
use crate::quota::limits::Limits;

/// Meters this thread from [`enter`](Self::enter) to [`finish`](Self::finish), or until it is
/// dropped, also by a panic.
///
/// I/O and network through the [wrappers](super::Metered) are held to the limits, and to those of
/// every scope around this one; memory and processor time are observed. What an inner scope uses
/// counts in the outer ones too.
///
/// A scope is the thread's and is left before the one around it. It must not be held across an
/// `.await`, where other tasks would run inside it: [`metered`](super::metered) is for futures.
///
/// # Costs
/// About a microsecond where `limits` give 100 us of processor time or more, for the thread's clock;
/// about 0.1 us below that.
///
/// ```
/// use cnv::quota::{Limits, Scope};
///
/// let scope = Scope::enter("add", Limits::unlimited());
/// let sum: u64 = (0..1000).sum();
/// let usage = scope.finish();
/// assert_eq!(usage.first_over(&Limits::unlimited()), None);
/// # assert_eq!(sum, 499_500);
/// ```
#[derive(Debug)]
#[must_use = "a scope that is dropped at once meters nothing"]
pub struct Scope {
    stretch: Stretch,
    is_memory_metered: bool,
    stopwatch: Stopwatch,
    earlier_cpu_ns: u64,
}

impl Scope {
    /// Starts to meter; errors will call the work `operation`.
    pub fn enter(operation: &'static str, limits: Limits) -> Self {
        Self::resume(operation, &limits, &Progress::new())
    }

    /// Starts a further stretch of work that has got as far as `progress`.
    pub(super) fn resume(operation: &'static str, limits: &Limits, progress: &Progress) -> Self {
        Self {
            stretch: Stretch::resume(operation, limits, progress.spent),
            is_memory_metered: progress.is_memory_metered,
            stopwatch: Stopwatch::start(limits.cpu_ns),
            earlier_cpu_ns: progress.cpu_ns,
        }
    }

    /// What was used up to now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.progress().usage()
    }

    /// Stops and says what was used.
    #[must_use = "drop the scope where its usage is not wanted"]
    pub fn finish(self) -> Usage {
        self.usage()
    }

    pub(super) fn progress(&self) -> Progress {
        // The clock first, so that reading the ledger is not measured.
        let cpu_ns = self.stopwatch.elapsed_ns();
        Progress {
            spent: self.stretch.spent(),
            cpu_ns: self.earlier_cpu_ns.saturating_add(cpu_ns),
            cpu_clock: self.stopwatch.clock(),
            is_memory_metered: self.is_memory_metered,
        }
    }
}

/// What a piece of work has used over the stretches so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    spent: Spent,
    cpu_ns: u64,
    cpu_clock: CpuClock,
    is_memory_metered: bool,
}

impl Progress {
    /// Nothing yet. The first on a thread allocates, to find out whether that is metered.
    pub(super) fn new() -> Self {
        Self {
            spent: Spent::default(),
            cpu_ns: 0,
            cpu_clock: CpuClock::Wall,
            is_memory_metered: is_memory_metered(),
        }
    }

    pub(super) fn usage(&self) -> Usage {
        let metered = |bytes| self.is_memory_metered.then_some(bytes);
        Usage {
            memory_peak_bytes: metered(self.spent.peak_bytes),
            memory_gross_bytes: metered(self.spent.gross_bytes),
            cpu_ns: self.cpu_ns,
            cpu_clock: self.cpu_clock,
            io_ops: self.spent.io_ops,
            network_bytes: self.spent.network_bytes,
        }
    }
}
