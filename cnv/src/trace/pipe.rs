//! The way from a call to an exporter: a queue that never blocks, and a thread that empties it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::exporter::{Delivery, DropCause, Exported, Exporter, Report};
use super::metrics::{Family, Snapshot};
use super::record::{LogRecord, SpanRecord};
use super::span::Recording;

/// How much waits at most, and for how long.
///
/// The defaults are those of OpenTelemetry's batch processors, but for the time between batches, which is one second, so that
/// what happened is seen sooner, and for the longest try, which is that of its OTLP exporters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueLimits {
    /// How many spans, and how many log records, wait at most: 2048.
    pub capacity: usize,
    /// How many are sent together at most: 512.
    pub batch: usize,
    /// After what time they are sent, few as they may be: 1 s.
    pub delay: Duration,
    /// How long one try to send a batch takes at most: 10 s. A day stands for all that is longer, here and below.
    pub export_timeout: Duration,
    /// How often metrics are sent: every 60 s, and at the end.
    pub metrics_every: Duration,
    /// For how long a batch is tried again while the other end cannot be reached: 30 s.
    pub retry_for: Duration,
}

impl QueueLimits {
    /// The largest [capacity](Self::capacity), which stands for every larger one: the room is there from the start.
    pub const MAX_CAPACITY: usize = 1 << 20;
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

impl QueueLimits {
    /// The same, within what the worker can keep to.
    fn within_reason(self) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let least = Duration::from_millis(1);
        let capacity = self.capacity.clamp(1, Self::MAX_CAPACITY);
        Self {
            capacity,
            batch: self.batch.clamp(1, capacity),
            delay: self.delay.clamp(least, DAY),
            export_timeout: self.export_timeout.min(DAY),
            metrics_every: self.metrics_every.clamp(least, DAY),
            retry_for: self.retry_for.min(DAY),
        }
    }
}

/// The first wait before a batch is sent again; each is twice as long as the one before.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// The longest wait that the other end can ask for.
const LONGEST_PUSHBACK: Duration = Duration::from_secs(3600);

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
    batch: u64,
    /// Behind the queues, so that it is woken when they are gone.
    worker: Woken,
}

/// A thread that is woken at the end, to see that nothing comes any more.
struct Woken(thread::Thread);

impl Drop for Woken {
    fn drop(&mut self) {
        self.0.unpark();
    }
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

/// What became of all that was given, of one kind.
#[derive(Default)]
struct Counts {
    given: AtomicU64,
    /// What calls found no room for, and what they had to say after the end.
    queue_full: AtomicU64,
    too_late: AtomicU64,
    done: Mutex<Done>,
}

/// What the worker has done. It moves from one number to another at once, and so is told.
#[derive(Default)]
struct Done {
    delivered: u64,
    unknown: u64,
    dropped: [u64; DropCause::ALL.len()],
    /// What is being sent.
    in_flight: u64,
    /// Whether it has been told for good.
    is_final: bool,
}

impl Done {
    fn drop_some(&mut self, cause: DropCause, count: u64) {
        self.dropped[cause as usize] += count;
    }
}

impl Counts {
    fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what became of some, unless it has been told otherwise.
    fn note(&self, note: impl FnOnce(&mut Done)) {
        let mut done = self.done();
        if !done.is_final {
            note(&mut done);
        }
    }

    fn drop_some(&self, cause: DropCause, count: u64) {
        self.note(|done| done.drop_some(cause, count));
    }

    /// From now on nothing waits: what is still being sent may arrive, and the rest will not.
    fn finish(&self) {
        self.note(|done| {
            done.unknown += std::mem::take(&mut done.in_flight);
            done.is_final = true;
        });
    }

    fn delivery(&self) -> Delivery {
        // What is done is read before what was given, so that no more is done than was given.
        let queue_full = self.queue_full.load(Ordering::Acquire);
        let too_late = self.too_late.load(Ordering::Acquire);
        let done = self.done();
        let mut delivery = Delivery::default();
        delivery.delivered = done.delivered;
        delivery.unknown = done.unknown;
        for cause in DropCause::ALL {
            let by_calls = match cause {
                DropCause::QueueFull => queue_full,
                DropCause::Shutdown => too_late,
                _ => 0,
            };
            delivery.set_dropped(cause, done.dropped[cause as usize] + by_calls);
        }
        delivery.given = self.given.load(Ordering::Acquire);
        let told = delivery.delivered + delivery.unknown + delivery.dropped();
        let waiting = delivery.given.saturating_sub(told);
        if done.is_final {
            let cut_off = delivery.dropped_by(DropCause::Shutdown) + waiting;
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
        let limits = limits.within_reason();
        let (spans, waiting_spans) = sync_channel(limits.capacity);
        let (logs, waiting_logs) = sync_channel(limits.capacity);
        let (takes_spans, takes_logs) = (exporter.takes_spans(), exporter.takes_logs());
        let takes_metrics = exporter.takes_metrics();
        let shared = Arc::new(Shared {
            name: exporter.name(),
            takes_logs,
            spans: Counts::default(),
            logs: Counts::default(),
            metrics: Counts::default(),
            is_closed: AtomicBool::new(false),
            end: Mutex::default(),
            ended: Condvar::new(),
            last_error: Mutex::default(),
        });
        let worker = Worker {
            link: Link {
                exporter,
                shared: Arc::clone(&shared),
                limits,
            },
            logs: Lane::new(
                waiting_logs,
                |shared| &shared.logs,
                Arc::unwrap_or_clone,
                |exporter, batch, until| exporter.logs(batch, until),
            ),
            spans: Lane::new(
                waiting_spans,
                |shared| &shared.spans,
                Recording::into_record,
                |exporter, batch, until| exporter.spans(batch, until),
            ),
            metrics: takes_metrics.then(|| Metrics {
                measured,
                last: Instant::now(),
                pause: Pause::default(),
            }),
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
            worker: Woken(thread.thread().clone()),
            batch: limits.batch as u64,
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
            counts.too_late.fetch_add(1, Ordering::AcqRel);
        } else if let Err(error) = queue.try_send(Arc::clone(item)) {
            let lost = match error {
                TrySendError::Full(_) => &counts.queue_full,
                // The worker is no more.
                TrySendError::Disconnected(_) => &counts.too_late,
            };
            lost.fetch_add(1, Ordering::AcqRel);
        }
        // It looks by itself after a while; waking it takes longer than all of this.
        if given.is_multiple_of(self.batch) {
            self.worker.0.unpark();
        }
    }

    /// What became of all that was given so far.
    pub(super) fn report(&self) -> Report {
        self.shared.report()
    }

    /// Asks the worker to send what waits, and to end by then.
    pub(super) fn close(&self, until: Instant) {
        self.shared.is_closed.store(true, Ordering::Release);
        let mut end = self.shared.lock_end();
        end.until = Some(end.until.map_or(until, |earlier| earlier.min(until)));
        drop(end);
        self.worker.0.unpark();
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
        drop(end);
        // Whatever the worker still does, its time is over.
        self.shared.finish();
        self.shared.report()
    }
}

impl Shared {
    fn lock_end(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, why: String) {
        *(self.last_error.lock()).unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// From now on nothing waits.
    fn finish(&self) {
        for counts in [&self.spans, &self.logs, &self.metrics] {
            counts.finish();
        }
    }

    fn report(&self) -> Report {
        let last_error = self.last_error.lock();
        Report {
            exporter: self.name.clone(),
            spans: self.spans.delivery(),
            takes_logs: self.takes_logs,
            logs: self.logs.delivery(),
            metrics: self.metrics.delivery(),
            last_error: last_error.unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// Empties the queues.
struct Worker {
    link: Link,
    logs: Lane<LogRecord, LogRecord>,
    spans: Lane<Recording, SpanRecord>,
    metrics: Option<Metrics>,
}

/// The way out.
struct Link {
    exporter: Box<dyn Exporter>,
    shared: Arc<Shared>,
    limits: QueueLimits,
}

/// One kind of what is exported. What becomes of one does not hold up another.
struct Lane<T, R> {
    queue: Receiver<Arc<T>>,
    counts: fn(&Shared) -> &Counts,
    open: fn(Arc<T>) -> R,
    send: fn(&mut dyn Exporter, &[R], Instant) -> Exported,
    /// What was taken out of the queue, and how much from its front is done with.
    batch: Vec<R>,
    done: usize,
    /// Since when the rest of it is tried.
    since: Option<Instant>,
    pause: Pause,
}

/// Where metrics come from, and when they were last sent.
struct Metrics {
    measured: Measured,
    last: Instant,
    pause: Pause,
}

/// When the other end may be asked again.
#[derive(Default)]
struct Pause {
    until: Option<Instant>,
    /// Whether the other end says so itself.
    is_asked_for: bool,
    backoff: Option<Duration>,
}

/// What a lane did in its turn.
enum Turn {
    /// It sent something, and may have more.
    Sent,
    /// It has nothing to send.
    Idle,
    /// It may not send before that.
    Waits(Instant),
    /// Nothing comes any more.
    Over,
}

impl Worker {
    fn run(mut self) {
        // What exporters say of themselves would be exported, and they would say something of that.
        #[cfg(feature = "tracing")]
        super::tracing::hear_nothing_here();
        let _ending = Ending(Arc::clone(&self.link.shared));
        let limits = self.link.limits;
        loop {
            // Asked before the queues are looked at, so that what was given before the end is sent.
            let is_ending = self.link.end().is_some();
            let logs = self.logs.turn(&mut self.link);
            let spans = self.spans.turn(&mut self.link);
            let has_more = [&logs, &spans].iter().any(|turn| match turn {
                Turn::Sent => true,
                Turn::Waits(_) => is_ending,
                Turn::Idle | Turn::Over => false,
            });
            let mut next = Instant::now() + limits.delay;
            if let Some(metrics) = &mut self.metrics {
                let is_last = is_ending && !has_more;
                next = next.min(metrics.turn(&mut self.link, is_last));
            }
            if is_ending && !has_more || matches!((&logs, &spans), (Turn::Over, Turn::Over)) {
                break;
            }
            for turn in [logs, spans] {
                match turn {
                    Turn::Sent => next = Instant::now(),
                    Turn::Waits(until) => next = next.min(until),
                    Turn::Idle | Turn::Over => {}
                }
            }
            let pause = next.saturating_duration_since(Instant::now());
            if !pause.is_zero() {
                thread::park_timeout(pause);
            }
        }
    }
}

/// Lets everybody know that the worker has ended, however that was.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.finish();
        self.0.lock_end().is_over = true;
        self.0.ended.notify_all();
    }
}

impl Link {
    /// When the worker has to be done, once it has to end.
    fn end(&self) -> Option<Instant> {
        self.shared.lock_end().until
    }

    /// When what is sent now has to be done.
    fn until(&self) -> Instant {
        let timeout = Instant::now() + self.limits.export_timeout;
        self.end().map_or(timeout, |end| end.min(timeout))
    }

    /// Sends so many. An exporter is whoever's: what it panics with is its own business, and the next batch is the next one.
    fn ask(
        &mut self,
        counts: fn(&Shared) -> &Counts,
        len: usize,
        send: impl FnOnce(&mut dyn Exporter) -> Exported,
    ) -> Exported {
        counts(&self.shared).note(|done| done.in_flight = len as u64);
        let exporter = &mut *self.exporter;
        let sent = catch_unwind(AssertUnwindSafe(|| send(exporter)));
        sent.unwrap_or_else(|_| Exported::Unknown("the exporter panicked".to_owned()))
    }

    /// Counts what became of so many that were sent. Where they may be sent again nothing did yet, and this is after what
    /// time, if anybody said so.
    fn settle(
        &self,
        counts: fn(&Shared) -> &Counts,
        sent: Exported,
        len: usize,
    ) -> Option<Option<Duration>> {
        let mut retry = None;
        let (mut delivered, mut unknown, mut rejected) = (0, 0, 0);
        let mut sent = sent;
        let why = loop {
            break match sent {
                Exported::Delivered => {
                    delivered = len;
                    None
                }
                Exported::Partial {
                    rejected: some,
                    why,
                } => {
                    rejected = some.min(len);
                    delivered = len - rejected;
                    Some(why)
                }
                Exported::Refused(why) => {
                    rejected = len;
                    Some(why)
                }
                Exported::Unknown(why) => {
                    unknown = len;
                    Some(why)
                }
                Exported::Unavailable { retry_after, why } => {
                    retry = Some(retry_after);
                    Some(why)
                }
                Exported::Front { exported, .. } => {
                    sent = *exported;
                    continue;
                }
            };
        };
        if let Some(why) = why {
            self.shared.failed(why);
        }
        counts(&self.shared).note(|done| {
            done.in_flight = 0;
            done.delivered += delivered as u64;
            done.unknown += unknown as u64;
            done.drop_some(DropCause::Rejected, rejected as u64);
        });
        retry
    }
}

impl Pause {
    /// How long nothing is sent, where that is so. Who ends waits for what the other end asked for, if there is time, and
    /// not for what is not there.
    fn left(&self, end: Option<Instant>) -> Option<Instant> {
        let until = self.until.filter(|until| *until > Instant::now())?;
        (end.is_none() || self.is_asked_for).then_some(until)
    }

    /// Begins one, and says how long it is.
    fn begin(&mut self, asked: Option<Duration>) -> Duration {
        let backoff = self.backoff.unwrap_or(FIRST_BACKOFF);
        self.backoff = Some((backoff * 2).min(LONGEST_BACKOFF));
        let wait = asked.unwrap_or(backoff).min(LONGEST_PUSHBACK);
        self.until = Some(Instant::now() + wait);
        self.is_asked_for = asked.is_some();
        wait
    }
}

impl<T, R> Lane<T, R> {
    fn new(
        queue: Receiver<Arc<T>>,
        counts: fn(&Shared) -> &Counts,
        open: fn(Arc<T>) -> R,
        send: fn(&mut dyn Exporter, &[R], Instant) -> Exported,
    ) -> Self {
        Self {
            queue,
            counts,
            open,
            send,
            batch: Vec::new(),
            done: 0,
            since: None,
            pause: Pause::default(),
        }
    }

    /// Sends one batch, or as much of it as the exporter takes at once.
    fn turn(&mut self, link: &mut Link) -> Turn {
        let end = link.end();
        let pause = self.pause.left(end);
        let is_too_late = end.is_some_and(|end| Instant::now() >= end);
        if is_too_late || pause.zip(end).is_some_and(|(pause, end)| pause >= end) {
            self.give_up(
                link,
                match is_too_late {
                    true => DropCause::Shutdown,
                    false => DropCause::Unreachable,
                },
            );
            return Turn::Over;
        }
        if let Some(until) = pause {
            return Turn::Waits(until);
        }
        if self.batch.is_empty() {
            let is_disconnected = self.fill(link.limits.batch);
            if self.batch.is_empty() {
                return if is_disconnected {
                    Turn::Over
                } else {
                    Turn::Idle
                };
            }
        }
        let rest = &self.batch[self.done..];
        let (send, until) = (self.send, link.until());
        let since = *self.since.get_or_insert_with(Instant::now);
        let sent = link.ask(self.counts, rest.len(), |exporter| {
            send(exporter, rest, until)
        });
        let len = match sent {
            Exported::Front { count, .. } => count.clamp(1, rest.len()),
            _ => rest.len(),
        };
        match link.settle(self.counts, sent, len) {
            None => self.pause = Pause::default(),
            Some(asked) => {
                let wait = self.pause.begin(asked);
                let is_too_late = since.elapsed().saturating_add(wait) > link.limits.retry_for;
                let is_last = link.end().is_some() && asked.is_none();
                if !is_too_late && !is_last {
                    return Turn::Sent;
                }
                let counts = (self.counts)(&link.shared);
                counts.drop_some(DropCause::Unreachable, len as u64);
            }
        }
        self.since = None;
        self.done += len;
        if self.done == self.batch.len() {
            self.batch.clear();
            self.done = 0;
        }
        Turn::Sent
    }

    /// Takes as many out of the queue, and says whether nobody can put any into it.
    fn fill(&mut self, len: usize) -> bool {
        while self.batch.len() < len {
            match self.queue.try_recv() {
                Ok(item) => self.batch.push((self.open)(item)),
                Err(error) => return error == TryRecvError::Disconnected,
            }
        }
        false
    }

    /// Drops all that is there.
    fn give_up(&mut self, link: &Link, cause: DropCause) {
        let waiting = self.queue.try_iter().count();
        let rest = self.batch.len() - std::mem::take(&mut self.done);
        self.batch.clear();
        (self.counts)(&link.shared).drop_some(cause, (waiting + rest) as u64);
    }
}

impl Metrics {
    /// Sends all metrics where it is time, and says when it is again. Those that do not arrive count as dropped: the next ones
    /// say what they did.
    fn turn(&mut self, link: &mut Link, is_last: bool) -> Instant {
        let due = self.last + link.limits.metrics_every;
        let due = self
            .pause
            .left(link.end())
            .map_or(due, |pause| due.max(pause));
        if !is_last && due > Instant::now() {
            return due;
        }
        self.last = Instant::now();
        let Some(measure) = self.measured.get() else {
            return self.last + link.limits.metrics_every;
        };
        // They are whoever's who wrote them.
        match catch_unwind(AssertUnwindSafe(|| measure())) {
            Ok(snapshot) => self.send(link, &snapshot),
            Err(_) => link.shared.failed("what measures panicked".to_owned()),
        }
        self.last + link.limits.metrics_every
    }

    fn send(&mut self, link: &mut Link, snapshot: &Snapshot) {
        let len = snapshot.families().iter().map(Family::values).sum();
        let counts: fn(&Shared) -> &Counts = |shared| &shared.metrics;
        let given = &link.shared.metrics.given;
        given.fetch_add(len as u64, Ordering::AcqRel);
        let until = link.until();
        let sent = link.ask(counts, len, |exporter| exporter.metrics(snapshot, until));
        match link.settle(counts, sent, len) {
            None => self.pause = Pause::default(),
            Some(asked) => {
                self.pause.begin(asked);
                let counts = &link.shared.metrics;
                counts.drop_some(DropCause::Unreachable, len as u64);
            }
        }
    }
}
