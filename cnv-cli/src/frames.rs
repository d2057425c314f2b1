//! `cnv frames`: shows streams of frames.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use cnv::attestation::Timestamp;
use cnv::frame::{
    Frame, FrameError, FrameHeader, FrameKind, FrameLayout, FramePayload, FrameReader,
    INLINE_PAYLOAD_BYTES, LogLevel, SimdFrame,
};
use cnv::prelude::*;
use cnv::quota::File;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::stdin::Stdin;

const BUFFER_BYTES: usize = 64 << 10;

/// JSON that is nested deeper is shown as text: whoever reads it has a limit, too.
const MAX_DEPTH: usize = 100;

/// Why a stream of frames was not shown to its end.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// It could not be read.
    #[error("cannot read {place}")]
    Io {
        /// The file, or standard input.
        place: String,
        #[source]
        source: io::Error,
    },
    /// The path is a directory.
    #[error("{place} is a directory; name one file with frames")]
    Directory {
        /// The directory.
        place: String,
    },
    /// It does not start with a frame.
    #[error("{place} is no stream of frames, as `--frames` writes it")]
    NotFrames {
        /// The file, or standard input.
        place: String,
        #[source]
        source: FrameError,
    },
    /// Something in it is no frame.
    #[error("{place}: frame {number}, at byte {offset}, cannot be read")]
    Damaged {
        /// The file, or standard input.
        place: String,
        /// The number of the frame, from 1.
        number: u64,
        /// Where it starts.
        offset: u64,
        #[source]
        source: FrameError,
    },
}

/// One frame.
#[derive(Debug, Serialize)]
struct Row<'a> {
    session: String,
    stream: u8,
    sequence: u64,
    time: String,
    kind: &'static str,
    payload: Payload<'a>,
}

/// A payload in the most readable form that it has.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Payload<'a> {
    Json(Box<RawValue>),
    Text(&'a str),
    Bytes {
        hex: String,
    },
    Error {
        code: u32,
        message: &'a str,
    },
    Log {
        level: &'static str,
        message: &'a str,
    },
}

/// What was shown.
#[derive(Debug, Serialize)]
pub struct Shown {
    frames: u64,
    bytes: u64,
}

/// Shows frames: one row, or one line of JSON, for each.
///
/// A payload is shown as JSON where it is JSON, as text where it is text, and in hexadecimal otherwise.
/// Frames are read one at a time, so a stream of any length takes the same memory. What cannot be read
/// ends the command with an error, after everything before it has been shown.
#[verb(noun = "frames", effect = "read")]
#[budget(memory = "128MB", cpu = "10min", io = "100M")]
pub async fn show(
    cx: Context,
    /// The file to read, or - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
) -> Result<Shown, Failure> {
    if file.as_os_str() == "-" {
        let place = "standard input".to_owned();
        let stdin = Stdin::open(&cx).map_err(|source| ShowError::Io {
            place: place.clone(),
            source,
        })?;
        show_all(&cx, stdin, place).await
    } else {
        let place = format!("`{}`", file.display());
        let input = open(&file, &place)?;
        show_all(&cx, input, place).await
    }
}

/// The layouts that this program has.
const LAYOUTS: &[&FrameLayout] = &[FrameHeader::LAYOUT];

/// One field of a layout.
#[derive(Debug, Serialize)]
struct FieldRow {
    frame: &'static str,
    offset: usize,
    size: usize,
    field: &'static str,
    #[serde(rename = "type")]
    type_name: String,
    allowed: String,
}

/// What is true of a layout as a whole.
#[derive(Debug, Serialize)]
struct LayoutSummary {
    name: &'static str,
    size: usize,
    align: usize,
    window_offset: usize,
    window_size: usize,
    hash: String,
}

/// The layouts that were shown.
#[derive(Debug, Serialize)]
pub struct Layouts {
    layouts: Vec<LayoutSummary>,
}

/// There is no layout of that name.
#[derive(Debug, thiserror::Error)]
#[error("there is no layout `{name}`; there is {known}")]
pub struct UnknownLayout {
    name: String,
    known: String,
}

/// Shows the layouts of frames: one row, or one line of JSON, for each field.
///
/// A row says where the field stands, its type, and the values that it allows. The hash of a layout is
/// the same in two programs that mean the same by the same bytes.
#[verb(noun = "frames", effect = "pure")]
#[budget(memory = "16MB", cpu = "1s")]
pub async fn layout(
    cx: Context,
    /// The layout to show; all of them if it is left out
    name: Option<String>,
) -> Result<Layouts, Failure> {
    let shown: Vec<&FrameLayout> = LAYOUTS
        .iter()
        .copied()
        .filter(|layout| name.as_ref().is_none_or(|name| layout.name() == name))
        .collect();
    if let (true, Some(name)) = (shown.is_empty(), name) {
        let known: Vec<String> = LAYOUTS
            .iter()
            .map(|layout| format!("`{}`", layout.name()))
            .collect();
        let known = known.join(", ");
        return Err(UnknownLayout { name, known }.into());
    }
    for layout in &shown {
        for field in layout.fields() {
            let row = FieldRow {
                frame: layout.name(),
                offset: field.offset(),
                size: field.size(),
                field: field.name(),
                type_name: field.type_name().to_string(),
                allowed: field.allowed().to_string(),
            };
            cx.stdout().send(&row).await?;
        }
    }
    let layouts = shown.into_iter().map(summary).collect();
    Ok(Layouts { layouts })
}

fn summary(layout: &FrameLayout) -> LayoutSummary {
    let (window_offset, window_size) = layout.window().bytes(layout.size());
    LayoutSummary {
        name: layout.name(),
        size: layout.size(),
        align: layout.align(),
        window_offset,
        window_size,
        hash: format!("{:#018x}", layout.hash()),
    }
}

fn open(path: &Path, place: &str) -> Result<File, ShowError> {
    let fault = |source| ShowError::Io {
        place: place.to_owned(),
        source,
    };
    let file = File::open(path).map_err(fault)?;
    if file.get_ref().metadata().map_err(fault)?.is_dir() {
        return Err(ShowError::Directory {
            place: place.to_owned(),
        });
    }
    Ok(file)
}

async fn show_all(cx: &Context, input: impl Read, place: String) -> Result<Shown, Failure> {
    let mut shown = Shown {
        frames: 0,
        bytes: 0,
    };
    for frame in FrameReader::new(BufReader::with_capacity(BUFFER_BYTES, input)) {
        cx.checkpoint()?;
        let frame = frame.map_err(|source| unreadable(place.clone(), source, &shown))?;
        cx.stdout().send(&Row::of(&frame)).await?;
        shown.frames += 1;
        shown.bytes += len_bytes(&frame);
    }
    Ok(shown)
}

fn unreadable(place: String, error: FrameError, shown: &Shown) -> ShowError {
    match error {
        FrameError::Io(source) => ShowError::Io { place, source },
        source @ FrameError::Header(_) if shown.frames == 0 => {
            ShowError::NotFrames { place, source }
        }
        source => ShowError::Damaged {
            place,
            number: shown.frames + 1,
            offset: shown.bytes,
            source,
        },
    }
}

/// Bytes of a frame in its stream: the header line, and the payload where the line has no room for it.
fn len_bytes(frame: &Frame) -> u64 {
    let payload = frame.payload().len_bytes();
    let following = if payload > INLINE_PAYLOAD_BYTES {
        payload
    } else {
        0
    };
    (FrameHeader::SIZE + following) as u64
}

impl<'a> Row<'a> {
    fn of(frame: &'a Frame) -> Self {
        Self {
            session: hex(&frame.session_id()),
            stream: frame.stream_id(),
            sequence: frame.sequence(),
            time: time(frame.timestamp_ns()),
            kind: match frame.payload().kind() {
                FrameKind::Data => "data",
                FrameKind::Error => "error",
                FrameKind::Log => "log",
                FrameKind::End => "end",
                _ => "unknown",
            },
            payload: Payload::of(frame.payload()),
        }
    }
}

impl<'a> Payload<'a> {
    fn of(payload: &'a FramePayload) -> Self {
        match payload {
            FramePayload::Data(bytes) | FramePayload::End(bytes) => match str::from_utf8(bytes) {
                Ok(text) => compact(text).map_or(Self::Text(text), Self::Json),
                Err(_) => Self::Bytes { hex: hex(bytes) },
            },
            FramePayload::Error { code, message } => Self::Error {
                code: *code,
                message,
            },
            FramePayload::Log { level, message } => Self::Log {
                level: match level {
                    LogLevel::Trace => "trace",
                    LogLevel::Debug => "debug",
                    LogLevel::Info => "info",
                    LogLevel::Warn => "warn",
                    LogLevel::Error => "error",
                },
                message,
            },
            _ => Self::Text("a payload of a kind that this release does not show"),
        }
    }
}

/// JSON on one line, its fields and numbers exactly as they were written; `None` for what is no JSON.
fn compact(text: &str) -> Option<Box<RawValue>> {
    // `RawValue` alone would let pass what others then refuse, such as half a surrogate pair.
    serde_json::from_str::<serde_json::Value>(text).ok()?;
    let mut line = String::with_capacity(text.len());
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for c in text.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = c == '\\' && !escaped;
        } else {
            match c {
                ' ' | '\t' | '\n' | '\r' => continue,
                '"' => in_string = true,
                '{' | '[' => depth += 1,
                '}' | ']' => depth -= 1,
                _ => {}
            }
            if depth > MAX_DEPTH {
                return None;
            }
        }
        line.push(c);
    }
    RawValue::from_string(line).ok()
}

/// RFC 3339 with nanoseconds. They reach the year 2554, so that there always is a date.
fn time(timestamp_ns: u64) -> String {
    const NS_PER_S: u64 = 1_000_000_000;
    let second = Timestamp::from_unix_seconds(timestamp_ns / NS_PER_S).to_string();
    format!(
        "{}.{:09}Z",
        second.trim_end_matches('Z'),
        timestamp_ns % NS_PER_S
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(payload: FramePayload) -> String {
        serde_json::to_string(&Payload::of(&payload)).unwrap()
    }

    #[test]
    fn payloads_are_shown_in_their_most_readable_form() {
        let data = |bytes: &[u8]| shown(FramePayload::Data(bytes.to_vec()));
        assert_eq!(
            data(b"{\"z\": 1.50,\n \"a\": \" \\\" { \"}"),
            r#"{"z":1.50,"a":" \" { "}"#
        );
        assert_eq!(data(b"18446744073709551616"), "18446744073709551616");
        assert_eq!(data(b"hello"), r#""hello""#);
        assert_eq!(data(b""), r#""""#);
        assert_eq!(data(b"\x00\xff"), r#"{"hex":"00ff"}"#);
        let error = FramePayload::Error {
            code: 9,
            message: "no".to_owned(),
        };
        assert_eq!(shown(error), r#"{"code":9,"message":"no"}"#);
    }

    #[test]
    fn json_that_others_would_refuse_is_text() {
        let deep = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
        for text in [deep.as_str(), r#""\ud800""#, "{\"a\":1", "1e999"] {
            assert!(compact(text).is_none(), "{text}");
        }
        assert!(compact(&deep[1..deep.len() - 1]).is_some());
    }

    #[test]
    fn times_have_nanoseconds() {
        assert_eq!(
            time(951_827_696_000_000_007),
            "2000-02-29T12:34:56.000000007Z"
        );
        assert_eq!(time(u64::MAX), "2554-07-21T23:34:33.709551615Z");
    }
}
