//! Which instructions the kernels may use: found once, and lowered on request.
//!
//! The standard library asks the CPU. Without the feature `std` there is nobody to ask, and the features
//! are those that the program is compiled for, such as by `-C target-feature=+avx2`.

#[cfg(feature = "std")]
use std::sync::OnceLock;

/// Whether the CPU has each of the features.
#[cfg(any(
    all(target_arch = "x86_64", target_feature = "sse2"),
    all(target_arch = "aarch64", target_feature = "neon")
))]
macro_rules! has {
    ($($feature:tt),+) => {{
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        let has = [$(std::is_x86_feature_detected!($feature)),+];
        #[cfg(all(feature = "std", target_arch = "aarch64"))]
        let has = [$(std::arch::is_aarch64_feature_detected!($feature)),+];
        #[cfg(not(feature = "std"))]
        let has = [$(cfg!(target_feature = $feature)),+];
        has.into_iter().all(|has| has)
    }};
}
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
pub(super) use has;

/// A set of CPU features that kernels are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Plain code, for any target.
    Scalar,
    /// What every CPU of this architecture has: SSE2 on `x86_64`, but for targets without vectors.
    Baseline,
    /// SSE4.2 with its CRC32C instruction, SSSE3's byte shuffle among what it implies.
    Sse42,
    /// AVX2, and all of [`Sse42`](Self::Sse42).
    Avx2,
    /// AVX-512 F and BW, and all of [`Avx2`](Self::Avx2).
    Avx512,
    /// NEON on `aarch64`; its CRC32C is a feature of its own, tested where it is used.
    Neon,
}

impl Level {
    /// The level in use: the best that the CPU has, or the one that the environment variable
    /// `CNV_SIMD` names: `scalar`, `avx2`, `avx512` or `neon`. Any other name means nothing, and neither does
    /// a level that this CPU lacks. Read once, and only with the feature `std`.
    #[must_use]
    pub fn current() -> Self {
        #[cfg(feature = "std")]
        let level = {
            static CURRENT: OnceLock<Level> = OnceLock::new();
            *CURRENT.get_or_init(|| {
                let forced = std::env::var_os("CNV_SIMD");
                let forced = forced.as_ref().and_then(|name| Self::named(name.to_str()?));
                let best = Self::best();
                forced.map_or(best, |level| level.or_best(best))
            })
        };
        #[cfg(not(feature = "std"))]
        let level = Self::best();
        level
    }

    /// The best level that this CPU has.
    #[must_use]
    pub fn best() -> Self {
        let levels = [
            Self::Neon,
            Self::Avx512,
            Self::Avx2,
            Self::Sse42,
            Self::Baseline,
        ];
        levels
            .into_iter()
            .find(|level| level.is_available())
            .unwrap_or(Self::Scalar)
    }

    /// Whether this CPU has every feature of the level.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            Self::Baseline => true,
            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            Self::Sse42 => has!("sse4.2", "sse4.1", "ssse3"),
            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            Self::Avx2 => Self::Sse42.is_available() && has!("avx2"),
            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            Self::Avx512 => Self::Avx2.is_available() && has!("avx512f", "avx512bw"),
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Self::Neon => has!("neon"),
            #[allow(
                unreachable_patterns,
                reason = "which levels are left depends on the target"
            )]
            _ => false,
        }
    }

    /// The level that a value of `CNV_SIMD` means.
    #[cfg(any(feature = "std", test))]
    fn named(name: &str) -> Option<Self> {
        match name {
            "scalar" => Some(Self::Scalar),
            "avx2" => Some(Self::Avx2),
            "avx512" => Some(Self::Avx512),
            "neon" => Some(Self::Neon),
            _ => None,
        }
    }

    /// `self`, or where the CPU lacks it, the best that it has.
    #[cfg(any(feature = "std", test))]
    fn or_best(self, best: Self) -> Self {
        if self.is_available() { self } else { best }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_level_is_available_and_so_is_all_below_it() {
        let best = Level::best();
        assert!(best.is_available());
        assert!(Level::Scalar.is_available());
        if best == Level::Avx512 {
            assert!(Level::Avx2.is_available() && Level::Sse42.is_available());
        }
    }

    #[test]
    fn a_name_means_a_level_and_any_other_means_none() {
        assert_eq!(Level::named("scalar"), Some(Level::Scalar));
        assert_eq!(Level::named("avx512"), Some(Level::Avx512));
        for unknown in ["", "AVX2", "sse9", "avx2 "] {
            assert_eq!(Level::named(unknown), None);
        }
    }

    #[test]
    fn a_level_the_cpu_lacks_falls_back_to_one_it_has() {
        for level in [Level::Scalar, Level::Avx2, Level::Avx512, Level::Neon] {
            let used = level.or_best(Level::best());
            assert!(used.is_available());
            assert!(used == level || !level.is_available());
        }
    }
}
