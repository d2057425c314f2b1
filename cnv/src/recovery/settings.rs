//! What a policy is asked to do, as plain values that are `const`.

pub(super) use crate::clock::ns;
use core::time::Duration;

use super::fault::SettingsFault;

/// The most calls that a bulkhead can let run at a time, and the most that can wait.
pub const BULKHEAD_MAX: u32 = (1 << 20) - 1;

/// Calls that [`Bulkhead::back_pressure`] lets wait at most.
const BACK_PRESSURE_QUEUE: u32 = 65_536;

/// The longest time that a setting can have, a century: sums of two are then far from the end of 64 bits.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Below this a setting asks for a clock that is finer than the coarse one, whose ticks are up to 10 ms apart.
const FINE: Duration = Duration::from_millis(100);

/// Millionths, in which ratios are kept.
pub(super) const WHOLE: u64 = 1_000_000;

/// What a [`Policy`](super::Policy) does. Nothing that is not named is done.
///
/// ```
/// use std::time::Duration;
/// use cnv::recovery::{Bulkhead, CircuitBreaker, Policy, Retry, Settings};
///
/// static GEO: Policy = Policy::new(
///     "geo",
///     Settings::new()
///         .timeout(Duration::from_secs(1))
///         .retry(Retry::new())
///         .circuit_breaker(CircuitBreaker::new())
///         .bulkhead(Bulkhead::new(16)),
/// );
/// assert_eq!(GEO.name(), "geo");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub(super) timeout: Option<Duration>,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) retry: Option<Retry>,
    pub(super) circuit_breaker: Option<CircuitBreaker>,
    pub(super) bulkhead: Option<Bulkhead>,
}

impl Settings {
    /// Whether there is a circuit breaker.
    #[cfg(all(feature = "command", feature = "trace"))]
    pub(crate) const fn has_circuit_breaker(&self) -> bool {
        self.circuit_breaker.is_some()
    }

    /// Whether there is a bulkhead.
    #[cfg(all(feature = "command", feature = "trace"))]
    pub(crate) const fn has_bulkhead(&self) -> bool {
        self.bulkhead.is_some()
    }

    /// Settings that do nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            timeout: None,
            attempt_timeout: None,
            retry: None,
            circuit_breaker: None,
            bulkhead: None,
        }
    }

    /// How long a call may take in all: waiting for its place, every attempt and every backoff.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long one attempt may take.
    #[must_use]
    pub const fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// Tries again what failed.
    #[must_use]
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Stops calling what fails.
    #[must_use]
    pub const fn circuit_breaker(mut self, circuit_breaker: CircuitBreaker) -> Self {
        self.circuit_breaker = Some(circuit_breaker);
        self
    }

    /// Bounds how many calls run at a time.
    #[must_use]
    pub const fn bulkhead(mut self, bulkhead: Bulkhead) -> Self {
        self.bulkhead = Some(bulkhead);
        self
    }

    /// Whether a policy can do this.
    ///
    /// # Errors
    ///
    /// The first [`SettingsFault`].
    pub const fn check(&self) -> Result<(), SettingsFault> {
        if let Some(timeout) = self.timeout
            && !is_span(timeout)
        {
            return Err(SettingsFault::Timeout);
        }
        if let Some(timeout) = self.attempt_timeout
            && !is_span(timeout)
        {
            return Err(SettingsFault::AttemptTimeout);
        }
        if let Some(retry) = &self.retry
            && let Err(fault) = retry.check()
        {
            return Err(fault);
        }
        if let Some(circuit_breaker) = &self.circuit_breaker
            && let Err(fault) = circuit_breaker.check()
        {
            return Err(fault);
        }
        match &self.bulkhead {
            Some(bulkhead) => bulkhead.check(),
            None => Ok(()),
        }
    }

    /// What the retry budget earns: one account has one rate, whatever calls with retries of their own would have.
    pub(super) const fn account(&self) -> Retry {
        match self.retry {
            Some(retry) => retry,
            None => Retry::new(),
        }
    }

    /// Whether a time is so short that the ticks of the coarse clock would show.
    pub(super) const fn is_fine(&self) -> bool {
        is_below(self.timeout, FINE)
            || is_below(self.attempt_timeout, FINE)
            || matches!(&self.circuit_breaker, Some(circuit_breaker)
                if is_below(circuit_breaker.slow, FINE)
                    || is_below(Some(circuit_breaker.open), FINE)
                    // A window is ten buckets.
                    || circuit_breaker.window.as_nanos() < 10 * FINE.as_nanos())
    }
}

/// How often and when to try again.
///
/// The backoff before attempt n + 1 is `base` * 2^(n - 1), at most `cap`, and of that a random part. How many retries a
/// policy makes in all is bounded by its *retry budget*, whatever single calls may do: [`budget`](Self::budget).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    pub(super) attempts: u32,
    pub(super) base: Duration,
    pub(super) cap: Duration,
    pub(super) jitter: Jitter,
    pub(super) budget_millionths: u64,
    pub(super) budget_per_second: u32,
}

impl Retry {
    /// Three attempts, 50 ms doubling up to 20 s, full jitter, and retries for 20 % of the calls but for 10 a second in any
    /// case.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            attempts: 3,
            base: Duration::from_millis(50),
            cap: Duration::from_secs(20),
            jitter: Jitter::Full,
            budget_millionths: WHOLE / 5,
            budget_per_second: 10,
        }
    }

    /// How many attempts a call makes at most, the first included: 1 to 100.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The first backoff.
    #[must_use]
    pub const fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// The longest backoff. What a server asks for may be longer, and is honoured up to five minutes, or this if it is more.
    #[must_use]
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// Which part of the backoff is random.
    #[must_use]
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Retries for this part of the calls, 0 to 1, and for so many a second where that is more.
    ///
    /// It is the larger of the two and not their sum: a dependency that is down then never sees more than
    /// `1 + ratio` times what it is offered, as soon as that is more than `per_second / ratio` calls a second.
    ///
    /// It is the policy's. Of a call's [own settings](super::Call::settings) it says nothing: the policy's retries say it,
    /// or the defaults where it has none.
    #[must_use]
    pub const fn budget(mut self, ratio: f64, per_second: u32) -> Self {
        self.budget_millionths = millionths(ratio);
        self.budget_per_second = per_second;
        self
    }

    const fn check(&self) -> Result<(), SettingsFault> {
        if self.attempts == 0 || self.attempts > 100 {
            return Err(SettingsFault::Attempts);
        }
        if !is_span(self.base) || !is_span(self.cap) || self.base.as_nanos() > self.cap.as_nanos() {
            return Err(SettingsFault::Backoff);
        }
        if self.budget_millionths > WHOLE {
            return Err(SettingsFault::RetryBudget);
        }
        Ok(())
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

/// Which part of a backoff is random, so that those who failed together do not come back together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Jitter {
    /// All of it: between nothing and the backoff. The fewest calls collide
    /// (Brooker, "Exponential Backoff And Jitter", 2015).
    #[default]
    Full,
    /// Half of it: between half of the backoff and all.
    Equal,
    /// None.
    None,
}

/// When to stop calling what fails, and when to try whether it works again.
///
/// It opens by any of the rules that are on: the part of calls that fail, the part of calls that are slow, and failures
/// one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitBreaker {
    pub(super) failure_millionths: u64,
    pub(super) window: Duration,
    pub(super) minimum: u32,
    pub(super) consecutive: Option<u32>,
    pub(super) slow: Option<Duration>,
    pub(super) slow_millionths: u64,
    pub(super) open: Duration,
    pub(super) longest_open: Duration,
    pub(super) probes: u32,
    pub(super) half_open: Duration,
}

impl CircuitBreaker {
    /// Opens where half of at least 20 calls within 10 s failed, for 5 s that double up to a minute; 3 probes, which have
    /// 10 s.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            failure_millionths: WHOLE / 2,
            window: Duration::from_secs(10),
            minimum: 20,
            consecutive: None,
            slow: None,
            slow_millionths: WHOLE / 2,
            open: Duration::from_secs(5),
            longest_open: Duration::from_secs(60),
            probes: 3,
            half_open: Duration::from_secs(10),
        }
    }

    /// The part of the calls in the window that has to fail, above 0 and up to 1.
    #[must_use]
    pub const fn failures(mut self, ratio: f64) -> Self {
        self.failure_millionths = millionths(ratio);
        self
    }

    /// How far back calls count. It slides by tenths, each at least 1 ms.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// How many calls there must be in the window before a ratio says anything.
    #[must_use]
    pub const fn minimum(mut self, calls: u32) -> Self {
        self.minimum = calls;
        self
    }

    /// Opens at so many failures one after the other, too, however few calls there are.
    #[must_use]
    pub const fn consecutive(mut self, failures: u32) -> Self {
        self.consecutive = Some(failures);
        self
    }

    /// Opens where half of the calls take at least this long, too.
    #[must_use]
    pub const fn slow(mut self, slow: Duration) -> Self {
        self.slow = Some(slow);
        self
    }

    /// The part of the calls in the window that has to be slow, in place of a half.
    #[must_use]
    pub const fn slow_ratio(mut self, ratio: f64) -> Self {
        self.slow_millionths = millionths(ratio);
        self
    }

    /// How long it stays open. Every time that it opens again before it was closed for a whole window, twice as long, and
    /// up to a quarter more at random.
    #[must_use]
    pub const fn open(mut self, open: Duration) -> Self {
        self.open = open;
        if self.longest_open.as_nanos() < open.as_nanos() {
            self.longest_open = open;
        }
        self
    }

    /// The longest that it stays open, but for the random part.
    #[must_use]
    pub const fn longest_open(mut self, longest: Duration) -> Self {
        self.longest_open = longest;
        self
    }

    /// How many calls try whether it works again, and all have to succeed.
    #[must_use]
    pub const fn probes(mut self, probes: u32) -> Self {
        self.probes = probes;
        self
    }

    /// How long the probes have. Those that are still out then count as failed.
    #[must_use]
    pub const fn half_open(mut self, limit: Duration) -> Self {
        self.half_open = limit;
        self
    }

    const fn check(&self) -> Result<(), SettingsFault> {
        if !is_part(self.failure_millionths) {
            return Err(SettingsFault::FailureRatio);
        }
        if !is_part(self.slow_millionths) || matches!(self.slow, Some(slow) if !is_span(slow)) {
            return Err(SettingsFault::Slow);
        }
        if !is_span(self.window) || self.window.as_millis() < 10 {
            return Err(SettingsFault::Window);
        }
        if self.minimum == 0 {
            return Err(SettingsFault::Minimum);
        }
        if matches!(self.consecutive, Some(0)) {
            return Err(SettingsFault::Consecutive);
        }
        if !is_span(self.open)
            || !is_span(self.longest_open)
            || self.longest_open.as_nanos() < self.open.as_nanos()
        {
            return Err(SettingsFault::Open);
        }
        if self.probes == 0 || !is_span(self.half_open) {
            return Err(SettingsFault::Probes);
        }
        Ok(())
    }
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::new()
    }
}

/// How many calls run at a time, and what happens to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bulkhead {
    pub(super) max: u32,
    pub(super) queue: u32,
    pub(super) wait: Option<Duration>,
    pub(super) is_back_pressure: bool,
}

impl Bulkhead {
    /// At most `max` calls at a time; the next is refused.
    #[must_use]
    pub const fn new(max: u32) -> Self {
        Self {
            max,
            queue: 0,
            wait: None,
            is_back_pressure: false,
        }
    }

    /// Up to `queue` more calls wait for their turn, each as long as its deadline allows.
    #[must_use]
    pub const fn queue(mut self, queue: u32) -> Self {
        self.queue = queue;
        self
    }

    /// Those that wait, wait no longer than this.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// The next calls wait, 65 536 at most. A tower service is not ready until there is room.
    #[must_use]
    pub const fn back_pressure(mut self) -> Self {
        self.queue = BACK_PRESSURE_QUEUE;
        self.wait = None;
        self.is_back_pressure = true;
        self
    }

    const fn check(&self) -> Result<(), SettingsFault> {
        if self.max == 0 || self.max > BULKHEAD_MAX || self.queue > BULKHEAD_MAX {
            return Err(SettingsFault::Bulkhead);
        }
        match self.wait {
            Some(wait) if self.queue == 0 || !is_span(wait) => Err(SettingsFault::Wait),
            _ => Ok(()),
        }
    }
}

const fn is_below(duration: Option<Duration>, bound: Duration) -> bool {
    matches!(duration, Some(duration) if duration.as_nanos() < bound.as_nanos())
}

const fn is_span(duration: Duration) -> bool {
    !duration.is_zero() && duration.as_nanos() <= LONGEST.as_nanos()
}

const fn is_part(millionths: u64) -> bool {
    millionths > 0 && millionths <= WHOLE
}

/// What is no ratio, below 0 or not a number, becomes more than the whole, which is refused.
const fn millionths(ratio: f64) -> u64 {
    if ratio >= 0.0 && ratio <= 1.0 {
        let millionths = (ratio * WHOLE as f64 + 0.5) as u64;
        // A ratio that is there does not become none.
        if ratio > 0.0 && millionths == 0 {
            1
        } else {
            millionths
        }
    } else {
        u64::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn the_defaults_are_sound() {
        let settings = Settings::new()
            .timeout(S)
            .attempt_timeout(S)
            .retry(Retry::default())
            .circuit_breaker(CircuitBreaker::default())
            .bulkhead(Bulkhead::new(1).queue(1).wait(S));
        assert_eq!(settings.check(), Ok(()));
        assert!(!settings.is_fine());
    }

    #[test]
    fn each_fault_is_named() {
        let breaker = CircuitBreaker::new;
        let settings = Settings::new;
        let of = |settings: Settings| settings.check().unwrap_err();
        assert_eq!(
            of(settings().timeout(Duration::ZERO)),
            SettingsFault::Timeout
        );
        assert_eq!(
            of(settings().timeout(Duration::MAX)),
            SettingsFault::Timeout
        );
        assert_eq!(
            of(settings().attempt_timeout(Duration::ZERO)),
            SettingsFault::AttemptTimeout
        );
        for (retry, fault) in [
            (Retry::new().attempts(0), SettingsFault::Attempts),
            (Retry::new().attempts(101), SettingsFault::Attempts),
            (Retry::new().base(21 * S), SettingsFault::Backoff),
            (Retry::new().cap(Duration::MAX), SettingsFault::Backoff),
            (Retry::new().budget(1.1, 10), SettingsFault::RetryBudget),
            (
                Retry::new().budget(f64::NAN, 10),
                SettingsFault::RetryBudget,
            ),
        ] {
            assert_eq!(of(settings().retry(retry)), fault);
        }
        for (breaker, fault) in [
            (breaker().failures(0.0), SettingsFault::FailureRatio),
            (breaker().failures(-0.5), SettingsFault::FailureRatio),
            (
                breaker().failures(f64::INFINITY),
                SettingsFault::FailureRatio,
            ),
            (breaker().slow(Duration::ZERO), SettingsFault::Slow),
            (breaker().slow_ratio(2.0), SettingsFault::Slow),
            (breaker().window(S / 101), SettingsFault::Window),
            (breaker().minimum(0), SettingsFault::Minimum),
            (breaker().consecutive(0), SettingsFault::Consecutive),
            (breaker().open(Duration::ZERO), SettingsFault::Open),
            (breaker().longest_open(S), SettingsFault::Open),
            (breaker().probes(0), SettingsFault::Probes),
            (breaker().half_open(Duration::ZERO), SettingsFault::Probes),
        ] {
            assert_eq!(of(settings().circuit_breaker(breaker)), fault);
        }
        for (bulkhead, fault) in [
            (Bulkhead::new(0), SettingsFault::Bulkhead),
            (Bulkhead::new(BULKHEAD_MAX + 1), SettingsFault::Bulkhead),
            (Bulkhead::new(1).wait(S), SettingsFault::Wait),
            (
                Bulkhead::new(1).queue(1).wait(Duration::ZERO),
                SettingsFault::Wait,
            ),
        ] {
            assert_eq!(of(settings().bulkhead(bulkhead)), fault);
        }
    }

    #[test]
    fn short_times_ask_for_a_finer_clock() {
        let ms = Duration::from_millis;
        assert!(Settings::new().timeout(ms(99)).is_fine());
        assert!(Settings::new().attempt_timeout(ms(5)).is_fine());
        let breaker = CircuitBreaker::new();
        assert!(
            Settings::new()
                .circuit_breaker(breaker.slow(ms(5)))
                .is_fine()
        );
        assert!(
            Settings::new()
                .circuit_breaker(breaker.window(ms(999)))
                .is_fine()
        );
        assert!(!Settings::new().circuit_breaker(breaker.window(S)).is_fine());
    }

    #[test]
    fn a_ratio_that_is_there_stays() {
        assert_eq!(millionths(1e-9), 1);
        assert_eq!(millionths(0.2), 200_000);
        assert_eq!(millionths(0.0), 0);
    }
}
