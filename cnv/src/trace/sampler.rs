//! Which traces are recorded, decided before anything is.

use super::ids::TraceId;
use super::traceparent::TraceParent;

/// Which traces are recorded.
///
/// It is asked once, where a trace comes into the process or begins; what happens within follows. A share of the traces is
/// drawn by the last 7 bytes of the trace's id, as OpenTelemetry's specification has it ("TraceState: Probability Sampling"):
/// systems that do the same and take the same share take the same traces, where the ids are random.
///
/// ```
/// use cnv::trace::Sampler;
///
/// let a_tenth = Sampler::ratio(0.1)?;
/// // What the caller records is recorded here as well, whatever share is taken of other traces.
/// let a_tenth_and_callers = a_tenth.unless_parent_decides();
/// assert!(Sampler::ratio(1.5).is_err());
/// # let _ = a_tenth_and_callers;
/// # Ok::<(), cnv::trace::RatioError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    /// Ids from this one on are recorded.
    threshold: u64,
    follows_parent: bool,
}

/// Ids are drawn of this many.
const IDS: u64 = 1 << 56;

impl Sampler {
    /// Every trace.
    pub const ALWAYS: Self = Self {
        threshold: 0,
        follows_parent: false,
    };
    /// None.
    pub const NEVER: Self = Self {
        threshold: IDS,
        follows_parent: false,
    };

    /// This share of all traces, from 0 to 1.
    ///
    /// # Errors
    ///
    /// [`RatioError`] where it is no share.
    pub fn ratio(ratio: f64) -> Result<Self, RatioError> {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(RatioError { ratio });
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "2^56 and its parts are what a double holds"
        )]
        let threshold = ((1.0 - ratio) * IDS as f64).round() as u64;
        Ok(Self {
            threshold,
            follows_parent: false,
        })
    }

    /// Decides only where the caller has not: what the caller records is recorded, and what it does not is not.
    #[must_use]
    pub const fn unless_parent_decides(self) -> Self {
        Self {
            follows_parent: true,
            ..self
        }
    }

    /// Whether a trace is recorded that came in with this parent.
    #[inline]
    #[must_use]
    pub const fn samples(&self, trace: TraceId, parent: Option<TraceParent>) -> bool {
        match parent {
            Some(parent) if self.follows_parent => parent.flags().is_sampled(),
            _ => {
                let [.., a, b, c, d, e, f, g] = trace.to_bytes();
                u64::from_be_bytes([0, a, b, c, d, e, f, g]) >= self.threshold
            }
        }
    }
}

impl Default for Sampler {
    /// Every trace, unless the caller decides: OpenTelemetry's default.
    fn default() -> Self {
        Self::ALWAYS.unless_parent_decides()
    }
}

/// A number is no share of something.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the share of the traces that are recorded is {ratio}, and goes from 0 to 1")]
pub struct RatioError {
    ratio: f64,
}

/// Samplers for some verbs, and one for all others.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) default: Sampler,
    rules: Vec<(Box<str>, Sampler)>,
}

impl Rules {
    /// Has what matches `pattern` decided by `sampler`: `log scan`, or `log *` for all verbs of a noun.
    pub(super) fn push(&mut self, pattern: &str, sampler: Sampler) {
        self.rules.push((pattern.into(), sampler));
    }

    /// What decides about spans of this name: the first rule that it matches.
    #[inline]
    pub(super) fn of(&self, name: &str) -> &Sampler {
        let matches = |pattern: &str| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        };
        let rule = self.rules.iter().find(|(pattern, _)| matches(pattern));
        rule.map_or(&self.default, |(_, sampler)| sampler)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{IdGenerator, TraceFlags};

    #[test]
    fn a_share_of_many_traces_is_taken() {
        let ids = IdGenerator::from_seed([3; 24]);
        for ratio in [0.0, 0.001, 0.25, 0.9, 1.0] {
            let sampler = Sampler::ratio(ratio).unwrap();
            let taken = (0..100_000).filter(|_| sampler.samples(ids.trace_id(), None));
            let share = taken.count() as f64 / 100_000.0;
            // Four standard deviations of 100 000 draws.
            let off = 4.0 * (ratio * (1.0 - ratio) / 100_000.0).sqrt();
            assert!((share - ratio).abs() <= off, "{ratio}: {share}");
        }
        assert_eq!(Sampler::ratio(1.0), Ok(Sampler::ALWAYS));
        assert_eq!(Sampler::ratio(0.0), Ok(Sampler::NEVER));
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Sampler::ratio(wrong).is_err());
        }
    }

    #[test]
    fn who_takes_a_larger_share_takes_all_that_others_take() {
        let ids = IdGenerator::from_seed([3; 24]);
        let [small, large] = [0.1, 0.3].map(|ratio| Sampler::ratio(ratio).unwrap());
        for _ in 0..1000 {
            let id = ids.trace_id();
            assert!(!small.samples(id, None) || large.samples(id, None));
        }
    }

    #[test]
    fn a_parent_decides_where_it_may() {
        let ids = IdGenerator::from_seed([3; 24]);
        for flags in [TraceFlags::NONE, TraceFlags::SAMPLED] {
            let parent = TraceParent::new(ids.trace_id(), ids.span_id(), flags);
            let (id, parent) = (parent.trace_id(), Some(parent));
            assert!(Sampler::ALWAYS.samples(id, parent));
            assert!(!Sampler::NEVER.samples(id, parent));
            for sampler in [Sampler::ALWAYS, Sampler::NEVER] {
                let follows = sampler.unless_parent_decides();
                assert_eq!(follows.samples(id, parent), flags.is_sampled());
                assert_eq!(follows.samples(id, None), sampler.samples(id, None));
            }
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let mut rules = Rules::default();
        rules.push("log scan", Sampler::ALWAYS);
        rules.push("log *", Sampler::NEVER);
        assert_eq!(rules.of("log scan"), &Sampler::ALWAYS);
        assert_eq!(rules.of("log tail"), &Sampler::NEVER);
        assert_eq!(rules.of("logs tail"), &Sampler::default());
    }
}
