//! What a server counts of its connections and sessions.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Service, Sessions};
use crate::trace::metrics::{Family, Number, Point, Points, Source};

/// What happened since the server began.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) opened: Count,
    pub(super) resumed: Count,
    pub(super) refused: Count,
    pub(super) calls_refused: Count,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn counter(&self, name: &'static str, unit: &'static str, help: &'static str) -> Family {
        let count = self.0.load(Ordering::Relaxed);
        Family::new(name, unit, help, Points::Counter(vec![Point::alone(count)]))
    }
}

impl<S: Service> Source for Sessions<S> {
    fn collect(&self) -> Vec<Family> {
        let (active, detached) = {
            let registry = self.registry();
            (registry.sessions.len(), registry.detached.len())
        };
        let connections = self.places.present();
        let connections = connections.map(|(kind, count)| Point::new([("kind", kind)], count));
        let gauge = |points: Vec<Point<Number>>| Points::Gauge(points);
        let counts = &self.counts;
        vec![
            Family::new(
                "cnv.connection.active",
                "{connection}",
                "Connections: of those who are known, of strangers, and those that are told why they are refused.",
                gauge(connections.into()),
            ),
            Family::new(
                "cnv.session.active",
                "{session}",
                "Sessions, with those whose connection broke and which are waited for.",
                gauge(vec![Point::alone(active as u64)]),
            ),
            Family::new(
                "cnv.session.detached",
                "{session}",
                "Sessions whose connection broke and which are waited for.",
                gauge(vec![Point::alone(detached as u64)]),
            ),
            counts.opened.counter(
                "cnv.session.opened",
                "{session}",
                "Sessions that began.",
            ),
            counts.resumed.counter(
                "cnv.session.resumed",
                "{session}",
                "How often a session went on over a new connection.",
            ),
            counts.refused.counter(
                "cnv.session.refused",
                "{connection}",
                "Connections over which no session began.",
            ),
            counts.calls_refused.counter(
                "cnv.session.calls.refused",
                "{call}",
                "Calls that a session did not begin: beyond the client's limit, while the server ends, or not readable.",
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Peer;
    use super::super::nothing::Nothing;
    use super::*;
    use crate::session::limits::SessionLimits;

    /// The values of all metrics that have one.
    fn values(sessions: &Sessions<Nothing>) -> Vec<(String, u64)> {
        let of = |family: Family| {
            let (Points::Gauge(points) | Points::Counter(points)) = family.points else {
                panic!("there is no histogram");
            };
            let value = |point: Point<Number>| {
                let Number::Integer(value) = point.value else {
                    panic!("all are counts");
                };
                let label = point.labels.first().map_or("", |label| &label.value);
                (format!("{} {label}", family.name), value)
            };
            points.into_iter().map(value).collect::<Vec<_>>()
        };
        let values = sessions.collect().into_iter().flat_map(of);
        values.filter(|(_, value)| *value > 0).collect()
    }

    #[test]
    fn sessions_and_connections_are_counted_as_they_come_and_go() {
        let limits = SessionLimits::default();
        let sessions: Arc<Sessions<Nothing>> = Sessions::new(Nothing, limits.clone());
        assert_eq!(values(&sessions), []);
        let opened = sessions.open(&limits, Peer::Parent, None, (), true);
        let stranger = sessions.places.enter(Peer::Anyone).unwrap();
        let expected = [
            ("cnv.connection.active stranger", 1),
            ("cnv.session.active ", 1),
            ("cnv.session.opened ", 1),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(values(&sessions), expected);
        drop((stranger, opened));
    }
}
