//! The others, and cnv as a program has it: each hands all spans to a thread of its own, which counts them and drops them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cnv::trace::{Exported, Exporter, QueueLimits, Sampler, SpanRecord, Tracer};
use fastrace::collector::{Config, Reporter, SpanRecord as FastraceRecord};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanData, SpanExporter,
};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

/// How many spans wait at most, for every contender that can be told so.
pub const CAPACITY: usize = 8192;

/// Takes everything, and counts it.
#[derive(Clone, Debug, Default)]
pub struct Taken(Arc<AtomicU64>);

impl Taken {
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Release);
    }
}

impl Exporter for Taken {
    fn name(&self) -> String {
        "taken".to_owned()
    }

    fn spans(&mut self, spans: &[SpanRecord], _: Instant) -> Exported {
        self.add(spans.len());
        Exported::Delivered
    }
}

impl SpanExporter for Taken {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.add(batch.len());
        Ok(())
    }
}

impl Reporter for Taken {
    fn report(&mut self, spans: Vec<FastraceRecord>) {
        self.add(spans.len());
    }
}

/// cnv's tracer with that exporter.
pub fn cnv(sampler: Sampler) -> io::Result<(Tracer, Taken)> {
    let taken = Taken::default();
    let mut queue = QueueLimits::default();
    queue.capacity = CAPACITY;
    // Longer than a turn, so that few spans wake nobody, and short for what waits between turns.
    queue.delay = Duration::from_millis(20);
    let tracer = Tracer::builder().sampler(sampler).queue(queue);
    Ok((tracer.exporter(taken.clone()).build()?, taken))
}

/// Waits until nothing waits for the exporter.
pub fn drain(tracer: &Tracer) {
    let waits = || {
        tracer
            .reports()
            .iter()
            .any(|report| report.spans.waiting > 0)
    };
    while waits() {
        thread::yield_now();
    }
}

/// OpenTelemetry's SDK.
pub struct Sdk {
    pub tracer: SdkTracer,
    pub taken: Taken,
    provider: SdkTracerProvider,
}

/// It with a batch processor.
pub fn sdk() -> Sdk {
    let taken = Taken::default();
    let config = BatchConfigBuilder::default().with_max_queue_size(CAPACITY);
    let processor = BatchSpanProcessor::builder(taken.clone()).with_batch_config(config.build());
    let provider = SdkTracerProvider::builder().with_span_processor(processor.build());
    let provider = provider.build();
    Sdk {
        tracer: provider.tracer("bench"),
        taken,
        provider,
    }
}

impl Sdk {
    /// Waits until nothing waits for the exporter.
    pub fn flush(&self) {
        let flushed = self.provider.force_flush();
        flushed.expect("the exporter takes everything");
    }
}

/// `tracing` with tracing-opentelemetry, for the spans of the level that is asked for and above. It adds nothing that was
/// not asked for: no thread, no place in the source.
pub fn subscriber(tracer: SdkTracer) -> impl tracing::Subscriber + Send + Sync {
    let layer = OpenTelemetryLayer::new(tracer)
        .with_context_activation(false)
        .with_level(false)
        .with_location(false)
        .with_target(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(layer)
}

/// Has fastrace report. It has one reporter for the whole process.
pub fn fastrace() -> Taken {
    let taken = Taken::default();
    fastrace::set_reporter(taken.clone(), Config::default());
    taken
}
