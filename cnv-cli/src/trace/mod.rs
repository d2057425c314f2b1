//! `cnv trace`: shows traces from files of spans.

#![allow(
    clippy::too_many_arguments,
    reason = "an argument of a verb is an option on the command line"
)]

mod drawing;
mod otlp;
mod read;
mod shown;
mod span;
mod tree;

use std::env;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use cnv::command::{Drawn, TransactionId, parse_duration};
use cnv::prelude::*;
use cnv::trace::TraceId;

use read::Spans;
use shown::{Filter, Shown};

/// Names the file of spans, as for the program that writes it.
const FILE_VARIABLE: &str = "CNV_TRACE_FILE";

/// The first digits of a trace's id.
#[derive(Debug, Clone)]
pub struct TracePrefix(String);

/// What was written is no beginning of an id.
#[derive(Debug, thiserror::Error)]
#[error("a trace's id has 32 hexadecimal digits; write the first of them, or all")]
pub struct NoTracePrefix;

impl FromStr for TracePrefix {
    type Err = NoTracePrefix;

    fn from_str(text: &str) -> Result<Self, NoTracePrefix> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_hex && (1..=32).contains(&text.len()))
            .then(|| Self(text.to_ascii_lowercase()))
            .ok_or(NoTracePrefix)
    }
}

impl TracePrefix {
    fn matches(&self, id: TraceId) -> bool {
        id.to_string().starts_with(&self.0)
    }
}

/// Draws call trees with their times, from files of spans.
///
/// A file has a `TracesData` of OTLP's JSON on each line, as programs write it with CNV_TRACE_FILE, and OpenTelemetry's
/// collector with its file exporter. Files of several processes are read together. A span is drawn under the one that it is
/// in, with when it began, how long it took, and a bar along the time of its trace; below it what happened in it: its stages
/// (·), its events (*), the spans within it. A span whose parent is in none of the files is a tree of its own. Lines
/// that are cut off or no spans are passed over with a notice.
///
/// The slow calls of two processes that failed, and what is known of each span:
///
///   cnv trace show shop.jsonl stock.jsonl --errors --slower-than 100ms --attributes
#[verb(noun = "trace", effect = "read")]
#[budget(memory = "2GB", cpu = "10min", io = "100M")]
pub fn show(
    cx: Context,
    /// The files to read, - for standard input. Default: the one that CNV_TRACE_FILE names
    #[arg(value_name = "FILE|-")]
    files: Vec<PathBuf>,
    /// Only traces whose id begins so
    #[arg(long, value_name = "ID")]
    trace: Option<TracePrefix>,
    /// Only traces of this transaction
    #[arg(long, value_name = "ID")]
    of_transaction: Option<TransactionId>,
    /// Only traces with a span that failed
    #[arg(long)]
    errors: bool,
    /// Only traces that took longer
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    slower_than: Option<Duration>,
    /// How many traces, the last by when they began
    #[arg(long, value_name = "N", default_value_t = 10)]
    last: usize,
    /// Show the attributes of spans and events as well
    #[arg(long)]
    attributes: bool,
) -> Result<Drawn<Shown>, Failure> {
    let mut files = files;
    if files.is_empty() {
        let named = env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty());
        let named = named.ok_or_else(|| {
            Failure::usage(format!("name a file of spans, here or in {FILE_VARIABLE}"))
        })?;
        files.push(named.into());
    }
    let mut spans = Spans::new(trace, attributes);
    for file in &files {
        spans.read(&cx, file)?;
    }
    let filter = Filter {
        transaction: of_transaction,
        errors,
        slower_than,
        last,
    };
    let shown = Shown::new(&spans.list, spans.skipped_lines, &filter);
    let drawing = drawing::draw(&shown);
    Ok(Drawn::new(shown, drawing))
}

#[cfg(test)]
mod tests;
