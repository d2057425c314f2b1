//! One function, with each stage alone and with all of them, as whoever writes it puts them on.

use std::hint::black_box;

use cnv::attestation::{Denied, Evidence, Timestamp};
use cnv::audit::{AuditEntry, AuditLog, Decision, Digest, Outcome};
use cnv::recovery::Refused;
use cnv::trace::{TraceContext, Tracer};
use cnv::{budget, bulkhead, circuit_breaker, requires_attestation, run, timeout};

use crate::recovery::at_once;

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Refused(#[from] Refused),
}

pub type Answer = Result<u64, Failed>;

/// What all of them do.
fn body(value: u64) -> u64 {
    black_box(value).wrapping_mul(3)
}

async fn bare(value: u64) -> Answer {
    Ok(body(value))
}

#[requires_attestation(network, via = evidence)]
async fn guarded(evidence: &Evidence, value: u64) -> Answer {
    Ok(body(value))
}

#[timeout("1s")]
async fn timed(value: u64) -> Answer {
    Ok(body(value))
}

#[circuit_breaker]
async fn broken(value: u64) -> Answer {
    Ok(body(value))
}

#[bulkhead(max = 16)]
async fn bounded(value: u64) -> Answer {
    Ok(body(value))
}

#[timeout("1s")]
#[circuit_breaker]
#[bulkhead(max = 16)]
async fn recovering(value: u64) -> Answer {
    Ok(body(value))
}

#[budget(memory = "1KB", cpu = "50us")]
async fn budgeted(value: u64) -> Answer {
    Ok(body(value))
}

#[requires_attestation(network, via = evidence)]
#[timeout("1s")]
#[circuit_breaker]
#[bulkhead(max = 16)]
#[budget(memory = "1KB", cpu = "50us")]
async fn everything(evidence: &Evidence, value: u64) -> Answer {
    Ok(body(value))
}

/// What a caller is known by, and where its calls are recorded: one for each thread.
pub struct Caller<'s> {
    evidence: Evidence,
    tracer: &'s Tracer,
    context: TraceContext<'s>,
    log: &'s AuditLog,
    /// What all of its entries say.
    entry: AuditEntry,
    calls: u64,
}

/// A way to make the call.
pub type Way = fn(&mut Caller<'_>, u64) -> Option<Answer>;

pub const BARE: &str = "the bare function";
pub const UNRECORDED: &str = "all but the receipt";
pub const ALL: &str = "everything";

/// Each stage alone, and all of them.
pub const WAYS: [(&str, Way); 11] = [
    (BARE, |_, value| at_once(bare(value))),
    ("the guard, by handle", |caller, value| {
        at_once(guarded(&caller.evidence, value))
    }),
    ("a deadline", |_, value| at_once(timed(value))),
    ("a breaker", |_, value| at_once(broken(value))),
    ("a bulkhead", |_, value| at_once(bounded(value))),
    ("these three", |_, value| at_once(recovering(value))),
    ("a budget of memory and time", |_, value| {
        at_once(run!(budgeted(value)))
    }),
    ("a span, not sampled", |caller, value| {
        caller.traced(|_| at_once(bare(value)))
    }),
    ("a receipt, queued", |caller, value| {
        let answer = at_once(bare(value));
        caller.record();
        answer
    }),
    (UNRECORDED, |caller, value| caller.through(value)),
    (ALL, |caller, value| {
        let answer = caller.through(value);
        caller.record();
        answer
    }),
];

impl<'s> Caller<'s> {
    pub fn new(evidence: Evidence, tracer: &'s Tracer, log: &'s AuditLog) -> Self {
        let mut entry = AuditEntry::new(Timestamp::now(), [0; 16], "answer ask", Decision::Allowed);
        entry.subject = Some("agent-42".to_owned());
        entry.links = vec![Digest::from_bytes([3; 32])];
        entry.arguments = Some(Digest::from_bytes([1; 32]));
        entry.result = Some(Digest::from_bytes([2; 32]));
        entry.outcome = Some(Outcome::Succeeded);
        Self {
            evidence,
            tracer,
            context: TraceContext::fresh(tracer.ids()),
            log,
            entry,
            calls: 0,
        }
    }

    #[inline]
    fn through(&self, value: u64) -> Option<Answer> {
        self.traced(|evidence| at_once(run!(everything(evidence, value))))
    }

    #[inline]
    fn traced<T>(&self, call: impl FnOnce(&Evidence) -> T) -> T {
        let mut entry = self.tracer.entry("answer ask", &self.context, None);
        let answered = (entry.current().clone()).in_scope(|| call(&self.evidence));
        entry.ended(None);
        answered
    }

    /// Queues what became of the call, and does not wait for the disk.
    fn record(&mut self) {
        self.calls += 1;
        self.entry.call_id[..8].copy_from_slice(&self.calls.to_be_bytes());
        self.entry.time = Timestamp::now();
        let recorded = self.log.record(&self.entry);
        recorded.expect("room on the disk");
    }
}
