//! The trees as values. A tree is a list: each span says how many spans are around it, and follows on what it is in, so that
//! no tree is too deep to be written or read.

use std::fmt::Write as _;
use std::time::Duration;

use cnv::attestation::Timestamp;
use cnv::command::TransactionId;
use serde::Serialize;

use super::span::{Attributes, Event, Span, Status};
use super::tree::{self, Note};

/// How many spans are shown. The others are counted.
pub(super) const MAX_SHOWN: usize = 100_000;

/// Traces, oldest first.
#[derive(Debug, Serialize)]
pub struct Shown {
    pub(super) traces: Vec<Trace>,
    /// Traces that were asked for as well, and began before these.
    pub(super) earlier: usize,
    /// Traces in all files.
    pub(super) read: usize,
    /// Lines that are no spans.
    pub(super) skipped_lines: u64,
}

/// A trace.
#[derive(Debug, Serialize)]
pub(super) struct Trace {
    pub(super) trace_id: String,
    pub(super) start: String,
    pub(super) duration_ns: u64,
    pub(super) failed: usize,
    pub(super) transactions: Vec<String>,
    pub(super) spans: Vec<ShownSpan>,
    /// Spans that there was no room for.
    pub(super) not_shown: usize,
}

/// A span. Its offset is from the start of the trace.
#[derive(Debug, Serialize)]
pub(super) struct ShownSpan {
    pub(super) depth: u32,
    pub(super) span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<Note>,
    pub(super) service: Option<String>,
    pub(super) name: String,
    kind: &'static str,
    pub(super) offset_ns: u64,
    pub(super) duration_ns: u64,
    pub(super) status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attempt: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stages: Vec<Stage>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) events: Vec<ShownEvent>,
    pub(super) dropped_events: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) links: Vec<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attributes: Option<Attributes>,
}

/// A stage of a call, until the next one, or the end of the span.
#[derive(Debug, Serialize)]
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) offset_ns: u64,
    pub(super) duration_ns: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct ShownEvent {
    pub(super) name: String,
    pub(super) offset_ns: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attributes: Option<Attributes>,
}

#[derive(Debug, Serialize)]
pub(super) struct Link {
    pub(super) trace_id: String,
    pub(super) span_id: String,
}

/// Which traces are meant.
pub(super) struct Filter {
    pub(super) transaction: Option<TransactionId>,
    pub(super) errors: bool,
    pub(super) slower_than: Option<Duration>,
    pub(super) last: usize,
}

impl Filter {
    fn takes(&self, spans: &[&Span]) -> bool {
        let (start, end) = extent(spans);
        let time = Duration::from_nanos(end - start);
        let is_of = |id: TransactionId| {
            let number = |span: &&Span| span.transaction.as_ref()?.parse().ok();
            spans.iter().any(|span| number(span) == Some(id))
        };
        self.transaction.is_none_or(is_of)
            && (!self.errors || spans.iter().any(|span| span.is_failed()))
            && self.slower_than.is_none_or(|least| time > least)
    }
}

/// From when to when something in it happens.
fn extent(spans: &[&Span]) -> (u64, u64) {
    let start = spans.iter().map(|span| span.start_ns).min();
    let end = spans.iter().map(|span| span.last_ns()).max();
    (start.unwrap_or(0), end.unwrap_or(0))
}

impl Shown {
    /// The last of the traces that are meant.
    pub(super) fn new(list: &[Span], skipped_lines: u64, filter: &Filter) -> Self {
        let mut spans: Vec<&Span> = list.iter().collect();
        spans.sort_by_key(|span| (span.trace, span.start_ns));
        let mut meant: Vec<&[&Span]> = spans
            .chunk_by(|one, other| one.trace == other.trace)
            .collect();
        let read = meant.len();
        meant.retain(|spans| filter.takes(spans));
        meant.sort_by_key(|spans| spans[0].start_ns);
        let mut room = MAX_SHOWN;
        let mut traces = Vec::new();
        // The latest first: what there is no room for is the oldest.
        for spans in meant.iter().rev().take(filter.last) {
            if room == 0 {
                break;
            }
            let trace = Trace::new(spans, room);
            room -= trace.spans.len();
            traces.push(trace);
        }
        traces.reverse();
        Self {
            earlier: meant.len() - traces.len(),
            traces,
            read,
            skipped_lines,
        }
    }
}

impl Trace {
    /// With as many spans as there is room for. A span that an exporter sent twice is one.
    fn new(spans: &[&Span], room: usize) -> Self {
        let mut spans = spans.to_vec();
        spans.sort_by(|one, other| {
            let key = |span: &Span| (span.id, span.start_ns, span.end_ns);
            (key(one).cmp(&key(other))).then_with(|| one.name.cmp(&other.name))
        });
        spans.dedup();
        let (start, end) = extent(&spans);
        let placed = tree::forest(&spans);
        let mut transactions = Vec::new();
        for place in &placed {
            // One in most traces; a hostile one is not searched for long.
            if let Some(id) = &spans[place.span].transaction
                && transactions.len() < 8
                && !transactions.contains(id)
            {
                transactions.push(id.clone());
            }
        }
        let shown = placed.iter().take(room).map(|place| {
            let mut shown = ShownSpan::new(spans[place.span], start);
            (shown.depth, shown.note) = (place.depth, place.note);
            shown
        });
        Self {
            trace_id: spans[0].trace.to_string(),
            start: time(start),
            duration_ns: end - start,
            failed: spans.iter().filter(|span| span.is_failed()).count(),
            transactions,
            spans: shown.collect(),
            not_shown: placed.len().saturating_sub(room),
        }
    }
}

impl ShownSpan {
    fn new(span: &Span, start: u64) -> Self {
        let (stages, events): (Vec<&Event>, Vec<&Event>) =
            span.events.iter().partition(|event| event.is_stage);
        let ends = stages.iter().skip(1).map(|next| next.unix_ns);
        let ends = ends.chain([span.last_ns()]);
        let stages = stages.iter().zip(ends).map(|(stage, end)| Stage {
            name: stage.name.clone(),
            offset_ns: stage.unix_ns.saturating_sub(start),
            duration_ns: end.saturating_sub(stage.unix_ns),
        });
        let events = events.iter().map(|event| ShownEvent {
            name: event.name.clone(),
            offset_ns: event.unix_ns.saturating_sub(start),
            decision: event.decision.clone(),
            attributes: event.attributes.clone(),
        });
        let links = span.links.iter().map(|(trace, span)| Link {
            trace_id: trace.to_string(),
            span_id: span.to_string(),
        });
        Self {
            depth: 0,
            span_id: span.id.to_string(),
            parent_span_id: span.parent.map(|id| id.to_string()),
            note: None,
            service: span.service.as_deref().map(str::to_owned),
            name: span.name.clone(),
            kind: span.kind,
            offset_ns: span.start_ns - start,
            duration_ns: span.duration_ns(),
            status: span.status,
            error: span.error.clone(),
            policy: span.policy.clone(),
            attempt: span.attempt,
            stages: stages.collect(),
            events: events.collect(),
            dropped_events: span.dropped_events,
            links: links.collect(),
            attributes: span.attributes.clone(),
        }
    }
}

/// RFC 3339 with nanoseconds. They reach the year 2554, so that there always is a date.
fn time(unix_ns: u64) -> String {
    const NS_PER_S: u64 = 1_000_000_000;
    let mut text = Timestamp::from_unix_seconds(unix_ns / NS_PER_S).to_string();
    if text.pop().is_some() {
        // Writing to a text cannot fail.
        let _ = write!(text, ".{:09}Z", unix_ns % NS_PER_S);
    }
    text
}
