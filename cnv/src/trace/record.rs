//! What is known of a span, and of a log record, once it is over.

use std::borrow::Cow;

use super::ids::SpanId;
use super::traceparent::TraceParent;
use crate::transaction::TransactionId;

/// How many attributes a span or an event has at most: what OpenTelemetry's SDKs have as their default.
pub(super) const MAX_ATTRIBUTES: usize = 128;
/// How many events a span has at most: what OpenTelemetry's SDKs have as their default.
pub(super) const MAX_EVENTS: usize = 128;
/// How many bytes of text a span has at most, so that a full queue of them has a bound.
pub(super) const MAX_BYTES: usize = 16 << 10;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
}

/// A fact about a span.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Attribute {
    /// Its name, such as `cnv.verb`.
    pub key: Cow<'static, str>,
    /// What it is.
    pub value: Value,
}

/// Something that happened during a span.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SpanEvent {
    /// What happened, such as `retry`.
    pub name: Cow<'static, str>,
    /// When, in nanoseconds since 1970.
    pub unix_ns: u64,
    /// What is known of it.
    pub attributes: Facts,
}

/// What a span is in its trace, as OpenTelemetry has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpanKind {
    /// Work within a process.
    #[default]
    Internal,
    /// A call that came in.
    Server,
    /// A call that goes out.
    Client,
}

/// How what a span stands for ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpanStatus {
    /// Nobody said.
    #[default]
    Unset,
    /// It failed: why.
    Error(Cow<'static, str>),
}

/// Attributes within their limits: 128 of them. What goes over is left out as a whole and counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    list: Vec<Attribute>,
    dropped: u32,
}

/// A span that is over.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SpanRecord {
    /// The trace, the span, and whether it is recorded.
    pub context: TraceParent,
    /// The span that it is in; a trace's first has none.
    pub parent: Option<SpanId>,
    /// Whether the parent is another process's.
    pub is_parent_remote: bool,
    /// Where the call came from, if a boundary began a new trace for it.
    pub link: Option<TraceParent>,
    /// The trace's `tracestate`; empty where there is none.
    pub state: Box<str>,
    /// The piece of work that it is part of, over all traces of it.
    pub transaction: Option<TransactionId>,
    /// What is done, such as `log scan`.
    pub name: Cow<'static, str>,
    /// What it is in its trace.
    pub kind: SpanKind,
    /// When it began, in nanoseconds since 1970.
    pub start_unix_ns: u64,
    /// When it ended, in nanoseconds since 1970.
    pub end_unix_ns: u64,
    /// How it ended.
    pub status: SpanStatus,
    /// What is known of it.
    pub attributes: Facts,
    /// What happened, in order.
    pub events: Vec<SpanEvent>,
    /// Events that there was no room for.
    pub dropped_events: u32,
    /// Bytes of text in it.
    bytes: usize,
}

/// A record of a log, with the place in a trace where it was written.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LogRecord {
    /// The trace and the span, where it was written within one.
    pub context: Option<TraceParent>,
    /// The piece of work that it is part of.
    pub transaction: Option<TransactionId>,
    /// When, in nanoseconds since 1970.
    pub unix_ns: u64,
    /// How grave it is.
    pub level: Level,
    /// The part of the program that says it.
    pub target: Cow<'static, str>,
    /// What it says.
    pub body: String,
    /// Bytes of the text that there was no room for.
    pub cut_bytes: usize,
    /// What else is known.
    pub attributes: Facts,
}

/// How grave a record of a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// Every step.
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// What happens.
    Info,
    /// Something that may become a fault.
    Warn,
    /// A fault.
    Error,
}

impl Level {
    /// Its name, as OpenTelemetry has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }

    /// OpenTelemetry's number of it.
    #[must_use]
    pub const fn severity_number(self) -> i32 {
        match self {
            Self::Trace => 1,
            Self::Debug => 5,
            Self::Info => 9,
            Self::Warn => 13,
            Self::Error => 17,
        }
    }
}

impl Facts {
    /// None.
    pub const NONE: Self = Self {
        list: Vec::new(),
        dropped: 0,
    };

    /// Those that there is room for, in the order in which they were first set.
    #[must_use]
    pub fn as_slice(&self) -> &[Attribute] {
        &self.list
    }

    /// How many there was no room for.
    #[must_use]
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    /// What is known under this name.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let found = self.list.iter().find(|attribute| attribute.key == key);
        found.map(|attribute| &attribute.value)
    }

    /// Sets one, in place of what had its name, if it fits into the bytes that are left.
    pub(super) fn set(&mut self, key: Cow<'static, str>, value: Value, bytes: &mut usize) {
        let own = key.len() + value.len();
        let earlier = self.list.iter().position(|earlier| earlier.key == key);
        let freed = earlier.map_or(0, |at| key.len() + self.list[at].value.len());
        let sum = *bytes - freed + own;
        let has_room = earlier.is_some() || self.list.len() < MAX_ATTRIBUTES;
        if sum > MAX_BYTES || !has_room {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        match earlier {
            Some(at) => self.list[at].value = value,
            None => self.list.push(Attribute { key, value }),
        }
        *bytes = sum;
    }
}

impl SpanRecord {
    /// A span that begins. Its end is its start until it is over.
    pub(super) fn new(
        context: TraceParent,
        name: Cow<'static, str>,
        kind: SpanKind,
        start_unix_ns: u64,
    ) -> Self {
        Self {
            context,
            parent: None,
            is_parent_remote: false,
            link: None,
            state: Box::default(),
            transaction: None,
            bytes: name.len(),
            name,
            kind,
            start_unix_ns,
            end_unix_ns: start_unix_ns,
            status: SpanStatus::Unset,
            attributes: Facts::NONE,
            events: Vec::new(),
            dropped_events: 0,
        }
    }

    /// How long it took, in nanoseconds.
    #[must_use]
    pub const fn duration_ns(&self) -> u64 {
        self.end_unix_ns.saturating_sub(self.start_unix_ns)
    }

    pub(super) fn set(&mut self, key: Cow<'static, str>, value: Value) {
        self.attributes.set(key, value, &mut self.bytes);
    }

    pub(super) fn push_event(
        &mut self,
        name: Cow<'static, str>,
        unix_ns: u64,
        attributes: impl IntoIterator<Item = (&'static str, Value)>,
    ) {
        if self.events.len() == MAX_EVENTS || self.bytes + name.len() > MAX_BYTES {
            self.dropped_events = self.dropped_events.saturating_add(1);
            return;
        }
        self.bytes += name.len();
        let mut facts = Facts::NONE;
        for (key, value) in attributes {
            facts.set(key.into(), value, &mut self.bytes);
        }
        self.events.push(SpanEvent {
            name,
            unix_ns,
            attributes: facts,
        });
    }

    /// Says that it failed, as far as there is room to say why.
    pub(super) fn fail(&mut self, why: Cow<'static, str>) {
        let fits = self.bytes + why.len() <= MAX_BYTES;
        self.status = SpanStatus::Error(if fits {
            self.bytes += why.len();
            why
        } else {
            Cow::Borrowed("(there was no room for why)")
        });
    }
}

impl LogRecord {
    /// A record that says this, as far as there is room.
    #[must_use]
    pub fn new(unix_ns: u64, level: Level, target: Cow<'static, str>, mut body: String) -> Self {
        let whole = body.len();
        let mut end = MAX_BYTES.min(whole);
        while !body.is_char_boundary(end) {
            end -= 1;
        }
        body.truncate(end);
        Self {
            context: None,
            transaction: None,
            unix_ns,
            level,
            target,
            cut_bytes: whole - body.len(),
            body,
            attributes: Facts::NONE,
        }
    }

    /// Sets a fact about it, in place of what had its name, if there is room.
    pub fn set(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let own = |attribute: &Attribute| attribute.key.len() + attribute.value.len();
        let mut bytes = self.body.len() + self.attributes.list.iter().map(own).sum::<usize>();
        self.attributes.set(key.into(), value.into(), &mut bytes);
    }
}

impl Value {
    /// Bytes of text.
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            _ => 8,
        }
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<Cow<'static, str>> for Value {
    fn from(text: Cow<'static, str>) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int(number.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

impl From<u64> for Value {
    /// A whole number, or its digits where OpenTelemetry has no number as large.
    fn from(number: u64) -> Self {
        i64::try_from(number).map_or_else(|_| Self::Text(number.to_string().into()), Self::Int)
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        (number as u64).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{IdGenerator, TraceFlags};

    fn span() -> SpanRecord {
        let ids = IdGenerator::from_seed([7; 24]);
        let context = TraceParent::new(ids.trace_id(), ids.span_id(), TraceFlags::SAMPLED);
        SpanRecord::new(context, "log scan".into(), SpanKind::Server, 1)
    }

    #[test]
    fn attributes_have_two_limits() {
        let mut record = span();
        for number in 0..MAX_ATTRIBUTES {
            record.set(format!("a{number}").into(), Value::Int(0));
        }
        record.set("one.more".into(), Value::Int(0));
        record.set("a0".into(), Value::Bool(true));
        assert_eq!(record.attributes.get("a0"), Some(&Value::Bool(true)));
        assert_eq!(record.attributes.as_slice().len(), MAX_ATTRIBUTES);
        assert_eq!(record.attributes.dropped(), 1);

        let mut record = span();
        record.set("long".into(), "x".repeat(MAX_BYTES).into());
        assert_eq!(
            (
                record.attributes.as_slice().len(),
                record.attributes.dropped()
            ),
            (0, 1)
        );
        // What takes another's place takes its bytes as well.
        for _ in 0..3 {
            record.set("half".into(), "x".repeat(MAX_BYTES / 2).into());
        }
        assert_eq!(
            (
                record.attributes.as_slice().len(),
                record.attributes.dropped()
            ),
            (1, 1)
        );
    }

    #[test]
    fn events_have_two_limits() {
        let mut record = span();
        for _ in 0..=MAX_EVENTS {
            record.push_event("retry".into(), 2, [("attempt", Value::Int(2))]);
        }
        assert_eq!(
            (record.events.len(), record.dropped_events),
            (MAX_EVENTS, 1)
        );
        let mut record = span();
        record.push_event("x".repeat(MAX_BYTES).into(), 2, []);
        assert_eq!((record.events.len(), record.dropped_events), (0, 1));
        record.fail("x".repeat(MAX_BYTES).into());
        assert_eq!(
            record.status,
            SpanStatus::Error("(there was no room for why)".into())
        );
    }

    #[test]
    fn a_log_record_says_what_it_left_out() {
        let body = "\u{e9}".repeat(MAX_BYTES);
        let record = LogRecord::new(1, Level::Info, "t".into(), body);
        assert_eq!(
            (record.body.len(), record.cut_bytes),
            (MAX_BYTES, MAX_BYTES)
        );
    }

    #[test]
    fn a_number_that_is_too_large_is_its_digits() {
        assert_eq!(Value::from(7_u64), Value::Int(7));
        assert_eq!(
            Value::from(u64::MAX),
            Value::Text("18446744073709551615".into())
        );
    }
}
