//! The way from a call to an exporter: a queue that never blocks, and a thread that empties it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::exporter::{Delivery, DropCause, Exported, Exporter, Report};
use super::metrics::{Family, Snapshot};
use super::record::{LogRecord, SpanRecord};
use super::span::Recording;

/// How much waits at most, and for how long.
///
/// The defaults are those of OpenTelemetry's batch processors, but for the time between batches, which is one second: what
/// happened is seen sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueLimits {
    /// How many spans, and how many log records, wait at most: 2048.
    pub capacity: usize,
    /// How many are sent together at most: 512.
    pub batch: usize,
    /// After what time they are sent, few as they may be: 1 s.
    pub delay: Duration,
    /// How long one try to send a batch takes at most: 10 s.
    pub export_timeout: Duration,
    /// How often metrics are sent: every 60 s, and at the end.
    pub metrics_every: Duration,
    /// For how long a batch is tried again while the other end cannot be reached: 30 s.
    pub retry_for: Duration,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            capacity: 2048,
            batch: 512,
            delay: Duration::from_secs(1),
            export_timeout: Duration::from_secs(10),
            metrics_every: Duration::from_secs(60),
            retry_for: Duration::from_secs(30),
        }
    }
}

/// The first wait before a batch is sent again; each is twice as long as the one before.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// Where metrics come from, from when somebody says so until the end.
#[derive(Clone, Default)]
pub(super) struct Measured(Arc<Mutex<Option<Measure>>>);

type Measure = Arc<dyn Fn() -> Snapshot + Send + Sync>;

impl Measured {
    pub(super) fn set(&self, measure: Option<Measure>) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = std::mem::replace(&mut *place, measure);
        // What goes with it may want to know what is measured.
        drop(place);
        drop(earlier);
    }

    fn get(&self) -> Option<Measure> {
        let place = self.0.lock();
        place.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The queue of one exporter, and its thread.
pub(super) struct Pipe {
    spans: SyncSender<Arc<Recording>>,
    logs: SyncSender<Arc<LogRecord>>,
    takes_spans: bool,
    takes_logs: bool,
    takes_metrics: bool,
    shared: Arc<Shared>,
    worker: thread::Thread,
    batch: u64,
}

struct Shared {
    name: String,
    takes_logs: bool,
    spans: Counts,
    logs: Counts,
    metrics: Counts,
    /// Whether nothing is taken any more.
    is_closed: AtomicBool,
    end: Mutex<End>,
    ended: Condvar,
    last_error: Mutex<Option<String>>,
}

#[derive(Default)]
struct End {
    /// When the worker has to be done, once it has to end.
    until: Option<Instant>,
    is_over: bool,
}

#[derive(Default)]
struct Counts {
    given: AtomicU64,
    delivered: AtomicU64,
    unknown: AtomicU64,
    dropped: [AtomicU64; DropCause::ALL.len()],
    /// What is being sent.
    in_flight: AtomicU64,
}

impl Counts {
    fn drop_some(&self, cause: DropCause, count: u64) {
        self.dropped[cause as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// What became of all that was given. After the end nothing waits: what is still being sent may arrive, and the rest
    /// will not.
    fn delivery(&self, is_over: bool) -> Delivery {
        // What is done is read before what was given, so that no more is done than was given.
        let mut delivery = Delivery::default();
        delivery.delivered = self.delivered.load(Ordering::Acquire);
        delivery.unknown = self.unknown.load(Ordering::Acquire);
        for cause in DropCause::ALL {
            let count = self.dropped[cause as usize].load(Ordering::Acquire);
            delivery.set_dropped(cause, count);
        }
        let in_flight = self.in_flight.load(Ordering::Acquire);
        delivery.given = self.given.load(Ordering::Acquire);
        let done = delivery.delivered + delivery.unknown + delivery.dropped();
        let waiting = delivery.given.saturating_sub(done);
        if is_over {
            let in_flight = in_flight.min(waiting);
            delivery.unknown += in_flight;
            let cut_off = delivery.dropped_by(DropCause::Shutdown) + waiting - in_flight;
            delivery.set_dropped(DropCause::Shutdown, cut_off);
        } else {
            delivery.waiting = waiting;
        }
        delivery
    }
}

impl Pipe {
    /// Starts the exporter's thread.
    ///
    /// # Errors
    ///
    /// Where the operating system has no thread to give.
    pub(super) fn start(
        exporter: Box<dyn Exporter>,
        limits: QueueLimits,
        measured: Measured,
    ) -> io::Result<Self> {
        let (capacity, batch) = (limits.capacity.max(1), limits.batch.max(1));
        let (spans, waiting_spans) = sync_channel(capacity);
        let (logs, waiting_logs) = sync_channel(capacity);
        let (takes_spans, takes_logs) = (exporter.takes_spans(), exporter.takes_logs());
        let takes_metrics = exporter.takes_metrics();
        let shared = Arc::new(Shared {
            name: exporter.name(),
            takes_logs: exporter.takes_logs(),
            spans: Counts::default(),
            logs: Counts::default(),
            metrics: Counts::default(),
            is_closed: AtomicBool::new(false),
            end: Mutex::default(),
            ended: Condvar::new(),
            last_error: Mutex::default(),
        });
        let worker = Worker {
            exporter,
            spans: waiting_spans,
            logs: waiting_logs,
            shared: Arc::clone(&shared),
            limits: QueueLimits { batch, ..limits },
            measured,
        };
        let thread = thread::Builder::new()
            .name("cnv-export".to_owned())
            .spawn(move || worker.run())?;
        Ok(Self {
            spans,
            logs,
            takes_spans,
            takes_logs,
            takes_metrics,
            shared,
            worker: thread.thread().clone(),
            batch: batch.min(capacity) as u64,
        })
    }

    /// Has a span exported where the exporter takes them, or counts that it is not. It never waits.
    #[inline]
    pub(super) fn push_span(&self, span: &Arc<Recording>) {
        if self.takes_spans {
            self.push(&self.spans, &self.shared.spans, span);
        }
    }

    /// Has a log record exported where the exporter takes them.
    pub(super) fn push_log(&self, record: &Arc<LogRecord>) {
        if self.takes_logs {
            self.push(&self.logs, &self.shared.logs, record);
        }
    }

    /// Whether it takes spans.
    pub(super) const fn takes_spans(&self) -> bool {
        self.takes_spans
    }

    /// Whether it takes log records.
    pub(super) const fn takes_logs(&self) -> bool {
        self.takes_logs
    }

    /// Whether it takes metrics.
    pub(super) const fn takes_metrics(&self) -> bool {
        self.takes_metrics
    }

    #[inline]
    fn push<T>(&self, queue: &SyncSender<Arc<T>>, counts: &Counts, item: &Arc<T>) {
        let given = counts.given.fetch_add(1, Ordering::AcqRel) + 1;
        if self.shared.is_closed.load(Ordering::Acquire) {
            counts.drop_some(DropCause::Shutdown, 1);
        } else if queue.try_send(Arc::clone(item)).is_err() {
            counts.drop_some(DropCause::QueueFull, 1);
        }
        // It looks by itself after a while; waking it takes longer than all of this.
        if given.is_multiple_of(self.batch) {
            self.worker.unpark();
        }
    }

    /// What became of all that was given so far.
    pub(super) fn report(&self) -> Report {
        let is_over = self.shared.lock_end().is_over;
        self.shared.report(is_over)
    }

    /// Asks the worker to send what waits, and to end by then.
    pub(super) fn close(&self, until: Instant) {
        self.shared.is_closed.store(true, Ordering::Release);
        let mut end = self.shared.lock_end();
        end.until = Some(end.until.map_or(until, |earlier| earlier.min(until)));
        drop(end);
        self.worker.unpark();
    }

    /// Waits until the worker has ended, or until then, and says what became of all that was given.
    pub(super) fn wait(&self, until: Instant) -> Report {
        let mut end = self.shared.lock_end();
        while !end.is_over {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.shared.ended.wait_timeout(end, left);
            (end, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        // Whatever the worker still does, its time is over.
        end.is_over = true;
        drop(end);
        self.shared.report(true)
    }
}

impl Drop for Pipe {
    /// Lets the worker see that nothing comes any more.
    fn drop(&mut self) {
        self.worker.unpark();
    }
}

impl Shared {
    fn lock_end(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, why: String) {
        *(self.last_error.lock()).unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    fn report(&self, is_over: bool) -> Report {
        let last_error = self.last_error.lock();
        Report {
            exporter: self.name.clone(),
            spans: self.spans.delivery(is_over),
            takes_logs: self.takes_logs,
            logs: self.logs.delivery(is_over),
            metrics: self.metrics.delivery(is_over),
            last_error: last_error.unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

struct Worker {
    exporter: Box<dyn Exporter>,
    spans: Receiver<Arc<Recording>>,
    logs: Receiver<Arc<LogRecord>>,
    shared: Arc<Shared>,
    limits: QueueLimits,
    measured: Measured,
}

impl Worker {
    fn run(mut self) {
        // What exporters say of themselves would be exported, and they would say something of that.
        #[cfg(feature = "tracing")]
        super::tracing::hear_nothing_here();
        let mut measured = Instant::now();
        let takes_metrics = self.exporter.takes_metrics();
        let pause = match takes_metrics {
            true => self.limits.delay.min(self.limits.metrics_every),
            false => self.limits.delay,
        };
        loop {
            // Asked before the queues are looked at, so that what was given before the end is sent.
            let is_ending = self.shared.lock_end().until.is_some();
            let is_abandoned = self.send_all();
            if takes_metrics && (is_ending || measured.elapsed() >= self.limits.metrics_every) {
                measured = Instant::now();
                self.send_metrics();
            }
            if is_ending || is_abandoned {
                break;
            }
            thread::park_timeout(pause);
        }
        self.shared.lock_end().is_over = true;
        self.shared.ended.notify_all();
    }

    /// Sends all that waits, and says whether nothing can come any more.
    fn send_all(&mut self) -> bool {
        let is_logless = self.send_each(
            |worker| &worker.logs,
            |shared| &shared.logs,
            |record: Arc<LogRecord>| Arc::unwrap_or_clone(record),
            |exporter, batch, until| exporter.logs(batch, until),
        );
        let is_spanless = self.send_each(
            |worker| &worker.spans,
            |shared| &shared.spans,
            Recording::into_record,
            |exporter: &mut dyn Exporter, batch: &[SpanRecord], until| exporter.spans(batch, until),
        );
        is_logless && is_spanless
    }

    fn send_each<T, R>(
        &mut self,
        queue: impl Fn(&Self) -> &Receiver<T>,
        counts: impl Fn(&Shared) -> &Counts,
        open: impl Fn(T) -> R,
        send: impl Fn(&mut dyn Exporter, &[R], Instant) -> Exported,
    ) -> bool {
        let mut batch = Vec::new();
        loop {
            let is_disconnected = loop {
                if batch.len() == self.limits.batch {
                    break false;
                }
                match queue(self).try_recv() {
                    Ok(item) => batch.push(open(item)),
                    Err(error) => break error == std::sync::mpsc::TryRecvError::Disconnected,
                }
            };
            if batch.is_empty() {
                return is_disconnected;
            }
            let shared = Arc::clone(&self.shared);
            let counts = counts(&shared);
            let len = batch.len() as u64;
            counts.in_flight.store(len, Ordering::Release);
            self.deliver(&batch, counts, &send);
            batch.clear();
        }
    }

    /// Sends all metrics once. Those that do not arrive count as dropped: the next ones say what they did.
    fn send_metrics(&mut self) {
        let Some(measure) = self.measured.get() else {
            return;
        };
        // They are whoever's who wrote them.
        let Ok(snapshot) = catch_unwind(AssertUnwindSafe(|| measure())) else {
            return self.shared.failed("what measures panicked".to_owned());
        };
        let len = snapshot
            .families()
            .iter()
            .map(Family::values)
            .sum::<usize>() as u64;
        let shared = Arc::clone(&self.shared);
        let counts = &shared.metrics;
        counts.given.fetch_add(len, Ordering::AcqRel);
        counts.in_flight.store(len, Ordering::Release);
        let until = self.until();
        let sent = self.ask(|exporter| exporter.metrics(&snapshot, until));
        if self.count(sent, len, counts).is_some() {
            counts.drop_some(DropCause::Unreachable, len);
        }
        counts.in_flight.store(0, Ordering::Release);
    }

    /// When what is sent now has to be done.
    fn until(&self) -> Instant {
        let timeout = Instant::now() + self.limits.export_timeout;
        let end = self.shared.lock_end().until;
        end.map_or(timeout, |end| end.min(timeout))
    }

    /// An exporter is whoever's: what it panics with is its own business, and the next batch is the next one.
    fn ask(&mut self, send: impl FnOnce(&mut dyn Exporter) -> Exported) -> Exported {
        let exporter = &mut *self.exporter;
        let sent = catch_unwind(AssertUnwindSafe(|| send(exporter)));
        sent.unwrap_or_else(|_| Exported::Unknown("the exporter panicked".to_owned()))
    }

    /// Sends one batch, again where that makes sense, and counts what became of it.
    fn deliver<R>(
        &mut self,
        mut batch: &[R],
        counts: &Counts,
        send: &impl Fn(&mut dyn Exporter, &[R], Instant) -> Exported,
    ) {
        while !batch.is_empty() {
            let done = self.deliver_front(batch, counts, send);
            batch = &batch[done..];
            counts
                .in_flight
                .store(batch.len() as u64, Ordering::Release);
        }
    }

    /// Does so with as much of it as the exporter takes at once, and says how much that was.
    fn deliver_front<R>(
        &mut self,
        batch: &[R],
        counts: &Counts,
        send: &impl Fn(&mut dyn Exporter, &[R], Instant) -> Exported,
    ) -> usize {
        let since = Instant::now();
        let mut backoff = FIRST_BACKOFF;
        loop {
            let end = self.shared.lock_end().until;
            if end.is_some_and(|end| Instant::now() >= end) {
                counts.drop_some(DropCause::Shutdown, batch.len() as u64);
                return batch.len();
            }
            let until = self.until();
            let sent = self.ask(|exporter| send(exporter, batch, until));
            let (sent, done) = match sent {
                Exported::Front { count, exported } => (*exported, count.clamp(1, batch.len())),
                whole => (whole, batch.len()),
            };
            match self.count(sent, done as u64, counts) {
                None => return done,
                Some(retry_after) => {
                    let wait = retry_after.unwrap_or(backoff);
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                    let is_too_late = since.elapsed().saturating_add(wait) > self.limits.retry_for;
                    // Who ends does not wait for what is not there.
                    if is_too_late || !self.rest(wait) {
                        counts.drop_some(DropCause::Unreachable, done as u64);
                        return done;
                    }
                }
            }
        }
    }

    /// Counts what became of this many. Where they may be sent again nothing did yet, and this is after what time, if anybody
    /// said so.
    fn count(&self, sent: Exported, len: u64, counts: &Counts) -> Option<Option<Duration>> {
        match sent {
            Exported::Delivered => {
                counts.delivered.fetch_add(len, Ordering::Release);
            }
            Exported::Partial { rejected, why } => {
                self.shared.failed(why);
                let rejected = (rejected as u64).min(len);
                counts.drop_some(DropCause::Rejected, rejected);
                counts
                    .delivered
                    .fetch_add(len - rejected, Ordering::Release);
            }
            Exported::Refused(why) => {
                self.shared.failed(why);
                counts.drop_some(DropCause::Rejected, len);
            }
            Exported::Unknown(why) => {
                self.shared.failed(why);
                counts.unknown.fetch_add(len, Ordering::Release);
            }
            Exported::Unavailable { retry_after, why } => {
                self.shared.failed(why);
                return Some(retry_after);
            }
            Exported::Front { exported, .. } => return self.count(*exported, len, counts),
        }
        None
    }

    /// Waits, and says whether it did to the end: not where the worker has to end.
    fn rest(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            if self.shared.lock_end().until.is_some() {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::park_timeout(left);
        }
    }
}
