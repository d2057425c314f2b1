//! The log that is written: a bounded queue, and one thread that takes group after group from it.

use core::cell::RefCell;
use core::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::entry::{AuditEntry, Decision, EntryError, Reason};
use super::files::Storage;
use super::note::{SignedCheckpoint, VerifierKey};
use super::options::{AuditOptions, Durability, GROUP_ENTRIES, WhenFull, WhenUnavailable};
use super::queue::Queue;
use super::recovery::{self, OpenError, Recovered};
use super::tree::TreeHash;
use super::writer::Writer;
use crate::attestation::{PrivateKey, Timestamp};

/// A log that is open for writing, by this handle alone. Share it in an [`Arc`].
///
/// Dropping it writes and signs what waits, and so does [`close`](Self::close), which also says whether that went well.
pub struct AuditLog {
    shared: Arc<Shared>,
    log: VerifierKey,
    options: AuditOptions,
    recovered: Recovered,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// How many entries do not wait for more: a group, or a full queue.
    group: usize,
    patience: Duration,
    reserve_bytes: u64,
    /// Whether the thread has more to do than it does soon, so that whoever brings an entry hashes it.
    is_behind: AtomicBool,
    /// Wakes the thread.
    work: Condvar,
    /// Wakes who waits for room, for the file or for the disk.
    progress: Condvar,
}

#[derive(Default)]
struct State {
    queue: Queue,
    /// When the first entry of the queue came.
    waiting_since: Option<Instant>,
    /// How many entries were taken, how many of these are in the file, and how many are signed for.
    appended: u64,
    written: u64,
    committed: u64,
    /// How many entries somebody waits to see in the file.
    wanted: u64,
    checkpoint: Option<SignedCheckpoint>,
    /// Whether only the reserve is left of the disk, how many refused calls were not recorded for that, and when the last
    /// of these was refused.
    is_scarce: bool,
    refused: u64,
    refused_at: Option<Timestamp>,
    /// Somebody waits for everything that was appended.
    flush: bool,
    stop: bool,
    failure: Option<Arc<io::Error>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No invariant spans a panic: every change to the state is made by one statement that cannot panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditLog {
    /// Opens the log in `folder`, or begins one there, and locks it.
    ///
    /// The key is the log's own: what it signs are checkpoints, and nothing else should be. All entries are read and held
    /// against the checkpoints. What a crash left unfinished at the end is cut off, and [`recovered`](Self::recovered)
    /// says so; everything else that is wrong is an error, and is never repaired.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. A retry makes sense for [`Locked`](OpenError::Locked) only.
    pub fn open(
        folder: impl AsRef<Path>,
        key: PrivateKey,
        options: AuditOptions,
    ) -> Result<Self, OpenError> {
        let log = VerifierKey::new(options.origin.as_str(), key.public_key())
            .map_err(OpenError::Origin)?;
        let syncs = options.durability != Durability::Written;
        let folder = folder.as_ref();
        let (writer, recovered) = recovery::open(folder, &log, key, syncs)?;
        Self::start(writer, log, options, recovered).map_err(|source| OpenError::Io {
            path: folder.into(),
            source,
        })
    }

    pub(super) fn start<S: Storage + 'static>(
        writer: Writer<S>,
        log: VerifierKey,
        options: AuditOptions,
        recovered: Recovered,
    ) -> io::Result<Self> {
        let state = State {
            appended: writer.size(),
            written: writer.size(),
            committed: writer.size(),
            checkpoint: writer.last().cloned(),
            is_scarce: writer.has_less_than(options.reserve_bytes),
            ..State::default()
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            group: options.capacity.min(GROUP_ENTRIES),
            patience: options.patience,
            reserve_bytes: options.reserve_bytes,
            is_behind: AtomicBool::new(false),
            work: Condvar::new(),
            progress: Condvar::new(),
        });
        let is_durable = options.durability == Durability::Durable;
        let thread = std::thread::Builder::new().name("cnv-audit".to_owned());
        let thread = thread.spawn({
            let shared = Arc::clone(&shared);
            move || run(&shared, writer, is_durable)
        })?;
        Ok(Self {
            shared,
            log,
            options,
            recovered,
            thread: Some(thread),
        })
    }

    /// Takes an entry and returns its number in the log. Where the log is [`Durable`](Durability::Durable), waits until
    /// the entry is on disk; otherwise costs an encoding, a copy and a lock, and a hash while half of the queue is full,
    /// whatever the log's length, and a process that is killed loses what the last [`GROUP_MS`](super::GROUP_MS) brought: see
    /// [`append_written`](Self::append_written).
    ///
    /// # Errors
    ///
    /// [`AppendError::ReadOnly`] once something could not be written, for good: an entry for which it is returned may or
    /// may not be found in the log. [`AppendError::Full`] where that was asked for, worth a retry.
    /// [`AppendError::Reserved`] for a denied call on a disk that is nearly full. [`AppendError::Entry`] for an entry that
    /// is none.
    pub fn append(&self, entry: &AuditEntry) -> Result<u64, AppendError> {
        let (number, state) = self.push(entry)?;
        if self.options.durability == Durability::Durable {
            drop(self.until(state, |state| state.committed > number)?);
        }
        Ok(number)
    }

    /// Takes an entry and returns its number once it is in the file, where the process can be killed without losing it.
    /// Where the log is [`Durable`](Durability::Durable), waits until it is on disk as well, as [`append`](Self::append)
    /// does; under the other two a loss of power may still take it.
    ///
    /// Costs a write and a change of threads there and back, which calls that wait together share, and no `fdatasync`
    /// and no signature: these come with the group, as for every entry. An entry that comes while the thread is at one of
    /// them waits until that has ended.
    ///
    /// # Errors
    ///
    /// As for [`append`](Self::append).
    pub fn append_written(&self, entry: &AuditEntry) -> Result<u64, AppendError> {
        let (number, mut state) = self.push(entry)?;
        if self.options.durability == Durability::Durable {
            drop(self.until(state, |state| state.committed > number)?);
        } else {
            state.wanted = number + 1;
            self.shared.work.notify_one();
            drop(self.until(state, |state| state.written > number)?);
        }
        Ok(number)
    }

    /// Records a call's entry, and says whether the call may go on: as [`append`](Self::append), but under
    /// [`WhenUnavailable::Allow`] a log that cannot be written is no error, and a denied call that is counted never is.
    ///
    /// # Errors
    ///
    /// As for [`append`](Self::append).
    pub fn record(&self, entry: &AuditEntry) -> Result<(), AppendError> {
        self.unless_allowed(self.append(entry))
    }

    /// Records a call's entry in the file, and says whether the call may go on: as
    /// [`append_written`](Self::append_written), but under [`WhenUnavailable::Allow`] a log that cannot be written is no
    /// error.
    ///
    /// # Errors
    ///
    /// As for [`append`](Self::append).
    pub fn record_written(&self, entry: &AuditEntry) -> Result<(), AppendError> {
        self.unless_allowed(self.append_written(entry))
    }

    fn unless_allowed(&self, appended: Result<u64, AppendError>) -> Result<(), AppendError> {
        match (appended, self.options.when_unavailable) {
            // It is counted, and the call does not run.
            (Err(AppendError::Reserved), _) => Ok(()),
            (Err(error), WhenUnavailable::Deny) => Err(error),
            _ => Ok(()),
        }
    }

    /// Puts an entry into the queue, and returns its number and the state, still locked.
    fn push(&self, entry: &AuditEntry) -> Result<(u64, MutexGuard<'_, State>), AppendError> {
        with_buffer(|buffer| {
            entry.encode_into(buffer)?;
            // Nobody waits for the log's thread to hash it, unless there is so much that the queue would be full.
            let is_behind = self.shared.is_behind.load(Ordering::Relaxed);
            let hash = is_behind.then(|| TreeHash::leaf(buffer));
            self.push_encoded(entry, buffer, hash)
        })
    }

    fn push_encoded(
        &self,
        entry: &AuditEntry,
        bytes: &[u8],
        hash: Option<TreeHash>,
    ) -> Result<(u64, MutexGuard<'_, State>), AppendError> {
        let mut state = self.shared.lock();
        while state.failure.is_none() && state.queue.len() >= self.options.capacity {
            if self.options.when_full == WhenFull::Refuse {
                let capacity = self.options.capacity;
                return Err(AppendError::Full { capacity });
            }
            state = self.wait(state);
        }
        if let Some(failure) = &state.failure {
            return Err(AppendError::read_only(failure));
        }
        if state.is_scarce && matches!(entry.decision, Decision::Denied(_)) {
            state.refused += 1;
            state.refused_at = Some(entry.time);
            return Err(AppendError::Reserved);
        }
        self.enqueue_refused(&mut state);
        let number = self.enqueue(&mut state, bytes, hash);
        Ok((number, state))
    }

    /// The number of the entry in the log.
    fn enqueue(&self, state: &mut State, entry: &[u8], hash: Option<TreeHash>) -> u64 {
        let number = state.appended;
        state.appended += 1;
        if state.queue.is_empty() {
            state.waiting_since = Some(Instant::now());
        }
        state.queue.push(entry, hash);
        let is_behind = state.queue.len() > self.options.capacity / 2;
        self.shared.is_behind.store(is_behind, Ordering::Relaxed);
        // The thread sleeps while there is nothing, and while there is less than a group; waking it at every entry would
        // cost a system call each time.
        let uncommitted = state.appended - state.committed;
        if state.queue.len() == 1 || uncommitted == self.shared.group as u64 {
            self.shared.work.notify_one();
        }
        number
    }

    /// Puts an entry for the refused calls that were not recorded into the queue, which it may make one too long.
    fn enqueue_refused(&self, state: &mut State) {
        let Some(last) = state.refused_at.take() else {
            return;
        };
        let count = std::mem::take(&mut state.refused);
        let detail = format!(
            "{count} refused calls are not recorded one by one, since the disk was nearly full; this is the time of the last"
        );
        let decision = Decision::Denied(Reason::new("not_recorded", detail));
        let entry = AuditEntry::new(last, [0; 16], "audit refusals", decision);
        let body = entry.encode().expect("a short verb");
        self.enqueue(state, &body, None);
    }

    /// Waits until everything that was appended is written and signed for, and returns the last checkpoint.
    ///
    /// # Errors
    ///
    /// [`AppendError::ReadOnly`].
    pub fn flush(&self) -> Result<SignedCheckpoint, AppendError> {
        let mut state = self.shared.lock();
        let appended = state.appended;
        state.flush = true;
        self.shared.work.notify_one();
        let state = self.until(state, |state| state.committed >= appended)?;
        // There is one from the log's beginning.
        state
            .checkpoint
            .clone()
            .ok_or_else(|| AppendError::read_only(&Arc::new(io::ErrorKind::NotFound.into())))
    }

    /// Writes and signs what waits, and ends the log's thread.
    ///
    /// # Errors
    ///
    /// [`AppendError::ReadOnly`] where something of it could not be written.
    pub fn close(mut self) -> Result<SignedCheckpoint, AppendError> {
        self.enqueue_refused(&mut self.shared.lock());
        let checkpoint = self.flush();
        self.stop();
        match &self.shared.lock().failure {
            Some(failure) => Err(AppendError::read_only(failure)),
            None => checkpoint,
        }
    }

    /// Why the log takes no more entries; `None` while it does.
    #[must_use]
    pub fn failure(&self) -> Option<AppendError> {
        let state = self.shared.lock();
        state.failure.as_ref().map(AppendError::read_only)
    }

    /// What opening the log cut off.
    #[must_use]
    pub const fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// The log's name and public key, for those who verify.
    #[must_use]
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.log
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let progress = &self.shared.progress;
        progress.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn until<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        is_done: impl Fn(&State) -> bool,
    ) -> Result<MutexGuard<'a, State>, AppendError> {
        while !is_done(&state) {
            if let Some(failure) = &state.failure {
                return Err(AppendError::read_only(failure));
            }
            state = self.wait(state);
        }
        Ok(state)
    }

    fn stop(&mut self) {
        let mut state = self.shared.lock();
        self.enqueue_refused(&mut state);
        state.stop = true;
        drop(state);
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has said so in the state.
            let _ = thread.join();
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog")
            .field("log", &self.log)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Lends a buffer that is empty, the thread's own where it has one.
fn with_buffer<T>(use_it: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    // A thread that ends may have none any more.
    let mut buffer = BUFFER.try_with(RefCell::take).unwrap_or_default();
    let result = use_it(&mut buffer);
    buffer.clear();
    let _ = BUFFER.try_with(|place| place.replace(buffer));
    result
}

/// Writes and commits group after group until the log is dropped or something cannot be written.
fn run<S: Storage>(shared: &Shared, mut writer: Writer<S>, is_durable: bool) {
    let _ending = Ending(shared);
    let mut group = Group::default();
    loop {
        let task = next_task(shared, is_durable, &mut group);
        let mut done = Ok(());
        if !group.entries.is_empty() {
            done = writer.write(&mut group.entries);
            if done.is_ok() {
                shared.lock().written = writer.size();
                shared.progress.notify_all();
            }
        }
        done = done.and_then(|()| match task {
            Task::Write => Ok(()),
            Task::Commit => writer.commit(),
            Task::End => writer.finish(),
        });
        let is_scarce = writer.has_less_than(shared.reserve_bytes);
        let mut state = shared.lock();
        state.is_scarce = is_scarce;
        match done {
            Ok(()) if task == Task::Commit => {
                state.committed = writer.size();
                state.checkpoint = writer.last().cloned();
                group.since = None;
                group.len = 0;
            }
            Ok(()) => {}
            Err(error) => state.failure = Some(Arc::new(error)),
        }
        let is_over = task == Task::End || state.failure.is_some();
        drop(state);
        shared.progress.notify_all();
        if is_over {
            return;
        }
    }
}

/// Leaves nobody waiting for a thread that panicked.
struct Ending<'a>(&'a Shared);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let gone = io::Error::other("the thread that writes the log panicked");
            self.0.lock().failure = Some(Arc::new(gone));
            self.0.progress.notify_all();
        }
    }
}

/// The entries that the next checkpoint covers.
#[derive(Default)]
struct Group {
    /// When its first entry came.
    since: Option<Instant>,
    /// How many entries it has, written or not.
    len: usize,
    /// Those that are to be written.
    entries: Queue,
}

/// What the thread does once it has written what it took.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    /// Nothing: the group goes on.
    Write,
    /// Waits for the disk and signs: the group is over.
    Commit,
    /// Ends: the log is dropped, and nothing waits.
    End,
}

/// Waits until there is something to do, and takes the entries that it concerns out of the queue.
fn next_task(shared: &Shared, is_durable: bool, group: &mut Group) -> Task {
    let patience = shared.patience;
    let mut state = shared.lock();
    let task = loop {
        let since = group.since.or(state.waiting_since);
        let is_urgent = state.stop || state.flush || is_durable;
        let is_group = group.len + state.queue.len() >= shared.group;
        state = match since.map(|since| since.elapsed()) {
            None if state.stop => return Task::End,
            None => {
                state.flush = false;
                let woken = shared.work.wait(state);
                woken.unwrap_or_else(PoisonError::into_inner)
            }
            Some(waited) if is_urgent || is_group || waited >= patience => break Task::Commit,
            Some(_) if state.wanted > state.written => break Task::Write,
            Some(waited) => {
                let woken = shared.work.wait_timeout(state, patience - waited);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    };
    let count = state.queue.len().min(GROUP_ENTRIES - group.len);
    group.since = group.since.or(state.waiting_since);
    group.len += count;
    state.queue.move_front(count, &mut group.entries);
    // What stays behind has waited as long, or nearly.
    if state.queue.is_empty() {
        state.waiting_since = None;
        state.flush = false;
    }
    drop(state);
    shared.progress.notify_all();
    task
}

/// Why an entry was not taken.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The entry breaks a rule.
    #[error("the audit entry is refused: {0}")]
    Entry(#[from] EntryError),
    /// The queue is full, and waiting was not asked for.
    #[error("{capacity} audit entries wait for the disk, and no more are taken")]
    Full {
        /// The queue's capacity.
        capacity: usize,
    },
    /// The entry is of a denied call, and the rest of the disk is kept for others: it is counted. See
    /// [`AuditOptions::reserve_bytes`].
    #[error("the disk is nearly full, so refused calls are counted and not recorded one by one")]
    Reserved,
    /// Something could not be written, and from then on nothing is. What is on disk is not known before the log is opened
    /// again.
    #[error(
        "the audit log is read-only since it could not be written: {source}; find the cause and open it again"
    )]
    ReadOnly {
        /// What the operating system said.
        source: Arc<io::Error>,
    },
}

impl AppendError {
    fn read_only(failure: &Arc<io::Error>) -> Self {
        Self::ReadOnly {
            source: Arc::clone(failure),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
