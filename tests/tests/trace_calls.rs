//! The spans of calls: what is in them, what is not, and what they pass on.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cnv::prelude::*;
use cnv::trace::{
    self, Exported, Exporter, QueueLimits, Sampler, SpanKind, SpanRecord, SpanStatus, Tracer, Value,
};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanRecord>>>);

impl Exporter for Kept {
    fn name(&self) -> String {
        "kept".to_owned()
    }

    fn spans(&mut self, spans: &[SpanRecord], _: Instant) -> Exported {
        self.0.lock().unwrap().extend_from_slice(spans);
        Exported::Delivered
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

fn app() -> App {
    App::new("words").verbs(cnv::verbs![count, spoil, write, start])
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
