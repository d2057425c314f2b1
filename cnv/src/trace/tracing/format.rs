//! Lines of a log that say which trace, span and transaction they are of.

use core::fmt::{self, Write};

use tracing_core::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::registry::LookupSpan;

use super::super::json::float;
use super::super::record::{LogRecord, Value};
use super::layer::{nested, place};
use super::said::Said;
use crate::plain::is_plain;

/// How a line of a log looks, for the subscriber that writes it: `tracing_subscriber::fmt::layer().event_format(..)`.
///
/// Each event is one line, whatever is in it. The ids are there where there are some.
///
/// Needs the feature `tracing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// `2026-07-01T12:00:00.000000Z  INFO shop: found row=7 trace_id=.. span_id=.. transaction_id=..`
    ///
    /// A value with more in it than a word stands in quotation marks. Characters that would drive a terminal, break the line or
    /// rearrange it are escaped.
    Text,
    /// `{"time":"..","level":"INFO","target":"shop","message":"found","fields":{"row":7},"trace_id":"..",..}`
    Json,
}

impl<S, N> FormatEvent<S, N> for LogFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let here = place(event, |id| ctx.span(id).as_ref().and_then(nested));
        // Now is when it is written.
        let mut record = Said::in_event(event).into_record(event.metadata(), 0);
        record.context = here.traceparent();
        record.transaction = here.transaction();
        match self {
            Self::Text => {
                SystemTime.format_time(&mut writer)?;
                text(&mut writer, &record)?;
            }
            Self::Json => {
                writer.write_str("{\"time\":\"")?;
                SystemTime.format_time(&mut writer)?;
                writer.write_str("\",")?;
                members(&mut writer, &record, record.level.as_str())?;
                writer.write_char('}')?;
            }
        }
        writer.write_char('\n')
    }
}

fn text(out: &mut impl Write, record: &LogRecord) -> fmt::Result {
    write!(out, " {:>5} ", record.level.as_str())?;
    plain(out, &record.target)?;
    out.write_str(": ")?;
    plain(out, &record.body)?;
    if record.cut_bytes > 0 {
        write!(out, " ({} bytes left out)", record.cut_bytes)?;
    }
    for fact in record.attributes.as_slice() {
        out.write_char(' ')?;
        plain(out, &fact.key)?;
        out.write_char('=')?;
        match &fact.value {
            Value::Text(text) if is_word(text) => out.write_str(text)?,
            Value::Text(text) => quoted(out, text)?,
            Value::Int(number) => write!(out, "{number}")?,
            Value::Float(number) => write!(out, "{number}")?,
            Value::Bool(yes) => write!(out, "{yes}")?,
        }
    }
    if record.attributes.dropped() > 0 {
        write!(out, " ({} fields left out)", record.attributes.dropped())?;
    }
    if let Some(context) = record.context {
        let (trace, span) = (context.trace_id(), context.span_id());
        write!(out, " trace_id={trace} span_id={span}")?;
    }
    if let Some(id) = record.transaction {
        write!(out, " transaction_id={id}")?;
    }
    Ok(())
}

/// A text as it is, but for what would do something.
fn plain(out: &mut impl Write, text: &str) -> fmt::Result {
    text.chars().try_for_each(|character| match character {
        plain if is_plain(plain) => out.write_char(plain),
        other => write!(out, "{}", other.escape_default()),
    })
}

/// Whether a value needs no quotation marks to be told from what follows it.
fn is_word(text: &str) -> bool {
    let is_part = |character: char| {
        is_plain(character) && !character.is_whitespace() && !matches!(character, '"' | '=' | '\\')
    };
    !text.is_empty() && text.chars().all(is_part)
}

fn quoted(out: &mut impl Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    text.chars().try_for_each(|character| match character {
        '"' | '\\' => write!(out, "\\{character}"),
        plain if is_plain(plain) => out.write_char(plain),
        other => write!(out, "{}", other.escape_default()),
    })?;
    out.write_char('"')
}

/// A record as JSON, for a caller: without its time, since it is sent when it is made.
#[cfg(feature = "session")]
pub(crate) fn json(record: &LogRecord, level: &str) -> String {
    let mut json = "{".to_owned();
    // A string takes whatever is written to it.
    let _ = members(&mut json, record, level);
    json.push('}');
    json
}

/// What a record has, as the members of a JSON object.
fn members(out: &mut impl Write, record: &LogRecord, level: &str) -> fmt::Result {
    write!(out, "\"level\":\"{level}\",\"target\":")?;
    string(out, &record.target)?;
    out.write_str(",\"message\":")?;
    string(out, &record.body)?;
    if record.cut_bytes > 0 {
        write!(out, ",\"message_left_out_bytes\":{}", record.cut_bytes)?;
    }
    // Below a name of their own, so that none passes for another member.
    for (at, fact) in record.attributes.as_slice().iter().enumerate() {
        out.write_str(if at == 0 { ",\"fields\":{" } else { "," })?;
        string(out, &fact.key)?;
        out.write_char(':')?;
        match &fact.value {
            Value::Text(text) => string(out, text)?,
            Value::Int(number) => write!(out, "{number}")?,
            Value::Float(number) => write!(out, "{}", float(*number))?,
            Value::Bool(yes) => write!(out, "{yes}")?,
        }
    }
    if !record.attributes.as_slice().is_empty() {
        out.write_char('}')?;
    }
    if record.attributes.dropped() > 0 {
        write!(out, ",\"fields_left_out\":{}", record.attributes.dropped())?;
    }
    if let Some(context) = record.context {
        let (trace, span) = (context.trace_id(), context.span_id());
        write!(out, ",\"trace_id\":\"{trace}\",\"span_id\":\"{span}\"")?;
    }
    if let Some(id) = record.transaction {
        write!(out, ",\"transaction_id\":\"{id}\"")?;
    }
    Ok(())
}

/// A text as JSON has it, also where a terminal shows it.
fn string(out: &mut impl Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    text.chars().try_for_each(|character| match character {
        '"' | '\\' => write!(out, "\\{character}"),
        plain if is_plain(plain) => out.write_char(plain),
        other => {
            let mut units = [0; 2];
            let units = other.encode_utf16(&mut units);
            units
                .iter()
                .try_for_each(|unit| write!(out, "\\u{unit:04x}"))
        }
    })?;
    out.write_char('"')
}
