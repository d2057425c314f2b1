//! Goals 5 to 8: spans that are off, not sampled, and recorded, beside others that hand theirs to a thread.
//!
//! A queue that is full drops what comes, and dropping is cheap. So every queue is emptied before a turn, and in the end
//! each exporter has to have all that was begun: otherwise nothing was measured, and the run fails.

use std::cell::Cell;
use std::hint::black_box;
use std::io;

use cnv::trace::{self, Sampler, TraceContext, Tracer};
use fastrace::collector::SpanContext;
use fastrace::local::LocalSpan;
use opentelemetry::trace::{Span as _, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::peers::Sdk;
use super::{goal, peers};
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Settings, measure};

/// Spans within a call.
const ITEMS: usize = 64;
/// And the call's own.
const ALL: u64 = ITEMS as u64 + 1;

const BARE: &str = "the loop alone";
const OUTSIDE: &str = "cnv, outside of a call";
const NO_EXPORTER: &str = "cnv, no exporter";
const LEVEL: &str = "tracing, below its level";
const CNV: &str = "cnv";
const BRIDGE: &str = "tracing-opentelemetry";
const SDK: &str = "OpenTelemetry's SDK";
const FASTRACE: &str = "fastrace";
/// It has no numbers, and a text that is made for each span would be measured as well.
const FASTRACE_PARTS: &str = "fastrace, a constant text";
const ENTRY: &str = "cnv, a call";
/// The others draw the ids of each call; a call that came with a trace needs none but its span's.
const FRESH: &str = "cnv, a call that begins a trace";
const WITHIN: &str = "cnv, within a call";

/// Measures them.
pub fn run(settings: Settings) -> io::Result<(Vec<Group>, Vec<Goal>)> {
    let bridge = peers::sdk();
    // It is faster as the one of the whole process.
    let subscriber = peers::subscriber(bridge.tracer.clone());
    tracing::subscriber::set_global_default(subscriber).map_err(io::Error::other)?;
    let mut all = off(settings)?;
    for (groups, goals) in [unsampled(settings)?, sampled(settings, &bridge)?] {
        all.0.extend(groups);
        all.1.extend(goals);
    }
    Ok(all)
}

/// What a call does: it begins parts of it, each with a number.
fn parts() {
    for item in 0..ITEMS as i64 {
        let mut span = trace::span("part");
        span.set("item", item);
    }
}

fn within(tracer: &Tracer, context: &TraceContext<'_>, work: impl FnOnce()) {
    let entry = tracer.entry("log scan", context, None);
    entry.current().clone().in_scope(work);
}

fn bridged() {
    let call = tracing::info_span!("log scan");
    let _entered = call.enter();
    for item in 0..ITEMS as i64 {
        drop(tracing::info_span!("part", item));
    }
}

fn raw(tracer: &SdkTracer) {
    let call = Context::new().with_span(tracer.start("log scan"));
    for item in 0..ITEMS as i64 {
        let mut span = tracer.start_with_context("part", &call);
        span.set_attribute(KeyValue::new("item", item));
        span.end();
    }
    call.span().end();
}

/// Its attributes are texts, so that a number would have to be printed.
fn fastraced(context: SpanContext) {
    let call = fastrace::Span::root("log scan", context);
    let _entered = call.set_local_parent();
    for _ in 0..ITEMS {
        drop(LocalSpan::enter_with_local_parent("part").with_property(|| ("item", "7")));
    }
}

/// A provider that records nothing.
fn never() -> SdkTracerProvider {
    let never = opentelemetry_sdk::trace::Sampler::AlwaysOff;
    SdkTracerProvider::builder().with_sampler(never).build()
}

fn off(settings: Settings) -> io::Result<(Vec<Group>, Vec<Goal>)> {
    let tracer = Tracer::builder().build()?;
    let context = TraceContext::fresh(tracer.ids());
    let contenders = vec![
        Contender::new(BARE, || {
            for item in 0..ITEMS as i64 {
                black_box(item);
            }
        }),
        Contender::new(OUTSIDE, parts),
        Contender::new(NO_EXPORTER, || within(&tracer, &context, parts)),
        Contender::new(LEVEL, || {
            for item in 0..ITEMS as i64 {
                drop(tracing::trace_span!("part", item));
            }
        }),
        Contender::new(FASTRACE_PARTS, || {
            for _ in 0..ITEMS {
                drop(LocalSpan::enter_with_local_parent("part").with_property(|| ("item", "7")));
            }
        }),
    ];
    let measured = measure("a span that is off", ITEMS, settings, contenders);
    let five = Wanted::AtMost(5.0);
    let information = Wanted::ForInformation;
    let line = |name, wanted| goal(5, "a span that is off, ns", name, wanted, measured.ns(name));
    let goals = vec![
        line(OUTSIDE, five),
        line(NO_EXPORTER, five),
        line(LEVEL, information),
        line(FASTRACE_PARTS, information),
        line(BARE, information),
    ];
    Ok((vec![Group::from(&measured)], goals))
}

fn unsampled(settings: Settings) -> io::Result<(Vec<Group>, Vec<Goal>)> {
    let (tracer, taken) = peers::cnv(Sampler::NEVER)?;
    let context = TraceContext::fresh(tracer.ids());
    let sdk = never().tracer("bench");
    let contenders = vec![
        Contender::new(ENTRY, || {
            within(&tracer, black_box(&context), || {
                black_box(7);
            });
        }),
        Contender::new(SDK, || sdk.start("log scan").end()),
        Contender::new(FRESH, || {
            let context = TraceContext::fresh(tracer.ids());
            within(&tracer, &context, || {
                black_box(7);
            });
        }),
        Contender::new(FASTRACE, || {
            let context = SpanContext::random().sampled(false);
            let call = fastrace::Span::root("log scan", context);
            let _entered = call.set_local_parent();
        }),
    ];
    let calls = measure("a call that is not sampled", 1, settings, contenders);
    let contenders = vec![
        Contender::new(WITHIN, || within(&tracer, &context, parts)),
        Contender::new(SDK, || raw(&sdk)),
        Contender::new(FASTRACE_PARTS, || {
            fastraced(SpanContext::random().sampled(false))
        }),
    ];
    let parts = measure("a span that is not sampled", ITEMS, settings, contenders);
    is_all(CNV, taken.count(), 0)?;
    let text = "what is not sampled, ns";
    let twenty = Wanted::AtMost(20.0);
    let information = Wanted::ForInformation;
    let goals = vec![
        goal(6, text, ENTRY, twenty, calls.ns(ENTRY)),
        goal(6, text, FRESH, information, calls.ns(FRESH)),
        goal(6, text, WITHIN, twenty, parts.ns(WITHIN)),
        goal(6, text, "the SDK, a call", information, calls.ns(SDK)),
        goal(6, text, "the SDK, within", information, parts.ns(SDK)),
        goal(6, text, "fastrace, a call", information, calls.ns(FASTRACE)),
        goal(
            6,
            text,
            "fastrace, within, a constant text",
            information,
            parts.ns(FASTRACE_PARTS),
        ),
    ];
    Ok((vec![Group::from(&calls), Group::from(&parts)], goals))
}

fn sampled(settings: Settings, bridge: &Sdk) -> io::Result<(Vec<Group>, Vec<Goal>)> {
    let (tracer, taken) = peers::cnv(Sampler::ALWAYS)?;
    let sdk = peers::sdk();
    let taken_fastrace = peers::fastrace();
    let context = TraceContext::fresh(tracer.ids());
    let begun: [Cell<u64>; 4] = Default::default();
    let [by_cnv, by_bridge, by_sdk, by_fastrace] = &begun;
    let count = |begun: &Cell<u64>| begun.set(begun.get() + ALL);
    let contenders = vec![
        Contender::new(CNV, || {
            count(by_cnv);
            within(&tracer, &context, parts);
        })
        .after(|| peers::drain(&tracer)),
        Contender::new(BRIDGE, || {
            count(by_bridge);
            bridged();
        })
        .after(|| bridge.flush()),
        Contender::new(SDK, || {
            count(by_sdk);
            raw(&sdk.tracer);
        })
        .after(|| sdk.flush()),
        Contender::new(FASTRACE_PARTS, || {
            count(by_fastrace);
            fastraced(SpanContext::random());
        })
        .after(fastrace::flush),
    ];
    let measured = measure("a span that is recorded", ITEMS, settings, contenders);
    peers::drain(&tracer);
    bridge.flush();
    sdk.flush();
    fastrace::flush();
    for (name, taken, begun) in [
        (CNV, &taken, by_cnv),
        (BRIDGE, &bridge.taken, by_bridge),
        (SDK, &sdk.taken, by_sdk),
        (FASTRACE_PARTS, &taken_fastrace, by_fastrace),
    ] {
        is_all(name, taken.count(), begun.get())?;
    }
    let speed = |peer, wanted| {
        let times = measured.speed_over(CNV, &[peer]);
        goal(8, "times as fast as", peer, wanted, times)
    };
    let ns = "a recorded span with a number, ns";
    let goals = vec![
        goal(7, ns, CNV, Wanted::AtMost(150.0), measured.ns(CNV)),
        speed(BRIDGE, Wanted::AtLeast(6.0)),
        speed(SDK, Wanted::ForInformation),
        speed(FASTRACE_PARTS, Wanted::ForInformation),
    ];
    Ok((vec![Group::from(&measured)], goals))
}

/// Whether an exporter has all spans that were begun.
pub fn is_all(name: &str, taken: u64, begun: u64) -> io::Result<()> {
    if taken == begun {
        return Ok(());
    }
    let why = format!("void: {taken} of {begun} spans of {name} arrived, so its queue was full");
    Err(io::Error::other(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn spans_that_did_not_arrive_make_a_run_void() {
        assert!(is_all("a", 7, 7).is_ok());
        let error = is_all("a", 6, 7).unwrap_err().to_string();
        assert!(error.contains("6 of 7 spans of a"), "{error}");
    }

    #[test]
    fn a_recorded_call_has_its_span_and_those_of_its_parts() {
        let (tracer, taken) = peers::cnv(Sampler::ALWAYS).unwrap();
        within(&tracer, &TraceContext::fresh(tracer.ids()), parts);
        peers::drain(&tracer);
        assert_eq!(taken.count(), ALL);
        let sdk = peers::sdk();
        raw(&sdk.tracer);
        sdk.flush();
        assert_eq!(sdk.taken.count(), ALL);
        tracing::subscriber::with_default(peers::subscriber(sdk.tracer.clone()), bridged);
        sdk.flush();
        assert_eq!(sdk.taken.count(), 2 * ALL);
    }

    #[test]
    fn every_goal_has_a_figure() {
        let settings = Settings {
            rounds: 1,
            slice: Duration::ZERO,
        };
        let (groups, goals) = run(settings).unwrap();
        assert_eq!(groups.len(), 4);
        let numbers: Vec<u8> = goals.iter().map(|goal| goal.number).collect();
        assert_eq!(numbers, [5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 8, 8]);
    }
}
