//! Receipts as a program writes them to standard error with `--json`: one JSON object a line.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use cnv::prelude::Context;
use cnv::quota::{File, Limits, UNLIMITED};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::measured::{Call, Used};
use crate::stdin::Stdin;

/// A receipt has some 500 bytes, of which a subject may be 256.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// The path that stands for standard input.
pub(super) const STDIN: &str = "-";

const BUFFER_BYTES: usize = 64 << 10;

/// Why receipts were not read to their end.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptsError {
    /// They could not be read.
    #[error("cannot read {place}")]
    Io {
        /// The file, or standard input.
        place: String,
        #[source]
        source: io::Error,
    },
    /// A line is too long to be a receipt.
    #[error("line {line} of {place} has more than {MAX_LINE_BYTES} bytes, and is no receipt")]
    TooLong {
        /// The file, or standard input.
        place: String,
        /// Its number, from 1.
        line: u64,
    },
    /// A line is something else.
    #[error(
        "line {line} of {place} is nothing that a program writes to standard error with `--json`"
    )]
    Malformed {
        /// The file, or standard input.
        place: String,
        /// Its number, from 1.
        line: u64,
        #[source]
        source: serde_json::Error,
    },
}

/// One line of a program's standard error.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Receipt(Box<Receipt>),
    Error(IgnoredAny),
    Notice(IgnoredAny),
}

/// What a report needs of a receipt.
#[derive(Debug, Deserialize)]
pub(super) struct Receipt {
    pub(super) verb: String,
    /// Whether the verb was let run. What was denied used nothing of its budget.
    pub(super) ran: bool,
    outcome: String,
    #[serde(deserialize_with = "Option::deserialize")]
    allowed: Option<Amounts>,
    used: Amounts,
}

/// What there is no number for is `null`, and never left out.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Amounts {
    #[serde(deserialize_with = "amount")]
    memory_bytes: Option<u64>,
    #[serde(deserialize_with = "amount")]
    cpu_ns: Option<u64>,
    #[serde(deserialize_with = "amount")]
    io_ops: Option<u64>,
    #[serde(deserialize_with = "amount")]
    network_bytes: Option<u64>,
}

fn amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Option::deserialize(deserializer)
}

impl Receipt {
    /// The verb, and its call.
    pub(super) fn into_call(self) -> (String, Call) {
        let declared = self.allowed.map(|allowed| Limits {
            memory_bytes: allowed.memory_bytes.unwrap_or(UNLIMITED),
            cpu_ns: allowed.cpu_ns.unwrap_or(UNLIMITED),
            io_ops: allowed.io_ops.unwrap_or(UNLIMITED),
            network_bytes: allowed.network_bytes.unwrap_or(UNLIMITED),
        });
        let call = Call {
            declared,
            used: Used {
                memory_bytes: self.used.memory_bytes,
                cpu_ns: self.used.cpu_ns,
                io_ops: self.used.io_ops,
                network_bytes: self.used.network_bytes,
            },
            failed: self.outcome != "ok",
            was_stopped: self.outcome == "budget",
        };
        (self.verb, call)
    }
}

/// The lines of a file, or of standard input, one at a time.
pub(super) struct Lines {
    input: Box<dyn BufRead>,
    place: String,
    line: u64,
    buffer: Vec<u8>,
}

impl Lines {
    pub(super) fn open(cx: &Context, path: &Path) -> Result<Self, ReceiptsError> {
        let is_stdin = path.as_os_str() == STDIN;
        let place = match is_stdin {
            true => "standard input".to_owned(),
            false => format!("`{}`", path.display()),
        };
        let opened: io::Result<Box<dyn Read>> = match is_stdin {
            true => Stdin::open(cx).map(|stdin| Box::new(stdin) as Box<dyn Read>),
            false => File::open(path).map(|file| Box::new(file) as Box<dyn Read>),
        };
        match opened {
            Ok(input) => Ok(Self::new(input, place)),
            Err(source) => Err(ReceiptsError::Io { place, source }),
        }
    }

    pub(super) fn new(input: impl Read + 'static, place: String) -> Self {
        Self {
            input: Box::new(BufReader::with_capacity(BUFFER_BYTES, input)),
            place,
            line: 0,
            buffer: Vec::new(),
        }
    }

    fn read(&mut self) -> Result<Option<Line>, ReceiptsError> {
        self.buffer.clear();
        self.line += 1;
        let place = || self.place.clone();
        let mut input = (&mut self.input).take(MAX_LINE_BYTES + 1);
        let read = input.read_until(b'\n', &mut self.buffer);
        let len = read.map_err(|source| ReceiptsError::Io {
            place: place(),
            source,
        })?;
        if len == 0 {
            return Ok(None);
        }
        let line = self.line;
        if len as u64 > MAX_LINE_BYTES {
            return Err(ReceiptsError::TooLong {
                place: place(),
                line,
            });
        }
        let parsed = serde_json::from_slice(&self.buffer);
        parsed.map(Some).map_err(|source| ReceiptsError::Malformed {
            place: place(),
            line,
            source,
        })
    }
}

impl Iterator for Lines {
    type Item = Result<Line, ReceiptsError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
