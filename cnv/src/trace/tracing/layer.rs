//! Takes spans and events of `tracing` to where those of cnv are.

use core::fmt;
use std::sync::Weak;

use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::super::current::Current;
use super::super::record::Level;
use super::super::span::Span;
use super::super::tracer::Tracer;
use super::said::{Said, level};
use super::{Deaf, entered};

/// A layer for `tracing-subscriber`: spans of the crate `tracing` nest within the call that they are in, and its events become
/// log records.
///
/// Libraries and handlers say what they do in the words of `tracing`, which no other crate of theirs has to change for. The
/// layer of `tracing-opentelemetry` was the other way to take that along: it has traces of its own, with other ids than those
/// that calls have, and needs OpenTelemetry's SDK.
///
/// ```
/// use cnv::trace::{LogFormat, SpanFile, TraceContext, Tracer, TracingLayer};
/// use tracing_subscriber::layer::SubscriberExt;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("spans.jsonl");
/// let tracer = Tracer::builder().exporter(SpanFile::open(&path, "shop")?).build()?;
/// let text = tracing_subscriber::fmt::layer()
///     .event_format(LogFormat::Text)
///     .with_writer(std::io::stderr);
/// let subscriber = tracing_subscriber::registry()
///     .with(TracingLayer::new(&tracer))
///     .with(text);
/// # let heard = tracing::subscriber::set_default(subscriber);
/// // tracing::subscriber::set_global_default(subscriber)?;
///
/// let call = tracer.entry("pay invoice", &TraceContext::fresh(tracer.ids()), None);
/// call.current().clone().in_scope(|| {
///     let _looking = tracing::info_span!("look up", invoice = 7).entered();
///     tracing::info!("found"); // on standard error, and an event of the span `look up`
///     drop(cnv::trace::span("check")); // within `look up`
/// });
/// drop(call);
/// # drop(heard);
/// let reports = tracer.shutdown(std::time::Duration::from_secs(5));
/// assert_eq!(reports[0].spans.delivered, 3);
/// # let text = std::fs::read_to_string(&path)?;
/// # assert!(text.contains("look up") && text.contains("found"), "{text}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Spans
///
/// A span that is opened within a recorded call is a span of that call: within the span that the code runs in, or within the
/// one that it names as its parent, if that is of the same call. With `parent: None` it is within the innermost span that is
/// not of `tracing`. Its fields are attributes. It ends when it is closed, also after its call. While a thread is in it, on
/// whatever thread that is, what begins there is within it: spans of cnv, attempts, calls to other processes. A thread that
/// is in another call stays there. The first span that it follows from is its link.
///
/// Spans outside of every call, and in calls that are not recorded, are none, and their fields are not looked at.
///
/// # Events
///
/// An event is a log record with the ids of trace, span and transaction, for the exporters of the layer's tracer that take
/// them, within calls and outside. If none does, it is an event of the span that it is in. Where the call came over a session,
/// its caller gets it on the stream of logs as well. It never waits: what there is no room for is counted. Records of the crate
/// `log` come the same way where `tracing-log` passes them on.
///
/// # Costs and limits
///
/// It takes what is [`Level::Info`] or graver: [`level`](Self::level) says otherwise. It is no filter, and hides nothing from
/// other layers; a `LevelFilter` of the subscriber's has the rest cost nothing at all. A value is as long as 16 KiB, and so
/// is all of a span or of a record; what goes over is left out and counted. What exporters say in their own threads, such as
/// hyper's spans, is not heard, and neither is what a value says while it is looked at.
///
/// Needs the feature `tracing`.
#[derive(Clone)]
pub struct TracingLayer {
    tracer: Tracer,
    least: Level,
}

/// A span of `tracing` that is one of a call.
#[derive(Debug)]
struct Nested {
    span: Span,
    /// Where the code was outside of all spans of `tracing`.
    outside: Current,
}

impl TracingLayer {
    /// One that gives log records to this tracer. Spans go to the tracer of their call.
    #[must_use]
    pub fn new(tracer: &Tracer) -> Self {
        Self {
            tracer: tracer.clone(),
            least: Level::Info,
        }
    }

    /// Takes spans and events that are so grave, or graver.
    #[must_use]
    pub fn level(mut self, least: Level) -> Self {
        self.least = least;
        self
    }

    fn takes(&self, metadata: &Metadata<'_>) -> bool {
        level(metadata) >= self.least
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TracingLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        if !self.takes(attributes.metadata()) {
            return;
        }
        let Some(_deaf) = Deaf::begin() else { return };
        let Some(nested) = nest(attributes, &ctx) else {
            return;
        };
        let Some(own) = ctx.span(id) else { return };
        // Another of these layers has it already.
        if own.extensions().get::<Nested>().is_some() {
            return;
        }
        let mut said = Said::by(attributes.metadata());
        attributes.record(&mut said);
        if let Some(current) = nested.span.current() {
            set(current, said);
        }
        own.extensions_mut().insert(nested);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        let Some(_deaf) = Deaf::begin() else { return };
        let Some(span) = ctx.span(id) else { return };
        let Some((current, _)) = nested(&span) else {
            return;
        };
        // Nothing is locked while values say what they are.
        let mut said = Said::by(span.metadata());
        values.record(&mut said);
        set(&current, said);
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, ctx: Context<'_, S>) {
        let place = |id| ctx.span(id).as_ref().and_then(nested);
        let (Some((own, _)), Some((earlier, _))) = (place(id), place(follows)) else {
            return;
        };
        if let Some(recording) = &own.recording {
            recording.with(|record| record.link = record.link.or(earlier.parent));
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        if !self.takes(event.metadata()) {
            return;
        }
        let Some(_deaf) = Deaf::begin() else { return };
        let takes_logs = self.tracer.takes_logs();
        let here = place(event, |id| ctx.span(id).as_ref().and_then(nested));
        let listener = here.listener.as_ref().and_then(Weak::upgrade);
        if !takes_logs && listener.is_none() && !here.is_recorded() {
            return;
        }
        let said = Said::in_event(event);
        let now = self.tracer.unix_ns();
        if let Some(recording) = here.recording.as_ref().filter(|_| !takes_logs) {
            let (name, attributes) = said.to_span_event(event.metadata());
            recording.with(|record| record.push_event(name, now, attributes));
        }
        if !takes_logs && listener.is_none() {
            return;
        }
        let mut record = said.into_record(event.metadata(), now);
        record.context = here.traceparent();
        record.transaction = here.transaction();
        if let Some(listener) = listener {
            listener.log(&record);
        }
        if takes_logs {
            self.tracer.log(record);
        }
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        if let Some((here, outside)) = ctx.span(id).as_ref().and_then(nested) {
            entered::enter(id, here, outside);
        }
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        entered::exit(id);
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(&id) else { return };
        let ended = span.extensions_mut().remove::<Nested>();
        drop(ended);
    }
}

impl fmt::Debug for TracingLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracingLayer")
            .field("level", &self.least)
            .finish_non_exhaustive()
    }
}

/// A span of a call for one of `tracing`, where there is a call and it is recorded.
fn nest<S>(attributes: &Attributes<'_>, ctx: &Context<'_, S>) -> Option<Nested>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let name = attributes.metadata().name();
    let named = attributes.parent().and_then(|id| ctx.span(id));
    let named = named.as_ref().and_then(nested);
    Current::with(|here| {
        let (parent, outside) = match named {
            Some((parent, outside)) if goes_on(&parent, here) => (parent, outside),
            _ if !here.is_recorded() => return None,
            _ => {
                let outside = entered::outside(here).unwrap_or_else(|| here.clone());
                let is_root = attributes.is_root();
                let parent = if is_root { &outside } else { here };
                (parent.clone(), outside)
            }
        };
        let span = Span::within(&parent, name);
        Some(Nested { span, outside })
    })
}

/// Where an event happens: in the span that it names, if that may be, or where the code runs.
pub(super) fn place(
    event: &Event<'_>,
    nested: impl FnOnce(&Id) -> Option<(Current, Current)>,
) -> Current {
    let named = event.parent().and_then(nested);
    let here = Current::get();
    match named {
        Some((named, _)) if goes_on(&named, &here) => named,
        _ => here,
    }
}

/// Whether what is done here may be part of that span: it is of the call that the code runs in, or the code is in none.
fn goes_on(span: &Current, here: &Current) -> bool {
    !here.is_within_call() || here.is_of_call_of(span)
}

/// Where code is that is in a span of `tracing`, and where outside of all of those, if it is one of a call.
pub(super) fn nested<S: for<'a> LookupSpan<'a>>(
    span: &tracing_subscriber::registry::SpanRef<'_, S>,
) -> Option<(Current, Current)> {
    let extensions = span.extensions();
    let nested = extensions.get::<Nested>()?;
    Some((nested.span.current()?.clone(), nested.outside.clone()))
}

fn set(current: &Current, said: Said) {
    if let Some(recording) = &current.recording {
        let fields = said.into_fields();
        recording.with(|record| fields.for_each(|(key, value)| record.set(key.into(), value)));
    }
}
