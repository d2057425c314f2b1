//! Spans and events of the crate `tracing` within calls: whose part they are, where they go, and what is left alone.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use cnv::trace::{
    self, Current, EntrySpan, Exported, Exporter, Level, LogFormat, LogRecord, QueueLimits,
    Sampler, SpanRecord, TraceContext, Tracer, TracingLayer, Value,
};
use tracing::instrument::WithSubscriber;
use tracing::{Dispatch, Instrument, dispatcher, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

/// Keeps what it is given.
#[derive(Clone, Default)]
struct Kept {
    spans: Arc<Mutex<Vec<SpanRecord>>>,
    logs: Arc<Mutex<Vec<LogRecord>>>,
    takes_logs: bool,
    /// Who hears what it says itself.
    heard_by: Arc<OnceLock<Dispatch>>,
}

const ALL: Exported = Exported::Delivered;

impl Exporter for Kept {
    fn name(&self) -> String {
        "kept".to_owned()
    }

    fn spans(&mut self, spans: &[SpanRecord], _: Instant) -> Exported {
        self.spans.lock().unwrap().extend_from_slice(spans);
        ALL
    }

    fn logs(&mut self, logs: &[LogRecord], _: Instant) -> Exported {
        if let Some(dispatch) = self.heard_by.get() {
            dispatcher::with_default(dispatch, || info!("sent"));
        }
        self.logs.lock().unwrap().extend_from_slice(logs);
        ALL
    }

    fn takes_logs(&self) -> bool {
        self.takes_logs
    }
}

struct World {
    tracer: Tracer,
    kept: Kept,
    dispatch: Dispatch,
}

impl World {
    fn new(sampler: Sampler, takes_logs: bool) -> Self {
        let kept = Kept {
            takes_logs,
            ..Kept::default()
        };
        let mut limits = QueueLimits::default();
        limits.delay = Duration::from_millis(1);
        let tracer = Tracer::builder()
            .sampler(sampler)
            .queue(limits)
            .exporter(kept.clone())
            .build()
            .unwrap();
        let subscriber = tracing_subscriber::registry().with(TracingLayer::new(&tracer));
        Self {
            dispatch: Dispatch::new(subscriber),
            tracer,
            kept,
        }
    }

    fn recording() -> Self {
        Self::new(Sampler::ALWAYS, false)
    }

    fn call(&self) -> EntrySpan<'_> {
        let transaction = Some(self.tracer.ids().transaction());
        let context = TraceContext::fresh(self.tracer.ids());
        self.tracer.entry("log scan", &context, transaction)
    }

    /// Runs it heard, and within a call.
    fn within<T>(&self, call: &EntrySpan<'_>, run: impl FnOnce() -> T) -> T {
        self.heard(|| call.current().clone().in_scope(run))
    }

    fn heard<T>(&self, run: impl FnOnce() -> T) -> T {
        dispatcher::with_default(&self.dispatch, run)
    }

    fn end(&self) -> (Spans, Vec<LogRecord>) {
        let report = self.tracer.shutdown(Duration::from_secs(20)).remove(0);
        assert!(report.is_complete(), "{report}");
        let spans = std::mem::take(&mut *self.kept.spans.lock().unwrap());
        let logs = std::mem::take(&mut *self.kept.logs.lock().unwrap());
        (Spans(spans), logs)
    }
}

struct Spans(Vec<SpanRecord>);

impl Spans {
    #[track_caller]
    fn named(&self, name: &str) -> &SpanRecord {
        let mut named = self.0.iter().filter(|span| span.name == name);
        match (named.next(), named.next()) {
            (Some(span), None) => span,
            _ => panic!("{name}: {:?}", self.0),
        }
    }

    #[track_caller]
    fn assert_within(&self, inner: &str, outer: &str) {
        let (inner, outer) = (self.named(inner), self.named(outer));
        assert_eq!(inner.context.trace_id(), outer.context.trace_id());
        assert_eq!(
            inner.parent,
            Some(outer.context.span_id()),
            "{} is not within {}",
            inner.name,
            outer.name
        );
        assert_eq!(inner.transaction, outer.transaction);
    }
}

fn is_outside() -> bool {
    Current::get().traceparent().is_none()
}

#[test]
fn spans_nest_within_those_of_cnv_and_those_of_cnv_within_them() {
    let world = World::recording();
    let call = world.call();
    world.within(&call, || {
        let outer = info_span!("outer", row = 7, what = ?Some("it"), later = tracing::field::Empty);
        outer.in_scope(|| {
            let cnv = trace::span("cnv's");
            cnv.in_scope(|| info_span!("inner").in_scope(|| ()));
            info_span!(parent: None, "root").in_scope(|| ());
            info_span!("follower").follows_from(&outer);
        });
        outer.record("later", true);
        // It is not the one that the code is in.
        info_span!("between").in_scope(|| {
            info_span!(parent: &outer, "named").in_scope(|| drop(trace::span("in named")));
        });
        tracing::debug_span!("below the level").in_scope(|| drop(trace::span("unmoved")));
        drop(trace::span("after"));
    });
    drop(call);
    let (spans, _) = world.end();
    for (inner, outer) in [
        ("outer", "log scan"),
        ("cnv's", "outer"),
        ("inner", "cnv's"),
        ("root", "log scan"),
        ("named", "outer"),
        ("in named", "named"),
        ("unmoved", "log scan"),
        ("after", "log scan"),
    ] {
        spans.assert_within(inner, outer);
    }
    let outer = spans.named("outer");
    assert_eq!(outer.attributes.get("row"), Some(&Value::Int(7)));
    let it = Value::Text("Some(\"it\")".into());
    assert_eq!(outer.attributes.get("what"), Some(&it));
    assert_eq!(outer.attributes.get("later"), Some(&Value::Bool(true)));
    assert_eq!(spans.named("follower").link, Some(outer.context));
    assert_eq!(spans.0.len(), 11);
}

/// Polls it once, and says whether it is over.
fn poll(future: Pin<&mut impl Future>) -> bool {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let is_over = future.poll(&mut cx).is_ready();
    assert!(is_outside());
    is_over
}

#[test]
fn a_future_is_within_its_span_wherever_it_is_polled() {
    let world = World::recording();
    let call = world.call();
    let future = world.within(&call, || {
        async {
            drop(trace::span("first"));
            tokio::task::yield_now().await;
            assert!(!is_outside());
            info_span!("second").in_scope(|| ());
        }
        .instrument(info_span!("task"))
    });
    let mut future = Box::pin(future.with_subscriber(world.dispatch.clone()));
    assert!(!poll(future.as_mut()));
    std::thread::scope(|scope| {
        scope.spawn(move || assert!(poll(future.as_mut())));
    });
    drop(call);
    let (spans, _) = world.end();
    spans.assert_within("task", "log scan");
    spans.assert_within("first", "task");
    spans.assert_within("second", "task");
}

#[test]
fn spans_are_left_in_any_order_and_on_any_thread() {
    let world = World::recording();
    let call = world.call();
    world.within(&call, || {
        let [a, b] = [info_span!("a"), info_span!("b")];
        let (in_a, in_b) = (a.enter(), b.enter());
        let again = a.enter();
        drop(trace::span("in a again"));
        drop(again);
        drop(in_a);
        drop(trace::span("still in b"));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                world.heard(|| a.in_scope(|| drop(trace::span("elsewhere"))));
                assert!(is_outside());
            });
        });
        drop(in_b);
        drop(trace::span("back"));
    });
    drop(call);
    let (spans, _) = world.end();
    spans.assert_within("in a again", "a");
    spans.assert_within("still in b", "b");
    spans.assert_within("elsewhere", "a");
    spans.assert_within("back", "log scan");
}

#[test]
fn what_a_call_left_entered_is_not_where_the_next_one_is() {
    let world = World::recording();
    let call = world.call();
    let guard = world.within(&call, || info_span!("left").entered());
    // The call was left first, and now the span is.
    assert!(is_outside());
    drop(guard);
    assert!(is_outside());
    drop(call);
    world.end().0.assert_within("left", "log scan");
}

#[test]
fn a_span_that_is_left_elsewhere_is_not_where_the_thread_comes_back_to() {
    let world = World::recording();
    let (call, other) = (world.call(), world.call());
    world.within(&call, || {
        let left = info_span!("left").entered();
        other.current().clone().in_scope(|| drop(left));
        drop(trace::span("after"));
    });
    // Without a scope around it, the thread would be within it for good.
    let left = world.within(&call, || info_span!("left on the thread"));
    world.heard(|| {
        let left = left.entered();
        assert!(!is_outside());
        other.current().clone().in_scope(|| drop(left));
        assert!(is_outside());
    });
    // Those to which nobody comes back are not kept for ever.
    for _ in 0..100 {
        let left = world.within(&call, || info_span!("gone").entered());
        world.heard(|| drop(left));
    }
    let root = call.current().traceparent().unwrap();
    drop((call, other));
    let (spans, _) = world.end();
    let after = spans.0.iter().find(|span| span.name == "after").unwrap();
    assert_eq!(after.parent, Some(root.span_id()));
}

#[test]
fn a_span_of_one_call_is_none_of_another() {
    for sampler in [Sampler::ALWAYS, Sampler::NEVER] {
        let (world, other) = (World::recording(), World::new(sampler, false));
        let call = world.call();
        let shared = world.within(&call, || info_span!("shared"));
        let second = other.call();
        world.within(&second, || {
            shared.in_scope(|| {
                info_span!("of the second").in_scope(|| ());
                info_span!(parent: &shared, "named").in_scope(|| ());
                assert_eq!(Current::get().traceparent(), second.current().traceparent());
            });
        });
        // Where there is no call, it goes on with its own.
        world.heard(|| {
            info_span!(parent: &shared, "go on").in_scope(|| drop(trace::span("further")));
            info_span!("outside").in_scope(|| ());
        });
        drop((call, second));
        // It outlives its call, and ends when it is over.
        let earlier = shared.clone();
        drop(shared);
        assert!(
            world
                .kept
                .spans
                .lock()
                .unwrap()
                .iter()
                .all(|span| span.name != "shared")
        );
        world.heard(|| drop(earlier));
        let (spans, _) = world.end();
        spans.assert_within("shared", "log scan");
        spans.assert_within("go on", "shared");
        spans.assert_within("further", "go on");
        assert_eq!(spans.0.len(), 4, "{:?}", spans.0);
        assert!(spans.named("shared").end_unix_ns >= spans.named("log scan").end_unix_ns);
        let (spans, _) = other.end();
        if sampler == Sampler::ALWAYS {
            spans.assert_within("of the second", "log scan");
            spans.assert_within("named", "log scan");
        } else {
            assert!(spans.0.is_empty());
        }
    }
}

/// Counts how often somebody asks what it is.
struct Asked<'a>(&'a AtomicUsize);

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fetch_add(1, Ordering::Relaxed);
        // What is said meanwhile is nobody's.
        info!("asked");
        info_span!("asked").in_scope(|| ());
        f.write_str("asked")
    }
}

#[test]
fn what_is_not_recorded_is_not_asked() {
    let count = AtomicUsize::new(0);
    let say = || {
        let span = info_span!("span", value = ?Asked(&count), later = tracing::field::Empty);
        span.record("later", tracing::field::debug(Asked(&count)));
        span.in_scope(|| info!(value = ?Asked(&count), "event"));
    };
    let world = World::new(Sampler::NEVER, false);
    let call = world.call();
    world.within(&call, say);
    world.heard(say);
    drop(call);
    assert_eq!(count.load(Ordering::Relaxed), 0);
    assert!(world.end().0.0.is_empty());

    let world = World::recording();
    let call = world.call();
    world.within(&call, say);
    drop(call);
    assert_eq!(count.load(Ordering::Relaxed), 3);
    let (spans, _) = world.end();
    assert_eq!(spans.0.len(), 2);
    // Nobody takes logs, so the span has what was said.
    let [event] = &spans.named("span").events[..] else {
        panic!("{spans:?}", spans = spans.0);
    };
    assert_eq!(event.name, "event");
    assert_eq!(event.attributes.get("level"), Some(&"INFO".into()));
    assert_eq!(event.attributes.get("value"), Some(&"asked".into()));
}

#[test]
fn events_are_log_records_of_their_place() {
    for sampler in [Sampler::ALWAYS, Sampler::NEVER] {
        let world = World::new(sampler, true);
        let call = world.call();
        world.within(&call, || {
            tracing::debug!("below the level");
            let span = info_span!("span");
            span.in_scope(|| tracing::warn!(target: "shop", row = 7, r#type = "x", "half {}", 1));
            info!(parent: &span, "named");
            let record = tracing_log::log::Record::builder()
                .args(format_args!("of log"))
                .level(tracing_log::log::Level::Error)
                .target("a crate")
                .line(Some(3))
                .build();
            tracing_log::format_trace(&record).unwrap();
        });
        world.heard(|| info!(long = "x".repeat(17 << 10), "{}", "\u{e9}".repeat(20 << 10)));
        let here = call.current().clone();
        drop(call);
        let (spans, logs) = world.end();
        let [half, named, of_log, outside] = &logs[..] else {
            panic!("{logs:?}");
        };
        let span = match sampler == Sampler::ALWAYS {
            true => Some(spans.named("span").context),
            false => here.traceparent(),
        };
        assert_eq!((half.context, half.transaction), (span, here.transaction()));
        assert_eq!((&*half.target, &*half.body), ("shop", "half 1"));
        assert_eq!(half.level, Level::Warn);
        assert_eq!(half.attributes.get("row"), Some(&Value::Int(7)));
        assert_eq!(half.attributes.get("type"), Some(&"x".into()));
        assert_eq!(named.context, span);
        assert_eq!((&*of_log.target, &*of_log.body), ("a crate", "of log"));
        assert_eq!(of_log.level, Level::Error);
        assert!(of_log.attributes.as_slice().is_empty(), "{of_log:?}");
        assert_eq!(of_log.context, here.traceparent());
        assert_eq!((outside.context, outside.transaction), (None, None));
        assert_eq!(
            (outside.body.len(), outside.cut_bytes),
            (16 << 10, 24 << 10)
        );
        assert_eq!(outside.attributes.dropped(), 1);
        assert!(
            spans
                .0
                .iter()
                .all(|span| !span.events.iter().any(|event| event.name == "named"))
        );
    }
}

#[test]
fn what_exporters_say_is_not_exported() {
    let world = World::new(Sampler::ALWAYS, true);
    world.kept.heard_by.set(world.dispatch.clone()).unwrap();
    for said in 1..=3 {
        world.heard(|| info!("said"));
        while world.tracer.reports()[0].logs.delivered < said {
            std::thread::yield_now();
        }
    }
    let (_, logs) = world.end();
    assert!(logs.iter().all(|record| record.body == "said"), "{logs:?}");
    assert_eq!(logs.len(), 3);
}

/// Takes what a subscriber writes.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a format makes of two events: one within a span of a call, with text that would do harm, and one outside.
fn written(format: LogFormat) -> (Vec<String>, [String; 3]) {
    let written = Written::default();
    let writer = written.clone();
    let layer = tracing_subscriber::fmt::layer()
        .event_format(format)
        .with_writer(move || writer.clone());
    let mut world = World::recording();
    let subscriber = tracing_subscriber::registry().with(TracingLayer::new(&world.tracer));
    world.dispatch = Dispatch::new(subscriber.with(layer));
    let call = world.call();
    world.within(&call, || {
        info_span!("span").in_scope(|| {
            info!(
                row = 7,
                part = 0.5,
                whole = false,
                word = "a",
                text = "b \"c\"\n\u{202e}",
                not = f64::NAN,
                "found\n\u{1b}[31m"
            );
        });
    });
    world.heard(|| info!(target: "shop", trace_id = "x", "outside"));
    let transaction = call.current().transaction().unwrap().to_string();
    drop(call);
    let span = world.end().0.named("span").context;
    let ids = [
        span.trace_id().to_string(),
        span.span_id().to_string(),
        transaction,
    ];
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(text.ends_with('\n'));
    (text.lines().map(str::to_owned).collect(), ids)
}

#[test]
fn lines_of_text_have_the_ids() {
    let (lines, [trace, span, transaction]) = written(LogFormat::Text);
    let [within, outside] = &lines[..] else {
        panic!("{lines:?}");
    };
    let (time, rest) = within.split_once(' ').unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    let expected = format!(
        " INFO trace_tracing: found\\n\\u{{1b}}[31m row=7 part=0.5 whole=false word=a \
         text=\"b \\\"c\\\"\\n\\u{{202e}}\" not=NaN trace_id={trace} span_id={span} transaction_id={transaction}"
    );
    assert_eq!(rest, expected);
    assert!(
        outside.ends_with("  INFO shop: outside trace_id=x"),
        "{outside}"
    );
}

#[test]
fn lines_of_json_have_the_ids() {
    let (lines, [trace, span, transaction]) = written(LogFormat::Json);
    assert!(lines.iter().all(|line| line.starts_with("{\"time\":\"20")));
    assert!(lines[0].is_ascii(), "{}", lines[0]);
    let parse = |line: &String| {
        let mut json: serde_json::Value = serde_json::from_str(line).unwrap();
        json.as_object_mut().unwrap().remove("time");
        json
    };
    let lines: Vec<_> = lines.iter().map(parse).collect();
    let expected = serde_json::json!([
        {
            "level": "INFO", "target": "trace_tracing", "message": "found\n\u{1b}[31m",
            "fields": {
                "row": 7, "part": 0.5, "whole": false, "word": "a", "text": "b \"c\"\n\u{202e}", "not": "NaN",
            },
            "trace_id": trace, "span_id": span, "transaction_id": transaction,
        },
        { "level": "INFO", "target": "shop", "message": "outside", "fields": { "trace_id": "x" } },
    ]);
    assert_eq!(serde_json::Value::from(lines), expected);
}

#[cfg(unix)]
mod sessions;

/// Over a session.
#[cfg(unix)]
mod over_a_session {
    use cnv::command::LogLevel;
    use cnv::prelude::*;
    use cnv::session::{CallRequest, Channel, SessionLimits};

    use super::sessions::{Served, run};
    use super::*;

    /// Says something, within a span and outside of the call.
    #[verb(noun = "job", effect = "pure")]
    async fn tell(cx: Context, times: usize) -> Result<usize, Failure> {
        let span = info_span!("telling");
        async {
            for row in 0..times {
                info!(row, "told");
            }
        }
        .instrument(span)
        .await;
        Current::NONE.in_scope(|| info!("of nobody's call"));
        cx.log(LogLevel::Info, "by the context");
        Ok(times)
    }

    /// The log of a call, and how many notes it had no room for.
    async fn log(served: &Served, times: usize) -> (Vec<serde_json::Value>, u64) {
        let request = CallRequest::new(["job", "tell", &times.to_string()]).unwrap();
        let mut call = served.client().await.start_call(request).await.unwrap();
        let mut log = Vec::new();
        while let Some(item) = call.next().await.unwrap() {
            if item.channel() == Channel::Logs {
                log.push(item.json().unwrap());
            }
        }
        (log, call.dropped_notes())
    }

    #[test]
    fn its_caller_has_the_log() {
        // Handlers run on threads of the runtime's.
        let world = World::new(Sampler::ALWAYS, true);
        dispatcher::set_global_default(world.dispatch.clone()).unwrap();
        let app = App::new("jobs").verbs(cnv::verbs![tell]);
        let (app, plain) = (
            app.trace(world.tracer.clone()),
            App::new("jobs").verbs(cnv::verbs![tell]),
        );
        run(async {
            let served = Served::of(app, SessionLimits::default()).await;
            let (log, dropped) = log(&served, 1).await;
            let [told, by_context] = &log[..] else {
                panic!("{log:?}");
            };
            assert_eq!(dropped, 0);
            let fields = serde_json::json!({ "row": 0 });
            assert_eq!(
                (&told["level"], &told["message"]),
                (&"info".into(), &"told".into())
            );
            assert_eq!(told["fields"], fields);
            assert_eq!(told["target"], "trace_tracing::over_a_session");
            for id in ["trace_id", "transaction_id"] {
                assert!(told[id].is_string(), "{told}");
                assert_eq!(told[id], by_context[id]);
            }
            assert_ne!(told["span_id"], by_context["span_id"]);
            served.shut_down().await.unwrap();

            // Without a tracer there are no ids, but what was said is said.
            let served = Served::of(plain, super::sessions::small()).await;
            let (log, _) = self::log(&served, 1).await;
            assert_eq!(log[0]["message"], "told");
            assert_eq!(log[0].get("trace_id"), None);
            let (log, dropped) = self::log(&served, 5000).await;
            assert!(dropped > 0, "{dropped}");
            assert_eq!(log.len() as u64 + dropped, 5001);
            served.shut_down().await.unwrap();
        });
        let (spans, logs) = world.end();
        spans.assert_within("telling", "job tell");
        let told = logs.iter().find(|record| record.body == "told").unwrap();
        assert_eq!(told.context, Some(spans.named("telling").context));
    }
}
