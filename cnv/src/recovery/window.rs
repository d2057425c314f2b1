//! What happened lately: ten buckets, the last of which slides along with the clock.
//!
//! Successes are counted elsewhere, by numbers that only grow ([`slots`](super::slots)). A bucket keeps what that number
//! was when it began, and the window's successes are a difference. So a success costs the window nothing.

/// How many buckets there are, the current one included: what counts is nine to ten tenths of the window old.
const BUCKETS: usize = 10;

/// Counts of a time that slides.
pub(super) struct Window {
    buckets: [Bucket; BUCKETS],
    current: usize,
    start_ns: u64,
}

#[derive(Clone, Copy)]
struct Bucket {
    failures: u32,
    slow: u32,
    /// What the number of successes was when it began.
    successes_before: u64,
}

/// What is in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) successes: u64,
    pub(super) failures: u64,
    pub(super) slow: u64,
}

impl Window {
    pub(super) const fn new() -> Self {
        Self {
            buckets: [Bucket::begin(0); BUCKETS],
            current: 0,
            start_ns: 0,
        }
    }

    /// When the current bucket began.
    pub(super) const fn start_ns(&self) -> u64 {
        self.start_ns
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, now_ns: u64, successes: u64) {
        *self = Self {
            buckets: [Bucket::begin(successes); BUCKETS],
            current: 0,
            start_ns: now_ns,
        };
    }

    /// Begins the buckets that are due.
    ///
    /// A moment before the current one is most often a reading that comes late, and belongs to it: were it taken for a
    /// clock that went back, the next reading would slide over all that was counted. Only what is a window behind is such
    /// a clock; the current bucket then begins anew and nothing is forgotten.
    pub(super) fn slide(&mut self, now_ns: u64, bucket_ns: u64, successes: u64) {
        let Some(elapsed_ns) = now_ns.checked_sub(self.start_ns) else {
            if self.start_ns - now_ns >= bucket_ns.saturating_mul(BUCKETS as u64) {
                self.start_ns = now_ns;
            }
            return;
        };
        let due = elapsed_ns / bucket_ns;
        if due >= BUCKETS as u64 {
            return self.clear(now_ns, successes);
        }
        for _ in 0..due {
            self.current = (self.current + 1) % BUCKETS;
            self.buckets[self.current] = Bucket::begin(successes);
        }
        self.start_ns += due * bucket_ns;
    }

    pub(super) fn add(&mut self, is_failure: bool, is_slow: bool) {
        let bucket = &mut self.buckets[self.current];
        bucket.failures = bucket.failures.saturating_add(is_failure.into());
        bucket.slow = bucket.slow.saturating_add(is_slow.into());
    }

    /// What is in the window, where `successes` is the number of them now.
    pub(super) fn sums(&self, successes: u64) -> Sums {
        let sum = |of: fn(&Bucket) -> u32| {
            self.buckets
                .iter()
                .map(|bucket| u64::from(of(bucket)))
                .sum()
        };
        let oldest = self.buckets[(self.current + 1) % BUCKETS];
        Sums {
            successes: successes.wrapping_sub(oldest.successes_before),
            failures: sum(|bucket| bucket.failures),
            slow: sum(|bucket| bucket.slow),
        }
    }
}

impl Bucket {
    const fn begin(successes: u64) -> Self {
        Self {
            failures: 0,
            slow: 0,
            successes_before: successes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKET: u64 = 100;

    fn sums(successes: u64, failures: u64) -> Sums {
        Sums {
            successes,
            failures,
            slow: 0,
        }
    }

    #[test]
    fn what_happened_leaves_with_its_bucket() {
        let mut window = Window::new();
        window.clear(1000, 7);
        window.add(true, false);
        // 10 successes in the first bucket, 5 in the second.
        window.slide(1100, BUCKET, 17);
        window.add(true, false);
        assert_eq!(window.sums(22), sums(15, 2));
        window.slide(1999, BUCKET, 22);
        assert_eq!(window.sums(22), sums(15, 2));
        window.slide(2000, BUCKET, 22);
        assert_eq!(window.sums(22), sums(5, 1));
        window.slide(2100, BUCKET, 22);
        assert_eq!(window.sums(23), sums(1, 0));
    }

    #[test]
    fn after_a_long_silence_nothing_is_left() {
        for now_ns in [2000, u64::MAX] {
            let mut window = Window::new();
            window.clear(1000, 0);
            window.add(true, true);
            window.slide(now_ns, BUCKET, 9);
            assert_eq!(window.sums(9), sums(0, 0));
        }
    }

    #[test]
    fn a_clock_that_goes_back_forgets_nothing_and_slides_on() {
        let mut window = Window::new();
        window.clear(5000, 0);
        window.add(true, false);
        window.slide(100, BUCKET, 3);
        assert_eq!(window.sums(3), sums(3, 1));
        window.slide(1099, BUCKET, 3);
        assert_eq!(window.sums(3), sums(3, 1));
        window.slide(1100, BUCKET, 3);
        assert_eq!(window.sums(3), sums(0, 0));
    }

    #[test]
    fn a_reading_that_comes_late_is_of_the_current_bucket() {
        let mut window = Window::new();
        window.clear(5000, 0);
        for late_ns in [1, 999] {
            window.slide(5000 - late_ns, BUCKET, 0);
            window.add(true, false);
            window.slide(5099, BUCKET, 0);
        }
        assert_eq!(window.sums(0), sums(0, 2));
        assert_eq!(window.start_ns(), 5000);
        window.slide(4000, BUCKET, 0);
        assert_eq!(window.start_ns(), 4000);
    }

    #[test]
    fn counts_stay_at_their_end() {
        let mut window = Window::new();
        window.buckets[0].failures = u32::MAX;
        window.buckets[0].slow = u32::MAX;
        window.add(true, true);
        let sums = window.sums(0);
        assert_eq!(
            (sums.failures, sums.slow),
            (u32::MAX.into(), u32::MAX.into())
        );
    }
}
