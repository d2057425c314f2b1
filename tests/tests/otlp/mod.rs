//! What tests of the export have in common: spans to send, servers that answer as they are told, and real collectors.

pub mod collectors;
pub mod grpc_server;
pub mod http_server;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cnv::trace::{
    Exported, Exporter, IdGenerator, LogRecord, SpanRecord, TraceContext, Tracer, TracerBuilder,
};

/// Longer than anything takes here.
pub const LONG: Duration = Duration::from_secs(30);

/// How long a test waits for an answer that does not come.
pub const SHORT: Duration = Duration::from_millis(300);

/// Keeps what it is given.
#[derive(Clone, Default)]
struct Keeper {
    spans: Arc<Mutex<Vec<SpanRecord>>>,
    logs: Arc<Mutex<Vec<LogRecord>>>,
}

impl Exporter for Keeper {
    fn name(&self) -> String {
        "keeper".to_owned()
    }

    fn spans(&mut self, spans: &[SpanRecord], _: Instant) -> Exported {
        self.spans.lock().unwrap().extend_from_slice(spans);
        Exported::Delivered
    }

    fn takes_logs(&self) -> bool {
        true
    }

    fn logs(&mut self, logs: &[LogRecord], _: Instant) -> Exported {
        self.logs.lock().unwrap().extend_from_slice(logs);
        Exported::Delivered
    }
}

/// What a tracer gives to an exporter while this is done with it.
pub fn recorded(record: impl FnOnce(&Tracer)) -> (Vec<SpanRecord>, Vec<LogRecord>) {
    let keeper = Keeper::default();
    let tracer = seeded().exporter(keeper.clone()).build().unwrap();
    record(&tracer);
    assert!(tracer.shutdown(LONG)[0].is_complete());
    let (spans, logs) = (keeper.spans.lock().unwrap(), keeper.logs.lock().unwrap());
    (spans.clone(), logs.clone())
}

pub fn seeded() -> TracerBuilder {
    Tracer::builder().ids(IdGenerator::from_seed([5; 24]))
}

/// So many spans, each of a call of its own.
pub fn spans(count: usize) -> Vec<SpanRecord> {
    recorded(|tracer| (0..count).for_each(|_| call(tracer))).0
}

pub fn call(tracer: &Tracer) {
    let context = TraceContext::fresh(tracer.ids());
    drop(tracer.entry("log scan", &context, None));
}

pub fn soon() -> Instant {
    Instant::now() + LONG
}

/// Waits until it is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = soon();
    while !is_so() {
        assert!(Instant::now() < until, "{what}: not within {LONG:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
