//! All metrics at one moment, and what adds to them.

use std::sync::Arc;
use std::time::SystemTime;

use super::family::{Family, Points};

/// All metrics at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    since: SystemTime,
    at: SystemTime,
    families: Vec<Family>,
    left_out: usize,
}

/// Something that has metrics of its own.
pub trait Source: Send + Sync {
    /// Its metrics now. It is asked at each scrape, and answers at once: it reads counts and waits for nothing.
    fn collect(&self) -> Vec<Family>;
}

impl<S: Source + ?Sized> Source for Arc<S> {
    fn collect(&self) -> Vec<Family> {
        (**self).collect()
    }
}

/// Two metrics of one name that are not the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the metric `{name}` is there already, with another kind, unit or spelling")]
#[non_exhaustive]
pub struct Clash {
    /// The name of the one that was left out.
    pub name: String,
}

impl Snapshot {
    /// No metrics, of counts that began at `since` and were read at `at`.
    #[must_use]
    pub const fn new(since: SystemTime, at: SystemTime) -> Self {
        Self {
            since,
            at,
            families: Vec::new(),
            left_out: 0,
        }
    }

    /// Adds a metric. Where it is there already, its values are put with the others.
    ///
    /// Values that are of the same as an earlier one, or have a label twice as Prometheus writes it, or `le` on a histogram,
    /// are left out and [counted](Self::left_out): it would take none of all others.
    ///
    /// # Errors
    ///
    /// [`Clash`] where the one that is there has another kind or unit, or a name that differs only in what Prometheus does
    /// not write. The new one is then left out.
    pub fn push(&mut self, mut family: Family) -> Result<(), Clash> {
        let exposed = family.exposed_name();
        let present = self
            .families
            .iter_mut()
            .find(|other| other.name == family.name || other.exposed_name() == exposed);
        let Some(present) = present else {
            self.left_out += family.points.keep_distinct();
            self.families.push(family);
            return Ok(());
        };
        let clash = |family: Family| Clash {
            name: family.name.into_owned(),
        };
        if (&present.name, &present.unit) != (&family.name, &family.unit) {
            return Err(clash(family));
        }
        match (&mut present.points, family.points) {
            (Points::Counter(all), Points::Counter(more))
            | (Points::Gauge(all), Points::Gauge(more)) => all.extend(more),
            (Points::Histogram(all), Points::Histogram(more)) => all.extend(more),
            (_, points) => return Err(clash(Family { points, ..family })),
        }
        self.left_out += present.points.keep_distinct();
        Ok(())
    }

    /// How many values were left out, since no two may be of the same: see [`push`](Self::push).
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// When the counts began.
    #[must_use]
    pub const fn since(&self) -> SystemTime {
        self.since
    }

    /// When they were read.
    #[must_use]
    pub const fn at(&self) -> SystemTime {
        self.at
    }

    /// The metrics, each name once.
    #[must_use]
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// The metric of this name.
    #[must_use]
    pub fn family(&self, name: &str) -> Option<&Family> {
        self.families.iter().find(|family| family.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::family::{Distribution, Point};
    use super::*;

    fn gauge(name: &'static str, unit: &'static str, value: u64) -> Family {
        let points = Points::Gauge(vec![Point::new([("of", format!("{value}"))], value)]);
        Family::new(name, unit, "A number.", points)
    }

    fn snapshot() -> Snapshot {
        Snapshot::new(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn values_of_one_metric_are_put_together() {
        let mut snapshot = snapshot();
        snapshot.push(gauge("a.b", "s", 1)).unwrap();
        snapshot.push(gauge("a.c", "s", 2)).unwrap();
        snapshot.push(gauge("a.b", "s", 3)).unwrap();
        assert_eq!(snapshot.families().len(), 2);
        let Points::Gauge(points) = &snapshot.family("a.b").unwrap().points else {
            panic!("it is a gauge");
        };
        assert_eq!(points.len(), 2);
    }

    #[test]
    fn no_two_values_are_of_the_same() {
        let gauge = |labels: &[(&'static str, &'static str)]| {
            let points = Points::Gauge(vec![Point::new(labels.iter().copied(), 1_u64)]);
            Family::new("a.b", "s", "", points)
        };
        for (other, is_left_out) in [
            (&[("c", "2"), ("a.b", "1")][..], true),
            (&[("a_b", "1"), ("c", "2")], true),
            (&[("a.b", "1"), ("c", "2"), ("d", "")], true),
            (&[("a.b", "1"), ("a_b", "2")], true),
            (&[("a.b", "1"), ("c", "3")], false),
            (&[("a.b", "1"), ("c", "2"), ("le", "3")], false),
            (&[], false),
        ] {
            let mut snapshot = snapshot();
            snapshot.push(gauge(&[("a.b", "1"), ("c", "2")])).unwrap();
            snapshot.push(gauge(other)).unwrap();
            assert_eq!(snapshot.left_out(), usize::from(is_left_out), "{other:?}");
            let left = snapshot.family("a.b").unwrap().values();
            assert_eq!(left, 2 - usize::from(is_left_out), "{other:?}");
        }
        // Within one metric, too, and the buckets of a histogram have a label of their own.
        let value = || Distribution::new(&[1.0], vec![1, 2], 3.0).unwrap();
        let points = [[("le", "1")], [("of", "1")], [("of", "1")]];
        let points = points.map(|labels| Point::new(labels, value())).to_vec();
        let mut snapshot = snapshot();
        let histogram = Family::new("a.c", "s", "", Points::Histogram(points));
        snapshot.push(histogram).unwrap();
        let left = snapshot.family("a.c").unwrap().values();
        assert_eq!((snapshot.left_out(), left), (2, 1));
    }

    #[test]
    fn metrics_that_only_look_the_same_are_left_out() {
        let mut snapshot = snapshot();
        snapshot.push(gauge("a.b", "s", 1)).unwrap();
        let counter = Family::new("a.b", "s", "", Points::Counter(Vec::new()));
        for other in [gauge("a_b", "s", 2), gauge("a.b", "By", 2), counter] {
            let name = other.name.to_string();
            assert_eq!(snapshot.push(other), Err(Clash { name }));
        }
        assert_eq!(snapshot.families().len(), 1);
    }
}
