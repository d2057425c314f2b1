//! What spans and events of `tracing` say, within limits.

use core::fmt::{self, Write};
use std::borrow::Cow;

use tracing_core::field::{Field, Visit};
use tracing_core::{Event, Metadata};

use super::super::record::{Level, LogRecord, MAX_BYTES, Value};

/// The fields of a span or of an event.
#[derive(Debug)]
pub(super) struct Said {
    message: Text,
    /// The target of a record of the crate `log`.
    target: Option<String>,
    fields: Vec<(&'static str, Value)>,
    /// Whether it is one of the crate `log`.
    is_of_log: bool,
}

/// A text as far as there is room.
#[derive(Debug, Default)]
struct Text {
    kept: String,
    left_out_bytes: usize,
}

impl Text {
    /// A little more than a record takes, so that the record leaves out what is not whole.
    const MAX_BYTES: usize = MAX_BYTES + char::MAX.len_utf8();

    fn of(value: fmt::Arguments<'_>) -> Self {
        let mut text = Self::default();
        // What cannot say what it is is as long as it got.
        let _ = text.write_fmt(value);
        text
    }
}

impl Write for Text {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        // Nothing follows what was left out.
        let room = match self.left_out_bytes {
            0 => Self::MAX_BYTES - self.kept.len(),
            _ => 0,
        };
        let mut end = room.min(more.len());
        while !more.is_char_boundary(end) {
            end -= 1;
        }
        self.kept.push_str(&more[..end]);
        self.left_out_bytes += more.len() - end;
        Ok(())
    }
}

impl Said {
    pub(super) fn by(metadata: &Metadata<'_>) -> Self {
        Self {
            message: Text::default(),
            target: None,
            fields: Vec::new(),
            is_of_log: metadata.is_event() && metadata.target() == "log",
        }
    }

    /// What an event says.
    pub(super) fn in_event(event: &Event<'_>) -> Self {
        let mut said = Self::by(event.metadata());
        event.record(&mut said);
        said
    }

    /// What a span says: its message is a field as any other.
    pub(super) fn into_fields(self) -> impl Iterator<Item = (&'static str, Value)> {
        let message = (!self.message.kept.is_empty()).then(|| self.message.kept.into());
        let message = message.map(|message| ("message", message));
        message.into_iter().chain(self.fields)
    }

    /// What an event says, as an event of a span: its message is its name.
    pub(super) fn to_span_event(
        &self,
        metadata: &'static Metadata<'static>,
    ) -> (Cow<'static, str>, Vec<(&'static str, Value)>) {
        let target = match &self.target {
            Some(target) => target.clone().into(),
            None => metadata.target().into(),
        };
        let level = level(metadata).as_str().into();
        let mut attributes = vec![("level", level), ("target", target)];
        attributes.extend(self.fields.iter().cloned());
        let name = match &*self.message.kept {
            "" => metadata.name().into(),
            message => message.to_owned().into(),
        };
        (name, attributes)
    }

    pub(super) fn into_record(
        self,
        metadata: &'static Metadata<'static>,
        unix_ns: u64,
    ) -> LogRecord {
        let target = match self.target {
            Some(target) => target.into(),
            None => metadata.target().into(),
        };
        let mut record = LogRecord::new(unix_ns, level(metadata), target, self.message.kept);
        record.cut_bytes += self.message.left_out_bytes;
        for (key, value) in self.fields {
            record.set(key, value);
        }
        record
    }

    fn say(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        match field.name() {
            "message" => self.message = Text::of(value),
            "log.target" if self.is_of_log => self.target = Some(Text::of(value).kept),
            // Where in its source a record was written is not said of others either.
            "log.module_path" | "log.file" | "log.line" if self.is_of_log => {}
            _ => self.put(field, Text::of(value).kept.into()),
        }
    }

    fn put(&mut self, field: &Field, value: Value) {
        let name = field.name();
        let name = name.strip_prefix("r#").unwrap_or(name);
        self.fields.push((name, value));
    }

    /// A field that is no text, unless it is in the place of one.
    fn put_number(&mut self, field: &Field, number: Value, text: fmt::Arguments<'_>) {
        match field.name() {
            "message" | "log.line" => self.say(field, text),
            _ => self.put(field, number),
        }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.say(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.say(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put_number(field, value.into(), format_args!("{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put_number(field, value.into(), format_args!("{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put_number(field, value.into(), format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put_number(field, value.into(), format_args!("{value}"));
    }
}

/// How grave it is.
pub(super) fn level(metadata: &Metadata<'_>) -> Level {
    match *metadata.level() {
        tracing_core::Level::ERROR => Level::Error,
        tracing_core::Level::WARN => Level::Warn,
        tracing_core::Level::INFO => Level::Info,
        tracing_core::Level::DEBUG => Level::Debug,
        tracing_core::Level::TRACE => Level::Trace,
    }
}
