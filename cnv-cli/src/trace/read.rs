//! Files of spans, line by line.

use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use cnv::command::LogLevel;
use cnv::prelude::{Context, Failure};
use cnv::quota::File;
use serde_json::value::RawValue;

use super::TracePrefix;
use super::otlp::{ResourceSpans, ScopeSpans, Traces};
use super::span::Span;
use crate::stdin::Stdin;
use crate::terminal;

/// A batch of spans has at most a few megabytes.
pub(super) const MAX_LINE_BYTES: u64 = 16 << 20;
/// How many spans are kept.
pub(super) const MAX_SPANS: usize = 1_000_000;
/// How many bytes they have, about.
pub(super) const MAX_BYTES: usize = 512 << 20;
/// How many lines of a file are named that cannot be used. The others are counted.
const MAX_NAMED: u64 = 5;
const BUFFER_BYTES: usize = 64 << 10;

/// Why files of spans were not read to their end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file could not be read.
    #[error("cannot read {place}")]
    Io {
        /// The file, or standard input.
        place: String,
        #[source]
        source: io::Error,
    },
    /// A line is too long to be a batch of spans.
    #[error(
        "line {line} of {place} has more than {MAX_LINE_BYTES} bytes, and is no batch of spans"
    )]
    TooLong {
        /// The file, or standard input.
        place: String,
        /// Its number, from 1.
        line: u64,
    },
    /// There are more spans than are kept.
    #[error(
        "at line {line} of {place} there are more than {max_spans} spans, or {MAX_BYTES} bytes of them; name one trace with \
         --trace, or fewer files"
    )]
    TooMany {
        /// The file, or standard input.
        place: String,
        /// Its number, from 1.
        line: u64,
        /// How many spans there may be.
        max_spans: usize,
    },
}

/// Why a line is passed over.
pub(super) enum LineFault {
    /// It is no JSON, as the last line of a program that was killed.
    Broken,
    /// It is JSON, and no `TracesData`.
    NoTraces(String),
    /// There is no room for its spans.
    TooMany,
}

impl LineFault {
    /// What the parser says, without the place: it would be one within the span.
    fn no_traces(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let what = text
            .rsplit_once(" at line ")
            .map_or(&*text, |(what, _)| what);
        Self::NoTraces(terminal::line(what, 200))
    }
}

/// The spans of all files.
pub(super) struct Spans {
    pub(super) list: Vec<Span>,
    /// Lines that were passed over.
    pub(super) skipped_lines: u64,
    services: HashSet<Rc<str>>,
    bytes: usize,
    max_spans: usize,
    only: Option<TracePrefix>,
    with_attributes: bool,
}

impl Spans {
    /// Those of traces whose id begins so, where one is given.
    pub(super) fn new(only: Option<TracePrefix>, with_attributes: bool) -> Self {
        Self {
            list: Vec::new(),
            skipped_lines: 0,
            services: HashSet::new(),
            bytes: 0,
            max_spans: MAX_SPANS,
            only,
            with_attributes,
        }
    }

    /// With another limit to how many they are.
    #[cfg(test)]
    pub(super) fn up_to(mut self, max_spans: usize) -> Self {
        self.max_spans = max_spans;
        self
    }

    /// Reads a file, or standard input where the path is `-`.
    pub(super) fn read(&mut self, cx: &Context, path: &Path) -> Result<(), Failure> {
        let is_stdin = path.as_os_str() == "-";
        let place = match is_stdin {
            true => "standard input".to_owned(),
            false => format!("`{}`", path.display()),
        };
        let opened: io::Result<Box<dyn Read>> = match is_stdin {
            true => Stdin::open(cx).map(|stdin| Box::new(stdin) as Box<dyn Read>),
            false => File::open(path).map(|file| Box::new(file) as Box<dyn Read>),
        };
        let io = |source| ReadError::Io {
            place: place.clone(),
            source,
        };
        let mut input = BufReader::with_capacity(BUFFER_BYTES, opened.map_err(io)?);
        let mut buffer = Vec::new();
        let mut skipped = 0;
        for line in 1.. {
            cx.checkpoint()?;
            buffer.clear();
            let mut limited = (&mut input).take(MAX_LINE_BYTES + 1);
            let len = limited.read_until(b'\n', &mut buffer).map_err(io)?;
            if len == 0 {
                break;
            }
            if len as u64 > MAX_LINE_BYTES {
                return Err(ReadError::TooLong { place, line }.into());
            }
            if buffer.trim_ascii().is_empty() {
                continue;
            }
            let what = match self.line(&buffer) {
                Ok(()) => continue,
                Err(LineFault::Broken) => "is cut off, or no JSON".to_owned(),
                Err(LineFault::NoTraces(why)) => format!("has no spans as OTLP has them: {why}"),
                Err(LineFault::TooMany) => {
                    let max_spans = self.max_spans;
                    return Err(ReadError::TooMany {
                        place,
                        line,
                        max_spans,
                    }
                    .into());
                }
            };
            skipped += 1;
            if skipped <= MAX_NAMED {
                cx.log(LogLevel::Warn, format!("line {line} of {place} {what}"));
            }
        }
        if skipped > MAX_NAMED {
            let more = skipped - MAX_NAMED;
            let text = format!("{more} more lines of {place} have no spans that can be read");
            cx.log(LogLevel::Warn, text);
        }
        self.skipped_lines += skipped;
        Ok(())
    }

    /// Takes the spans of a line: all, or none where one of them is wrong.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<(), LineFault> {
        let before = (self.list.len(), self.bytes);
        let taken = self.take(line);
        if taken.is_err() {
            self.list.truncate(before.0);
            self.bytes = before.1;
        }
        taken
    }

    fn take(&mut self, line: &[u8]) -> Result<(), LineFault> {
        let text = str::from_utf8(line).map_err(|_| LineFault::Broken)?;
        let whole: &RawValue = serde_json::from_str(text).map_err(|_| LineFault::Broken)?;
        let wrong = |error| LineFault::no_traces(&error);
        let traces: Traces<'_> = serde_json::from_str(whole.get()).map_err(wrong)?;
        let Some(programs) = traces.resource_spans else {
            return Err(LineFault::NoTraces(
                "there are no `resourceSpans`".to_owned(),
            ));
        };
        for program in programs {
            let program: ResourceSpans<'_> = serde_json::from_str(program.get()).map_err(wrong)?;
            let service = program.resource.and_then(|resource| resource.service());
            let service = service.map(|name| self.service(name));
            for scope in program.scope_spans.unwrap_or_default() {
                let scope: ScopeSpans<'_> = serde_json::from_str(scope.get()).map_err(wrong)?;
                for span in scope.spans.unwrap_or_default() {
                    self.span(span, service.as_ref())?;
                }
            }
        }
        Ok(())
    }

    fn span(&mut self, span: &RawValue, service: Option<&Rc<str>>) -> Result<(), LineFault> {
        let wrong = |error| LineFault::no_traces(&error);
        let span = serde_json::from_str(span.get()).map_err(wrong)?;
        let span = Span::new(span, service, self.with_attributes).map_err(wrong)?;
        if (self.only.as_ref()).is_some_and(|only| !only.matches(span.trace)) {
            return Ok(());
        }
        self.bytes += span.weight();
        if self.list.len() == self.max_spans || self.bytes > MAX_BYTES {
            return Err(LineFault::TooMany);
        }
        self.list.push(span);
        Ok(())
    }

    /// One text for each name.
    fn service(&mut self, name: String) -> Rc<str> {
        let name: Rc<str> = name.into();
        if let Some(known) = self.services.get(&name) {
            return Rc::clone(known);
        }
        self.bytes += name.len();
        self.services.insert(Rc::clone(&name));
        name
    }
}
