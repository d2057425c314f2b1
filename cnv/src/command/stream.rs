//! What a call sends before it returns: its output item by item, and beside it remarks, log records, measurements and bytes.
//!
//! A handler does not know who listens. On the command line it is the process's standard streams; in a session each of
//! these is a stream of its own.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
#[cfg(feature = "trace")]
use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(feature = "session")]
use bytes::Bytes;
use serde::Serialize;

use super::context::{Call, Context};
use super::failure::Failure;
use super::output::Output;
pub use crate::frame::LogLevel;
#[cfg(feature = "trace")]
use crate::trace::{Current, Level, LogRecord};

/// Where a call's streams go.
pub(super) trait Sink: Send + Sync {
    /// Takes one item of the output, in order, once there is room for it: only then it is made, and once.
    fn poll_item(
        &self,
        item: &mut dyn FnMut() -> Output,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<(), Failure>>;

    /// Takes bytes that caller and handler have agreed on, once there is room for them. Only a session has a stream for them.
    #[cfg(feature = "session")]
    fn poll_custom(&self, _: &mut Bytes, _: &mut TaskContext<'_>) -> Poll<Result<(), Failure>> {
        let message = "the caller has no stream for these bytes: only a session does";
        Poll::Ready(Err(Failure::failed(message)))
    }

    /// Takes what is said beside the output. What there is no room for is counted, and the count is told at the end.
    fn note(&self, note: &Note<'_>);
}

/// What is said beside the output.
#[derive(Debug, Clone, Copy)]
pub(super) enum Note<'a> {
    Remark(&'a str),
    Log { level: LogLevel, message: &'a str },
    Metric { name: &'a str, value: f64 },
    Progress { done: u64, total: u64 },
}

impl Note<'_> {
    /// The note as JSON, where it is more than a text.
    pub(super) fn json(&self) -> String {
        match *self {
            Self::Remark(text) => serde_json::json!(text),
            Self::Log { level, message } => {
                let record = serde_json::json!({ "level": level_name(level), "message": message });
                placed(record)
            }
            Self::Metric { name, value } => serde_json::json!({ "name": name, "value": value }),
            Self::Progress { done, total } => serde_json::json!({ "done": done, "total": total }),
        }
        .to_string()
    }
}

/// A record of the log, with where in its trace the call is that says it.
#[cfg(feature = "trace")]
fn placed(mut record: serde_json::Value) -> serde_json::Value {
    crate::trace::Current::with(|current| {
        if let Some(parent) = current.traceparent() {
            record["trace_id"] = parent.trace_id().to_string().into();
            record["span_id"] = parent.span_id().to_string().into();
        }
        if let Some(id) = current.transaction() {
            record["transaction_id"] = id.to_string().into();
        }
    });
    record
}

#[cfg(not(feature = "trace"))]
fn placed(record: serde_json::Value) -> serde_json::Value {
    record
}

/// The level's name in lower case.
pub(super) const fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}

impl Context {
    /// The stream of the call's output.
    #[must_use]
    pub fn stdout(&self) -> Stdout {
        Stdout {
            call: self.shared(),
        }
    }

    /// Says something to the person at the other end: a line on standard error, without a line feed.
    pub fn stderr(&self, remark: &str) {
        self.shared().sink.note(&Note::Remark(remark));
    }

    /// Records what happens. On the command line it is a line on standard error, from [`LogLevel::Info`] on; with `--quiet`
    /// from [`LogLevel::Warn`] on.
    ///
    /// It never waits: a record that a session has no room for is dropped, and the call's end says how many were. The exporters
    /// of the application's tracer that take log records have it as well, with the ids of the call.
    pub fn log(&self, level: LogLevel, message: impl AsRef<str>) {
        let call = self.shared();
        let message = message.as_ref();
        // Whoever took the context to another thread is still in its call.
        #[cfg(feature = "trace")]
        if Current::with(|current| current.traceparent().is_none()) {
            return call.trace.clone().in_scope(|| call.log(level, message));
        }
        call.log(level, message);
    }

    /// Reports a measurement. On the command line it is shown with `--json` only, as a line on standard error. Like
    /// [`log`](Self::log) it never waits.
    pub fn metric(&self, name: &str, value: f64) {
        self.shared().sink.note(&Note::Metric { name, value });
    }

    /// Sends bytes that caller and handler have agreed on, and waits while there is no room for them.
    ///
    /// # Errors
    ///
    /// [`Failure`] where nobody reads any more, and on the command line, which has no stream for them.
    ///
    /// Needs the feature `session`.
    #[cfg(feature = "session")]
    pub async fn custom(&self, bytes: impl Into<Bytes>) -> Result<(), Failure> {
        let call = self.shared();
        let mut bytes = bytes.into();
        poll_fn(|cx| call.sink.poll_custom(&mut bytes, cx)).await
    }
}

impl Call {
    fn log(&self, level: LogLevel, message: &str) {
        self.sink.note(&Note::Log { level, message });
        #[cfg(feature = "trace")]
        if let Some(tracer) = &self.tracer {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            let unix_ns = u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX);
            let target = self.spec.function().into();
            let mut record = LogRecord::new(unix_ns, level_of(level), target, message.to_owned());
            Current::with(|here| {
                record.context = here.traceparent();
                record.transaction = here.transaction();
            });
            tracer.log(record);
        }
    }
}

#[cfg(feature = "trace")]
const fn level_of(level: LogLevel) -> Level {
    match level {
        LogLevel::Trace => Level::Trace,
        LogLevel::Debug => Level::Debug,
        LogLevel::Info => Level::Info,
        LogLevel::Warn => Level::Warn,
        LogLevel::Error => Level::Error,
    }
}

/// Streams output item by item, before the handler returns.
pub struct Stdout {
    call: Arc<Call>,
}

impl Stdout {
    /// Sends one item: a row of a table, a line of JSON, a YAML document or a frame. Waits while the caller takes less than
    /// is sent.
    ///
    /// # Errors
    ///
    /// [`Failure`] where the item does not serialise, or where nobody reads any more.
    pub async fn send<T: Serialize + ?Sized>(&self, item: &T) -> Result<(), Failure> {
        let mut item = Output::of(item)?;
        #[cfg(feature = "trace")]
        self.call.stream();
        let mut take = || std::mem::take(&mut item);
        poll_fn(|cx| self.call.sink.poll_item(&mut take, cx)).await
    }
}

impl fmt::Debug for Stdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdout").finish_non_exhaustive()
    }
}
