//! How many retries all calls together may make.
//!
//! A call earns a part of a retry and time earns some a second; what a retry costs is taken from both. So the retries of
//! any long stretch are the larger of the two and not their sum: with 20 % and 10 a second a dependency that is down sees
//! 1.2 times what it is offered from 50 calls a second on. Little is saved up, because what a healthy hour earned would
//! be a wave of retries on the dependency that fails after it.

use core::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::settings::{Retry, WHOLE};

/// How many retries calls can save up, and how many can be owed to them.
const SAVED: i64 = 10 * WHOLE as i64;

/// In millionths of a retry.
pub(super) struct RetryBudget {
    by_calls: i64,
    by_time: i64,
    /// When `by_time` was brought up to date; `None` before the first time.
    at_ns: Option<u64>,
}

impl RetryBudget {
    pub(super) const fn new() -> Self {
        Self {
            by_calls: 0,
            by_time: 0,
            at_ns: None,
        }
    }

    /// So many calls were made.
    pub(super) fn earn(&mut self, calls: u64, settings: &Retry) {
        let earned = calls.saturating_mul(settings.budget_millionths);
        let earned = i64::try_from(earned).unwrap_or(i64::MAX);
        self.by_calls = self.by_calls.saturating_add(earned).min(SAVED);
    }

    /// Takes one retry, if there is one.
    pub(super) fn spend(&mut self, now_ns: u64, settings: &Retry) -> bool {
        self.age(now_ns, settings);
        let whole = WHOLE as i64;
        if self.by_calls < whole && self.by_time < whole {
            return false;
        }
        self.by_calls = (self.by_calls - whole).max(-SAVED);
        self.by_time = (self.by_time - whole).max(0);
        true
    }

    /// One second's worth is the most that time saves up, and what there is to begin with.
    fn age(&mut self, now_ns: u64, settings: &Retry) {
        let per_second = i64::from(settings.budget_per_second);
        let most = per_second * WHOLE as i64;
        // A clock that went far has earned no more than a second's worth, and one that went back nothing.
        let elapsed_ns = match self.at_ns {
            Some(at_ns) => now_ns.saturating_sub(at_ns).min(1_000_000_000),
            None => 1_000_000_000,
        };
        let earned = (elapsed_ns / 1000) as i64 * per_second;
        // What is less than a microsecond is left for the next time.
        self.at_ns = Some(now_ns - elapsed_ns % 1000);
        self.by_time = (self.by_time + earned).min(most);
    }
}

/// A retry budget as it was when it last changed, for whoever asks without its lock.
///
/// Its numbers may be of two changes, when it is asked in between: what is said is then of neither, and near to both.
pub(super) struct Published {
    by_calls: AtomicI64,
    by_time: AtomicI64,
    /// All ones before the first time.
    at_ns: AtomicU64,
}

impl Published {
    pub(super) const fn new() -> Self {
        Self {
            by_calls: AtomicI64::new(0),
            by_time: AtomicI64::new(0),
            at_ns: AtomicU64::new(u64::MAX),
        }
    }

    pub(super) fn publish(&self, budget: &RetryBudget) {
        self.by_calls.store(budget.by_calls, Ordering::Relaxed);
        self.by_time.store(budget.by_time, Ordering::Relaxed);
        let at_ns = budget.at_ns.unwrap_or(u64::MAX);
        self.at_ns.store(at_ns, Ordering::Relaxed);
    }

    /// How many retries there are at a moment.
    pub(super) fn left(&self, now_ns: u64, settings: &Retry) -> u32 {
        let at_ns = self.at_ns.load(Ordering::Relaxed);
        let mut budget = RetryBudget {
            by_calls: self.by_calls.load(Ordering::Relaxed),
            by_time: self.by_time.load(Ordering::Relaxed),
            at_ns: (at_ns != u64::MAX).then_some(at_ns),
        };
        budget.age(now_ns, settings);
        let left = budget.by_calls.max(budget.by_time) / WHOLE as i64;
        u32::try_from(left.max(0)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Every call fails and asks for two retries.
    fn retries(calls: u64, gap_ns: u64, settings: &Retry) -> u64 {
        let mut budget = RetryBudget::new();
        let mut retries = 0;
        for call in 0..calls {
            budget.earn(1, settings);
            for _ in 0..2 {
                retries += u64::from(budget.spend(call * gap_ns, settings));
            }
        }
        retries
    }

    #[test]
    fn of_many_calls_a_part_is_tried_again() {
        let settings = Retry::new();
        for per_second in [100, 1000, 100_000] {
            let retries = retries(100_000, SECOND / per_second, &settings);
            assert!(
                (19_900..=20_000).contains(&retries),
                "{per_second}: {retries}"
            );
        }
    }

    #[test]
    fn of_few_calls_so_many_a_second_are_tried_again() {
        let settings = Retry::new();
        // Two calls a second: all may be tried again, twice.
        assert_eq!(retries(1000, SECOND / 2, &settings), 2000);
        // Ten calls a second ask for 20 retries and have 10.
        let some = retries(1000, SECOND / 10, &settings);
        assert!((1000..=1020).contains(&some), "{some}");
        assert_eq!(retries(1000, SECOND, &settings.budget(0.0, 0)), 0);
        let part = retries(1000, SECOND, &settings.budget(0.5, 0));
        assert_eq!(part, 500);
    }

    #[test]
    fn a_healthy_hour_saves_up_little() {
        let settings = Retry::new();
        let mut budget = RetryBudget::new();
        budget.earn(u64::MAX, &settings);
        assert!(budget.spend(0, &settings));
        let more = (0..1000).filter(|_| budget.spend(3600 * SECOND, &settings));
        assert!(more.count() <= 20);
    }

    #[test]
    fn a_clock_that_jumps_earns_a_second_at_most() {
        let settings = Retry::new();
        let mut budget = RetryBudget::new();
        while budget.spend(1000 * SECOND, &settings) {}
        let spent = |budget: &mut RetryBudget, now_ns| {
            let mut spent = 0;
            while budget.spend(now_ns, &settings) {
                spent += 1;
            }
            spent
        };
        assert_eq!(spent(&mut budget, 0), 0);
        assert_eq!(spent(&mut budget, SECOND / 2), 5);
        assert_eq!(spent(&mut budget, u64::MAX), 10);
        assert_eq!(spent(&mut budget, SECOND), 0);
        assert_eq!(spent(&mut budget, 2 * SECOND), 10);
    }

    #[test]
    fn readings_close_together_earn_as_much_as_far_ones() {
        let settings = Retry::new();
        let mut budget = RetryBudget::new();
        while budget.spend(0, &settings) {}
        let often = (0..SECOND / 100).step_by(300);
        let spent = often
            .filter(|now_ns| budget.spend(*now_ns, &settings))
            .count();
        assert_eq!(spent, 0, "10 ms are a tenth of a retry");
        let often = (SECOND / 100..SECOND / 10 + 2_000_000).step_by(300);
        let spent = often
            .filter(|now_ns| budget.spend(*now_ns, &settings))
            .count();
        assert_eq!(spent, 1);
    }

    #[test]
    fn what_is_published_is_what_can_be_spent() {
        let settings = Retry::new();
        let published = Published::new();
        let mut budget = RetryBudget::new();
        for (calls, now_ns) in [
            (0, 0),
            (33, 1),
            (100, 2),
            (0, SECOND / 4),
            (0, 9 * SECOND),
            (0, 8 * SECOND),
        ] {
            budget.earn(calls, &settings);
            published.publish(&budget);
            let left = published.left(now_ns, &settings);
            let mut spent = 0;
            while budget.spend(now_ns, &settings) {
                spent += 1;
            }
            assert_eq!(left, spent, "at {now_ns}");
            published.publish(&budget);
            assert_eq!(published.left(now_ns, &settings), 0, "at {now_ns}");
        }
    }
}
