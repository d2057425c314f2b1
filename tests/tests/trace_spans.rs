//! Spans on their way to an exporter: what is recorded, what is kept, and what becomes of all of it whatever the exporter
//! does.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cnv::trace::{
    self, Boundary, Current, DropCause, Exported, Exporter, Headers, IdGenerator, Incoming,
    QueueLimits, Report, Sampler, SpanRecord, SpanStatus, TraceContext, Tracer, Value,
};

/// Answers as it is told, and keeps what it was given.
struct Scripted {
    spans: Arc<Mutex<Vec<SpanRecord>>>,
    answers: Answers,
}

type Answers = Box<dyn FnMut(&[SpanRecord], Instant) -> Exported + Send>;

impl Exporter for Scripted {
    fn name(&self) -> String {
        "scripted".to_owned()
    }

    fn spans(&mut self, spans: &[SpanRecord], until: Instant) -> Exported {
        let answer = (self.answers)(spans, until);
        if matches!(answer, Exported::Delivered | Exported::Partial { .. }) {
            self.spans.lock().unwrap().extend_from_slice(spans);
        }
        answer
    }
}

const ALL: Exported = Exported::Delivered;
const LIMIT: Duration = Duration::from_secs(20);

fn quick() -> QueueLimits {
    let mut limits = QueueLimits::default();
    limits.delay = Duration::from_millis(1);
    limits
}

fn tracer(
    limits: QueueLimits,
    answers: impl FnMut(&[SpanRecord], Instant) -> Exported + Send + 'static,
) -> (Tracer, Arc<Mutex<Vec<SpanRecord>>>) {
    let spans = Arc::new(Mutex::default());
    let exporter = Scripted {
        spans: Arc::clone(&spans),
        answers: Box::new(answers),
    };
    let tracer = Tracer::builder().queue(limits).exporter(exporter).build();
    (tracer.unwrap(), spans)
}

fn call(tracer: &Tracer, failure: Option<&'static str>) {
    let context = TraceContext::fresh(tracer.ids());
    let mut span = tracer.entry("log scan", &context, None);
    span.ended(failure.map(Into::into));
}

fn shut(tracer: &Tracer, limit: Duration) -> Report {
    let report = tracer.shutdown(limit).remove(0);
    let spans = report.spans;
    assert_eq!(
        spans.given,
        spans.delivered + spans.dropped() + spans.unknown,
        "{report}"
    );
    assert_eq!(spans.waiting, 0, "{report}");
    report
}

#[test]
fn spans_are_within_each_other() {
    let (tracer, spans) = tracer(quick(), |_, _| ALL);
    let transaction = tracer.ids().transaction();
    let context = TraceContext::fresh(tracer.ids());
    let mut entry = tracer.entry("log scan", &context, Some(transaction));
    entry.stage("authorise");
    entry.current().clone().in_scope(|| {
        let mut outer = trace::span("outer");
        outer.set("rows", 7_i64);
        outer.in_scope(|| {
            drop(trace::span("inner"));
            trace::event("seen", [("what", "it".into())]);
        });
        let here = Current::get();
        let elsewhere = std::thread::spawn(move || here.in_scope(|| drop(trace::span("thread"))));
        elsewhere.join().unwrap();
    });
    entry.ended(Some("usage".into()));
    let root = entry.current().traceparent().unwrap();
    drop(entry);
    assert!(Current::get().traceparent().is_none());
    drop(trace::span("outside of every call"));

    assert_eq!(shut(&tracer, LIMIT).spans.delivered, 4);
    let spans = spans.lock().unwrap();
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let [entry, outer, inner, thread] = ["log scan", "outer", "inner", "thread"].map(named);
    assert_eq!(entry.context, root);
    assert_eq!((entry.parent, entry.is_parent_remote), (None, false));
    assert_eq!(outer.parent, Some(root.span_id()));
    assert_eq!(inner.parent, Some(outer.context.span_id()));
    assert_eq!(thread.parent, Some(root.span_id()));
    for span in spans.iter() {
        assert_eq!(span.context.trace_id(), root.trace_id());
        assert_eq!(span.transaction, Some(transaction));
        assert!(span.start_unix_ns <= span.end_unix_ns);
        assert!(entry.start_unix_ns <= span.start_unix_ns && span.end_unix_ns <= entry.end_unix_ns);
    }
    assert_eq!(outer.attributes.get("rows"), Some(&Value::Int(7)));
    assert_eq!(outer.events[0].name, "seen");
    assert_eq!(entry.events[0].name, "authorise");
    assert_eq!(entry.status, SpanStatus::Error("usage".into()));
}

#[test]
fn a_future_is_within_its_span_wherever_it_is_polled() {
    let (tracer, spans) = tracer(quick(), |_, _| ALL);
    let context = TraceContext::fresh(tracer.ids());
    let entry = tracer.entry("log scan", &context, None);
    let root = entry.current().traceparent().unwrap().span_id();
    let future = entry.current().clone().during(async {
        let span = trace::span("before");
        span.during(async {
            tokio::task::yield_now().await;
            drop(trace::span("between"));
        })
        .await;
        drop(span);
        drop(trace::span("after"));
    });
    let mut future = Box::pin(future);
    let noop = std::task::Waker::noop();
    while future
        .as_mut()
        .poll(&mut std::task::Context::from_waker(noop))
        .is_pending()
    {
        assert!(Current::get().traceparent().is_none());
    }
    drop(entry);
    shut(&tracer, LIMIT);
    let spans = spans.lock().unwrap();
    let parent = |name: &str| spans.iter().find(|span| span.name == name).unwrap().parent;
    let before = spans.iter().find(|span| span.name == "before").unwrap();
    assert_eq!(parent("before"), Some(root));
    assert_eq!(parent("between"), Some(before.context.span_id()));
    assert_eq!(parent("after"), Some(root));
}

#[test]
fn what_comes_in_goes_on_as_far_as_the_boundary_lets_it() {
    let ids = IdGenerator::new().unwrap();
    let (tracer, spans) = tracer(quick(), |_, _| ALL);
    let headers = Headers {
        traceparent: Some(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        tracestate: Some(b"a=1"),
        baggage: Some(b"tenant=acme,password=1234"),
    };
    let boundary = Boundary::new(Incoming::Continue).allow_baggage(&["tenant"]);
    let entry = tracer.entry(
        "log scan",
        &TraceContext::extract(headers, boundary, &ids),
        None,
    );
    let context = entry.current().context().unwrap();
    assert_eq!(
        context.traceparent().trace_id().to_string(),
        "0af7651916cd43dd8448eb211c80319c"
    );
    assert_eq!(context.tracestate().to_string(), "a=1");
    assert_eq!(context.baggage().to_string(), "tenant=acme");
    drop(entry);
    let boundary = Boundary::new(Incoming::RestartWithLink);
    drop(tracer.entry(
        "log scan",
        &TraceContext::extract(headers, boundary, &ids),
        None,
    ));
    shut(&tracer, LIMIT);
    let spans = spans.lock().unwrap();
    assert_eq!(spans[0].parent.unwrap().to_string(), "b7ad6b7169203331");
    assert!(spans[0].is_parent_remote);
    assert_eq!(&*spans[0].state, "a=1");
    assert_eq!((spans[1].parent, spans[1].is_parent_remote), (None, false));
    assert_eq!(
        spans[1].link.unwrap().span_id().to_string(),
        "b7ad6b7169203331"
    );
    assert_ne!(spans[1].context.trace_id(), spans[0].context.trace_id());
}

#[test]
fn without_an_exporter_what_came_in_is_passed_on() {
    let tracer = Tracer::builder().build().unwrap();
    let ids = tracer.ids();
    for flags in ["00", "01"] {
        let parent = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
        let headers = Headers {
            traceparent: Some(parent.as_bytes()),
            ..Headers::default()
        };
        let boundary = Boundary::new(Incoming::Continue);
        let context = TraceContext::extract(headers, boundary, ids);
        let entry = tracer.entry("log scan", &context, None);
        assert!(!entry.is_recorded());
        let here = entry.current().traceparent().unwrap();
        assert_eq!(here.flags().is_sampled(), flags == "01");
        entry
            .current()
            .clone()
            .in_scope(|| assert!(!trace::span("within").is_recorded()));
    }
    assert!(tracer.shutdown(LIMIT).is_empty());
}

#[test]
fn failed_and_slow_calls_are_kept() {
    let spans = Arc::new(Mutex::default());
    let exporter = Scripted {
        spans: Arc::clone(&spans),
        answers: Box::new(|_, _| ALL),
    };
    let tracer = Tracer::builder()
        .queue(quick())
        .sampler(Sampler::NEVER)
        .rule("pay *", Sampler::ALWAYS)
        .keep_errors()
        .keep_slow(Duration::from_millis(50))
        .exporter(exporter)
        .build()
        .unwrap();
    call(&tracer, None);
    call(&tracer, Some("usage"));
    let context = TraceContext::fresh(tracer.ids());
    let mut slow = tracer.entry("log scan", &context, None);
    std::thread::sleep(Duration::from_millis(80));
    slow.ended(None);
    drop(slow);
    drop(tracer.entry("pay invoice", &context, None));
    assert_eq!(shut(&tracer, LIMIT).spans.delivered, 3);
    let spans = spans.lock().unwrap();
    let why = |at: usize| spans[at].attributes.get("cnv.kept");
    assert_eq!(why(0), Some(&Value::from("error")));
    assert_eq!(why(1), Some(&Value::from("slow")));
    assert!(
        spans[1].duration_ns() >= 50_000_000,
        "{}",
        spans[1].duration_ns()
    );
    assert!(!spans[1].context.flags().is_sampled());
    assert_eq!((&*spans[2].name, why(2)), ("pay invoice", None));
}

/// An exporter that waits for its next answer.
fn told(limits: QueueLimits) -> (Tracer, Sender<Exported>, Receiver<usize>) {
    let (tell, told) = channel();
    let (begin, begun) = channel();
    let (tracer, _) = tracer(limits, move |spans, _| {
        let _ = begin.send(spans.len());
        told.recv().unwrap_or(ALL)
    });
    (tracer, tell, begun)
}

#[test]
fn a_full_queue_takes_no_more_and_nobody_waits() {
    let mut limits = quick();
    limits.capacity = 8;
    limits.batch = 4;
    let (tracer, tell, begun) = told(limits);
    call(&tracer, None);
    assert_eq!(begun.recv_timeout(LIMIT), Ok(1));
    for _ in 0..20 {
        call(&tracer, None);
    }
    // One is under way, eight wait.
    let report = tracer.reports().remove(0);
    assert_eq!(report.spans.dropped_by(DropCause::QueueFull), 12);
    assert_eq!((report.spans.given, report.spans.waiting), (21, 9));
    drop(tell);
    let report = shut(&tracer, LIMIT);
    assert_eq!((report.spans.delivered, report.spans.dropped()), (9, 12));
}

#[test]
fn what_was_not_taken_is_sent_again_and_what_may_have_arrived_is_not() {
    let mut tries = 0;
    let (first, _) = tracer(quick(), move |_, _| {
        tries += 1;
        let why = "down".to_owned();
        let retry_after = Some(Duration::from_millis(1));
        if tries < 4 {
            Exported::Unavailable { retry_after, why }
        } else {
            ALL
        }
    });
    call(&first, None);
    while first.reports()[0].spans.delivered == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let report = shut(&first, LIMIT);
    assert!(report.is_complete(), "{report}");

    let (second, tell, begun) = told(quick());
    call(&second, None);
    assert_eq!(begun.recv_timeout(LIMIT), Ok(1));
    tell.send(Exported::Unknown("no answer".to_owned()))
        .unwrap();
    call(&second, None);
    assert_eq!(begun.recv_timeout(LIMIT), Ok(1));
    tell.send(Exported::Refused("bad request".to_owned()))
        .unwrap();
    call(&second, None);
    assert_eq!(begun.recv_timeout(LIMIT), Ok(1));
    let why = "too old".to_owned();
    tell.send(Exported::Partial { rejected: 1, why }).unwrap();
    let report = shut(&second, LIMIT);
    assert_eq!(
        (
            report.spans.unknown,
            report.spans.dropped_by(DropCause::Rejected)
        ),
        (1, 2)
    );
    assert_eq!(report.last_error.as_deref(), Some("too old"));
    assert_eq!(
        report.to_string(),
        "scripted: spans: 0 delivered, 2 dropped (rejected 2), 1 unknown; the last error: too old"
    );
}

#[test]
fn who_ends_does_not_wait_for_what_is_not_there() {
    let (tracer, _) = tracer(quick(), |_, _| Exported::Unavailable {
        retry_after: None,
        why: "down".to_owned(),
    });
    for _ in 0..3 {
        call(&tracer, None);
    }
    let since = Instant::now();
    let report = shut(&tracer, Duration::from_secs(60));
    assert!(
        since.elapsed() < Duration::from_secs(20),
        "{:?}",
        since.elapsed()
    );
    assert_eq!(report.spans.dropped_by(DropCause::Unreachable), 3);
    call(&tracer, None);
    let late = tracer.reports().remove(0);
    assert_eq!(late.spans.dropped_by(DropCause::Shutdown), 1);
}

#[test]
fn what_cannot_be_reached_for_too_long_is_dropped() {
    let mut limits = quick();
    limits.retry_for = Duration::from_millis(150);
    let (tracer, _) = tracer(limits, |_, _| Exported::Unavailable {
        retry_after: None,
        why: "down".to_owned(),
    });
    call(&tracer, None);
    let since = Instant::now();
    while tracer.reports()[0].spans.dropped_by(DropCause::Unreachable) == 0 {
        assert!(since.elapsed() < LIMIT);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_exporter_that_hangs_holds_nobody_up() {
    let (tracer, tell, begun) = told(quick());
    call(&tracer, None);
    assert_eq!(begun.recv_timeout(LIMIT), Ok(1));
    call(&tracer, None);
    let since = Instant::now();
    let report = shut(&tracer, Duration::from_millis(100));
    assert!(since.elapsed() >= Duration::from_millis(100));
    assert!(since.elapsed() < LIMIT);
    assert_eq!(
        (
            report.spans.unknown,
            report.spans.dropped_by(DropCause::Shutdown)
        ),
        (1, 1)
    );
    drop(tell);
}

#[test]
fn an_exporter_that_panics_is_asked_again() {
    let mut tries = 0;
    let (tracer, _) = tracer(quick(), move |_, _| {
        tries += 1;
        assert!(tries > 1, "on purpose");
        ALL
    });
    call(&tracer, None);
    while tracer.reports()[0].spans.unknown == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    call(&tracer, None);
    let report = shut(&tracer, LIMIT);
    assert_eq!((report.spans.unknown, report.spans.delivered), (1, 1));
}

#[test]
fn many_threads_lose_nothing() {
    let mut limits = quick();
    limits.capacity = 64;
    limits.batch = 16;
    let (tracer, spans) = tracer(limits, |_, _| ALL);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..2000).for_each(|_| call(&tracer, None)));
        }
    });
    let report = shut(&tracer, LIMIT);
    assert_eq!(report.spans.given, 16_000);
    assert_eq!(report.spans.delivered, spans.lock().unwrap().len() as u64);
}

#[test]
fn without_its_tracer_an_exporter_ends() {
    let ended = Arc::new(());
    let alive = Arc::clone(&ended);
    let (tracer, spans) = tracer(quick(), move |_, _| {
        let _ = &alive;
        ALL
    });
    call(&tracer, None);
    drop(tracer);
    let since = Instant::now();
    while Arc::strong_count(&ended) > 1 {
        assert!(since.elapsed() < LIMIT);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(spans.lock().unwrap().len(), 1);
}
