//! What a tracer says of itself: what became of all that its exporters were given.

use std::collections::BTreeMap;

use super::exporter::{Delivery, DropCause};
use super::metrics::{Family, Number, Point, Points, Source};
use super::tracer::Tracer;

/// The labels of a value, all of them from fixed lists: which kind of exporter, what it was given, and why it was dropped.
type Labels = (String, &'static str, Option<&'static str>);

impl Source for Tracer {
    fn collect(&self) -> Vec<Family> {
        let mut seen: BTreeMap<(String, &'static str), Delivery> = BTreeMap::new();
        for report in self.reports() {
            // Behind it stands a path or an endpoint, which may be nobody's business.
            let kind = report.exporter.split(' ').next().unwrap_or_default();
            let mut signals = vec![("spans", report.spans)];
            if report.takes_logs {
                signals.push(("logs", report.logs));
            }
            for (signal, delivery) in signals {
                let sum = seen.entry((kind.to_owned(), signal)).or_default();
                *sum = sum.plus(&delivery);
            }
        }
        if seen.is_empty() {
            return Vec::new();
        }
        let of = |number: fn(&Delivery) -> u64| -> Vec<Point<Number>> {
            let values = seen.iter().map(|((kind, signal), delivery)| {
                point((kind.clone(), signal, None), number(delivery))
            });
            values.collect()
        };
        let mut dropped = Vec::new();
        for ((kind, signal), delivery) in &seen {
            for cause in DropCause::ALL {
                let labels = (kind.clone(), *signal, Some(cause.as_str()));
                dropped.push(point(labels, delivery.dropped_by(cause)));
            }
        }
        vec![
            Family::new(
                "cnv.telemetry.given",
                "{record}",
                "Spans and log records that an exporter was given.",
                Points::Counter(of(|delivery| delivery.given)),
            ),
            Family::new(
                "cnv.telemetry.delivered",
                "{record}",
                "Those that the other end has.",
                Points::Counter(of(|delivery| delivery.delivered)),
            ),
            Family::new(
                "cnv.telemetry.dropped",
                "{record}",
                "Those that the other end does not have, by why.",
                Points::Counter(dropped),
            ),
            Family::new(
                "cnv.telemetry.unknown",
                "{record}",
                "Those that were sent and never answered.",
                Points::Counter(of(|delivery| delivery.unknown)),
            ),
            Family::new(
                "cnv.telemetry.queue",
                "{record}",
                "Those that wait, or are being sent.",
                Points::Gauge(of(|delivery| delivery.waiting)),
            ),
        ]
    }
}

fn point((exporter, signal, cause): Labels, value: u64) -> Point<Number> {
    let cause = cause.map(|cause| ("cause", cause.to_owned()));
    let labels = [("exporter", exporter), ("signal", signal.to_owned())];
    Point::new(labels.into_iter().chain(cause), value)
}
