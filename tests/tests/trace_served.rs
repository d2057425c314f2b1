//! The spans of calls over sessions, at both ends: how they end, where they came from, and what they waited for.
#![cfg(unix)]

mod sessions;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cnv::session::SessionLimits;
use cnv::trace::{
    Exported, Exporter, QueueLimits, Sampler, SpanRecord, SpanStatus, Tracer, TracerBuilder, Value,
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
        tracer
            .queue(limits)
            .exporter(self.clone())
            .build()
            .unwrap()
    }

    /// The next span of this name, once it is there.
    async fn next(&self, name: &str) -> SpanRecord {
        let place = || self.0.lock().unwrap().iter().position(|span| span.name == name);
        until("the span is exported", || place().is_some()).await;
        let place = place().unwrap();
        self.0.lock().unwrap().remove(place)
    }
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
