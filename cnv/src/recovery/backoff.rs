//! How long to wait before the next attempt.

use super::random::Random;
use super::settings::{Jitter, Retry, ns};

/// The backoff after so many attempts, at least 1, in nanoseconds.
pub(super) fn backoff_ns(settings: &Retry, attempts: u32, random: &mut Random) -> u64 {
    let doublings = attempts.saturating_sub(1);
    let base_ns = ns(settings.base);
    let grown_ns = if doublings < base_ns.leading_zeros() {
        base_ns << doublings
    } else {
        u64::MAX
    };
    let longest_ns = grown_ns.min(ns(settings.cap));
    match settings.jitter {
        Jitter::Full => random.up_to(longest_ns),
        Jitter::Equal => longest_ns / 2 + random.up_to(longest_ns - longest_ns / 2),
        Jitter::None => longest_ns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    const MS: u64 = 1_000_000;

    #[test]
    fn it_doubles_up_to_its_cap() {
        let settings = Retry::new().jitter(Jitter::None);
        let after = |attempts| backoff_ns(&settings, attempts, &mut Random::new());
        assert_eq!([1, 2, 3].map(after), [50, 100, 200].map(|ms| ms * MS));
        assert_eq!(
            [9, 10, 63, 64, 100, u32::MAX].map(after),
            [12_800, 20_000, 20_000, 20_000, 20_000, 20_000].map(|ms| ms * MS)
        );
        let century = Duration::from_secs(100 * 365 * 24 * 3600);
        let long = settings.base(century / 2).cap(century);
        assert_eq!(backoff_ns(&long, 100, &mut Random::new()), ns(century));
    }

    #[test]
    fn jitter_is_spread_over_its_range() {
        for (jitter, least) in [(Jitter::Full, 0), (Jitter::Equal, 50)] {
            let settings = Retry::new().jitter(jitter);
            let mut random = Random::new();
            let mut tenths = [0; 10];
            for _ in 0..1000 {
                let ns = backoff_ns(&settings, 2, &mut random);
                assert!((least * MS..=100 * MS).contains(&ns), "{ns}");
                let tenth = (ns - least * MS) * 10 / ((100 - least) * MS);
                tenths[tenth.min(9) as usize] += 1;
            }
            assert!(tenths.iter().all(|&count| count > 50), "{tenths:?}");
        }
    }
}
