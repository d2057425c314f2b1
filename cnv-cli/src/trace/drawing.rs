//! Trees as lines of text, with a bar for each span along the time of its trace.

use std::fmt::Write as _;

use serde_json::Value;

use super::shown::{Shown, ShownSpan, Trace};
use super::span::Status;
use crate::terminal;

const BAR_CELLS: u64 = 32;
/// How many characters of a name are drawn, and of any other text.
const MAX_NAME_CHARS: usize = 60;
const MAX_TEXT_CHARS: usize = 200;
/// How far times stand to the right at most. What is longer pushes them away.
const MAX_LABEL_CHARS: usize = 80;
/// Deeper spans are drawn at this depth, and say how deep they are.
const MAX_DEPTH: u32 = 40;

const RED: &str = "\u{1b}[31m";
const DIM: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

/// All traces, with an empty line between them.
pub(super) fn draw(shown: &Shown) -> String {
    let mut text = String::new();
    for trace in &shown.traces {
        if !text.is_empty() {
            text.push('\n');
        }
        draw_trace(&mut text, trace);
    }
    match (shown.traces.is_empty(), shown.read) {
        (false, _) => {}
        (true, 0) => text.push_str("no traces\n"),
        (true, read) => put(&mut text, format_args!("none of {read} traces\n")),
    }
    if shown.earlier > 0 {
        let earlier = shown.earlier;
        put(
            &mut text,
            format_args!("\n{DIM}{earlier} earlier not shown: see --last{PLAIN}\n"),
        );
    }
    text
}

/// Writing to a text cannot fail.
fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(what);
}

fn draw_trace(text: &mut String, trace: &Trace) {
    let spans = trace.spans.len() + trace.not_shown;
    let (id, start) = (&trace.trace_id, &trace.start);
    let time = duration(trace.duration_ns);
    let are = if spans == 1 { "span" } else { "spans" };
    put(
        text,
        format_args!("trace {id}  {start}  {time}  {spans} {are}"),
    );
    if trace.failed > 0 {
        put(text, format_args!("  {RED}{} failed{PLAIN}", trace.failed));
    }
    text.push('\n');
    for id in &trace.transactions {
        let id = terminal::line(id, MAX_NAME_CHARS);
        put(text, format_args!("transaction {id}\n"));
    }
    let rows = rows(&trace.spans);
    let prefixes = prefixes(&rows);
    let labels: Vec<String> = rows
        .iter()
        .zip(prefixes)
        .map(|(row, prefix)| prefix + &row.label)
        .collect();
    let timed = rows
        .iter()
        .zip(&labels)
        .filter(|(row, _)| row.time.is_some());
    let width = timed.map(|(_, label)| label.chars().count()).max();
    let width = width.unwrap_or(0).min(MAX_LABEL_CHARS);
    for (row, label) in rows.iter().zip(&labels) {
        let start = text.len();
        match row.time {
            Some((offset, time)) => {
                let bar = bar(row.mark, offset, time, trace.duration_ns);
                let (offset, time) = (duration(offset), time.map(duration).unwrap_or_default());
                put(
                    text,
                    format_args!("{label:<width$}  {offset:>8}  {time:>8}  {bar}"),
                );
            }
            None => text.push_str(label),
        }
        if !row.rest.is_empty() {
            put(text, format_args!("  {}", row.rest));
        }
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    }
    if trace.not_shown > 0 {
        let more = trace.not_shown;
        put(
            text,
            format_args!("{DIM}{more} more of its spans not shown{PLAIN}\n"),
        );
    }
}

/// A line of a tree.
struct Row {
    depth: u32,
    label: String,
    /// When, from the start of the trace, and how long.
    time: Option<(u64, Option<u64>)>,
    /// What its bar is made of.
    mark: char,
    /// What follows on the bar.
    rest: String,
}

const SPAN: char = '\u{2588}';
const STAGE: char = '\u{2591}';
const EVENT: char = '|';

/// A span whose own lines are not all there yet, as others within it come first.
struct Open<'a> {
    span: &'a ShownSpan,
    own: std::iter::Peekable<std::vec::IntoIter<Row>>,
}

impl Open<'_> {
    /// Moves what happened until then.
    fn move_until(&mut self, offset_ns: u64, rows: &mut Vec<Row>) {
        let is_due = |row: &Row| row.time.is_none_or(|(at, _)| at <= offset_ns);
        while let Some(row) = self.own.next_if(is_due) {
            rows.push(row);
        }
    }
}

/// The lines of all spans, with what happened in a span between the spans within it, by time.
fn rows(spans: &[ShownSpan]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut open: Vec<Open<'_>> = Vec::new();
    for span in spans {
        while open.len() > span.depth as usize {
            close(&mut open, &mut rows);
        }
        if let Some(around) = open.last_mut() {
            around.move_until(span.offset_ns, &mut rows);
        }
        let around = open.last().map(|around| around.span.service.as_deref());
        rows.push(span_row(span, around));
        open.push(Open {
            span,
            own: own_rows(span).into_iter().peekable(),
        });
    }
    while !open.is_empty() {
        close(&mut open, &mut rows);
    }
    rows
}

fn close(open: &mut Vec<Open<'_>>, rows: &mut Vec<Row>) {
    if let Some(mut last) = open.pop() {
        last.move_until(u64::MAX, rows);
    }
}

fn span_row(span: &ShownSpan, service_around: Option<Option<&str>>) -> Row {
    let mut label = String::new();
    if span.depth > MAX_DEPTH {
        put(&mut label, format_args!("({} deep) ", span.depth));
    }
    match (span.attempt, &span.policy) {
        (Some(attempt), Some(policy)) if span.name == "attempt" => {
            let policy = terminal::line(policy, MAX_NAME_CHARS);
            put(&mut label, format_args!("attempt {attempt} of {policy}"));
        }
        _ if span.name.is_empty() => label.push_str("(no name)"),
        _ => label.push_str(&terminal::line(&span.name, MAX_NAME_CHARS)),
    }
    let service = span.service.as_deref();
    if service_around != Some(service) {
        let service = service.map_or("?".to_owned(), |name| terminal::line(name, MAX_NAME_CHARS));
        put(&mut label, format_args!(" [{service}]"));
    }
    let mut rest = String::new();
    if span.status == Status::Error {
        let why = span.error.as_deref().filter(|why| !why.is_empty());
        let why = terminal::line(why.unwrap_or("it says not why"), MAX_TEXT_CHARS);
        put(&mut rest, format_args!("{RED}failed: {why}{PLAIN}"));
    }
    if let Some(note) = span.note {
        let between = if rest.is_empty() { "" } else { "  " };
        put(
            &mut rest,
            format_args!("{between}{DIM}{}{PLAIN}", note.text()),
        );
    }
    Row {
        depth: span.depth.min(MAX_DEPTH),
        label,
        time: Some((span.offset_ns, Some(span.duration_ns))),
        mark: SPAN,
        rest,
    }
}

/// What a span itself has: what it is, then what happened, by time.
fn own_rows(span: &ShownSpan) -> Vec<Row> {
    let depth = span.depth.min(MAX_DEPTH) + 1;
    let untimed = |label: String| Row {
        depth,
        label,
        time: None,
        mark: ' ',
        rest: String::new(),
    };
    let mut rows: Vec<Row> = Vec::new();
    if let Some(attributes) = &span.attributes {
        rows.extend(attributes.iter().map(|pair| untimed(fact(pair))));
    }
    for link in &span.links {
        let (trace, span) = (&link.trace_id, &link.span_id);
        rows.push(untimed(format!("link to span {span} of trace {trace}")));
    }
    if span.dropped_events > 0 {
        rows.push(untimed(format!("{} events left out", span.dropped_events)));
    }
    let first_timed = rows.len();
    rows.extend(span.stages.iter().map(|stage| Row {
        depth,
        label: format!("\u{b7} {}", terminal::line(&stage.name, MAX_NAME_CHARS)),
        time: Some((stage.offset_ns, Some(stage.duration_ns))),
        mark: STAGE,
        rest: String::new(),
    }));
    rows.extend(span.events.iter().map(|event| {
        let decision = event.decision.as_deref().unwrap_or_default();
        let mut rest = terminal::line(decision, MAX_TEXT_CHARS);
        if let Some(attributes) = &event.attributes {
            for pair in attributes {
                let between = if rest.is_empty() { "" } else { ", " };
                put(&mut rest, format_args!("{between}{}", fact(pair)));
            }
        }
        Row {
            depth,
            label: format!("* {}", terminal::line(&event.name, MAX_NAME_CHARS)),
            time: Some((event.offset_ns, None)),
            mark: EVENT,
            rest,
        }
    }));
    rows[first_timed..].sort_by_key(|row| row.time.map(|(offset_ns, _)| offset_ns));
    rows
}

fn fact((key, value): (&String, &Value)) -> String {
    let key = terminal::line(key, MAX_NAME_CHARS);
    let value = match value {
        Value::String(text) => terminal::line(text, MAX_TEXT_CHARS),
        other => terminal::line(&other.to_string(), MAX_TEXT_CHARS),
    };
    format!("{key} = {value}")
}

/// What joins each line to the one that it is in. From the last to the first: whether one goes on is known by then.
fn prefixes(rows: &[Row]) -> Vec<String> {
    let mut goes_on: Vec<bool> = Vec::new();
    let mut prefixes = Vec::with_capacity(rows.len());
    for row in rows.iter().rev() {
        let depth = row.depth as usize;
        goes_on.resize(depth + 1, false);
        let mut prefix = String::new();
        for level in goes_on.iter().take(depth).skip(1) {
            prefix.push_str(if *level { "\u{2502}  " } else { "   " });
        }
        if depth > 0 {
            prefix.push_str(match goes_on[depth] {
                true => "\u{251c}\u{2500} ",
                false => "\u{2514}\u{2500} ",
            });
        }
        goes_on[depth] = true;
        prefixes.push(prefix);
    }
    prefixes.reverse();
    prefixes
}

/// A bar in its place along the time of the trace: a cell at least, and none beyond its end.
fn bar(mark: char, offset: u64, time: Option<u64>, whole: u64) -> String {
    let cell = |at: u64| {
        let cell = u128::from(at) * u128::from(BAR_CELLS) / u128::from(whole.max(1));
        u64::try_from(cell).map_or(BAR_CELLS, |cell| cell.min(BAR_CELLS))
    };
    let first = cell(offset).min(BAR_CELLS - 1);
    let end = cell(offset.saturating_add(time.unwrap_or(0))).max(first + 1);
    let mut bar = String::new();
    for at in 0..end {
        bar.push(if at < first { ' ' } else { mark });
    }
    bar
}

/// A time in its largest unit, with three digits.
fn duration(ns: u64) -> String {
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "\u{b5}s")];
    let Some((unit_ns, unit)) = units.into_iter().find(|(unit_ns, _)| ns >= *unit_ns) else {
        return format!("{ns}ns");
    };
    let (whole, rest) = (ns / unit_ns, ns % unit_ns);
    match whole {
        0..10 => format!("{whole}.{:02}{unit}", rest * 100 / unit_ns),
        10..100 => format!("{whole}.{}{unit}", rest * 10 / unit_ns),
        _ => format!("{whole}{unit}"),
    }
}
