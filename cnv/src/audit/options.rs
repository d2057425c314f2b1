//! What a log is opened with.

use std::time::Duration;

/// The most entries of a group, which one checkpoint covers.
pub const GROUP_ENTRIES: usize = 256;

/// The longest that an entry waits for its group, in milliseconds.
pub const GROUP_MS: u64 = 100;

/// When an entry is where it cannot be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// The operating system writes it to disk when it likes. A loss of power may cost some seconds of entries, and then
    /// the log does not open: it was signed as longer than it is.
    Written,
    /// A group is on disk before it is signed; [`append`](super::AuditLog::append) does not wait for it. A process that is
    /// killed loses what [`GROUP_MS`] brought, except where [`append_written`](super::AuditLog::append_written) returned.
    #[default]
    Grouped,
    /// [`append`](super::AuditLog::append) returns when the entry is on disk and signed for. Calls that wait together
    /// share one group.
    Durable,
}

/// What [`AuditLog::append`](super::AuditLog::append) does while the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// Waits for room.
    #[default]
    Wait,
    /// Returns [`AppendError::Full`](super::AppendError::Full).
    Refuse,
}

/// What becomes of a call whose entry the log does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WhenUnavailable {
    /// It does not run.
    #[default]
    Deny,
    /// It runs, unrecorded. [`AuditLog::failure`](super::AuditLog::failure) says that this happens.
    Allow,
}

/// How a log is written.
///
/// ```
/// use cnv::audit::{AuditOptions, Durability, WhenFull};
///
/// let options = AuditOptions::new("example.com/audit/ops")
///     .durability(Durability::Durable)
///     .queue(1024, WhenFull::Refuse);
/// ```
#[derive(Clone, Debug)]
pub struct AuditOptions {
    pub(super) origin: String,
    pub(super) durability: Durability,
    pub(super) capacity: usize,
    pub(super) when_full: WhenFull,
    pub(super) when_unavailable: WhenUnavailable,
    pub(super) reserve_bytes: u64,
    /// How long an entry waits for its group: [`GROUP_MS`], except in tests.
    pub(super) patience: Duration,
}

impl AuditOptions {
    /// The queue's capacity unless another is set, in entries.
    pub const DEFAULT_CAPACITY: usize = 4096;

    /// The reserve unless another is set, in bytes.
    pub const DEFAULT_RESERVE_BYTES: u64 = 16 * 1024 * 1024;

    /// The defaults, for the log of this name: see [`VerifierKey::new`](super::VerifierKey::new).
    #[must_use]
    pub fn new(origin: impl Into<String>) -> Self {
        Self {
            origin: origin.into(),
            durability: Durability::default(),
            capacity: Self::DEFAULT_CAPACITY,
            when_full: WhenFull::default(),
            when_unavailable: WhenUnavailable::default(),
            reserve_bytes: Self::DEFAULT_RESERVE_BYTES,
            patience: Duration::from_millis(GROUP_MS),
        }
    }

    /// When an entry is where it cannot be lost; [`Durability::Grouped`] unless this is called.
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How many entries wait at most, at least one, and what happens to the next.
    #[must_use]
    pub const fn queue(mut self, capacity: usize, when_full: WhenFull) -> Self {
        self.capacity = if capacity == 0 { 1 } else { capacity };
        self.when_full = when_full;
        self
    }

    /// How much free space refused calls leave to the others, in bytes; [`DEFAULT_RESERVE_BYTES`](Self::DEFAULT_RESERVE_BYTES)
    /// unless this is called, and nothing with 0.
    ///
    /// Anybody can be refused, as often as they like. Where the disk has less room than this for the log's owner, entries
    /// of denied calls are counted instead of written, and one entry that says how many stands before the next that is.
    /// It has the verb `audit refusals` and the reason `not_recorded`. How much room there is is looked at after each
    /// group; a process that is killed loses the count. Without effect outside Unix.
    #[must_use]
    pub const fn reserve_bytes(mut self, bytes: u64) -> Self {
        self.reserve_bytes = bytes;
        self
    }

    /// What becomes of a call whose entry the log does not take; [`WhenUnavailable::Deny`] unless this is called.
    #[must_use]
    pub const fn when_unavailable(mut self, when_unavailable: WhenUnavailable) -> Self {
        self.when_unavailable = when_unavailable;
        self
    }
}
