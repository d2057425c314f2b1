//! Which span the running code is in.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::process::Command;
use std::sync::Arc;
#[cfg(feature = "tracing")]
use std::sync::Weak;

use pin_project_lite::pin_project;

use super::baggage::Baggage;
use super::context::TraceContext;
#[cfg(feature = "tracing")]
use super::record::LogRecord;
use super::record::Value;
use super::span::{Recording, Span};
use super::traceparent::TraceParent;
use super::tracer::Tracer;
use super::tracestate::TraceState;
use crate::transaction::TransactionId;

/// Where in a trace the running code is. Cheap to clone, and to take along to another task or thread.
///
/// ```
/// use cnv::trace::Current;
///
/// let here = Current::get();
/// std::thread::spawn(move || {
///     here.in_scope(|| {
///         // Spans that begin here are within the one of the thread that started this one.
///     });
/// });
/// ```
#[derive(Clone)]
pub struct Current {
    pub(super) parent: Option<TraceParent>,
    pub(super) transaction: Option<TransactionId>,
    /// What comes with the trace, where anything does: always where it is recorded.
    pub(super) scope: Option<Arc<Scope>>,
    /// The span, where it is recorded.
    pub(super) recording: Option<Arc<Recording>>,
    /// Who hears what is logged here. What outlives the call does not keep it.
    #[cfg(feature = "tracing")]
    pub(super) listener: Option<Weak<dyn Listener>>,
}

/// Hears what is logged within a call. It never waits.
#[cfg(feature = "tracing")]
pub(crate) trait Listener: Send + Sync {
    fn log(&self, record: &LogRecord);
}

/// What all spans of a call share.
pub(super) struct Scope {
    pub(super) tracer: Tracer,
    pub(super) state: Box<str>,
    pub(super) baggage: Box<str>,
}

impl Scope {
    #[cold]
    pub(super) fn of(tracer: &Tracer, context: &TraceContext<'_>) -> Arc<Self> {
        Arc::new(Self {
            tracer: tracer.clone(),
            state: context.tracestate().to_string().into(),
            baggage: context.baggage().to_string().into(),
        })
    }
}

thread_local! {
    static CURRENT: RefCell<Current> = const { RefCell::new(Current::NONE) };
    /// Whether that is recorded: it is looked at for every span, and needs no destructor and no borrow.
    static IS_RECORDED: Cell<bool> = const { Cell::new(false) };
}

impl Current {
    /// Outside of every span.
    pub const NONE: Self = Self {
        parent: None,
        transaction: None,
        scope: None,
        recording: None,
        #[cfg(feature = "tracing")]
        listener: None,
    };

    /// Where the running code is.
    #[must_use]
    pub fn get() -> Self {
        Self::with(Self::clone)
    }

    /// Looks at where the running code is.
    #[inline]
    pub(crate) fn with<T>(look: impl FnOnce(&Self) -> T) -> T {
        let mut look = Some(look);
        let looked = CURRENT.try_with(|current| {
            let current = current.try_borrow().ok()?;
            look.take().map(|look| look(&current))
        });
        match (looked, look) {
            (Ok(Some(looked)), _) => looked,
            // A thread that ends is outside of every span, and so is what runs then.
            (_, Some(look)) => look(&Self::NONE),
            (_, None) => unreachable!("what looked has seen something"),
        }
    }

    /// The trace and the span, where there is one: what a call that is made from here is told.
    #[must_use]
    pub const fn traceparent(&self) -> Option<TraceParent> {
        self.parent
    }

    /// The piece of work that all this is part of.
    #[must_use]
    pub const fn transaction(&self) -> Option<TransactionId> {
        self.transaction
    }

    /// Whether the span is recorded here.
    #[must_use]
    pub const fn is_recorded(&self) -> bool {
        self.recording.is_some()
    }

    /// What a call that is made from here is told, where there is anything to tell.
    #[must_use]
    pub fn context(&self) -> Option<TraceContext<'_>> {
        let context = TraceContext::of(self.parent?);
        let Some(scope) = &self.scope else {
            return Some(context);
        };
        // Both were read before, and are as they have to be.
        let state = TraceState::parse(scope.state.as_bytes()).unwrap_or_default();
        let baggage = Baggage::parse(scope.baggage.as_bytes()).unwrap_or(Baggage::EMPTY);
        Some(context.with_tracestate(state).with_baggage(baggage))
    }

    /// Tells a process that is about to be started where in the trace it is: `TRACEPARENT`, `TRACESTATE`, `BAGGAGE`, and
    /// `CNV_TRANSACTION`. None is left as this process has it.
    pub fn write_to(&self, command: &mut Command) {
        match self.context() {
            Some(context) => context.write_to(command),
            None => super::environment::remove_from(command),
        }
        match self.transaction {
            Some(id) => command.env("CNV_TRANSACTION", id.to_string()),
            None => command.env_remove("CNV_TRANSACTION"),
        };
    }

    /// Says that something happened within this span.
    pub fn event<const N: usize>(
        &self,
        name: &'static str,
        attributes: [(&'static str, Value); N],
    ) {
        if let Some(recording) = &self.recording {
            recording.event(name, attributes);
        }
    }

    /// Has the thread where this was, and this where the thread was. Nobody looks at the cell meanwhile, and nothing is
    /// dropped. A thread that ends stays outside of every span.
    #[inline]
    pub(super) fn swap(&mut self) {
        let _ = CURRENT.try_with(|current| {
            if let Ok(mut current) = current.try_borrow_mut() {
                core::mem::swap(&mut *current, self);
                IS_RECORDED.set(current.is_recorded());
            }
        });
    }

    /// Runs `f` within this span.
    #[inline]
    pub fn in_scope<T>(self, f: impl FnOnce() -> T) -> T {
        let mut mine = self;
        let _entered = Entered::new(&mut mine);
        f()
    }

    /// A future that runs within this span, on whatever thread it is polled.
    pub fn during<F: Future>(self, future: F) -> During<F> {
        During::new(Some(self), future)
    }
}

#[cfg(feature = "tracing")]
impl Current {
    /// The same, where somebody hears what is logged.
    #[cfg(feature = "command")]
    pub(crate) fn heard_by(mut self, listener: Option<Weak<dyn Listener>>) -> Self {
        self.listener = listener;
        self
    }

    /// Whether anything is known of a call here, recorded or not.
    pub(super) const fn is_within_call(&self) -> bool {
        self.parent.is_some() || self.listener.is_some()
    }

    /// Whether both are within one call that is recorded.
    pub(super) fn is_of_call_of(&self, other: &Self) -> bool {
        match (&self.scope, &other.scope) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }

    /// Whether both are one span that is recorded.
    pub(super) fn is_span_of(&self, other: &Self) -> bool {
        match (&self.recording, &other.recording) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }
}

impl Default for Current {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current")
            .field("traceparent", &self.parent)
            .field("transaction", &self.transaction)
            .field("is_recorded", &self.is_recorded())
            .finish()
    }
}

/// Has a thread within a span, and puts back the one that it was in.
struct Entered<'a> {
    other: &'a mut Current,
}

impl<'a> Entered<'a> {
    #[inline]
    fn new(mine: &'a mut Current) -> Self {
        let entered = Self { other: mine };
        entered.other.swap();
        entered
    }
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        self.other.swap();
        #[cfg(feature = "tracing")]
        super::tracing::came_back();
    }
}

pin_project! {
    /// A future that runs within a span: see [`Current::during`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are polled"]
    pub struct During<F> {
        current: Option<Current>,
        // `None` once it is done.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for During<F> {
        // What it does when it is given up is within the span, too.
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                let _entered = this.current.as_mut().map(Entered::new);
                this.future.set(None);
            }
        }
    }
}

impl<F> During<F> {
    /// Without a span of its own, it is in whatever span it is polled in.
    pub(super) const fn new(current: Option<Current>, future: F) -> Self {
        Self {
            current,
            future: Some(future),
        }
    }
}

impl<F: Future> Future for During<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _entered = this.current.as_mut().map(Entered::new);
        let future = this.future.as_mut().as_pin_mut();
        let polled = future.expect("it is not polled again").poll(cx);
        if polled.is_ready() {
            this.future.set(None);
        }
        polled
    }
}

/// A span within the current one, where that is recorded; otherwise nothing.
///
/// ```
/// # async fn fetch() {}
/// # async fn handler() {
/// let mut span = cnv::trace::span("fetch");
/// span.set("url.path", "/items");
/// span.during(fetch()).await;
/// # }
/// ```
#[inline]
#[must_use = "the span is over when it is dropped"]
pub fn span(name: &'static str) -> Span {
    if IS_RECORDED.get() {
        Current::with(|current| Span::within(current, name))
    } else {
        Span::NONE
    }
}

/// Says that something happened within the current span.
#[inline]
pub fn event<const N: usize>(name: &'static str, attributes: [(&'static str, Value); N]) {
    if IS_RECORDED.get() {
        Current::with(|current| current.event(name, attributes));
    }
}
