//! What makes spans and has them exported.

use core::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::boundary::{Boundary, Incoming};
use super::context::TraceContext;
use super::exporter::{Exporter, Report};
use super::generator::IdGenerator;
use super::metrics::Snapshot;
use super::pipe::{Measured, Pipe, QueueLimits};
use super::record::LogRecord;
use super::sampler::{Rules, Sampler};
use super::span::{EntrySpan, Kept, Recording};
use super::traceparent::TraceParent;
use crate::clock::{Clock, Moment, Monotonic};
use crate::transaction::TransactionId;

/// Makes spans, and has those that are recorded exported. Cheap to clone: all clones are one.
///
/// ```
/// use std::time::Duration;
/// use cnv::trace::{Sampler, SpanFile, TraceContext, Tracer};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("spans.jsonl");
/// let tracer = Tracer::builder()
///     .sampler(Sampler::ratio(0.1)?)
///     .rule("pay *", Sampler::ALWAYS)
///     .keep_errors()
///     .exporter(SpanFile::open(&path, "shop")?)
///     .build()?;
///
/// let context = TraceContext::fresh(tracer.ids()); // or what came in: `TraceContext::extract`
/// let mut call = tracer.entry("pay invoice", &context, None);
/// call.current().clone().in_scope(|| {
///     let mut span = cnv::trace::span("look up");
///     span.set("db.rows", 2);
/// });
/// call.ended(None);
/// drop(call);
///
/// for report in tracer.shutdown(Duration::from_secs(5)) {
///     assert_eq!(report.spans.delivered, 2);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Tracer {
    inner: Arc<Inner>,
}

struct Inner {
    ids: IdGenerator,
    rules: Rules,
    kept: Kept,
    own: Boundary<'static>,
    strangers: Boundary<'static>,
    pipes: Box<[Pipe]>,
    /// Whether any of them takes spans.
    is_recording: bool,
    measured: Measured,
    wall: Wall,
}

/// What a [`Tracer`] is made of.
#[must_use = "a builder makes nothing before `build`"]
pub struct TracerBuilder {
    ids: Option<IdGenerator>,
    rules: Rules,
    kept: Kept,
    own: Boundary<'static>,
    strangers: Boundary<'static>,
    queue: QueueLimits,
    exporters: Vec<Box<dyn Exporter>>,
}

impl Tracer {
    /// A tracer that records every trace, unless the caller decides, and has no exporter yet.
    pub fn builder() -> TracerBuilder {
        TracerBuilder {
            ids: None,
            rules: Rules::default(),
            kept: Kept::default(),
            own: Boundary::new(Incoming::Continue),
            strangers: Boundary::new(Incoming::RestartWithLink),
            queue: QueueLimits::default(),
            exporters: Vec::new(),
        }
    }

    /// What makes its ids.
    #[must_use]
    pub fn ids(&self) -> &IdGenerator {
        &self.inner.ids
    }

    /// Whether anything is recorded: without an exporter that takes spans nothing is, and traces are only passed on.
    #[inline]
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.inner.is_recording
    }

    /// The span of a call that came in: `name` says what is called, and is what rules are found by.
    ///
    /// Whether it is recorded is decided here. What is done within [`EntrySpan::current`] is part of it.
    #[inline]
    pub fn entry<'t>(
        &'t self,
        name: &'t str,
        context: &TraceContext<'_>,
        transaction: Option<TransactionId>,
    ) -> EntrySpan<'t> {
        EntrySpan::begin(self, name, context, transaction)
    }

    /// What may come in with a call: of the process's own user, or of anybody else.
    #[must_use]
    pub fn boundary(&self, is_own: bool) -> Boundary<'static> {
        if is_own {
            self.inner.own
        } else {
            self.inner.strangers
        }
    }

    /// Has a log record exported, by the exporters that take them. It never waits.
    pub fn log(&self, record: LogRecord) {
        let record = Arc::new(record);
        self.inner
            .pipes
            .iter()
            .for_each(|pipe| pipe.push_log(&record));
    }

    /// Whether any exporter takes log records.
    #[must_use]
    pub fn takes_logs(&self) -> bool {
        self.inner.pipes.iter().any(Pipe::takes_logs)
    }

    /// Has what `measure` measures exported every so often and at the end, by the exporters that take metrics, in place of
    /// what was measured before. It is kept until the [shutdown](Self::shutdown). `SessionServer::run`, and so `serve`, has
    /// its application measured; others say so:
    ///
    /// ```
    /// # #[cfg(feature = "command")] {
    /// use std::sync::Arc;
    /// use cnv::prelude::*;
    /// use cnv::trace::Tracer;
    ///
    /// let tracer = Tracer::builder().build()?;
    /// let app = Arc::new(App::new("shop").trace(tracer.clone()));
    /// let measured = Arc::clone(&app);
    /// tracer.measure(move || measured.snapshot());
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn measure(&self, measure: impl Fn() -> Snapshot + Send + Sync + 'static) {
        if self.inner.pipes.iter().any(Pipe::takes_metrics) {
            self.inner.measured.set(Some(Arc::new(measure)));
        }
    }

    /// What became of all that the exporters were given so far.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        self.inner.pipes.iter().map(Pipe::report).collect()
    }

    /// Has the exporters send what waits, and says after `limit` at the latest what became of everything: what was
    /// delivered, what was dropped and why, and of what nobody knows. What comes later is dropped.
    ///
    /// It blocks the thread. An exporter whose other end cannot be reached gives up at once.
    #[must_use = "what was lost is told here"]
    pub fn shutdown(&self, limit: Duration) -> Vec<Report> {
        let now = Instant::now();
        // A century is longer than anybody waits, and every clock goes as far.
        let until = now + limit.min(Duration::from_secs(100 * 365 * 24 * 3600));
        self.inner.pipes.iter().for_each(|pipe| pipe.close(until));
        let reports = self
            .inner
            .pipes
            .iter()
            .map(|pipe| pipe.wait(until))
            .collect();
        self.inner.measured.set(None);
        reports
    }

    /// Whether the call is recorded, where anything is.
    #[inline]
    pub(super) fn samples(&self, name: &str, here: TraceParent, has_parent: bool) -> bool {
        let rule = self.inner.rules.of(name);
        rule.samples(here.trace_id(), has_parent.then_some(here))
    }

    /// Whether calls that are not recorded may yet be.
    #[inline]
    pub(super) fn keeps_some(&self) -> bool {
        self.is_recording() && (self.inner.kept.errors || self.inner.kept.slow.is_some())
    }

    pub(super) fn keeps(&self, is_error: bool, time: Duration) -> Option<&'static str> {
        self.inner.kept.why(is_error, time)
    }

    /// Now, in nanoseconds since 1970.
    #[cfg(feature = "tracing")]
    pub(super) fn unix_ns(&self) -> u64 {
        self.wall_offset().unix_ns(Monotonic.fine_now())
    }

    /// How far the monotonic clock is off the time of day now.
    pub(super) fn wall_offset(&self) -> WallOffset {
        self.inner.wall.offset()
    }

    #[inline]
    pub(super) fn export(&self, span: &Arc<Recording>) {
        self.inner
            .pipes
            .iter()
            .for_each(|pipe| pipe.push_span(span));
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer")
            .field("reports", &self.reports())
            .finish_non_exhaustive()
    }
}

impl TracerBuilder {
    /// Decides about traces of verbs that have no [`rule`](Self::rule).
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.rules.default = sampler;
        self
    }

    /// Decides about a verb, `log scan`, or about all whose name begins so, `log *`. The first rule that matches counts.
    pub fn rule(mut self, pattern: &str, sampler: Sampler) -> Self {
        self.rules.push(pattern, sampler);
        self
    }

    /// Keeps the spans of calls that fail, though their trace is not recorded. Of what was done within them nothing is known.
    pub fn keep_errors(mut self) -> Self {
        self.kept.errors = true;
        self
    }

    /// Keeps the spans of calls that take so long, though their trace is not recorded, by a clock that goes by milliseconds.
    pub fn keep_slow(mut self, slow: Duration) -> Self {
        self.kept.slow = Some(slow);
        self
    }

    /// What may come in with the calls of the process's own user: from the environment, and over unix sockets and pipes.
    /// Without this their traces go on, and no baggage comes in.
    pub fn own(mut self, boundary: Boundary<'static>) -> Self {
        self.own = boundary;
        self
    }

    /// What may come in with everybody else's calls. Without this a new trace begins for each, with a link to theirs, and no
    /// baggage comes in.
    pub fn strangers(mut self, boundary: Boundary<'static>) -> Self {
        self.strangers = boundary;
        self
    }

    /// How much waits at most for each exporter.
    pub fn queue(mut self, limits: QueueLimits) -> Self {
        self.queue = limits;
        self
    }

    /// Takes spans to one more place. Each exporter has its own queue and thread.
    pub fn exporter(mut self, exporter: impl Exporter + 'static) -> Self {
        self.exporters.push(Box::new(exporter));
        self
    }

    /// What makes ids, for tests.
    pub fn ids(mut self, ids: IdGenerator) -> Self {
        self.ids = Some(ids);
        self
    }

    /// Starts the exporters.
    ///
    /// # Errors
    ///
    /// Where the operating system has no randomness or no thread to give. A retry may help.
    pub fn build(self) -> io::Result<Tracer> {
        let measured = Measured::default();
        let start = |exporter| Pipe::start(exporter, self.queue, measured.clone());
        let pipes: io::Result<Box<[Pipe]>> = self.exporters.into_iter().map(start).collect();
        let pipes = pipes?;
        Ok(Tracer {
            inner: Arc::new(Inner {
                ids: self.ids.map_or_else(IdGenerator::new, Ok)?,
                rules: self.rules,
                kept: self.kept,
                own: self.own,
                strangers: self.strangers,
                is_recording: pipes.iter().any(Pipe::takes_spans),
                pipes,
                measured,
                wall: Wall::new(),
            }),
        })
    }
}

impl fmt::Debug for TracerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (f.debug_struct("TracerBuilder").field("rules", &self.rules))
            .field("kept", &self.kept)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

/// The time of day, by a clock that costs half of the system's: the monotonic one, and how far it is off.
struct Wall {
    offset_ns: AtomicU64,
    /// When it was last compared with the system's clock, which somebody may set.
    compared_ns: AtomicU64,
}

/// What is added to a moment of the monotonic clock to have the time of day.
#[derive(Clone, Copy, Debug)]
pub(super) struct WallOffset(u64);

/// How often the clocks are compared.
const COMPARED_EVERY_NS: u64 = 1_000_000_000;

impl WallOffset {
    /// The moment, in nanoseconds since 1970.
    #[inline]
    pub(super) const fn unix_ns(self, moment: Moment) -> u64 {
        moment.as_ns().wrapping_add(self.0)
    }
}

impl Wall {
    fn new() -> Self {
        let wall = Self {
            offset_ns: AtomicU64::new(0),
            compared_ns: AtomicU64::new(0),
        };
        wall.compare();
        wall
    }

    #[inline]
    fn offset(&self) -> WallOffset {
        let now = Monotonic.now().as_ns();
        if now.saturating_sub(self.compared_ns.load(Ordering::Relaxed)) > COMPARED_EVERY_NS {
            self.compare();
        }
        WallOffset(self.offset_ns.load(Ordering::Relaxed))
    }

    #[cold]
    fn compare(&self) {
        let now = Monotonic.fine_now().as_ns();
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let unix_ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.offset_ns
            .store(unix_ns.wrapping_sub(now), Ordering::Relaxed);
        self.compared_ns.store(now, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::super::exporter::Exported;
    use super::super::record::SpanRecord;
    use super::*;

    struct Told(Sender<Vec<SpanRecord>>);

    impl Exporter for Told {
        fn name(&self) -> String {
            "told".to_owned()
        }

        fn spans(&mut self, spans: &[SpanRecord], _: Instant) -> Exported {
            let _ = self.0.send(spans.to_vec());
            Exported::Delivered
        }
    }

    fn spans(told: &Receiver<Vec<SpanRecord>>) -> Vec<SpanRecord> {
        told.try_iter().flatten().collect()
    }

    /// Whoever sets the machine's clock by an hour, to and fro, changes when the next call is and nothing of this one.
    #[test]
    fn a_clock_that_is_set_changes_no_duration_and_no_order() {
        const HOUR_NS: u64 = 3_600_000_000_000;
        let (tell, told) = channel();
        let tracer = Tracer::builder().exporter(Told(tell)).build().unwrap();
        // Nobody compares them meanwhile.
        tracer
            .inner
            .wall
            .compared_ns
            .store(u64::MAX, Ordering::Relaxed);
        let offset = &tracer.inner.wall.offset_ns;
        let context = TraceContext::fresh(tracer.ids());
        let mut call = tracer.entry("log scan", &context, None);
        for step in [HOUR_NS, HOUR_NS.wrapping_neg(), HOUR_NS.wrapping_neg()] {
            offset.fetch_add(step, Ordering::Relaxed);
            call.stage("run");
            let part = call
                .current()
                .clone()
                .in_scope(|| crate::trace::span("part"));
            offset.fetch_add(step, Ordering::Relaxed);
            drop(part);
        }
        drop(call);
        let reports = tracer.shutdown(Duration::from_secs(20));
        assert!(reports[0].is_complete());
        let mut spans = spans(&told);
        assert_eq!(spans.len(), 4);
        let call = spans.pop().unwrap();
        let mut last = call.start_unix_ns;
        for (part, event) in spans.iter().zip(&call.events) {
            assert!(last <= event.unix_ns && event.unix_ns <= part.start_unix_ns);
            assert!(part.start_unix_ns <= part.end_unix_ns);
            last = part.end_unix_ns;
        }
        assert!(last <= call.end_unix_ns && call.duration_ns() < HOUR_NS);
    }

    #[test]
    fn the_time_of_day_is_that_of_the_system() {
        let wall = Wall::new();
        let unix_ns = wall.offset().unix_ns(Monotonic.fine_now());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = u64::try_from(now.as_nanos()).unwrap();
        assert!(unix_ns.abs_diff(now) < 60_000_000_000);
    }
}
