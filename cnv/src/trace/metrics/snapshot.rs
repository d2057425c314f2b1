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
        }
    }

    /// Adds a metric. Where it is there already, its values are put with the others.
    ///
    /// # Errors
    ///
    /// [`Clash`] where the one that is there has another kind or unit, or a name that differs only in what Prometheus does
    /// not write. The new one is then left out.
    pub fn push(&mut self, family: Family) -> Result<(), Clash> {
        let exposed = family.exposed_name();
        let present = self
            .families
            .iter_mut()
            .find(|other| other.name == family.name || other.exposed_name() == exposed);
        let Some(present) = present else {
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
        Ok(())
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
    use super::super::family::Point;
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
