//! How far work is held to its limits.

use super::clock::Stopwatch;
use super::ledger;
use super::stretch::{Armed, Spent};
use crate::quota::exceeded::BudgetExceeded;
use crate::quota::limits::Limits;
use crate::quota::resource::UNLIMITED;

/// How far work is held to its limits of memory and processor time. Those of I/O and network hold on
/// every level.
///
/// [`Observe`](Self::Observe) is the default because it is the one that means the same everywhere: the
/// same work takes other times on another machine, and ten times as long in a debug build, and
/// memory counts only in a program with a [`MeteredAllocator`](super::MeteredAllocator).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Enforcement {
    /// Memory and processor time are counted, and [`Usage`](super::Usage) tells afterwards.
    #[default]
    Observe,
    /// Work that has gone over stops at its next [`checkpoint`], where it has one.
    Cooperative,
}

impl Enforcement {
    /// Puts ceilings over the innermost stretch, which is timed by `stopwatch`, where this is the level for it.
    #[inline]
    pub(super) fn arm(
        self,
        operation: &'static str,
        limits: &Limits,
        spent: &Spent,
        stopwatch: &Stopwatch,
    ) -> Option<Armed> {
        match self {
            Self::Observe => None,
            Self::Cooperative => Some(Armed::new(operation, limits, spent, Some(stopwatch))),
        }
    }

    /// The same for one that is not timed. Reads a clock only where it is needed.
    #[inline]
    pub(in crate::quota) fn arm_untimed(
        self,
        operation: &'static str,
        limits: &Limits,
    ) -> Option<Armed> {
        match self {
            Self::Observe => None,
            Self::Cooperative => {
                let stopwatch =
                    (limits.cpu_ns != UNLIMITED).then(|| Stopwatch::start(limits.cpu_ns));
                let spent = Spent::default();
                Some(Armed::new(operation, limits, &spent, stopwatch.as_ref()))
            }
        }
    }
}

/// Fails where the work around it, if that is [cooperative](Enforcement::Cooperative), has used more memory
/// or processor time than it may.
///
/// Long work calls it where it can stop, such as at the head of a loop. The
/// [wrappers](super::Metered) and [`charge_io`](super::charge_io) call it themselves, so that work over its
/// limits does no I/O either. What was used by then stays used: a retry fails in the same way.
///
/// # Errors
/// Names the operation that is over, which may be further out than the innermost one.
///
/// # Costs
/// A nanosecond outside cooperative work; in it, a look at the wall clock where processor time has a
/// limit (10 to 30 ns), and at the thread's clock about once per limit.
///
/// ```
/// use std::hint::black_box;
/// use cnv::quota::{Enforcement, Limits, Resource, checkpoint, measure_with};
///
/// let limits = Limits { cpu_ns: 1_000_000, ..Limits::unlimited() };
/// let (stopped, usage) = measure_with("spin", limits, Enforcement::Cooperative, || {
///     loop {
///         checkpoint()?;
///         black_box((0..1_000).sum::<u64>());
///     }
///     #[allow(unreachable_code)]
///     Ok::<(), cnv::quota::BudgetExceeded>(())
/// });
/// assert_eq!(stopped.unwrap_err().resource, Resource::Cpu);
/// assert!(usage.cpu_ns > 1_000_000);
/// ```
#[inline]
pub fn checkpoint() -> Result<(), BudgetExceeded> {
    ledger::checkpoint()
}
