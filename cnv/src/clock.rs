//! Where "now" comes from.

use core::time::Duration;

/// A moment on a monotonic clock, in nanoseconds since some moment of the clock's choice.
///
/// Moments of two clocks have nothing to do with each other, but for those of [`Monotonic`], coarse or fine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The moment of so many nanoseconds.
    #[must_use]
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// Its nanoseconds.
    #[must_use]
    pub const fn as_ns(self) -> u64 {
        self.0
    }

    /// The moment so much later; the last one there is where that would be after it.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(ns(duration)))
    }

    /// The time since `earlier`; none where that is later, as on a clock that went back.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A monotonic clock.
///
/// Policies survive one that jumps: after a jump forwards what was waited for is over, after one backwards it begins
/// anew, and neither lasts longer than it was set to.
pub trait Clock {
    /// The moment now, read as cheaply as can be, to within some milliseconds.
    fn now(&self) -> Moment;

    /// The moment now, on the same scale, to within some microseconds.
    fn fine_now(&self) -> Moment {
        self.now()
    }
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now(&self) -> Moment {
        (**self).now()
    }

    fn fine_now(&self) -> Moment {
        (**self).fine_now()
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Moment {
        (**self).now()
    }

    fn fine_now(&self) -> Moment {
        (**self).fine_now()
    }
}

/// The system's monotonic clock.
///
/// On Linux the cheap reading is `CLOCK_MONOTONIC_COARSE`, the moment of the last tick (clock_gettime(2)), which
/// takes a fifth of the fine one and half of the processor's cycle counter; elsewhere both are the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Monotonic;

impl Clock for Monotonic {
    #[inline]
    fn now(&self) -> Moment {
        Moment(system::now_ns())
    }

    #[inline]
    fn fine_now(&self) -> Moment {
        Moment(system::fine_now_ns())
    }
}

/// A duration as nanoseconds, or as many as there are.
pub(crate) const fn ns(duration: Duration) -> u64 {
    let ns = duration.as_nanos();
    if ns > u64::MAX as u128 {
        u64::MAX
    } else {
        ns as u64
    }
}

#[cfg(unix)]
mod system {
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CHEAP: ClockId = ClockId::MonotonicCoarse;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CHEAP: ClockId = ClockId::Monotonic;

    #[inline]
    pub(super) fn now_ns() -> u64 {
        read(CHEAP)
    }

    #[inline]
    pub(super) fn fine_now_ns() -> u64 {
        read(ClockId::Monotonic)
    }

    /// It counts from the start of the machine, so that centuries fit and nothing is negative.
    #[inline]
    fn read(clock: ClockId) -> u64 {
        let time = clock_gettime(clock);
        (time.tv_sec as u64)
            .wrapping_mul(1_000_000_000)
            .wrapping_add(time.tv_nsec as u64)
    }
}

#[cfg(not(unix))]
mod system {
    use std::sync::OnceLock;
    use std::time::Instant;

    /// What moments count from, since an `Instant` has no number.
    static FIRST: OnceLock<Instant> = OnceLock::new();

    pub(super) fn now_ns() -> u64 {
        super::ns(FIRST.get_or_init(Instant::now).elapsed())
    }

    pub(super) fn fine_now_ns() -> u64 {
        now_ns()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn both_readings_are_of_one_scale() {
        let before = Monotonic.fine_now();
        let coarse = Monotonic.now();
        // A tick is 10 ms at most; the rest is for a machine that is busy.
        assert!(before.since(coarse) < S, "{before:?} {coarse:?}");
        assert!(coarse.since(before) < S, "{before:?} {coarse:?}");
    }

    #[test]
    fn time_ends_at_its_ends() {
        assert_eq!(Moment::from_ns(7).since(Moment::from_ns(9)), Duration::ZERO);
        let last = Moment::from_ns(u64::MAX - 1).after(S);
        assert_eq!(last, Moment::from_ns(u64::MAX));
    }
}
