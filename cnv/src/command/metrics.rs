//! The metrics of an application: what its calls, policies and sessions count, at one moment.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Instant, SystemTime};

use super::app::App;
use super::failure::{Failure, FailureCode};
use super::pipeline::Reply;
use super::spec::VerbSpec;
use crate::trace::metrics::{CallMetrics, Counting, Family, Point, Points, Snapshot, Source};

mod policies;

/// How a call may end: well, or with one of the codes.
const OUTCOMES: [&str; FailureCode::ALL.len() + 1] = {
    let mut outcomes = ["ok"; FailureCode::ALL.len() + 1];
    let mut i = 0;
    while i < FailureCode::ALL.len() {
        outcomes[i + 1] = FailureCode::ALL[i].as_str();
        i += 1;
    }
    outcomes
};

/// The place of an outcome among [`OUTCOMES`].
const fn outcome(failure: Option<FailureCode>) -> usize {
    match failure {
        None => 0,
        // The codes are declared in the order that they are listed in.
        Some(code) => code as usize + 1,
    }
}

/// What an application counts.
pub(super) struct Metrics {
    begun: OnceLock<Begun>,
    /// Requests that no call began for, by how they were refused.
    refused: [AtomicU64; OUTCOMES.len()],
    sources: Mutex<Vec<Joined>>,
}

/// What is there once anything was counted or asked for.
struct Begun {
    since: SystemTime,
    calls: CallMetrics<{ OUTCOMES.len() }>,
}

enum Joined {
    Program(Arc<dyn Source>),
    /// A server, for as long as it is there.
    #[cfg_attr(not(feature = "session"), allow(dead_code))]
    Server(Weak<dyn Source>),
}

impl Metrics {
    pub(super) const fn new() -> Self {
        Self {
            begun: OnceLock::new(),
            refused: [const { AtomicU64::new(0) }; OUTCOMES.len()],
            sources: Mutex::new(Vec::new()),
        }
    }

    fn add(&self, source: Joined) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.retain(|source| match source {
            Joined::Program(_) => true,
            Joined::Server(server) => server.strong_count() > 0,
        });
        sources.push(source);
    }

    fn sources(&self) -> Vec<Arc<dyn Source>> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let present = sources.iter().filter_map(|source| match source {
            Joined::Program(source) => Some(Arc::clone(source)),
            Joined::Server(server) => server.upgrade(),
        });
        present.collect()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl App {
    /// Adds metrics to [`snapshot`](Self::snapshot) that are not the application's own.
    ///
    /// Needs the feature `trace`.
    #[must_use]
    pub fn metrics_of(self, source: impl Source + 'static) -> Self {
        self.metrics.add(Joined::Program(Arc::new(source)));
        self
    }

    /// All that the application counts, as it stands: its calls, its policies, its sessions, and what
    /// [others](Self::metrics_of) add. A source's metric that has the name of one before it and is another one is left out
    /// ([`Snapshot::push`]).
    ///
    /// Needs the feature `trace`. See [`metrics`](crate::trace::metrics) for an example.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let begun = self.begun();
        let mut snapshot = Snapshot::new(begun.since, SystemTime::now());
        let mut families = begun.calls.collect();
        families.push(self.requests_refused());
        families.push(Family::new(
            "cnv.handler.panics",
            "{panic}",
            "Handlers that panicked, each of which was one call's failure.",
            Points::Counter(vec![Point::alone(self.panics())]),
        ));
        families.extend(policies::collect(self.policies()));
        if let Some(log) = &self.audit {
            let has_failed = u64::from(log.failure().is_some());
            families.push(Family::new(
                "cnv.audit.failed",
                "",
                "1 where the audit log takes no more entries, and 0 where it does.",
                Points::Gauge(vec![Point::alone(has_failed)]),
            ));
        }
        // A source may take its time, but nobody waits for it with the lock held.
        for source in self.metrics.sources() {
            families.extend(source.collect());
        }
        for family in families {
            // None of the application's own clashes.
            let _ = snapshot.push(family);
        }
        snapshot
    }

    /// Has the snapshots tell of a server, for as long as it is there.
    #[cfg(feature = "session")]
    pub(super) fn tell_of(&self, server: &Arc<impl Source + 'static>) {
        let server = Arc::downgrade(server);
        self.metrics.add(Joined::Server(server));
    }

    fn begun(&self) -> &Begun {
        self.metrics.begun.get_or_init(|| {
            let names = self
                .verbs
                .iter()
                .map(|entry| (entry.spec.noun, entry.spec.name));
            Begun {
                since: SystemTime::now(),
                calls: CallMetrics::new(names, OUTCOMES),
            }
        })
    }

    fn requests_refused(&self) -> Family {
        let refused = OUTCOMES.iter().zip(&self.metrics.refused).skip(1);
        let points = refused.map(|(outcome, count)| {
            Point::new([("outcome", *outcome)], count.load(Ordering::Relaxed))
        });
        Family::new(
            "cnv.requests.refused",
            "{request}",
            "Requests that were refused before their call began: not understood, or stopped while they waited.",
            Points::Counter(points.collect()),
        )
    }

    /// Counts a call of this verb, which came at `since`, until the reply is there.
    pub(super) fn count(&self, spec: &VerbSpec, since: Instant) -> Counted<'_> {
        let if_dropped = outcome(Some(FailureCode::Cancelled));
        let calls = &self.begun().calls;
        Counted(calls.begin(spec.noun, spec.name, since, if_dropped))
    }

    /// The reply to a request that no call begins for.
    pub(super) fn refuse_request(&self, failure: Failure) -> Reply {
        let outcome = outcome(Some(failure.code()));
        self.metrics.refused[outcome].fetch_add(1, Ordering::Relaxed);
        Reply::refused(failure)
    }
}

/// A call that goes on. It is counted as cancelled where nobody waits for its reply.
pub(super) struct Counted<'a>(Option<Counting<'a, { OUTCOMES.len() }>>);

impl Counted<'_> {
    /// Counts the call as its reply says.
    pub(super) fn end(self, reply: Reply) -> Reply {
        if let Some(counting) = self.0 {
            let failure = reply.result.as_ref().err().map(Failure::code);
            let receipt = reply.receipt.as_ref();
            let used = receipt.map(|receipt| (&receipt.usage, receipt.allowed()));
            counting.end(outcome(failure), used);
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_place() {
        assert_eq!(OUTCOMES[outcome(None)], "ok");
        for code in FailureCode::ALL {
            assert_eq!(OUTCOMES[outcome(Some(code))], code.as_str());
        }
    }
}
