//! Spans as OTLP has them in JSON (OpenTelemetry Protocol Specification 1.5, "JSON Protobuf Encoding").

use serde_json::{Map, Value as Json, json};

use super::record::{Attribute, Facts, SpanKind, SpanRecord, SpanStatus, Value};
use super::resource::Resource;

/// A batch as one `TracesData`.
pub(super) fn traces(resource: &Resource, spans: &[SpanRecord]) -> Json {
    let attributes: Vec<Json> = resource
        .attributes()
        .map(|(key, text)| json!({ "key": key, "value": { "stringValue": text } }))
        .collect();
    let spans: Vec<Json> = spans.iter().map(span).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": attributes },
        "scopeSpans": [{
            "scope": { "name": "cnv", "version": env!("CARGO_PKG_VERSION") },
            "spans": spans,
        }],
    }] })
}

/// Numbers of 64 bits are texts there.
fn span(span: &SpanRecord) -> Json {
    let mut map = Map::new();
    let mut put = |key: &str, value: Json| map.insert(key.to_owned(), value);
    put("traceId", json!(span.context.trace_id().to_string()));
    put("spanId", json!(span.context.span_id().to_string()));
    if !span.state.is_empty() {
        put("traceState", json!(span.state));
    }
    if let Some(parent) = span.parent {
        put("parentSpanId", json!(parent.to_string()));
    }
    put("flags", json!(flags(span)));
    put("name", json!(span.name));
    put("kind", json!(kind_number(span.kind)));
    put("startTimeUnixNano", json!(span.start_unix_ns.to_string()));
    put("endTimeUnixNano", json!(span.end_unix_ns.to_string()));
    let mut attributes = facts(&span.attributes);
    if let Some(id) = span.transaction {
        let value = json!({ "stringValue": id.to_string() });
        attributes.push(json!({ "key": TRANSACTION, "value": value }));
    }
    put("attributes", json!(attributes));
    put("droppedAttributesCount", json!(span.attributes.dropped()));
    let events: Vec<Json> = span
        .events
        .iter()
        .map(|event| {
            json!({
                "timeUnixNano": event.unix_ns.to_string(),
                "name": event.name,
                "attributes": facts(&event.attributes),
                "droppedAttributesCount": event.attributes.dropped(),
            })
        })
        .collect();
    put("events", json!(events));
    put("droppedEventsCount", json!(span.dropped_events));
    if let Some(link) = span.link {
        put(
            "links",
            json!([{
                "traceId": link.trace_id().to_string(),
                "spanId": link.span_id().to_string(),
                "flags": link.flags().bits(),
            }]),
        );
    }
    put(
        "status",
        match &span.status {
            SpanStatus::Unset => json!({}),
            SpanStatus::Error(why) => json!({ "code": 2, "message": why }),
        },
    );
    Json::Object(map)
}

/// The attribute that a transaction's number is in.
pub(super) const TRANSACTION: &str = "cnv.transaction.id";

/// The flags of a span: those of its trace, and whether its parent is another process's.
pub(super) fn flags(span: &SpanRecord) -> u32 {
    const HAS_IS_REMOTE: u32 = 0x100;
    const IS_REMOTE: u32 = 0x200;
    let remote = if span.is_parent_remote { IS_REMOTE } else { 0 };
    u32::from(span.context.flags().bits()) | HAS_IS_REMOTE | remote
}

/// OTLP's number of a kind.
pub(super) const fn kind_number(kind: SpanKind) -> i32 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
    }
}

fn facts(facts: &Facts) -> Vec<Json> {
    let fact = |attribute: &Attribute| {
        let value = match &attribute.value {
            Value::Text(text) => json!({ "stringValue": text }),
            Value::Int(number) => json!({ "intValue": number.to_string() }),
            Value::Float(number) => json!({ "doubleValue": float(*number) }),
            Value::Bool(yes) => json!({ "boolValue": yes }),
        };
        json!({ "key": attribute.key, "value": value })
    };
    facts.as_slice().iter().map(fact).collect()
}

/// What is no number has a name in protobuf's JSON.
pub(super) fn float(number: f64) -> Json {
    if number.is_nan() {
        json!("NaN")
    } else if number.is_infinite() {
        json!(if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        })
    } else {
        json!(number)
    }
}
