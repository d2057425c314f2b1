//! The calls of one verb, value by value.

use cnv::quota::{Limits, Resource};

/// One call, as its receipt has it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Call {
    pub(super) declared: Option<Limits>,
    pub(super) used: Used,
    pub(super) failed: bool,
    /// Whether its budget ended it, so that it did not use all that it would have.
    pub(super) was_stopped: bool,
}

/// What a call used; `None` is not metered.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Used {
    pub(super) memory_bytes: Option<u64>,
    pub(super) cpu_ns: Option<u64>,
    pub(super) io_ops: Option<u64>,
    pub(super) network_bytes: Option<u64>,
}

impl Used {
    fn of(&self, resource: Resource) -> Option<u64> {
        match resource {
            Resource::Memory => self.memory_bytes,
            Resource::Cpu => self.cpu_ns,
            Resource::Io => self.io_ops,
            _ => self.network_bytes,
        }
    }
}

/// All calls of a verb.
#[derive(Debug, Default)]
pub(super) struct Measured {
    calls: u64,
    pub(super) failed: u64,
    /// Calls that used more of something than they declared, or were stopped before they could.
    pub(super) over: u64,
    pub(super) stopped: u64,
    /// What the last call declared.
    pub(super) declared: Option<Limits>,
    /// Whether an earlier call declared something else.
    pub(super) declared_otherwise: bool,
    /// In the order of [`Resource::ALL`].
    amounts: [Amounts; 4],
}

/// What the calls used of one resource, where that was metered.
#[derive(Debug, Default)]
pub(super) struct Amounts(Vec<u64>);

impl Measured {
    pub(super) fn add(&mut self, call: &Call) {
        self.declared_otherwise |= self.calls > 0 && self.declared != call.declared;
        self.declared = call.declared;
        self.calls += 1;
        self.failed += u64::from(call.failed);
        self.stopped += u64::from(call.was_stopped);
        let mut is_over = call.was_stopped;
        for (resource, amounts) in Resource::ALL.into_iter().zip(&mut self.amounts) {
            let Some(used) = call.used.of(resource) else {
                continue;
            };
            amounts.0.push(used);
            is_over |= call
                .declared
                .is_some_and(|limits| used > limits.limit(resource));
        }
        self.over += u64::from(is_over);
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    /// One that failed may have ended early, and have used less than it would have.
    pub(super) fn succeeded(&self) -> u64 {
        self.calls - self.failed
    }

    pub(super) fn amounts(&mut self, resource: Resource) -> &mut Amounts {
        &mut self.amounts[index(resource)]
    }

    /// The most that a call used; `None` where not every call was metered.
    pub(super) fn maximum(&self, resource: Resource) -> Option<u64> {
        let amounts = &self.amounts[index(resource)].0;
        let all = amounts.len() as u64 == self.calls;
        amounts.iter().copied().max().filter(|_| all)
    }
}

fn index(resource: Resource) -> usize {
    match resource {
        Resource::Memory => 0,
        Resource::Cpu => 1,
        Resource::Io => 2,
        _ => 3,
    }
}

impl Amounts {
    /// By nearest rank: the smallest value that at least `percent` of all values do not exceed. It is one of them.
    pub(super) fn percentile(&mut self, percent: usize) -> Option<u64> {
        let rank = (self.0.len() * percent).div_ceil(100);
        let index = rank.checked_sub(1)?;
        let (_, value, _) = self.0.select_nth_unstable(index);
        Some(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_ranks() {
        // Scattered, so that nothing is in order.
        let mut amounts = Amounts((0..1_000).map(|i| (i * 7_919) % 1_000 + 1).collect());
        assert_eq!(amounts.percentile(50), Some(500));
        assert_eq!(amounts.percentile(99), Some(990));
        assert_eq!(amounts.percentile(100), Some(1_000));
        for (values, p50, p99) in [
            (vec![], None, None),
            (vec![7], Some(7), Some(7)),
            (vec![9, 1], Some(1), Some(9)),
            (vec![3, 1, 2], Some(2), Some(3)),
            ((1..=99).collect(), Some(50), Some(99)),
            ((1..=100).collect(), Some(50), Some(99)),
            ((1..=101).collect(), Some(51), Some(100)),
        ] {
            let mut amounts = Amounts(values);
            assert_eq!(
                (amounts.percentile(50), amounts.percentile(99)),
                (p50, p99),
                "{amounts:?}"
            );
        }
    }

    #[test]
    fn a_call_is_over_by_what_it_declared_itself() {
        let call = |declared: Option<u64>, used| Call {
            declared: declared.map(|io_ops| Limits {
                io_ops,
                ..Limits::unlimited()
            }),
            used: Used {
                io_ops: Some(used),
                ..Used::default()
            },
            ..Call::default()
        };
        let mut measured = Measured::default();
        measured.add(&call(Some(5), 5));
        assert_eq!((measured.over, measured.declared_otherwise), (0, false));
        measured.add(&call(Some(5), 6));
        measured.add(&call(Some(7), 6));
        measured.add(&call(None, 1_000));
        assert_eq!((measured.calls(), measured.over), (4, 1));
        assert!(measured.declared_otherwise);
        measured.add(&Call {
            was_stopped: true,
            ..call(Some(5), 5)
        });
        assert_eq!((measured.over, measured.stopped), (2, 1));
        assert_eq!(measured.maximum(Resource::Io), Some(1_000));
        assert_eq!(measured.maximum(Resource::Memory), None);
        measured.add(&Call::default());
        assert_eq!(measured.maximum(Resource::Io), None, "one was not metered");
    }
}
