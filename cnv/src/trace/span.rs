//! Spans that are not over yet.

use core::fmt;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::context::TraceContext;
use super::current::{Current, During, Scope};
use super::ids::SpanId;
use super::record::{SpanKind, SpanRecord, Value};
use super::traceparent::TraceParent;
use super::tracer::{Tracer, WallOffset};
use crate::clock::{Clock, Moment, Monotonic};
use crate::transaction::TransactionId;

/// A span that is recorded.
pub(super) struct Recording {
    /// How far the monotonic clock was off the time of day when the call began: all of it goes by that, so that somebody who
    /// sets the clock meanwhile changes no duration and no order.
    offset: WallOffset,
    state: Mutex<State>,
}

struct State {
    record: SpanRecord,
    is_over: bool,
}

impl Recording {
    fn new(record: SpanRecord, offset: WallOffset) -> Arc<Self> {
        Arc::new(Self {
            offset,
            state: Mutex::new(State {
                record,
                is_over: false,
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the record, unless the span is over.
    pub(super) fn with(&self, add: impl FnOnce(&mut SpanRecord)) {
        let mut state = self.lock();
        if !state.is_over {
            add(&mut state.record);
        }
    }

    /// Says that something happens now.
    pub(super) fn event<const N: usize>(
        &self,
        name: &'static str,
        attributes: [(&'static str, Value); N],
    ) {
        let now = self.offset.unix_ns(Monotonic.fine_now());
        self.with(|record| record.push_event(name.into(), now, attributes));
    }

    /// The record of a span that is over.
    pub(super) fn into_record(self: Arc<Self>) -> SpanRecord {
        match Arc::try_unwrap(self) {
            Ok(own) => {
                let state = own.state.into_inner();
                state.unwrap_or_else(PoisonError::into_inner).record
            }
            Err(shared) => shared.lock().record.clone(),
        }
    }

    /// Ends the span, and has it exported.
    fn end(self: &Arc<Self>, tracer: &Tracer) {
        let now = self.offset.unix_ns(Monotonic.fine_now());
        {
            let mut state = self.lock();
            if state.is_over {
                return;
            }
            state.is_over = true;
            state.record.end_unix_ns = now.max(state.record.start_unix_ns);
        }
        tracer.export(self);
    }
}

/// A part of a call, from [`trace::span`](super::span) until it is dropped.
///
/// Where the call is not recorded, it is nothing, and costs nothing.
#[must_use = "the span is over when it is dropped"]
pub struct Span {
    current: Option<Current>,
}

impl Span {
    /// One that is not recorded.
    pub const NONE: Self = Self { current: None };

    /// A part of what is done in `parent`.
    #[inline]
    pub(super) fn within(parent: &Current, name: &'static str) -> Self {
        match (&parent.recording, &parent.scope, parent.parent) {
            (Some(recording), Some(scope), Some(here)) => {
                Self::begin(parent, recording.offset, scope, here, name)
            }
            _ => Self::NONE,
        }
    }

    fn begin(
        parent: &Current,
        offset: WallOffset,
        scope: &Arc<Scope>,
        here: TraceParent,
        name: &'static str,
    ) -> Self {
        let tracer = &scope.tracer;
        let context = TraceParent::new(here.trace_id(), tracer.ids().span_id(), here.flags());
        let (kind, now) = (SpanKind::Internal, offset.unix_ns(Monotonic.fine_now()));
        let mut record = SpanRecord::new(context, name.into(), kind, now);
        record.parent = Some(here.span_id());
        record.state.clone_from(&scope.state);
        record.transaction = parent.transaction;
        Self {
            current: Some(Current {
                parent: Some(context),
                transaction: parent.transaction,
                scope: Some(Arc::clone(scope)),
                recording: Some(Recording::new(record, offset)),
                #[cfg(feature = "tracing")]
                listener: parent.listener.clone(),
            }),
        }
    }

    /// Whether it is recorded: whether it is worth while to find out more about it.
    #[inline]
    #[must_use]
    pub const fn is_recorded(&self) -> bool {
        self.current.is_some()
    }

    /// Says that it is a call to another process.
    #[must_use = "the span is over when it is dropped"]
    pub fn to_another_process(self) -> Self {
        if let Some(recording) = self.recording() {
            recording.with(|record| record.kind = SpanKind::Client);
        }
        self
    }

    /// Sets a fact about it, in place of what had its name.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(recording) = self.recording() {
            // Whoever makes the value may look at the span.
            let value = value.into();
            recording.with(|record| record.set(key.into(), value));
        }
    }

    /// Says that something happened.
    pub fn event<const N: usize>(
        &mut self,
        name: &'static str,
        attributes: [(&'static str, Value); N],
    ) {
        if let Some(recording) = self.recording() {
            recording.event(name, attributes);
        }
    }

    /// Says that it failed, and why.
    pub fn fail(&mut self, why: impl Into<Cow<'static, str>>) {
        if let Some(recording) = self.recording() {
            let why = why.into();
            recording.with(|record| record.fail(why));
        }
    }

    /// Runs `f` within it.
    pub fn in_scope<T>(&self, f: impl FnOnce() -> T) -> T {
        match &self.current {
            Some(current) => current.clone().in_scope(f),
            None => f(),
        }
    }

    /// A future that runs within it.
    pub fn during<F: Future>(&self, future: F) -> During<F> {
        During::new(self.current.clone(), future)
    }

    /// Where in the trace it is, where it is recorded.
    #[must_use]
    pub fn current(&self) -> Option<&Current> {
        self.current.as_ref()
    }

    fn recording(&self) -> Option<&Arc<Recording>> {
        self.current.as_ref()?.recording.as_ref()
    }
}

impl Drop for Span {
    #[inline]
    fn drop(&mut self) {
        if let Some(Current {
            scope: Some(scope),
            recording: Some(recording),
            ..
        }) = &self.current
        {
            recording.end(&scope.tracer);
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span")
            .field("current", &self.current)
            .finish()
    }
}

/// The span of a whole call that came in: see [`Tracer::entry`].
#[must_use = "the span is over when it is dropped"]
pub struct EntrySpan<'t> {
    tracer: &'t Tracer,
    name: &'t str,
    current: Current,
    origin: Origin,
    /// When it began, where it is not recorded and may yet be.
    pending: Option<Moment>,
}

/// Where a call came from.
#[derive(Clone, Copy)]
struct Origin {
    parent: Option<SpanId>,
    link: Option<TraceParent>,
}

impl<'t> EntrySpan<'t> {
    #[inline]
    pub(super) fn begin(
        tracer: &'t Tracer,
        name: &'t str,
        context: &TraceContext<'_>,
        transaction: Option<TransactionId>,
    ) -> Self {
        let (came, parent) = (context.traceparent(), context.parent());
        let is_recording = tracer.is_recording();
        let is_sampled = match is_recording {
            true => tracer.samples(name, came, parent.is_some()),
            // What the caller says is passed on as it is.
            false => parent.is_some() && came.flags().is_sampled(),
        };
        let span_id = match parent {
            // Whoever records nothing is no span, and stands between those that are.
            Some(parent) if !is_recording => parent,
            _ => came.span_id(),
        };
        let flags = came.flags().with_sampled(is_sampled);
        let here = TraceParent::new(came.trace_id(), span_id, flags);
        let records = is_sampled && is_recording;
        let carries = !context.tracestate().is_empty() || !context.baggage().is_empty();
        let scope = (records || carries).then(|| Scope::of(tracer, context));
        let mut span = Self {
            tracer,
            name,
            current: Current {
                parent: Some(here),
                transaction,
                scope,
                recording: None,
                #[cfg(feature = "tracing")]
                listener: None,
            },
            origin: Origin {
                parent,
                link: context.link(),
            },
            pending: None,
        };
        if records {
            span.record(here, Monotonic.fine_now());
        } else if tracer.keeps_some() {
            span.pending = Some(Monotonic.now());
        }
        span
    }

    #[cold]
    fn record(&mut self, here: TraceParent, start: Moment) {
        let name = Cow::Owned(self.name.to_owned());
        let offset = self.tracer.wall_offset();
        let mut record = SpanRecord::new(here, name, SpanKind::Server, offset.unix_ns(start));
        record.parent = self.origin.parent;
        record.is_parent_remote = self.origin.parent.is_some();
        record.link = self.origin.link;
        record.transaction = self.current.transaction;
        if let Some(scope) = &self.current.scope {
            record.state.clone_from(&scope.state);
        }
        self.current.recording = Some(Recording::new(record, offset));
    }

    /// Whether it is recorded.
    #[inline]
    #[must_use]
    pub const fn is_recorded(&self) -> bool {
        self.current.recording.is_some()
    }

    /// Where in its trace the call is.
    #[must_use]
    pub const fn current(&self) -> &Current {
        &self.current
    }

    /// Has it begin when the call came, with a stage until now where one is named.
    #[cfg_attr(
        not(feature = "command"),
        expect(dead_code, reason = "only the doors of applications know when")
    )]
    pub(crate) fn began(&mut self, came: Instant, stage: Option<&'static str>) {
        if self.pending.is_none() && !self.is_recorded() {
            return;
        }
        let waited_ns = u64::try_from(came.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if let Some(start) = &mut self.pending {
            *start = Moment::from_ns(start.as_ns().saturating_sub(waited_ns));
        }
        self.with(|record| {
            record.start_unix_ns = record.start_unix_ns.saturating_sub(waited_ns);
            if let Some(stage) = stage {
                let is_stage = [("cnv.stage", Value::Bool(true))];
                record.push_event(stage.into(), record.start_unix_ns, is_stage);
            }
        });
    }

    /// Sets a fact about it, in place of what had its name.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if self.is_recorded() {
            let value = value.into();
            self.with(|record| record.set(key.into(), value));
        }
    }

    /// Sets a fact whose name is only known here.
    #[cfg_attr(
        not(feature = "command"),
        expect(dead_code, reason = "only verbs have arguments")
    )]
    pub(crate) fn set_named(&mut self, key: String, value: Value) {
        self.with(|record| record.set(key.into(), value));
    }

    /// Says that something happened.
    pub fn event<const N: usize>(
        &mut self,
        name: &'static str,
        attributes: [(&'static str, Value); N],
    ) {
        if let Some(recording) = &self.current.recording {
            recording.event(name, attributes);
        }
    }

    /// Says that a stage of it begins, such as `authorise`.
    #[inline]
    pub fn stage(&mut self, name: &'static str) {
        self.event(name, [("cnv.stage", Value::Bool(true))]);
    }

    /// Says how the call ended, before its last facts are set: where it failed or took long, and such calls are kept, it is
    /// recorded from here on though the trace is not.
    pub fn ended(&mut self, failure: Option<Cow<'static, str>>) {
        if let (Some(start), Some(here)) = (self.pending, self.current.parent) {
            let time = Monotonic.now().since(start);
            if let Some(kept) = self.tracer.keeps(failure.is_some(), time) {
                self.record(here, start);
                self.set("cnv.kept", kept);
            }
        }
        if let Some(why) = failure {
            self.with(|record| record.fail(why));
        }
    }

    fn with(&self, add: impl FnOnce(&mut SpanRecord)) {
        if let Some(recording) = &self.current.recording {
            recording.with(add);
        }
    }
}

impl Drop for EntrySpan<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(recording) = &self.current.recording {
            recording.end(self.tracer);
        }
    }
}

impl fmt::Debug for EntrySpan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (f.debug_struct("EntrySpan").field("name", &self.name))
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

/// Which calls are recorded though their trace is not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kept {
    pub(super) errors: bool,
    pub(super) slow: Option<Duration>,
}

impl Kept {
    /// Why a call is kept, if it is.
    pub(super) fn why(self, is_error: bool, time: Duration) -> Option<&'static str> {
        if is_error && self.errors {
            Some("error")
        } else if self.slow.is_some_and(|slow| time >= slow) {
            Some("slow")
        } else {
            None
        }
    }
}
