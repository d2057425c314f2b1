//! What is counted of every call: how it ended, how long it took, and what it used of its budget.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Instant;

use super::family::{Distribution, Family, Point, Points};
use super::histogram::{BOUNDS, BUCKETS, bucket, seconds};
use super::stripe;
use crate::quota::{Limits, Resource, UNLIMITED, Usage};

const RESOURCES: usize = Resource::ALL.len();

/// Shares of a limit are kept as so many parts of it.
const WHOLE: u64 = 1_000_000;

/// The counts of an application's calls, for `N` ways to end. Both are known at the start, and so are all labels.
///
/// A call adds to some ten numbers, in a stripe that few other threads add to. It allocates nothing and takes no lock.
#[derive(Debug)]
pub(crate) struct CallMetrics<const N: usize> {
    outcomes: [&'static str; N],
    /// In order.
    verbs: Box<[Verb<N>]>,
    /// A bit for each resource that was ever metered: without the allocator, memory is none that counts.
    metered: AtomicU8,
}

#[derive(Debug)]
struct Verb<const N: usize> {
    /// Noun and verb.
    name: (&'static str, &'static str),
    stripes: Box<[Stripe<N>]>,
    /// The highest share of a limit that a call used, in millionths. Read by each call, and hardly ever written.
    shares: [AtomicU64; RESOURCES],
}

/// Lines of the cache that few threads write.
#[derive(Debug)]
#[repr(align(64))]
struct Stripe<const N: usize> {
    begun: AtomicU64,
    ended: [AtomicU64; N],
    durations: [AtomicU64; BUCKETS],
    duration_ns: AtomicU64,
    used: [AtomicU64; RESOURCES],
}

impl<const N: usize> Stripe<N> {
    const fn new() -> Self {
        Self {
            begun: AtomicU64::new(0),
            ended: [const { AtomicU64::new(0) }; N],
            durations: [const { AtomicU64::new(0) }; BUCKETS],
            duration_ns: AtomicU64::new(0),
            used: [const { AtomicU64::new(0) }; RESOURCES],
        }
    }
}

impl<const N: usize> CallMetrics<N> {
    /// Counts of nothing yet, for these verbs, each a noun and a name.
    pub(crate) fn new(
        verbs: impl IntoIterator<Item = (&'static str, &'static str)>,
        outcomes: [&'static str; N],
    ) -> Self {
        let mut names: Vec<_> = verbs.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        let stripes = stripe::count();
        let verb = |name| Verb {
            name,
            stripes: (0..stripes).map(|_| Stripe::new()).collect(),
            shares: [const { AtomicU64::new(0) }; RESOURCES],
        };
        Self {
            outcomes,
            verbs: names.into_iter().map(verb).collect(),
            metered: AtomicU8::new(0),
        }
    }

    /// A call of this verb that came at `since`. Where it is dropped before it [ended](Counting::end), it ended as
    /// `if_dropped`. `None` for a verb that is none of them.
    pub(crate) fn begin(
        &self,
        noun: &str,
        name: &str,
        since: Instant,
        if_dropped: usize,
    ) -> Option<Counting<'_, N>> {
        let at = self
            .verbs
            .binary_search_by(|verb| verb.name.cmp(&(noun, name)));
        let verb = &self.verbs[at.ok()?];
        verb.stripe().begun.fetch_add(1, Ordering::Relaxed);
        Some(Counting {
            metrics: self,
            verb,
            since,
            outcome: if_dropped,
        })
    }
}

impl<const N: usize> Verb<N> {
    fn stripe(&self) -> &Stripe<N> {
        // Their number is a power of two, and not 0.
        &self.stripes[stripe::number() & (self.stripes.len() - 1)]
    }

    fn sum(&self, of: impl Fn(&Stripe<N>) -> &AtomicU64) -> u64 {
        let counts = self.stripes.iter().map(of);
        counts.fold(0, |sum, count| {
            sum.wrapping_add(count.load(Ordering::Acquire))
        })
    }
}

/// A call that goes on.
#[derive(Debug)]
pub(crate) struct Counting<'a, const N: usize> {
    metrics: &'a CallMetrics<N>,
    verb: &'a Verb<N>,
    since: Instant,
    outcome: usize,
}

impl<const N: usize> Counting<'_, N> {
    /// The call is over: how, and, where it got so far, what it used of what it may.
    pub(crate) fn end(mut self, outcome: usize, used: Option<(&Usage, Option<&Limits>)>) {
        self.outcome = outcome;
        if let Some((usage, limits)) = used {
            self.charge(usage, limits);
        }
    }

    fn charge(&self, usage: &Usage, limits: Option<&Limits>) {
        let stripe = self.verb.stripe();
        for (index, resource) in Resource::ALL.into_iter().enumerate() {
            let Some(used) = usage.used(resource) else {
                continue;
            };
            let bit = 1 << index;
            if self.metrics.metered.load(Ordering::Relaxed) & bit == 0 {
                self.metrics.metered.fetch_or(bit, Ordering::Relaxed);
            }
            if used == 0 {
                continue;
            }
            stripe.used[index].fetch_add(used, Ordering::Relaxed);
            let limit = limits.map_or(UNLIMITED, |limits| limits.limit(resource));
            if let Some(share) = share(used, limit) {
                let highest = &self.verb.shares[index];
                if highest.load(Ordering::Relaxed) < share {
                    highest.fetch_max(share, Ordering::Relaxed);
                }
            }
        }
    }
}

impl<const N: usize> Drop for Counting<'_, N> {
    fn drop(&mut self) {
        let stripe = self.verb.stripe();
        let ns = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        stripe.durations[bucket(ns)].fetch_add(1, Ordering::Relaxed);
        stripe.duration_ns.fetch_add(ns, Ordering::Relaxed);
        if let Some(ended) = stripe.ended.get(self.outcome) {
            // Whoever sees it sees that the call began.
            ended.fetch_add(1, Ordering::Release);
        }
    }
}

/// The share of a limit in millionths; none of what is not limited. All of nothing is all there is.
fn share(used: u64, limit: u64) -> Option<u64> {
    match limit {
        UNLIMITED => None,
        _ => Some(used.saturating_mul(WHOLE) / limit.max(1)),
    }
}

impl<const N: usize> CallMetrics<N> {
    /// The metrics as they stand. A call that ends meanwhile may be in one and not yet in another.
    pub(crate) fn collect(&self) -> Vec<Family> {
        let mut calls = Vec::with_capacity(self.verbs.len() * N);
        let mut active = Vec::with_capacity(self.verbs.len());
        let mut durations = Vec::with_capacity(self.verbs.len());
        for verb in &self.verbs {
            let mut over = 0_u64;
            for (index, outcome) in self.outcomes.into_iter().enumerate() {
                let count = verb.sum(|stripe| &stripe.ended[index]);
                over = over.wrapping_add(count);
                calls.push(Point::new(
                    verb.labels().into_iter().chain([("outcome", outcome)]),
                    count,
                ));
            }
            // Read after those that ended, so that there are no fewer.
            let begun = verb.sum(|stripe| &stripe.begun);
            active.push(Point::new(verb.labels(), begun.saturating_sub(over)));
            durations.push(Point::new(verb.labels(), verb.distribution()));
        }
        let mut families = vec![
            Family::new(
                "cnv.calls",
                "{call}",
                "Calls of each verb that are over, by how they ended.",
                Points::Counter(calls),
            ),
            Family::new(
                "cnv.call.duration",
                "s",
                "How long calls took from when they came, with what they waited for.",
                Points::Histogram(durations),
            ),
            Family::new(
                "cnv.call.active",
                "{call}",
                "Calls that go on.",
                Points::Gauge(active),
            ),
        ];
        let metered = self.metered.load(Ordering::Relaxed);
        let metered = Resource::ALL
            .into_iter()
            .enumerate()
            .filter(|(index, _)| metered & 1 << index != 0);
        families.extend(
            metered
                .clone()
                .map(|(index, resource)| self.used(index, resource)),
        );
        families.extend(self.shares(metered));
        families
    }

    fn used(&self, index: usize, resource: Resource) -> Family {
        let (name, unit, help) = match resource {
            Resource::Memory => (
                "cnv.budget.used.memory",
                "By",
                "Heap memory of calls at its peak, added up.",
            ),
            Resource::Cpu => ("cnv.budget.used.cpu", "s", "Processor time of calls."),
            Resource::Io => (
                "cnv.budget.used.io",
                "{operation}",
                "Input and output operations of calls.",
            ),
            Resource::Network => (
                "cnv.budget.used.network",
                "By",
                "What calls sent and received over the network.",
            ),
        };
        let point = |verb: &Verb<N>| {
            let used = verb.sum(|stripe| &stripe.used[index]);
            match resource {
                Resource::Cpu => Point::new(verb.labels(), seconds(used)),
                _ => Point::new(verb.labels(), used),
            }
        };
        let points = self.verbs.iter().map(point).collect();
        Family::new(name, unit, help, Points::Counter(points))
    }

    fn shares(&self, metered: impl Iterator<Item = (usize, Resource)> + Clone) -> Option<Family> {
        let mut points = Vec::new();
        for verb in &self.verbs {
            for (index, resource) in metered.clone() {
                let share = verb.shares[index].load(Ordering::Relaxed) as f64 / WHOLE as f64;
                let labels = verb
                    .labels()
                    .into_iter()
                    .chain([("resource", resource.name())]);
                points.push(Point::new(labels, share));
            }
        }
        let help = "The highest share of its limit that a call used.";
        let family = || Family::new("cnv.budget.share.max", "1", help, Points::Gauge(points));
        metered.clone().next().map(|_| family())
    }
}

impl<const N: usize> Verb<N> {
    fn labels(&self) -> [(&'static str, &'static str); 2] {
        let (noun, name) = self.name;
        [("noun", noun), ("verb", name)]
    }

    fn distribution(&self) -> Distribution {
        let counts = (0..BUCKETS).map(|index| self.sum(|stripe| &stripe.durations[index]));
        Distribution {
            bounds: &BOUNDS,
            counts: counts.collect(),
            sum: seconds(self.sum(|stripe| &stripe.duration_ns)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::Duration;

    use super::super::family::Number;
    use super::*;
    use crate::quota::{charge_io, measure};

    const OUTCOMES: [&str; 2] = ["ok", "failed"];

    fn metrics() -> CallMetrics<2> {
        CallMetrics::new(
            [("log", "tail"), ("log", "scan"), ("log", "scan")],
            OUTCOMES,
        )
    }

    fn family(metrics: &CallMetrics<2>, name: &str) -> Family {
        let mut families = metrics.collect().into_iter();
        families.find(|family| family.name == name).unwrap()
    }

    /// The value of the point with these values of its labels.
    fn number(metrics: &CallMetrics<2>, name: &str, labels: &[&str]) -> Number {
        let (Points::Counter(points) | Points::Gauge(points)) = family(metrics, name).points else {
            panic!("`{name}` is no number");
        };
        let is_it = |point: &&Point<Number>| {
            let values = point.labels.iter().map(|label| &*label.value);
            values.eq(labels.iter().copied())
        };
        points.iter().find(is_it).unwrap().value
    }

    fn duration(metrics: &CallMetrics<2>, noun: &str, name: &str) -> Distribution {
        let Points::Histogram(points) = family(metrics, "cnv.call.duration").points else {
            panic!("it is a histogram");
        };
        let is_it = |point: &&Point<Distribution>| {
            (&*point.labels[0].value, &*point.labels[1].value) == (noun, name)
        };
        points.iter().find(is_it).unwrap().value.clone()
    }

    #[test]
    fn threads_lose_no_call() {
        lose_no_call(&metrics());
        // Where all meet at one.
        let mut metrics = metrics();
        for verb in &mut metrics.verbs {
            verb.stripes = [Stripe::new()].into();
        }
        lose_no_call(&metrics);
    }

    fn lose_no_call(metrics: &CallMetrics<2>) {
        let (threads, rounds) = (4 * stripe::count(), 50_000);
        let together = Barrier::new(threads);
        // From so long ago that the bucket is known.
        let since = Instant::now().checked_sub(Duration::from_secs(3)).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    together.wait();
                    for round in 0..rounds {
                        let call = metrics.begin("log", "scan", since, 1).unwrap();
                        call.end(round % 2, None);
                    }
                });
            }
        });
        let half = Number::Integer((threads * rounds / 2) as u64);
        assert_eq!(number(metrics, "cnv.calls", &["log", "scan", "ok"]), half);
        let failed = number(metrics, "cnv.calls", &["log", "scan", "failed"]);
        assert_eq!(failed, half);
        let none = Number::Integer(0);
        assert_eq!(number(metrics, "cnv.call.active", &["log", "scan"]), none);
        assert_eq!(number(metrics, "cnv.calls", &["log", "tail", "ok"]), none);
        let durations = duration(metrics, "log", "scan");
        assert_eq!(durations.count(), (threads * rounds) as u64);
        let slow: u64 = durations.counts[bucket(3_000_000_000)..].iter().sum();
        assert_eq!(slow, durations.count());
        assert!(durations.sum >= 3.0 * (threads * rounds) as f64);
        assert_eq!(duration(metrics, "log", "tail").count(), 0);
    }

    #[test]
    fn a_call_goes_on_until_it_ends_or_is_dropped() {
        let metrics = metrics();
        let active = |metrics: &_| number(metrics, "cnv.call.active", &["log", "tail"]);
        let begin = || metrics.begin("log", "tail", Instant::now(), 1);
        let (first, second) = (begin().unwrap(), begin().unwrap());
        assert_eq!(active(&metrics), Number::Integer(2));
        drop(first);
        assert_eq!(active(&metrics), Number::Integer(1));
        second.end(0, None);
        assert_eq!(active(&metrics), Number::Integer(0));
        for outcome in OUTCOMES {
            let ended = number(&metrics, "cnv.calls", &["log", "tail", outcome]);
            assert_eq!(ended, Number::Integer(1), "{outcome}");
        }
        assert!(metrics.begin("log", "none", Instant::now(), 1).is_none());
    }

    fn measured(work: impl FnOnce()) -> Usage {
        measure("test", Limits::unlimited(), work).1
    }

    #[test]
    fn what_is_used_is_added_up_and_the_highest_share_is_kept() {
        let metrics = metrics();
        let limits = Limits {
            io_ops: 10,
            network_bytes: 0,
            ..Limits::unlimited()
        };
        let spend = |io_ops| {
            let usage = measured(|| charge_io(io_ops).unwrap());
            let call = metrics.begin("log", "scan", Instant::now(), 1).unwrap();
            call.end(0, Some((&usage, Some(&limits))));
        };
        spend(4);
        spend(1);
        if !measured(|| ()).is_metered() {
            assert_eq!(metrics.collect().len(), 3);
            return;
        }
        let used = number(&metrics, "cnv.budget.used.io", &["log", "scan"]);
        assert_eq!(used, Number::Integer(5));
        let highest =
            |resource| number(&metrics, "cnv.budget.share.max", &["log", "scan", resource]);
        assert_eq!(highest("io"), Number::Real(0.4));
        // What is not limited has no share.
        assert_eq!(highest("cpu"), Number::Real(0.0));
        assert_eq!(highest("network"), Number::Real(0.0));
        let Number::Real(cpu) = number(&metrics, "cnv.budget.used.cpu", &["log", "scan"]) else {
            panic!("seconds are no count");
        };
        assert!(cpu > 0.0 && cpu < 60.0, "{cpu} s");
    }

    #[test]
    fn a_share_of_nothing_is_no_panic() {
        assert_eq!(share(7, UNLIMITED), None);
        assert_eq!(share(7, 0), Some(7 * WHOLE));
        assert_eq!(share(u64::MAX, 1), Some(u64::MAX));
        assert_eq!(share(1, 4), Some(WHOLE / 4));
    }
}
