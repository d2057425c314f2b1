//! The spans of calls over sessions, at both ends: how they end, where they came from, and what they waited for.
#![cfg(unix)]

mod sessions;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cnv::attestation::{CapabilityAttestation, PrivateKey, TrustStore};
use cnv::capability::CapabilityContract;
use cnv::command::SessionServer;
use cnv::session::{Address, CallRequest, Client, ClientOptions, SessionLimits};
use cnv::trace::metrics::Snapshot;
use cnv::trace::{
    Exported, Exporter, Headers, QueueLimits, Sampler, SpanKind, SpanRecord, SpanStatus,
    TraceContext, Tracer, TracerBuilder, Value,
};
use sessions::{Served, probe, run, until};

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

impl Kept {
    fn build(&self, tracer: TracerBuilder) -> Tracer {
        let mut limits = QueueLimits::default();
        limits.delay = Duration::from_millis(1);
        tracer.queue(limits).exporter(self.clone()).build().unwrap()
    }

    /// The next span of this name, once it is there.
    async fn next(&self, name: &str) -> SpanRecord {
        let place = || {
            self.0
                .lock()
                .unwrap()
                .iter()
                .position(|span| span.name == name)
        };
        until("the span is exported", || place().is_some()).await;
        let place = place().unwrap();
        self.0.lock().unwrap().remove(place)
    }
}

fn stages(span: &SpanRecord) -> Vec<&str> {
    span.events.iter().map(|event| &*event.name).collect()
}

fn text(span: &SpanRecord, key: &str) -> String {
    match span.attributes.get(key) {
        Some(Value::Text(text)) => text.to_string(),
        other => panic!("{key}: {other:?}"),
    }
}

#[track_caller]
fn assert_failed(span: &SpanRecord, why: &'static str) {
    assert_eq!(span.status, SpanStatus::Error(why.into()), "{span:?}");
}

#[test]
fn a_call_that_is_taken_back_is_cancelled() {
    run(async {
        let ways = [
            ("sampled", Sampler::ALWAYS, None),
            ("unsampled", Sampler::NEVER, Some("error")),
        ];
        for (name, sampler, why_kept) in ways {
            let kept = Kept::default();
            let tracer = kept.build(Tracer::builder().sampler(sampler).keep_errors());
            let served = sessions::app().trace(tracer.clone());
            let served = Served::of(served, SessionLimits::default()).await;
            let client = served.client().await;
            let call = client.call(["job", "hang", name]).await.unwrap();
            until("it runs", || probe(name).begun() == 1).await;
            drop(call);
            let span = kept.next("job hang").await;
            assert_failed(&span, "cancelled");
            assert_eq!(text(&span, "cnv.outcome"), "cancelled");
            assert_eq!(text(&span, "error.type"), "cancelled");
            assert_ne!(text(&span, "cnv.call.id"), "");
            let is_kept = why_kept.map(Value::from);
            assert_eq!(span.attributes.get("cnv.kept"), is_kept.as_ref());
        }
    });
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Whoever attests over a unix socket is the own user all the same; over TCP it may be anybody.
#[test]
fn the_own_users_trace_goes_on_and_a_strangers_does_not() {
    run(async {
        let [root, agent] = [1, 2].map(|seed| PrivateKey::from_seed(&[seed; 32]));
        let mut trust = TrustStore::new();
        trust.add("root", root.public_key()).unwrap();
        let token = CapabilityAttestation::builder(CapabilityContract::pure(), "agent-42")
            .audience("jobs")
            .held_by(&agent.public_key())
            .sign(&root)
            .unwrap()
            .to_string();
        let kept = Kept::default();
        let app = sessions::app().trust(trust).without_revocation();
        let server = SessionServer::new(app.trace(kept.build(Tracer::builder()))).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let unix = Address::Unix(folder.path().join("jobs.sock"));
        let server = server.listen(&unix).await.unwrap();
        let server = server.listen(&"tcp:127.0.0.1:0".parse().unwrap()).await;
        let server = server.unwrap();
        let [_, tcp] = <[Address; 2]>::try_from(server.addresses()).unwrap();
        tokio::spawn(server.run(std::future::pending()));

        let none = || ClientOptions::new().application("jobs");
        let attested = || none().attest(&token, Some(PrivateKey::from_seed(&[2; 32])));
        let ways = [
            (&unix, none(), true),
            (&unix, attested(), true),
            (&tcp, attested(), false),
        ];
        for (address, options, is_own) in ways {
            let client = Client::connect(address, options).await.unwrap();
            let headers = Headers {
                traceparent: Some(PARENT.as_bytes()),
                ..Headers::default()
            };
            let request = CallRequest::new(["job", "echo", "hello"]).unwrap();
            let call = client.start_call(request.trace_headers(headers)).await;
            call.unwrap().collect().await.unwrap();
            let span = kept.next("job echo").await;
            let trace_id = span.context.trace_id().to_string();
            assert_eq!(PARENT.contains(&trace_id), is_own, "{address}");
            assert_eq!(span.parent.is_some(), is_own, "{address}");
            let link = span.link.map(|link| link.to_string());
            let expected = (!is_own).then(|| PARENT.to_owned());
            assert_eq!(link, expected, "{address}");
        }
    });
}

#[test]
fn what_a_call_waited_for_is_part_of_it() {
    run(async {
        let kept = Kept::default();
        let app = sessions::app().trace(kept.build(Tracer::builder()));
        let served = Served::of(app, SessionLimits::default()).await;
        let client = served.client().await;
        let echo = async || {
            let call = client.call(["job", "echo", "hello"]).await.unwrap();
            call.collect().await.unwrap();
            kept.next("job echo").await
        };
        // A handler that blocks has a place and a thread of its own.
        let blocking = echo().await;
        let all = ["queue", "authorise", "admit", "run", "end"];
        assert_eq!(stages(&blocking), all);
        assert_eq!(blocking.events[0].unix_ns, blocking.start_unix_ns);
        assert!(blocking.events.is_sorted_by_key(|event| event.unix_ns));

        let once = || {
            let request = CallRequest::new(["job", "wait", "awaited"]).unwrap();
            request.idempotency_key("once")
        };
        let first = client.start_call(once()).await.unwrap();
        until("it runs", || probe("awaited").begun() == 1).await;
        let late = once().timeout(Duration::from_millis(1));
        let late = client.start_call(late).await.unwrap();
        assert!(late.collect().await.is_err());
        let late = kept.next("job wait").await;
        assert_failed(&late, "deadline");
        assert_eq!(stages(&late), ["queue"]);
        assert_eq!(late.attributes.get("cnv.call.id"), None);

        let again = client.start_call(once()).await.unwrap();
        // It has come once the one after it has.
        echo().await;
        let may_end = &probe("awaited").may_end;
        may_end.store(true, std::sync::atomic::Ordering::SeqCst);
        first.collect().await.unwrap();
        again.collect().await.unwrap();
        let spans = [kept.next("job wait").await, kept.next("job wait").await];
        let of = |repeats| {
            let is_it = |span: &&SpanRecord| span.attributes.get("cnv.call.repeats").is_some();
            spans.iter().find(|span| is_it(span) == repeats).unwrap()
        };
        assert!(of(true).start_unix_ns < of(false).end_unix_ns);
        assert_eq!(stages(of(true)), all);
    });
}

/// A call that a client makes says how it ended as well, whatever ended it, and no word of which nobody knows that it is no
/// argument.
#[test]
fn a_span_of_a_client_ends_as_its_call_does() {
    run(async {
        let kept = Kept::default();
        let tracer = kept.build(Tracer::builder());
        let context = TraceContext::fresh(tracer.ids());
        let entry = tracer.entry("test", &context, None);
        let within = entry.current().clone();
        within.during(every_end(&kept)).await;
    });
}

async fn every_end(kept: &Kept) {
    let served = Served::start(SessionLimits::default()).await;
    let client = served.client().await;
    let next = async || {
        let span = kept.next("call").await;
        assert_eq!(span.kind, SpanKind::Client);
        assert!(!format!("{span:?}").contains("hunter2"), "{span:?}");
        span
    };
    let call = client.call(["job", "echo", "hunter2"]).await.unwrap();
    call.collect().await.unwrap();
    let span = next().await;
    assert_eq!(span.status, SpanStatus::Unset);
    assert_eq!(text(&span, "rpc.method"), "job echo");

    let call = client.call(["job", "fail", "1"]).await.unwrap();
    call.collect().await.unwrap_err();
    let span = next().await;
    assert_failed(&span, "failed");
    assert_eq!(text(&span, "rpc.method"), "job fail");

    // The verb was forgotten.
    let call = client.call(["job", "hunter2"]).await.unwrap();
    call.collect().await.unwrap_err();
    let span = next().await;
    assert_failed(&span, "usage");
    assert_eq!(span.attributes.get("rpc.method"), None);

    let call = client.call(["job", "hang", "given up"]).await.unwrap();
    until("it runs", || probe("given up").begun() == 1).await;
    drop(call);
    assert_failed(&next().await, "cancelled");

    let large = "x".repeat(SessionLimits::default().max_request_bytes);
    client.call(["job", "echo", &large]).await.unwrap_err();
    assert_failed(&next().await, "request-too-large");

    let (here, there) = tokio::io::duplex(1 << 16);
    let server = SessionServer::new(sessions::app()).unwrap();
    let server = tokio::spawn(server.run_over(there));
    let client = Client::over(here, ClientOptions::new()).await.unwrap();
    let mut call = client.call(["job", "hang", "cut off"]).await.unwrap();
    until("it runs", || probe("cut off").begun() == 1).await;
    server.abort();
    call.next().await.unwrap_err();
    assert_failed(&next().await, "connection-lost");
    client.call(["job", "echo", "hello"]).await.unwrap_err();
    assert_failed(&next().await, "connection-lost");
    drop(call);
    assert!(kept.0.lock().unwrap().is_empty());
}

/// Keeps the last metrics that it was given.
#[derive(Clone, Default)]
struct Last(Arc<Mutex<Option<Snapshot>>>);

impl Exporter for Last {
    fn name(&self) -> String {
        "last".to_owned()
    }

    fn spans(&mut self, _: &[SpanRecord], _: Instant) -> Exported {
        Exported::Delivered
    }

    fn metrics(&mut self, snapshot: &Snapshot, _: Instant) -> Exported {
        *self.0.lock().unwrap() = Some(snapshot.clone());
        Exported::Delivered
    }

    fn takes_metrics(&self) -> bool {
        true
    }
}

#[test]
fn a_server_has_its_application_measured_to_the_end() {
    run(async {
        let last = Last::default();
        let mut limits = QueueLimits::default();
        limits.metrics_every = Duration::from_millis(1);
        let tracer = Tracer::builder().queue(limits).exporter(last.clone());
        let tracer = tracer.build().unwrap();
        let app = sessions::app().trace(tracer.clone());
        let served = Served::of(app, SessionLimits::default()).await;
        let has = |name: &str| {
            let last = last.0.lock().unwrap();
            last.as_ref()
                .is_some_and(|last| last.family(name).is_some())
        };
        until("it is measured", || has("cnv.session.opened")).await;
        served.client().await;
        served.shut_down().await.unwrap();
        let exported =
            tokio::task::spawn_blocking(move || tracer.shutdown(Duration::from_secs(20)));
        exported.await.unwrap();
        let last = last.0.lock().unwrap().take().unwrap();
        assert!(last.family("cnv.calls").is_some());
        let opened = last.family("cnv.session.opened").unwrap();
        assert!(
            format!("{opened:?}").contains("value: Integer(1)"),
            "{opened:?}"
        );
    });
}
