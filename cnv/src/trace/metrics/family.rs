//! A metric at one moment, as plain data.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// A metric: its name, what it counts, and a value for each set of labels.
///
/// Names and units are OpenTelemetry's: words with dots between, and units of UCUM, such as `s`, `By`, `1` for a ratio and
/// `{call}` for what is only counted. [`exposed_name`](Self::exposed_name) is the same name as Prometheus has it.
///
/// ```
/// use cnv::trace::metrics::{Family, Point, Points};
///
/// let sent = Point::new([("topic", "orders")], 3_u64);
/// let family = Family::new("queue.sent", "By", "What was sent.", Points::Counter(vec![sent]));
/// assert_eq!(family.exposed_name(), "queue_sent_bytes_total");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Family {
    /// The name, in lower case, with dots.
    pub name: Cow<'static, str>,
    /// The unit, as UCUM writes it.
    pub unit: Cow<'static, str>,
    /// One sentence for people.
    pub help: Cow<'static, str>,
    /// The values.
    pub points: Points,
}

/// The values of a metric, all of one kind.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Points {
    /// Sums that only grow, since [`Snapshot::since`](super::Snapshot::since).
    Counter(Vec<Point<Number>>),
    /// Numbers that go up and down.
    Gauge(Vec<Point<Number>>),
    /// How often a value was how large, since [`Snapshot::since`](super::Snapshot::since).
    Histogram(Vec<Point<Distribution>>),
}

/// A value and what it is of.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Point<V> {
    /// The labels, no name twice. Two points of a metric differ in them.
    pub labels: Vec<Label>,
    /// The value.
    pub value: V,
}

/// One dimension of a value.
///
/// Every set of labels is kept apart by whoever reads them, so values come from a set that is bounded and small: the verbs of
/// an application, and never what a caller sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Label {
    /// What it says, such as `verb`.
    pub name: Cow<'static, str>,
    /// The value; any text.
    pub value: Cow<'static, str>,
}

/// A number, as exact as it was counted.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Number {
    /// A count.
    Integer(u64),
    /// A measure.
    Real(f64),
}

/// How often a value was how large.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Distribution {
    /// The upper ends of the buckets, rising; each is in its bucket. The last bucket has none.
    pub bounds: &'static [f64],
    /// How many values fell into each bucket and into none before it: one more than there are bounds.
    pub counts: Vec<u64>,
    /// The sum of all values, in the metric's unit.
    pub sum: f64,
}

impl Family {
    /// A metric with these values.
    #[must_use]
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        unit: impl Into<Cow<'static, str>>,
        help: impl Into<Cow<'static, str>>,
        points: Points,
    ) -> Self {
        Self {
            name: name.into(),
            unit: unit.into(),
            help: help.into(),
            points,
        }
    }

    /// How many values it has.
    pub(in crate::trace) fn values(&self) -> usize {
        match &self.points {
            Points::Counter(points) | Points::Gauge(points) => points.len(),
            Points::Histogram(points) => points.len(),
        }
    }

    /// The name that Prometheus knows it by: with underscores, the unit in full, and `_total` for counters. What no name of
    /// Prometheus has becomes an underscore.
    #[must_use]
    pub fn exposed_name(&self) -> String {
        let mut name = exposed(&self.name);
        let unit = match &*self.unit {
            "s" => Some("seconds"),
            "By" => Some("bytes"),
            // Of a counter it says nothing: what it counts has no unit.
            "1" if matches!(self.points, Points::Gauge(_)) => Some("ratio"),
            // Of what is only counted, the name says what it is.
            _ => None,
        };
        if let Some(unit) = unit
            && !name.ends_with(unit)
        {
            name.push('_');
            name.push_str(unit);
        }
        if matches!(self.points, Points::Counter(_)) && !name.ends_with("_total") {
            name.push_str("_total");
        }
        name
    }
}

/// A name as Prometheus takes it: letters, digits and underscores, no digit first, and no two underscores first, which are
/// its own.
pub(super) fn exposed(name: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = name.chars().map(fits).collect();
    let name = name.trim_start_matches('_');
    match name.chars().next() {
        Some(c) if c.is_ascii_alphabetic() => name.to_owned(),
        _ => format!("_{name}"),
    }
}

impl Points {
    /// Leaves out those that Prometheus would refuse all others for: of several that are of the same only the first stays,
    /// and none with a label twice, or with one that the format has itself. How many are left out.
    pub(super) fn keep_distinct(&mut self) -> usize {
        match self {
            Self::Counter(points) | Self::Gauge(points) => keep_distinct(points, None),
            Self::Histogram(points) => keep_distinct(points, Some("le")),
        }
    }

    /// The kind as the text format names it.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Gauge(_) => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

fn keep_distinct<V>(points: &mut Vec<Point<V>>, taken: Option<&str>) -> usize {
    let given = points.len();
    let mut seen = HashSet::with_capacity(given);
    points.retain(|point| match exposed_labels(&point.labels, taken) {
        Some(labels) => seen.insert(labels),
        None => false,
    });
    given - points.len()
}

/// Labels as Prometheus tells them apart: in no order, and an empty one is none. `None` where one is there twice, or taken.
fn exposed_labels(labels: &[Label], taken: Option<&str>) -> Option<Vec<(String, String)>> {
    let exposed = |label: &Label| (exposed(&label.name), label.value.clone().into_owned());
    let mut labels: Vec<_> = labels.iter().map(exposed).collect();
    labels.sort_unstable();
    let is_twice = labels.windows(2).any(|pair| pair[0].0 == pair[1].0);
    let is_taken = labels.iter().any(|(name, _)| Some(&**name) == taken);
    labels.retain(|(_, value)| !value.is_empty());
    (!is_twice && !is_taken).then_some(labels)
}

impl<V> Point<V> {
    /// A value with these labels, each a name and a value.
    #[must_use]
    pub fn new<N, T>(labels: impl IntoIterator<Item = (N, T)>, value: impl Into<V>) -> Self
    where
        N: Into<Cow<'static, str>>,
        T: Into<Cow<'static, str>>,
    {
        let label = |(name, value): (N, T)| Label {
            name: name.into(),
            value: value.into(),
        };
        Self {
            labels: labels.into_iter().map(label).collect(),
            value: value.into(),
        }
    }

    /// A value of a metric that has no labels.
    #[must_use]
    pub fn alone(value: impl Into<V>) -> Self {
        Self {
            labels: Vec::new(),
            value: value.into(),
        }
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Integer(number)
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

/// As the text format of Prometheus writes it.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Real(number) if number.is_nan() => f.write_str("NaN"),
            Self::Real(number) if number.is_infinite() => {
                f.write_str(if *number > 0.0 { "+Inf" } else { "-Inf" })
            }
            Self::Real(number) => write!(f, "{number}"),
        }
    }
}

impl Distribution {
    /// So many values in each bucket. `None` where there is not one count more than there are bounds.
    #[must_use]
    pub fn new(bounds: &'static [f64], counts: Vec<u64>, sum: f64) -> Option<Self> {
        (counts.len() == bounds.len() + 1).then_some(Self {
            bounds,
            counts,
            sum,
        })
    }

    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, n| sum.wrapping_add(*n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &'static str, unit: &'static str, points: Points) -> String {
        Family::new(name, unit, "", points).exposed_name()
    }

    #[test]
    fn names_are_those_that_prometheus_makes_of_them() {
        let counter = || Points::Counter(Vec::new());
        let gauge = || Points::Gauge(Vec::new());
        assert_eq!(name("cnv.calls", "{call}", counter()), "cnv_calls_total");
        assert_eq!(
            name("cnv.call.duration", "s", Points::Histogram(Vec::new())),
            "cnv_call_duration_seconds"
        );
        assert_eq!(name("a.bytes", "By", counter()), "a_bytes_total");
        assert_eq!(name("a.share", "1", gauge()), "a_share_ratio");
        assert_eq!(name("a.share", "1", counter()), "a_share_total");
        let histogram = Points::Histogram(Vec::new());
        assert_eq!(name("a.share", "1", histogram), "a_share");
        assert_eq!(name("a.total", "", counter()), "a_total");
    }

    #[test]
    fn no_name_is_one_that_prometheus_does_not_take() {
        for (given, expected) in [
            ("a-b c", "a_b_c"),
            ("9lives", "_9lives"),
            ("__own", "own"),
            ("", "_"),
            ("\u{e9}t\u{e9}\n", "t__"),
        ] {
            assert_eq!(exposed(given), expected, "{given:?}");
        }
    }

    #[test]
    fn numbers_are_written_as_the_text_format_has_them() {
        let text = |number: f64| Number::Real(number).to_string();
        assert_eq!(text(0.0001), "0.0001");
        assert_eq!(text(2.0), "2");
        assert_eq!(text(f64::INFINITY), "+Inf");
        assert_eq!(text(f64::NEG_INFINITY), "-Inf");
        assert_eq!(text(f64::NAN), "NaN");
        assert_eq!(Number::from(u64::MAX).to_string(), "18446744073709551615");
    }
}
