//! The text that Prometheus scrapes: its format 0.0.4.

use std::fmt::Write as _;

use super::family::{Distribution, Family, Label, Number, Point, Points, exposed};
use super::snapshot::Snapshot;

/// What HTTP calls the format of [`Snapshot::to_prometheus_text`].
pub const PROMETHEUS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Snapshot {
    /// The metrics as Prometheus scrapes them, in its text format 0.0.4, which is of the type
    /// [`PROMETHEUS_CONTENT_TYPE`].
    ///
    /// That format has no line for units, which are the end of each name.
    #[must_use]
    pub fn to_prometheus_text(&self) -> String {
        let mut text = String::new();
        for family in self.families() {
            write_family(&mut text, family);
        }
        text
    }
}

fn write_family(text: &mut String, family: &Family) {
    let name = family.exposed_name();
    let help = Escaped {
        text: &family.help,
        quotes: false,
    };
    let kind = family.points.kind();
    // Nothing that is written to a string fails.
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    match &family.points {
        Points::Counter(points) | Points::Gauge(points) => {
            for point in points {
                write_line(text, &name, &point.labels, None, &point.value);
            }
        }
        Points::Histogram(points) => {
            for point in points {
                write_histogram(text, &name, point);
            }
        }
    }
}

/// Each bucket with all those before it, as Prometheus has them.
fn write_histogram(text: &mut String, name: &str, point: &Point<Distribution>) {
    let Point { labels, value } = point;
    let bucket = format!("{name}_bucket");
    let mut below = 0_u64;
    let ends = value.bounds.iter().copied().chain([f64::INFINITY]);
    for (count, end) in value.counts.iter().zip(ends) {
        below = below.wrapping_add(*count);
        let (end, below) = (Number::Real(end), Number::Integer(below));
        write_line(text, &bucket, labels, Some(end), &below);
    }
    let (sum, count) = (Number::Real(value.sum), Number::Integer(below));
    write_line(text, &format!("{name}_sum"), labels, None, &sum);
    write_line(text, &format!("{name}_count"), labels, None, &count);
}

fn write_line(
    text: &mut String,
    name: &str,
    labels: &[Label],
    end: Option<Number>,
    value: &Number,
) {
    text.push_str(name);
    let mut separator = '{';
    for Label { name, value } in labels {
        let value = Escaped {
            text: value,
            quotes: true,
        };
        let _ = write!(text, "{separator}{}=\"{value}\"", exposed(name));
        separator = ',';
    }
    if let Some(end) = end {
        let _ = write!(text, "{separator}le=\"{end}\"");
        separator = ',';
    }
    if separator == ',' {
        text.push('}');
    }
    let _ = writeln!(text, " {value}");
}

/// A text without line ends, and where it stands in quotes without those.
struct Escaped<'a> {
    text: &'a str,
    quotes: bool,
}

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Nearly every text is one of these.
        if !['\\', '\n', '"'].iter().any(|c| self.text.contains(*c)) {
            return f.write_str(self.text);
        }
        let ends = |c| matches!(c, '\\' | '\n') || c == '"' && self.quotes;
        for part in self.text.split_inclusive(ends) {
            let (plain, escape) = match part.as_bytes().last() {
                Some(b'\\') => (&part[..part.len() - 1], "\\\\"),
                Some(b'\n') => (&part[..part.len() - 1], "\\n"),
                Some(b'"') if self.quotes => (&part[..part.len() - 1], "\\\""),
                _ => (part, ""),
            };
            f.write_str(plain)?;
            f.write_str(escape)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn text(family: Family) -> String {
        let mut snapshot = Snapshot::new(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH);
        snapshot.push(family).unwrap();
        snapshot.to_prometheus_text()
    }

    #[test]
    fn texts_end_no_line_and_no_quotes() {
        let points = Points::Gauge(vec![
            Point::new([("a.b", "x\"y\\z\n"), ("c", "\u{e9}")], 1_u64),
            Point::alone(0.5),
        ]);
        let family = Family::new("a.b", "", "Says \"a\\b\"\nand more.", points);
        assert_eq!(
            text(family),
            "# HELP a_b Says \"a\\\\b\"\\nand more.\n\
             # TYPE a_b gauge\n\
             a_b{a_b=\"x\\\"y\\\\z\\n\",c=\"\u{e9}\"} 1\n\
             a_b 0.5\n"
        );
    }

    #[test]
    fn a_bucket_has_those_before_it() {
        let value = Distribution {
            bounds: &[0.5, 2.0],
            counts: vec![3, 0, 2],
            sum: 9.25,
        };
        let points = Points::Histogram(vec![Point::new([("v", "x")], value)]);
        assert_eq!(
            text(Family::new("t", "s", "Time.", points)),
            "# HELP t_seconds Time.\n\
             # TYPE t_seconds histogram\n\
             t_seconds_bucket{v=\"x\",le=\"0.5\"} 3\n\
             t_seconds_bucket{v=\"x\",le=\"2\"} 3\n\
             t_seconds_bucket{v=\"x\",le=\"+Inf\"} 5\n\
             t_seconds_sum{v=\"x\"} 9.25\n\
             t_seconds_count{v=\"x\"} 5\n"
        );
    }
}
