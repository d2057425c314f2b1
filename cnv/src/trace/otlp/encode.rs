//! Spans and log records as OTLP's messages.

use core::fmt::Debug;

use prost::Message;

use super::message::{
    AnyValue, Event, Export, KeyValue, Link, Log, OfResource, OfScope, OneValue, Resource, Scope,
    Span, SpanStatus as Status,
};
use crate::trace::json::{TRANSACTION, flags, kind_number};
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
