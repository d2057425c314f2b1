//! The spans of calls: what is in them, what is not, and what they pass on.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cnv::prelude::*;
use cnv::quota::Limits;
use cnv::recovery::{Call, CircuitBreaker, Policy, Settings, Verdict};
use cnv::trace::{
    self, Exported, Exporter, Level, LogRecord, QueueLimits, Sampler, SpanKind, SpanRecord,
    SpanStatus, TraceContext, Tracer, Value,
};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanRecord>>>, Arc<Mutex<Vec<LogRecord>>>);

impl Exporter for Kept {
    fn name(&self) -> String {
        "kept".to_owned()
    }

    fn spans(&mut self, spans: &[SpanRecord], _: Instant) -> Exported {
        self.0.lock().unwrap().extend_from_slice(spans);
        Exported::Delivered
    }

    fn logs(&mut self, logs: &[LogRecord], _: Instant) -> Exported {
        self.1.lock().unwrap().extend_from_slice(logs);
        Exported::Delivered
    }

    fn takes_logs(&self) -> bool {
        true
    }
}

fn traced(app: App, sampler: Sampler) -> (App, Tracer, Kept) {
    let kept = Kept::default();
    let mut limits = QueueLimits::default();
    limits.delay = Duration::from_millis(1);
    let tracer = Tracer::builder()
        .sampler(sampler)
        .queue(limits)
        .exporter(kept.clone())
        .build()
        .unwrap();
    (app.trace(tracer.clone()), tracer, kept)
}

impl Kept {
    fn after(&self, tracer: &Tracer) -> Vec<SpanRecord> {
        let report = tracer.shutdown(Duration::from_secs(20)).remove(0);
        assert!(report.is_complete(), "{report}");
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn text(span: &SpanRecord, key: &str) -> String {
    match span.attributes.get(key) {
        Some(Value::Text(text)) => text.to_string(),
        other => panic!("{key}: {other:?}"),
    }
}

/// Counts the letters of a secret.
#[verb(noun = "word", effect = "pure")]
#[budget(memory = "1MB", cpu = "1s")]
async fn count(cx: Context, secret: String) -> Result<usize, Failure> {
    let mut span = trace::span("look");
    span.set("rows", 3_i64);
    span.during(async { tokio::task::yield_now().await }).await;
    cx.stdout().send("one").await?;
    cx.stdout().send("two").await?;
    Ok(secret.len())
}

/// Fails, and says what it was given.
#[verb(noun = "word", effect = "pure")]
async fn spoil(word: String) -> Result<(), Failure> {
    Err(Failure::usage(format!("no good: {word}")))
}

/// Needs an attestation.
#[verb(noun = "word", effect = "write")]
#[requires_attestation(read_write)]
async fn write(cx: Context) -> Result<(), Failure> {
    let _ = cx;
    Ok(())
}

/// Starts a process that says where in its trace it is.
#[verb(noun = "word", effect = "pure")]
async fn start(cx: Context) -> Result<Vec<String>, Failure> {
    let mut command = std::process::Command::new("sh");
    command.args([
        "-c",
        "echo \"$TRACEPARENT\"; echo \"$CNV_TRANSACTION\"; echo \"$BAGGAGE\"",
    ]);
    command.env("BAGGAGE", "of=another");
    cx.trace().write_to(&mut command);
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().map(str::to_owned).collect())
}

/// Says how long a path is, of which spans may have only the one.
#[verb(noun = "word", effect = "pure", trace(fields(path)))]
async fn find(
    path: String,
    other: String,
    #[arg(long, secret)] pin: Option<String>,
) -> Result<usize, Failure> {
    Ok(path.len() + other.len() + pin.map_or(0, |pin| pin.len()))
}

/// Says what it does, here and on a thread of its own.
#[verb(noun = "word", effect = "pure")]
async fn say(cx: Context) -> Result<(), Failure> {
    cx.log(cnv::command::LogLevel::Warn, "there is little left");
    let thread =
        std::thread::spawn(move || cx.log(cnv::command::LogLevel::Debug, "none was found"));
    thread.join().map_err(|_| Failure::failed("it did not end"))
}

fn app() -> App {
    App::new("words").verbs(cnv::verbs![count, spoil, write, start, find, say])
}

#[test]
fn a_call_has_a_span_with_its_stages_and_facts() {
    let (app, tracer, kept) = traced(app().development(), Sampler::ALWAYS);
    let reply = app.call_blocking(["word", "count", "hunter2"]);
    assert_eq!(reply.result.unwrap().as_json(), "7");
    let receipt = reply.receipt.unwrap();
    let spans = kept.after(&tracer);
    let [look, call] = &spans[..] else {
        panic!("{spans:?}");
    };
    assert_eq!((&*call.name, call.kind), ("word count", SpanKind::Server));
    assert_eq!(look.parent, Some(call.context.span_id()));
    assert_eq!(Some(call.context.trace_id()), receipt.trace_id);
    // Without a transaction of the caller's, the call begins one.
    assert!(receipt.transaction_id.is_some());
    assert_eq!(call.transaction, receipt.transaction_id);
    assert_eq!(look.transaction, receipt.transaction_id);
    let stages: Vec<&str> = call.events.iter().map(|event| &*event.name).collect();
    assert_eq!(stages, ["authorise", "admit", "run", "stream", "end"]);
    assert!(call.events.is_sorted_by_key(|event| event.unix_ns));
    assert_eq!(call.status, SpanStatus::Unset);
    assert_eq!(text(call, "cnv.outcome"), "ok");
    assert_eq!(text(call, "cnv.call.id"), receipt.call_id.to_string());
    assert_eq!(
        call.attributes.get("cnv.budget.memory.limit"),
        Some(&Value::Int(1_000_000))
    );
    assert!(call.attributes.get("cnv.budget.cpu.used").is_some());
    assert!(!format!("{spans:?}").contains("hunter2"));
}

#[test]
fn what_a_failure_says_is_not_in_the_span() {
    let (app, tracer, kept) = traced(app(), Sampler::ALWAYS);
    let reply = app.call_blocking(["word", "spoil", "hunter2"]);
    assert!(reply.result.unwrap_err().to_string().contains("hunter2"));
    let spans = kept.after(&tracer);
    assert_eq!(spans[0].status, SpanStatus::Error("usage".into()));
    assert_eq!(text(&spans[0], "error.type"), "usage");
    assert!(!format!("{spans:?}").contains("hunter2"));
}

#[test]
fn a_denied_call_has_a_span_and_so_has_an_attested_one() {
    let (denied, tracer, kept) = traced(app(), Sampler::ALWAYS);
    assert!(denied.call_blocking(["word", "write"]).result.is_err());
    let spans = kept.after(&tracer);
    assert_eq!(text(&spans[0], "cnv.outcome"), "attestation");
    assert!(!spans[0].events.iter().any(|event| event.name == "run"));

    // One that is not admitted has not run either, though it was understood and authorised.
    let limits = Limits {
        memory_bytes: 9,
        ..Limits::unlimited()
    };
    let (refused, tracer, kept) = traced(app().limits(limits), Sampler::ALWAYS);
    assert!(
        refused
            .call_blocking(["word", "count", "x"])
            .result
            .is_err()
    );
    let spans = kept.after(&tracer);
    assert_eq!(text(&spans[0], "cnv.outcome"), "budget");
    let stages: Vec<&str> = spans[0].events.iter().map(|event| &*event.name).collect();
    assert_eq!(stages, ["authorise", "admit", "end"]);

    let (attested, tracer, kept) = traced(app().development(), Sampler::ALWAYS);
    attested.call_blocking(["word", "write"]).result.unwrap();
    let spans = kept.after(&tracer);
    assert_eq!(text(&spans[0], "cnv.attestation.class"), "dangerous");
    assert_eq!(
        spans[0].attributes.get("cnv.attestation.development"),
        Some(&Value::Bool(true))
    );
}

#[test]
fn a_call_that_is_not_sampled_has_no_span_and_passes_its_trace_on() {
    let (app, tracer, kept) = traced(app(), Sampler::NEVER);
    let transaction = "8c1f7a3e0d524b6a9e115f2d70c4a9b3";
    let reply = app.call_blocking(["word", "start", "--transaction", transaction]);
    let lines: Vec<String> = serde_json::from_str(reply.result.unwrap().as_json()).unwrap();
    let trace_id = reply.receipt.unwrap().trace_id.unwrap().to_string();
    assert!(
        lines[0].starts_with(&format!("00-{trace_id}-")),
        "{lines:?}"
    );
    assert!(lines[0].ends_with("-02"), "{lines:?}");
    assert_eq!(lines[1], transaction);
    assert_eq!(lines[2], "");
    assert!(kept.after(&tracer).is_empty());
}

#[test]
fn a_span_has_the_arguments_that_the_verb_names() {
    let (app, tracer, kept) = traced(app(), Sampler::ALWAYS);
    let words = ["word", "find", "/tmp/here", "hunter2", "--pin", "hunter3"];
    assert!(app.call_blocking(words).result.is_ok());
    let spans = kept.after(&tracer);
    assert_eq!(text(&spans[0], "cnv.argument.path"), "/tmp/here");
    let keys = spans[0].attributes.as_slice().iter();
    let arguments = keys.filter(|attribute| attribute.key.starts_with("cnv.argument."));
    assert_eq!(arguments.count(), 1);
    assert!(!format!("{spans:?}").contains("hunter"), "{spans:?}");
}

/// What `work` does within a call that is recorded.
fn recorded(work: impl FnOnce()) -> Vec<SpanRecord> {
    let (_, tracer, kept) = traced(app(), Sampler::ALWAYS);
    let context = TraceContext::fresh(tracer.ids());
    let call = tracer.entry("call", &context, None);
    call.current().clone().in_scope(work);
    drop(call);
    kept.after(&tracer)
}

#[test]
fn an_attempt_that_does_not_return_has_failed() {
    let policy = Policy::new("stock", Settings::new());
    let spans = recorded(|| {
        let panics = || {
            let body = |_| -> Result<(), &str> { panic!("as it is meant to") };
            policy.call_blocking(Call::new(), |_| Verdict::Fail, body)
        };
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics));
        assert!(panicked.is_err());
        let never = async |_| std::future::pending::<Result<(), &str>>().await;
        let mut call = Box::pin(policy.call(Call::new(), |_: &&str| Verdict::Fail, never));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(call.as_mut().poll(&mut cx).is_pending());
    });
    let statuses: Vec<&SpanStatus> = spans.iter().map(|span| &span.status).collect();
    let failed = |why: &'static str| SpanStatus::Error(why.into());
    let [panicked, abandoned] = [failed("panicked"), failed("abandoned")];
    assert_eq!(statuses, [&panicked, &abandoned, &SpanStatus::Unset]);
}

#[test]
fn an_attempt_says_that_it_opened_or_closed_the_breaker() {
    let breaker = CircuitBreaker::new()
        .consecutive(1)
        .probes(1)
        .open(Duration::from_nanos(1));
    let policy = Policy::new("stock", Settings::new().circuit_breaker(breaker));
    let spans = recorded(|| {
        for result in [Ok(()), Err("down")] {
            let called = policy.call_blocking(Call::new(), |_| Verdict::Fail, |_| result);
            assert_eq!(called.is_ok(), result.is_ok());
        }
        // It is refused until the clock has gone on.
        while (policy.call_blocking(Call::new(), |_: &&str| Verdict::Fail, |_| Ok(()))).is_err() {}
    });
    let changes: Vec<(&str, String)> = spans
        .iter()
        .flat_map(|span| span.events.iter().map(move |event| (span, event)))
        .filter(|(_, event)| event.name == "breaker")
        .map(|(span, event)| {
            assert_eq!(event.attributes.get("cnv.policy"), Some(&"stock".into()));
            let Some(Value::Text(state)) = event.attributes.get("cnv.breaker.state") else {
                panic!("{event:?}");
            };
            (&*span.name, state.to_string())
        })
        .collect();
    let expected = [("attempt", "open"), ("attempt", "closed")];
    assert_eq!(
        changes,
        expected.map(|(span, state)| (span, state.to_owned()))
    );
}

#[test]
fn what_a_call_logs_is_exported_with_its_ids() {
    for sampler in [Sampler::ALWAYS, Sampler::NEVER] {
        let (app, tracer, kept) = traced(app(), sampler);
        let receipt = app.call_blocking(["word", "say"]).receipt.unwrap();
        kept.after(&tracer);
        let logs = kept.1.lock().unwrap();
        let said: Vec<(Level, &str)> = logs.iter().map(|log| (log.level, &*log.body)).collect();
        let expected = [
            (Level::Warn, "there is little left"),
            (Level::Debug, "none was found"),
        ];
        assert_eq!(said, expected);
        for log in logs.iter() {
            let trace_id = log.context.map(|context| context.trace_id());
            assert_eq!(trace_id, receipt.trace_id);
            assert_eq!(log.transaction, receipt.transaction_id);
            assert_eq!(log.target, concat!(module_path!(), "::say"));
        }
    }
}
