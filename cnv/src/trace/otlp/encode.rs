//! Spans, log records and metrics as OTLP's messages.

use core::fmt::Debug;

use prost::Message;

use super::message::{
    self, AnyValue, Event, Export, KeyValue, Link, Log, OfResource, OfScope, OneValue, Resource,
    Scope, Span, SpanStatus as Status,
};
use crate::trace::json::{TRANSACTION, flags, kind_number};
use crate::trace::metrics::{Family, Label, Number, Points};
use crate::trace::record::{Facts, LogRecord, SpanRecord, SpanStatus, Value};
use crate::transaction::TransactionId;

/// The longest request, before it is compressed: what servers of gRPC take by default.
const MAX_REQUEST_BYTES: usize = 4 << 20;

/// What a record takes in a request beside its own bytes: the number of the field, and how long it is.
const FRAME_BYTES: usize = 6;

/// The request that as many records from the front fit into, and how many these are: one at least.
pub(super) fn request<R, M: Message + Default + Debug>(
    resource: &Resource,
    records: &[R],
    message: impl Fn(&R) -> M,
) -> (Vec<u8>, usize) {
    let mut room = MAX_REQUEST_BYTES.saturating_sub(resource.encoded_len() + 64);
    let mut messages = Vec::with_capacity(records.len());
    for record in records {
        let message = message(record);
        let bytes = message.encoded_len() + FRAME_BYTES;
        if bytes > room && !messages.is_empty() {
            break;
        }
        room = room.saturating_sub(bytes);
        messages.push(message);
    }
    let count = messages.len();
    let export = Export {
        of_resources: vec![OfResource {
            resource: Some(resource.clone()),
            of_scopes: vec![OfScope {
                scope: Some(Scope {
                    name: "cnv".to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                }),
                records: messages,
            }],
        }],
    };
    (export.encode_to_vec(), count)
}

pub(super) fn resource(resource: &crate::trace::Resource) -> Resource {
    Resource {
        attributes: resource
            .attributes()
            .map(|(key, value)| pair(key, OneValue::Text(value.to_owned())))
            .collect(),
    }
}

pub(super) fn span(span: &SpanRecord) -> Span {
    let event = |event: &super::super::record::SpanEvent| Event {
        time_unix_nano: event.unix_ns,
        name: event.name.clone().into_owned(),
        attributes: facts(&event.attributes, None),
        dropped_attributes_count: event.attributes.dropped(),
    };
    let link = span.link.map(|link| Link {
        trace_id: link.trace_id().to_bytes().to_vec(),
        span_id: link.span_id().to_bytes().to_vec(),
        flags: link.flags().bits().into(),
    });
    let parent = span.parent.map(|parent| parent.to_bytes().to_vec());
    Span {
        trace_id: span.context.trace_id().to_bytes().to_vec(),
        span_id: span.context.span_id().to_bytes().to_vec(),
        trace_state: span.state.clone().into(),
        parent_span_id: parent.unwrap_or_default(),
        flags: flags(span),
        name: span.name.clone().into_owned(),
        kind: kind_number(span.kind),
        start_time_unix_nano: span.start_unix_ns,
        end_time_unix_nano: span.end_unix_ns,
        attributes: facts(&span.attributes, span.transaction),
        dropped_attributes_count: span.attributes.dropped(),
        events: span.events.iter().map(event).collect(),
        dropped_events_count: span.dropped_events,
        links: link.into_iter().collect(),
        status: match &span.status {
            SpanStatus::Unset => None,
            SpanStatus::Error(why) => Some(Status {
                message: why.clone().into_owned(),
                code: 2,
            }),
        },
    }
}

pub(super) fn log(record: &LogRecord) -> Log {
    let mut attributes = facts(&record.attributes, record.transaction);
    attributes.push(pair(TARGET, OneValue::Text(record.target.clone().into())));
    if let Ok(cut @ 1..) = i64::try_from(record.cut_bytes) {
        attributes.push(pair(CUT_BYTES, OneValue::Int(cut)));
    }
    let context = record.context;
    let trace_id = context.map(|context| context.trace_id().to_bytes().to_vec());
    let span_id = context.map(|context| context.span_id().to_bytes().to_vec());
    Log {
        time_unix_nano: record.unix_ns,
        observed_time_unix_nano: record.unix_ns,
        severity_number: record.level.severity_number(),
        severity_text: record.level.as_str().to_owned(),
        body: Some(any(OneValue::Text(record.body.clone()))),
        attributes,
        dropped_attributes_count: record.attributes.dropped(),
        flags: context.map_or(0, |context| context.flags().bits().into()),
        trace_id: trace_id.unwrap_or_default(),
        span_id: span_id.unwrap_or_default(),
    }
}

/// Counts that began at one time and were read at another, both in nanoseconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) since: u64,
    pub(super) at: u64,
}

pub(super) fn metric(family: &Family, times: Times) -> message::Metric {
    // Since the program began, and not since the last time.
    const CUMULATIVE: i32 = 2;
    let points = match &family.points {
        Points::Counter(points) => message::Points::Sum(message::Sum {
            points: points
                .iter()
                .map(|point| number(&point.labels, point.value, times))
                .collect(),
            temporality: CUMULATIVE,
            is_monotonic: true,
        }),
        Points::Gauge(points) => message::Points::Gauge(message::Gauge {
            points: points
                .iter()
                .map(|point| number(&point.labels, point.value, Times { since: 0, ..times }))
                .collect(),
        }),
        Points::Histogram(points) => message::Points::Histogram(message::Histogram {
            points: points
                .iter()
                .map(|point| message::HistogramPoint {
                    attributes: labels(&point.labels),
                    start_time_unix_nano: times.since,
                    time_unix_nano: times.at,
                    count: point.value.count(),
                    sum: Some(point.value.sum),
                    bucket_counts: point.value.counts.clone(),
                    explicit_bounds: point.value.bounds.to_vec(),
                })
                .collect(),
            temporality: CUMULATIVE,
        }),
    };
    message::Metric {
        name: family.name.clone().into_owned(),
        description: family.help.clone().into_owned(),
        unit: family.unit.clone().into_owned(),
        points: Some(points),
    }
}

fn number(of: &[Label], value: Number, times: Times) -> message::NumberPoint {
    let value = match value {
        // There is no larger one there, and nobody counts as far.
        Number::Integer(count) => {
            message::Number::Integer(i64::try_from(count).unwrap_or(i64::MAX))
        }
        Number::Real(measure) => message::Number::Real(measure),
    };
    message::NumberPoint {
        attributes: labels(of),
        start_time_unix_nano: times.since,
        time_unix_nano: times.at,
        value: Some(value),
    }
}

fn labels(labels: &[Label]) -> Vec<KeyValue> {
    let labels = labels.iter();
    labels
        .map(|label| {
            pair(
                &label.name,
                OneValue::Text(label.value.clone().into_owned()),
            )
        })
        .collect()
}

/// The attribute that says which part of the program wrote a log record.
const TARGET: &str = "cnv.log.target";
/// The attribute that says how many bytes of a log record's text were left out.
const CUT_BYTES: &str = "cnv.log.cut_bytes";

fn facts(facts: &Facts, transaction: Option<TransactionId>) -> Vec<KeyValue> {
    let value = |value: &Value| match value {
        Value::Text(text) => OneValue::Text(text.clone().into_owned()),
        Value::Int(number) => OneValue::Int(*number),
        Value::Float(number) => OneValue::Float(*number),
        Value::Bool(yes) => OneValue::Bool(*yes),
    };
    let own = facts
        .as_slice()
        .iter()
        .map(|fact| pair(&fact.key, value(&fact.value)));
    let transaction = transaction.map(|id| pair(TRANSACTION, OneValue::Text(id.to_string())));
    own.chain(transaction).collect()
}

fn pair(key: &str, value: OneValue) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(any(value)),
    }
}

const fn any(value: OneValue) -> AnyValue {
    AnyValue { value: Some(value) }
}
