//! When a call has to be over.

use core::fmt;
use core::time::Duration;

use super::clock::{Clock, Moment, Monotonic};

/// When a call has to be over: a moment, which stays where it is however long the call waits, backs off or tries again.
///
/// What is sent on to another process is what remains of it, in milliseconds: the clocks of two machines do not agree on
/// moments.
///
/// ```
/// use std::time::Duration;
/// use cnv::recovery::Deadline;
///
/// let deadline = Deadline::after(Duration::from_secs(2));
/// assert!(deadline.remaining_ms() <= 2000);
/// // What a call makes in turn has no more time than the call.
/// let child = deadline.earlier(Some(Deadline::after(Duration::from_secs(60))));
/// assert_eq!(child, deadline);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Moment);

impl Deadline {
    /// So long after now, on the system's clock.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self::after_on(&Monotonic, duration)
    }

    /// So long after now, on `clock`: for policies that have the same.
    #[must_use]
    pub fn after_on(clock: &(impl Clock + ?Sized), duration: Duration) -> Self {
        Self(clock.fine_now().after(duration))
    }

    /// What another process sent on: its [`remaining_ms`](Self::remaining_ms).
    #[must_use]
    pub fn from_remaining_ms(remaining_ms: u64) -> Self {
        Self::after(Duration::from_millis(remaining_ms))
    }

    /// At a moment of the clock that the policy has.
    #[must_use]
    pub const fn at(moment: Moment) -> Self {
        Self(moment)
    }

    /// The moment.
    #[must_use]
    pub const fn moment(self) -> Moment {
        self.0
    }

    /// The earlier of the two, so that a child's deadline is never after its parent's.
    #[must_use]
    pub fn earlier(self, other: Option<Self>) -> Self {
        other.map_or(self, |other| self.min(other))
    }

    /// How much of it is left on the system's clock; nothing where it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.remaining_at(Monotonic.fine_now())
    }

    /// How much of it is left at a moment of its clock.
    #[must_use]
    pub const fn remaining_at(self, now: Moment) -> Duration {
        self.0.since(now)
    }

    /// How much of it is left, in whole milliseconds, for who is called next. Rounded down: 0 is no time.
    #[must_use]
    pub fn remaining_ms(self) -> u64 {
        u64::try_from(self.remaining().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether it has passed at a moment of its clock.
    #[must_use]
    pub fn is_over_at(self, now: Moment) -> bool {
        now >= self.0
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deadline").field(&self.0.as_ns()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_never_has_more_time_than_its_parent() {
        let at = |ns| Deadline::at(Moment::from_ns(ns));
        assert_eq!(at(5).earlier(Some(at(7))), at(5));
        assert_eq!(at(7).earlier(Some(at(5))), at(5));
        assert_eq!(at(7).earlier(None), at(7));
    }

    #[test]
    fn it_is_over_from_its_moment_on() {
        let deadline = Deadline::at(Moment::from_ns(10));
        assert!(!deadline.is_over_at(Moment::from_ns(9)));
        assert!(deadline.is_over_at(Moment::from_ns(10)));
        assert_eq!(
            deadline.remaining_at(Moment::from_ns(4)),
            Duration::from_nanos(6)
        );
        assert_eq!(deadline.remaining_at(Moment::from_ns(40)), Duration::ZERO);
    }

    #[test]
    fn what_is_sent_on_is_rounded_down() {
        let deadline = Deadline::from_remaining_ms(3_600_000);
        assert!((3_000_000..3_600_000).contains(&deadline.remaining_ms()));
        assert_eq!(Deadline::from_remaining_ms(0).remaining_ms(), 0);
        // What no clock reaches stays far away.
        assert!(Deadline::from_remaining_ms(u64::MAX).remaining_ms() > 1 << 40);
    }
}
