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
///     span.set("db.rows", 2_i64);
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
        self.inner.pipes.iter().any(Pipe::takes_spans)
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
    /// what was measured before. It is kept until the [shutdown](Self::shutdown). `serve` of a program that has sessions has
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

    #[inline]
    pub(super) fn samples(&self, name: &str, context: &TraceContext<'_>) -> bool {
        if !self.is_recording() {
            // What the caller says is passed on as it is.
            return context.parent().is_some() && context.traceparent().flags().is_sampled();
        }
        let here = context.traceparent();
        let parent = context.parent().map(|_| here);
        self.inner.rules.of(name).samples(here.trace_id(), parent)
    }

    #[inline]
    pub(super) fn keeps_some(&self) -> bool {
        self.inner.kept.errors || self.inner.kept.slow.is_some()
    }

    pub(super) fn keeps(&self, is_error: bool, time: Duration) -> Option<&'static str> {
        self.inner.kept.why(is_error, time)
    }

    /// Now, in nanoseconds since 1970.
    #[inline]
    pub(super) fn unix_ns(&self) -> u64 {
        self.inner.wall.at(Monotonic.fine_now())
    }

    /// A moment, in nanoseconds since 1970.
    pub(super) fn at(&self, moment: Moment) -> u64 {
        self.inner.wall.at(moment)
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
        let pipes: io::Result<_> = self.exporters.into_iter().map(start).collect();
        Ok(Tracer {
            inner: Arc::new(Inner {
                ids: self.ids.map_or_else(IdGenerator::new, Ok)?,
                rules: self.rules,
                kept: self.kept,
                own: self.own,
                strangers: self.strangers,
                pipes: pipes?,
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

/// How often the clocks are compared.
const COMPARED_EVERY_NS: u64 = 1_000_000_000;

impl Wall {
    fn new() -> Self {
        let wall = Self {
            offset_ns: AtomicU64::new(0),
            compared_ns: AtomicU64::new(0),
        };
        wall.compare(Monotonic.fine_now());
        wall
    }

    #[inline]
    fn at(&self, moment: Moment) -> u64 {
        let now = moment.as_ns();
        if now.saturating_sub(self.compared_ns.load(Ordering::Relaxed)) > COMPARED_EVERY_NS {
            self.compare(Monotonic.fine_now());
        }
        now.wrapping_add(self.offset_ns.load(Ordering::Relaxed))
    }

    #[cold]
    fn compare(&self, now: Moment) {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let unix_ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        let offset = unix_ns.wrapping_sub(now.as_ns());
        self.offset_ns.store(offset, Ordering::Relaxed);
        self.compared_ns.store(now.as_ns(), Ordering::Relaxed);
    }
}
