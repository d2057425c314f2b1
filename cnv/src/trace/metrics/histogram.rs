//! How long calls take, by buckets that never change: those that OpenTelemetry advises for servers, and three below them
//! for commands that only compute.

/// The upper ends of the buckets, in seconds.
pub(super) const BOUNDS: [f64; 17] = [
    0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0,
    7.5, 10.0,
];

/// One more, for all that is longer.
pub(super) const BUCKETS: usize = BOUNDS.len() + 1;

const NS_PER_S: f64 = 1e9;

const BOUNDS_NS: [u64; BOUNDS.len()] = {
    let mut bounds = [0; BOUNDS.len()];
    let mut i = 0;
    while i < bounds.len() {
        // Exact: half a nanosecond more, of which the fraction is cut off.
        bounds[i] = (BOUNDS[i] * NS_PER_S + 0.5) as u64;
        i += 1;
    }
    bounds
};

/// The bucket of a duration.
pub(super) fn bucket(ns: u64) -> usize {
    BOUNDS_NS.partition_point(|bound| *bound < ns)
}

/// Nanoseconds in seconds.
pub(super) fn seconds(ns: u64) -> f64 {
    ns as f64 / NS_PER_S
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_in_its_bucket_and_what_is_more_in_the_next() {
        assert_eq!(BOUNDS_NS[..3], [100_000, 500_000, 1_000_000]);
        assert_eq!(BOUNDS_NS[16], 10_000_000_000);
        assert_eq!(bucket(0), 0);
        for (index, bound) in BOUNDS_NS.into_iter().enumerate() {
            assert_eq!(bucket(bound), index);
            assert_eq!(bucket(bound + 1), index + 1);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }
}
