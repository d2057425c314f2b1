//! Metering of work, in one go or over several turns.

use super::IS_METERED;
use super::clock::{CpuClock, Stopwatch};
use super::enforcement::Enforcement;
use super::ledger::is_memory_metered;
use super::stretch::{CountedStretch, Spent};
use super::usage::Usage;
use crate::quota::limits::Limits;

/// Runs `work` on this thread, under `limits`: its result comes with what it used.
///
/// I/O and network through the [wrappers](super::Metered) are held to the limits, and to those of all
/// measured work around it, with errors that name `operation`; memory and processor time are observed.
/// What is used inside counts in the work around it too. A panic in `work` goes on through here and
/// leaves the limits around it as they were.
///
/// A closure rather than a guard, so that measured work ends in the reverse order of its beginning:
/// guards can be dropped in any order, and the limits of one that has ended would hold what is left.
/// A future that `work` returns is not measured; [`metered`](super::metered) is for futures.
///
/// # Costs
/// About a microsecond where `limits` give 100 us of processor time or more, for the thread's clock;
/// under 0.1 us below that.
///
/// ```
/// use cnv::quota::{Limits, measure};
///
/// let (sum, usage) = measure("add", Limits::unlimited(), || (0..1000).sum::<u64>());
/// assert_eq!(sum, 499_500);
/// assert_eq!(usage.first_over(&Limits::unlimited()), None);
/// ```
pub fn measure<R>(operation: &'static str, limits: Limits, work: impl FnOnce() -> R) -> (R, Usage) {
    measure_with(operation, limits, Enforcement::Observe, work)
}

/// The same as [`measure`], holding memory and processor time as far as `enforcement` says.
///
/// [`checkpoint`](super::checkpoint) has an example.
pub fn measure_with<R>(
    operation: &'static str,
    limits: Limits,
    enforcement: Enforcement,
    work: impl FnOnce() -> R,
) -> (R, Usage) {
    let mut progress = Progress::new();
    let result = progress.advance(operation, &limits, enforcement, work);
    (result, progress.usage())
}

/// What a piece of work has used over the stretches so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    spent: Spent,
    cpu_clock: CpuClock,
    is_memory_metered: bool,
}

impl Progress {
    /// Nothing yet. The first on a thread allocates, to find out whether that is metered.
    pub(super) fn new() -> Self {
        Self {
            spent: Spent::default(),
            cpu_clock: CpuClock::Wall,
            is_memory_metered: is_memory_metered(),
        }
    }

    /// Runs a further stretch of the work, under what is left of `limits`.
    pub(super) fn advance<R>(
        &mut self,
        operation: &'static str,
        limits: &Limits,
        enforcement: Enforcement,
        work: impl FnOnce() -> R,
    ) -> R {
        if !IS_METERED {
            return work();
        }
        let stretch = CountedStretch::resume(operation, limits, &self.spent);
        let stopwatch = Stopwatch::start(limits.cpu_ns);
        // Declared after the stretch, and so dropped before it.
        let _armed = enforcement.arm(operation, limits, &self.spent, &stopwatch);
        let result = work();
        // The clock first, so that reading the ledger is not measured.
        let cpu_ns = stopwatch.elapsed_ns();
        stretch.add_to(&mut self.spent);
        self.spent.cpu_ns = self.spent.cpu_ns.saturating_add(cpu_ns);
        self.cpu_clock = stopwatch.clock();
        result
    }

    pub(super) fn usage(&self) -> Usage {
        let metered = |bytes| self.is_memory_metered.then_some(bytes);
        Usage {
            memory_peak_bytes: metered(self.spent.peak_bytes),
            memory_gross_bytes: metered(self.spent.gross_bytes),
            cpu_ns: self.spent.cpu_ns,
            cpu_clock: self.cpu_clock,
            io_ops: self.spent.io_ops,
            network_bytes: self.spent.network_bytes,
            refused: self.spent.refused(),
        }
    }
}
