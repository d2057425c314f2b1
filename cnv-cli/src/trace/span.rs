//! What is kept of a span.

use std::collections::BTreeMap;
use std::mem;
use std::rc::Rc;

use cnv::trace::{SpanId, TraceId};
use serde::Serialize;
use serde_json::Value;

use super::otlp;

/// Facts by name.
pub(super) type Attributes = BTreeMap<String, Value>;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) service: Option<Rc<str>>,
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) status: Status,
    pub(super) error: Option<String>,
    pub(super) transaction: Option<String>,
    pub(super) attempt: Option<i64>,
    pub(super) policy: Option<String>,
    pub(super) events: Vec<Event>,
    pub(super) dropped_events: u32,
    pub(super) links: Vec<(TraceId, SpanId)>,
    pub(super) attributes: Option<Attributes>,
}

/// How a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Unset,
    Ok,
    Error,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) unix_ns: u64,
    pub(super) name: String,
    pub(super) is_stage: bool,
    pub(super) decision: Option<String>,
    pub(super) attributes: Option<Attributes>,
}

/// `SpanKind` of OTLP, from 0.
const KINDS: [&str; 6] = [
    "unspecified",
    "internal",
    "server",
    "client",
    "producer",
    "consumer",
];

/// `Status.StatusCode` of OTLP, from 0.
const CODES: [&str; 3] = ["unset", "ok", "error"];

impl Span {
    pub(super) fn new(
        read: otlp::Span<'_>,
        service: Option<&Rc<str>>,
        with_attributes: bool,
    ) -> Result<Self, serde_json::Error> {
        let time = |number: Option<otlp::Number<'_>>| number.map_or(Ok(0), |time| time.unix_ns());
        let mut attributes = read.attributes.unwrap_or_default().0;
        let status = read.status.as_ref().and_then(|status| {
            let code = status.code.as_ref()?;
            Some(match code.place("STATUS_CODE_", &CODES) {
                0 => Status::Unset,
                1 => Status::Ok,
                _ => Status::Error,
            })
        });
        let status = status.unwrap_or(Status::Unset);
        let message = read.status.and_then(|status| status.message);
        let error = (status == Status::Error).then(|| {
            let kind = text(&mut attributes, "error.type", with_attributes);
            let message = message.filter(|message| !message.is_empty());
            match (kind, message) {
                (Some(kind), Some(message)) if *message != kind => format!("{kind}: {message}"),
                (Some(kind), _) => kind,
                (None, Some(message)) => message.into_owned(),
                (None, None) => String::new(),
            }
        });
        let few = read.events;
        let more = few.as_ref().map_or(0, |few| few.more);
        let events = few.map(|few| few.first).unwrap_or_default();
        let mut events: Vec<Event> = events
            .into_iter()
            .map(|event| Event::new(event, with_attributes))
            .collect();
        events.sort_by_key(|event| event.unix_ns);
        let links = read.links.map(|few| few.first).unwrap_or_default();
        let kind = read.kind.map_or(0, |kind| kind.place("SPAN_KIND_", &KINDS));
        Ok(Self {
            trace: read.trace_id,
            id: read.span_id,
            parent: read.parent_span_id,
            service: service.cloned(),
            name: read.name.unwrap_or_default().into_owned(),
            kind: KINDS[kind],
            start_ns: time(read.start_time_unix_nano)?,
            end_ns: time(read.end_time_unix_nano)?,
            status,
            error,
            transaction: text(&mut attributes, "cnv.transaction.id", with_attributes),
            attempt: attributes.get("cnv.attempt").and_then(Value::as_i64),
            policy: text(&mut attributes, "cnv.policy", with_attributes),
            events,
            dropped_events: read.dropped_events_count.unwrap_or(0).saturating_add(more),
            links: links
                .into_iter()
                .map(|link| (link.trace_id, link.span_id))
                .collect(),
            attributes: with_attributes.then_some(attributes),
        })
    }

    pub(super) const fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }

    /// Its end, or its start where its end is said to be before that.
    pub(super) fn last_ns(&self) -> u64 {
        self.end_ns.max(self.start_ns)
    }

    pub(super) fn is_failed(&self) -> bool {
        self.status == Status::Error
    }

    /// About how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        let texts = [&self.error, &self.transaction, &self.policy];
        let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
        let events = self.events.iter().map(|event| {
            let decision = event.decision.as_ref().map_or(0, String::len);
            let attributes = event.attributes.as_ref().map_or(0, attributes_weight);
            mem::size_of::<Event>() + event.name.len() + decision + attributes
        });
        mem::size_of::<Self>()
            + self.name.len()
            + texts
            + events.sum::<usize>()
            + mem::size_of_val(self.links.as_slice())
            + self.attributes.as_ref().map_or(0, attributes_weight)
    }
}

impl Event {
    fn new(read: otlp::Event, with_attributes: bool) -> Self {
        let mut attributes = read.attributes.unwrap_or_default().0;
        let decision = text(&mut attributes, "cnv.decision", with_attributes);
        let decisions = text(&mut attributes, "cnv.decisions", with_attributes);
        Self {
            unix_ns: read.time_unix_nano,
            name: read.name.unwrap_or_default(),
            is_stage: attributes.get("cnv.stage") == Some(&Value::Bool(true)),
            decision: decision.or(decisions),
            attributes: with_attributes.then_some(attributes),
        }
    }
}

/// A fact that is a text. It is taken out, unless all facts are kept.
fn text(attributes: &mut Attributes, key: &str, is_kept: bool) -> Option<String> {
    let found = if is_kept {
        attributes.get(key).cloned()
    } else {
        attributes.remove(key)
    };
    match found {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn attributes_weight(attributes: &Attributes) -> usize {
    let weights = attributes
        .iter()
        .map(|(key, value)| mem::size_of::<(String, Value)>() + key.len() + value_weight(value));
    weights.sum()
}

fn value_weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => {
            let weights = values
                .iter()
                .map(|value| mem::size_of::<Value>() + value_weight(value));
            weights.sum()
        }
        Value::Object(values) => {
            let weights = values.iter().map(|(key, value)| {
                mem::size_of::<(String, Value)>() + key.len() + value_weight(value)
            });
            weights.sum()
        }
        _ => 0,
    }
}
