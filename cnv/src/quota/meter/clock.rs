//! Processor time, from the cheapest clock that is good enough.

use super::wall;

/// The clock behind a measured processor time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CpuClock {
    /// The thread's own processor clock.
    Thread,
    /// The wall clock: an upper bound, in which waiting and other threads' turns count too.
    Wall,
    /// The processor's cycle counter, which runs as the wall clock does and takes less time to read: an upper bound, too.
    Cycles,
}

impl CpuClock {
    /// Whether what it tells may be more than what was used.
    #[must_use]
    pub const fn is_upper_bound(self) -> bool {
        matches!(self, Self::Wall | Self::Cycles)
    }
}

/// Reading the thread's clock is a system call, about a microsecond for a start and a stop: work
/// that declares less than this is measured against the wall clock.
const THREAD_CLOCK_FROM_NS: u64 = 100_000;

/// A started measurement.
#[derive(Debug)]
pub(super) enum Stopwatch {
    Thread { start_ns: u64 },
    Wall { start_ns: u64 },
}

impl Stopwatch {
    /// Starts, for work that declares `limit_ns`.
    pub(super) fn start(limit_ns: u64) -> Self {
        if limit_ns >= THREAD_CLOCK_FROM_NS
            && let Some(start_ns) = thread_cpu_ns()
        {
            return Self::Thread { start_ns };
        }
        Self::Wall {
            start_ns: wall::now_ns(),
        }
    }

    /// Nanoseconds since the start.
    pub(super) fn elapsed_ns(&self) -> u64 {
        match self {
            Self::Thread { start_ns } => {
                thread_cpu_ns().map_or(0, |now_ns| now_ns.saturating_sub(*start_ns))
            }
            Self::Wall { start_ns } => wall::now_ns_after().saturating_sub(*start_ns),
        }
    }

    pub(super) fn clock(&self) -> CpuClock {
        match self {
            Self::Thread { .. } => CpuClock::Thread,
            Self::Wall { .. } if wall::is_by_cycles() => CpuClock::Cycles,
            Self::Wall { .. } => CpuClock::Wall,
        }
    }
}

/// Processor time of this thread since it began; `None` where the platform does not tell.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_vendor = "apple"
))]
pub(super) fn thread_cpu_ns() -> Option<u64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let ns = u64::try_from(time.tv_nsec).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(ns)
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_vendor = "apple"
)))]
pub(super) fn thread_cpu_ns() -> Option<u64> {
    None
}
