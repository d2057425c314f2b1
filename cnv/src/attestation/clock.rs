//! Time: seconds since 1970, and where "now" comes from.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in UTC, in whole seconds since 1970-01-01T00:00:00Z, leap seconds not counted (POSIX time).
///
/// `Display` prints RFC 3339 (`2026-11-22T22:17:56Z`) up to the year 9999 and `@seconds` after it.
///
/// ```
/// use cnv::attestation::Timestamp;
///
/// let moment = Timestamp::from_unix_seconds(951_827_696);
/// assert_eq!(moment.to_string(), "2000-02-29T12:34:56Z");
/// assert_eq!(moment.checked_add_seconds(4).unwrap().to_string(), "2000-02-29T12:35:00Z");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment this many seconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_unix_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_unix_seconds(self) -> u64 {
        self.0
    }

    /// The system clock's moment, cut to the second.
    ///
    /// A clock set before 1970 reads as 1970, at which no attestation is valid yet.
    #[must_use]
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// The moment `seconds` later, or `None` where that cannot be represented.
    #[must_use]
    pub const fn checked_add_seconds(self, seconds: u64) -> Option<Self> {
        match self.0.checked_add(seconds) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// Seconds from `earlier` to this moment; 0 where `earlier` is later.
    #[must_use]
    pub const fn seconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl From<SystemTime> for Timestamp {
    /// The moment cut to the second; one before 1970 becomes 1970.
    fn from(time: SystemTime) -> Self {
        Self(
            time.duration_since(UNIX_EPOCH)
                .unwrap_or(Duration::ZERO)
                .as_secs(),
        )
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LAST_OF_YEAR_9999: u64 = 253_402_300_799;
        if self.0 > LAST_OF_YEAR_9999 {
            return write!(f, "@{}", self.0);
        }
        let (year, month, day) = civil_date(self.0 / 86_400);
        let second_of_day = self.0 % 86_400;
        let (hour, minute, second) = (
            second_of_day / 3600,
            second_of_day / 60 % 60,
            second_of_day % 60,
        );
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// Year, month and day of a day counted from 1970-01-01.
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`, for days that are not negative:
/// years run from March, so that the leap day is a year's last, and eras of 400 years repeat.
const fn civil_date(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// Where "now" comes from. Passed in wherever a decision depends on time, so that tests own it.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The operating system's real-time clock.
///
/// On Linux it is `CLOCK_REALTIME_COARSE`: at most a tick (1 to 10 ms) behind, which whole seconds do not show, and read
/// without a look at the hardware.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[cfg(target_os = "linux")]
    fn now(&self) -> Timestamp {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        // Before 1970 no attestation is valid yet.
        Timestamp(u64::try_from(time.tv_sec).unwrap_or(0))
    }

    #[cfg(not(target_os = "linux"))]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until it is moved. For tests.
///
/// ```
/// use cnv::attestation::{Clock, ManualClock, Timestamp};
///
/// let clock = ManualClock::at(Timestamp::from_unix_seconds(1_000));
/// clock.advance_seconds(5);
/// assert_eq!(clock.now(), Timestamp::from_unix_seconds(1_005));
/// ```
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that shows `moment`.
    #[must_use]
    pub const fn at(moment: Timestamp) -> Self {
        Self(AtomicU64::new(moment.0))
    }

    /// Sets the clock, forwards or backwards.
    pub fn set(&self, moment: Timestamp) {
        self.0.store(moment.0, Ordering::Relaxed);
    }

    /// Moves the clock forwards. It stops at the last representable second.
    pub fn advance_seconds(&self, seconds: u64) {
        let step = |now: u64| Some(now.saturating_add(seconds));
        // The closure never refuses, so the update always takes place.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn dates_at_the_edges_of_the_calendar() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (68_255_999, "1972-02-29T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (253_402_300_800, "@253402300800"),
            (u64::MAX, "@18446744073709551615"),
        ];
        for (seconds, text) in cases {
            assert_eq!(Timestamp::from_unix_seconds(seconds).to_string(), text);
        }
    }
}
