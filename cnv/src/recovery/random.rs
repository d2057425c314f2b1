//! Random numbers for jitter. They keep no secrets.

use core::hash::{BuildHasher, Hasher};
use std::hash::RandomState;

/// SplitMix64 (Steele, Lea and Flood 2014), from a seed of the process.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new() -> Self {
        Self(0)
    }

    /// At least 0 and at most `bound`.
    pub(super) fn up_to(&mut self, bound: u64) -> u64 {
        // The high half of the product is as good as evenly spread (Lemire 2019): what it is off by is far below a tick.
        let spread = u128::from(self.next()) * (u128::from(bound) + 1);
        (spread >> 64) as u64
    }

    fn next(&mut self) -> u64 {
        if self.0 == 0 {
            self.0 = RandomState::new().build_hasher().finish();
        }
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reaches_both_ends_and_nothing_beyond() {
        let mut random = Random::new();
        let mut seen = [0; 4];
        for _ in 0..1000 {
            seen[random.up_to(3) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| count > 150), "{seen:?}");
        assert_eq!(random.up_to(0), 0);
        let large = (0..64).map(|_| random.up_to(u64::MAX)).max();
        assert!(large > Some(1 << 60));
    }
}
