//! Where spans and logs go, and what became of them.

use core::fmt;
use std::time::{Duration, Instant};

use super::metrics::Snapshot;
use super::record::{LogRecord, SpanRecord};

/// Takes spans and logs to where they are looked at. Each has a thread of its own, so it may block, within limits.
pub trait Exporter: Send {
    /// What it is called in reports, such as `otlp http://localhost:4318`.
    fn name(&self) -> String;

    /// Takes a batch of spans there, and is done by `until`. Only asked where [`takes_spans`](Self::takes_spans).
    fn spans(&mut self, spans: &[SpanRecord], until: Instant) -> Exported;

    /// Takes a batch of log records there, and is done by `until`. Only asked where [`takes_logs`](Self::takes_logs).
    fn logs(&mut self, _logs: &[LogRecord], _until: Instant) -> Exported {
        Exported::Refused("no logs are taken here".to_owned())
    }

    /// Whether spans are wanted.
    fn takes_spans(&self) -> bool {
        true
    }

    /// Whether log records are wanted.
    fn takes_logs(&self) -> bool {
        false
    }

    /// Takes all metrics there, as they are now, and is done by `until`. Only asked where
    /// [`takes_metrics`](Self::takes_metrics). What is rejected is so many values of them.
    fn metrics(&mut self, _snapshot: &Snapshot, _until: Instant) -> Exported {
        Exported::Refused("no metrics are taken here".to_owned())
    }

    /// Whether metrics are wanted.
    fn takes_metrics(&self) -> bool {
        false
    }
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exported {
    /// It arrived.
    Delivered,
    /// It arrived, and the other end did not want all of it, or has something to say.
    Partial {
        /// How many of it the other end did not want; none where it only warns.
        rejected: usize,
        /// Why, in the other end's words.
        why: String,
    },
    /// Nothing of it was taken, and later it may be.
    Unavailable {
        /// After what time, where the other end says so.
        retry_after: Option<Duration>,
        /// What was wrong.
        why: String,
    },
    /// Nothing of it was taken, nor ever will be: what was wrong.
    Refused(String),
    /// It was sent, and there was no answer: what was wrong. It is not sent again, since it may have arrived.
    Unknown(String),
    /// The batch is too large to be taken at once: what became of this many from its front. For the rest it is asked again.
    Front {
        /// How many these are; one at least.
        count: usize,
        /// What became of them.
        exported: Box<Self>,
    },
}

/// Why something was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropCause {
    /// There were as many waiting as may wait.
    QueueFull,
    /// The other end did not want it.
    Rejected,
    /// The other end could not be reached for too long.
    Unreachable,
    /// It was still waiting when the time to shut down was over, or came later.
    Shutdown,
}

impl DropCause {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::QueueFull,
        Self::Rejected,
        Self::Unreachable,
        Self::Shutdown,
    ];

    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Rejected => "rejected",
            Self::Unreachable => "unreachable",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What became of everything that an exporter was given, of one kind: `given = delivered + dropped + unknown + waiting`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// What it was given.
    pub given: u64,
    /// What the other end has.
    pub delivered: u64,
    /// What was sent and never answered.
    pub unknown: u64,
    /// What waits, or is being sent. After a shutdown there is none.
    pub waiting: u64,
    dropped: [u64; DropCause::ALL.len()],
}

impl Delivery {
    /// What the other end does not have, for this cause.
    #[must_use]
    pub const fn dropped_by(&self, cause: DropCause) -> u64 {
        self.dropped[cause as usize]
    }

    /// What the other end does not have.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Of both.
    pub(super) fn plus(&self, other: &Self) -> Self {
        let mut dropped = self.dropped;
        for (sum, other) in dropped.iter_mut().zip(other.dropped) {
            *sum += other;
        }
        Self {
            given: self.given + other.given,
            delivered: self.delivered + other.delivered,
            unknown: self.unknown + other.unknown,
            waiting: self.waiting + other.waiting,
            dropped,
        }
    }

    pub(super) const fn set_dropped(&mut self, cause: DropCause, count: u64) {
        self.dropped[cause as usize] = count;
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} delivered, {} dropped",
            self.delivered,
            self.dropped()
        )?;
        let mut separator = " (";
        for cause in DropCause::ALL {
            let count = self.dropped_by(cause);
            if count > 0 {
                write!(f, "{separator}{} {count}", cause.as_str())?;
                separator = ", ";
            }
        }
        if separator == ", " {
            f.write_str(")")?;
        }
        write!(f, ", {} unknown", self.unknown)?;
        match self.waiting {
            0 => Ok(()),
            waiting => write!(f, ", {waiting} waiting"),
        }
    }
}

/// What became of everything that one exporter was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The exporter's name.
    pub exporter: String,
    /// Of the spans.
    pub spans: Delivery,
    /// Whether it takes log records.
    pub takes_logs: bool,
    /// Of the log records.
    pub logs: Delivery,
    /// Of the values of metrics. They are not sent again, since the next ones say what these did.
    pub metrics: Delivery,
    /// What last went wrong.
    pub last_error: Option<String>,
}

impl Report {
    /// Whether the other end has all of it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_complete = |delivery: &Delivery| delivery.given == delivery.delivered;
        is_complete(&self.spans) && is_complete(&self.logs) && is_complete(&self.metrics)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: spans: {}", self.exporter, self.spans)?;
        if self.logs.given > 0 {
            write!(f, "; logs: {}", self.logs)?;
        }
        if self.metrics.given > 0 {
            write!(f, "; metrics: {}", self.metrics)?;
        }
        match &self.last_error {
            Some(error) if !self.is_complete() => write!(f, "; the last error: {error}"),
            _ => Ok(()),
        }
    }
}
