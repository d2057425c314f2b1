//! Shows replies: the result on standard output in the form that was asked for, failures and receipts
//! on standard error.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::builder::PossibleValue;
use clap::builder::styling::{AnsiColor, Style};

use super::failure::Failure;
use super::output::{Node, Output};
use super::pipeline::Reply;
use super::receipt::Receipt;
use super::stream::{LogLevel, Note, Sink, level_name};
use super::table::{self, Rows};
use crate::frame::{Frame, FramePayload, FrameWriter};

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Table,
    Json,
    Yaml,
    Frames,
}

impl clap::ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        // Binary output has a switch of its own, so that it is not asked for by mistake.
        &[Self::Table, Self::Json, Self::Yaml]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Frames => "frames",
        }))
    }
}

/// The stream of a call's output.
const STDOUT_STREAM: u8 = 1;

/// One call's output on the process's standard streams.
#[derive(Debug)]
pub(super) struct Display {
    format: Format,
    is_quiet: bool,
    session: [u8; 16],
    /// Items and frames written so far.
    sequence: AtomicU64,
    /// What a table of them looks like.
    rows: Mutex<Rows>,
}

impl Display {
    pub(super) fn new(format: Format) -> Self {
        let mut session = [0; 16];
        // A frame's session only tells streams apart; zero is a valid one.
        let _ = getrandom::fill(&mut session);
        Self {
            format,
            is_quiet: false,
            session,
            sequence: AtomicU64::new(0),
            rows: Mutex::default(),
        }
    }

    /// The same for a caller who asked for no remarks.
    pub(super) fn quiet(mut self, is_quiet: bool) -> Self {
        self.is_quiet = is_quiet;
        self
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Shows the end of a call and says how the process ends.
    pub(super) fn reply(&self, reply: Reply, quiet: bool) -> ExitCode {
        let Reply {
            result, receipt, ..
        } = reply;
        let shown = match &result {
            Ok(output) => self.result(output),
            Err(failure) if self.format == Format::Frames => self.frame(error_payload(failure)),
            Err(_) => Ok(()),
        };
        let shown = shown.and_then(|()| match (&receipt, self.format) {
            (Some(receipt), Format::Frames) => self.frame(FramePayload::End(
                Output::of(receipt)?.as_json().as_bytes().to_vec(),
            )),
            _ => Ok(()),
        });
        let failure = result.err().or(shown.err());
        let code = match &failure {
            Some(failure) => self.failure(failure),
            None => ExitCode::SUCCESS,
        };
        if let Some(receipt) = receipt.filter(|_| !quiet) {
            self.receipt(&receipt);
        }
        code
    }

    /// Writes a text for another program as it is, in every format.
    pub(super) fn script(&self, text: &str) -> ExitCode {
        match write_stdout(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => self.failure(&failure),
        }
    }

    /// Shows a failure on standard error.
    pub(super) fn failure(&self, failure: &Failure) -> ExitCode {
        let mut stderr = anstream::stderr().lock();
        // There is nobody left to tell where standard error is gone.
        let _ = match self.format {
            Format::Json => writeln!(stderr, "{}", error_json(failure)),
            _ => {
                let style = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
                writeln!(stderr, "{style}error{style:#}: {failure}")
            }
        };
        ExitCode::from(failure.code().exit_code())
    }

    fn receipt(&self, receipt: &Receipt) {
        let mut stderr = anstream::stderr().lock();
        let _ = match self.format {
            Format::Json => match serde_json::to_string(receipt) {
                Ok(json) => writeln!(stderr, "{{\"receipt\":{json}}}"),
                Err(_) => Ok(()),
            },
            _ => {
                let style = Style::new().dimmed();
                writeln!(stderr, "{style}{receipt}{style:#}")
            }
        };
    }

    fn result(&self, output: &Output) -> Result<(), Failure> {
        if let (Format::Table, Some(drawing)) = (self.format, output.drawing()) {
            return write_all(anstream::stdout().lock(), drawing.as_bytes());
        }
        let streamed = self.sequence.load(Ordering::Relaxed) > 0;
        let node = output.node()?;
        // A verb that returns nothing has said all in its stream, or has nothing to show to people.
        if node == Node::Null && (streamed || self.format == Format::Table) {
            return Ok(());
        }
        let text = match self.format {
            Format::Frames => return self.frame(FramePayload::Data(output.as_json().into())),
            Format::Table => table::render(&node),
            Format::Json if streamed => output.as_json().to_owned() + "\n",
            Format::Json => serde_json::to_string_pretty(&node)? + "\n",
            Format::Yaml => yaml(&node, streamed)?,
        };
        write_stdout(text.as_bytes())
    }

    fn frame(&self, payload: FramePayload) -> Result<(), Failure> {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let frame = Frame::new(self.session, STDOUT_STREAM, sequence, now_ns(), payload);
        let mut bytes = Vec::new();
        FrameWriter::new(&mut bytes).write(&frame)?;
        write_stdout(&bytes)
    }
}

impl Display {
    fn item(&self, output: &Output) -> Result<(), Failure> {
        if self.format == Format::Frames {
            return self.frame(FramePayload::Data(output.as_json().into()));
        }
        self.sequence.fetch_add(1, Ordering::Relaxed);
        let text = match self.format {
            Format::Table => {
                let node = output.node()?;
                let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
                rows.render(&node)
            }
            Format::Yaml => yaml(&output.node()?, true)?,
            Format::Json | Format::Frames => output.as_json().to_owned() + "\n",
        };
        write_stdout(text.as_bytes())
    }
}

impl Sink for Display {
    fn poll_item(
        &self,
        item: &mut dyn FnMut() -> Output,
        _: &mut TaskContext<'_>,
    ) -> Poll<Result<(), Failure>> {
        Poll::Ready(self.item(&item()))
    }

    fn note(&self, note: &Note<'_>) {
        let least = if self.is_quiet {
            LogLevel::Warn
        } else {
            LogLevel::Info
        };
        let (key, text) = match *note {
            // The bar shows it.
            Note::Progress { .. } => return,
            Note::Log { level, .. } if level < least => return,
            Note::Metric { .. } if self.format != Format::Json => return,
            Note::Metric { .. } => ("metric", String::new()),
            Note::Log { level, message } => ("log", format!("{}: {message}", level_name(level))),
            Note::Remark(text) => ("remark", text.to_owned()),
        };
        let mut stderr = anstream::stderr().lock();
        // There is nobody left to tell where standard error is gone.
        let _ = match self.format {
            Format::Json => writeln!(stderr, "{{\"{key}\":{}}}", note.json()),
            _ => writeln!(stderr, "{text}"),
        };
    }
}

fn yaml(node: &Node, streamed: bool) -> Result<String, Failure> {
    let mut text = serde_saphyr::to_string(node)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(if streamed {
        format!("---\n{text}")
    } else {
        text
    })
}

/// The whole text at once, so that an error leaves nothing half-written by us.
fn write_stdout(bytes: &[u8]) -> Result<(), Failure> {
    write_all(io::stdout().lock(), bytes)
}

fn write_all(mut stdout: impl Write, bytes: &[u8]) -> Result<(), Failure> {
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => {
                Failure::failed("standard output was closed before everything was written")
            }
            _ => Failure::failed(format!("cannot write to standard output: {error}")),
        })
}

fn error_payload(failure: &Failure) -> FramePayload {
    FramePayload::Error {
        code: failure.code().exit_code().into(),
        message: failure.to_string(),
    }
}

/// `{"error":{"code":..,"message":..,"retry_after":..}}`, with `retry_after` in milliseconds.
fn error_json(failure: &Failure) -> String {
    let retry_after = failure.retry_after().map(|after| after.as_millis());
    serde_json::json!({
        "error": {
            "code": failure.code().as_str(),
            "message": failure.to_string(),
            "retry_after": retry_after.and_then(|after| u64::try_from(after).ok()),
        }
    })
    .to_string()
}

fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
