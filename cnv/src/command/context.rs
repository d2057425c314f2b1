//! What a handler holds of its call: evidence, deadline, streams and progress.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

#[cfg(feature = "reload")]
use super::live::LiveGrammar;
use super::progress::Progress;
use super::recovery::Decisions;
use super::spec::VerbSpec;
use super::stopped::Stopped;
use super::stream::Sink;
use crate::attestation::{CarriesEvidence, Evidence};
use crate::recovery::Policy;
#[cfg(feature = "trace")]
use crate::trace::{Current, Tracer};
use crate::transaction::TransactionId;

/// A random 128-bit number that names one call.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallId(pub(super) [u8; 16]);

impl CallId {
    /// The number, big-endian.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::attestation::hex::write(&self.0, f)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallId({self})")
    }
}

/// Asks running calls to stop.
#[derive(Debug, Default)]
pub(super) struct Cancellation {
    /// How far it is: it only grows.
    asked: AtomicU8,
    wake: Notify,
}

/// The server ends: what has no end of its own is to come to one.
#[cfg(feature = "session")]
const WIND_UP: u8 = 1;
/// The call is to stop.
const CANCELLED: u8 = 2;

impl Cancellation {
    pub(super) fn cancel(&self) {
        self.ask(CANCELLED);
    }

    /// Asks what would go on without end to come to one. What works towards an end of its own goes on.
    #[cfg(feature = "session")]
    pub(super) fn wind_up(&self) {
        self.ask(WIND_UP);
    }

    fn ask(&self, what: u8) {
        self.asked.fetch_max(what, Ordering::Release);
        self.wake.notify_waiters();
    }

    fn is_cancelled(&self) -> bool {
        self.asked.load(Ordering::Acquire) == CANCELLED
    }

    pub(super) async fn cancelled(&self) {
        self.asked(CANCELLED).await;
    }

    /// Completes when it was asked for this much.
    async fn asked(&self, least: u8) {
        loop {
            let mut wake = std::pin::pin!(self.wake.notified());
            // Registered before it is read, so that what is asked in between is not missed.
            wake.as_mut().enable();
            if self.asked.load(Ordering::Acquire) >= least {
                return;
            }
            wake.await;
        }
    }
}

pub(super) struct Call {
    pub(super) id: CallId,
    pub(super) transaction: Option<TransactionId>,
    pub(super) spec: VerbSpec,
    pub(super) evidence: Evidence,
    pub(super) deadline: Option<Instant>,
    pub(super) cancellation: Arc<Cancellation>,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) show_progress: bool,
    #[cfg(feature = "reload")]
    pub(super) live: Option<LiveGrammar>,
    pub(super) decisions: Decisions,
    pub(super) policies: Arc<[&'static Policy]>,
    #[cfg(feature = "trace")]
    pub(super) trace: Current,
    /// Has what is logged exported, where any exporter takes it.
    #[cfg(feature = "trace")]
    pub(super) tracer: Option<Tracer>,
    /// Whether an item of the output was sent.
    #[cfg(feature = "trace")]
    pub(super) is_streaming: std::sync::atomic::AtomicBool,
}

#[cfg(feature = "trace")]
impl Call {
    /// Says in its span that its output begins.
    pub(super) fn stream(&self) {
        if self.trace.is_recorded()
            && !self
                .is_streaming
                .swap(true, std::sync::atomic::Ordering::Relaxed)
        {
            self.trace.event("stream", [("cnv.stage", true.into())]);
        }
    }
}

/// The call that a handler serves. It carries the evidence that `#[requires_attestation]` checks, so a
/// guarded function takes it as a parameter; it is cheap to clone, and clones name the same call.
#[derive(Clone)]
pub struct Context {
    call: Arc<Call>,
    /// The call's deadline, or an earlier one of a function within it.
    deadline: Option<Instant>,
}

impl Context {
    pub(super) fn new(call: Call) -> Self {
        Self {
            deadline: call.deadline,
            call: Arc::new(call),
        }
    }

    /// The same call, for a function within it that has to be over by then.
    pub(super) fn until(&self, deadline: Option<Instant>) -> Self {
        let deadline = match (self.deadline, deadline) {
            (Some(own), Some(other)) => Some(own.min(other)),
            (own, other) => own.or(other),
        };
        Self {
            call: Arc::clone(&self.call),
            deadline,
        }
    }

    pub(super) fn cancellation(&self) -> Arc<Cancellation> {
        Arc::clone(&self.call.cancellation)
    }

    pub(super) fn decisions(&self) -> &Decisions {
        &self.call.decisions
    }

    /// The policies that functions of the application run under.
    #[must_use]
    pub fn policies(&self) -> &[&'static Policy] {
        &self.call.policies
    }

    /// The number of this call.
    #[must_use]
    pub fn call_id(&self) -> CallId {
        self.call.id
    }

    /// The transaction that the caller says this call belongs to; `None` where nothing was said.
    #[must_use]
    pub fn transaction_id(&self) -> Option<TransactionId> {
        self.call.transaction
    }

    /// Where in its trace the call is, for what it starts: threads, tasks, processes, and calls to other systems. In the
    /// handler itself, [`trace::span`](crate::trace::span()) and [`Current::get`] know it already.
    ///
    /// Needs the feature `trace`.
    #[cfg(feature = "trace")]
    #[must_use]
    pub fn trace(&self) -> &Current {
        &self.call.trace
    }

    /// The live grammar of the application, where it has an [`overlay`](super::App::overlay).
    #[cfg(feature = "reload")]
    #[must_use]
    pub fn live_grammar(&self) -> Option<&LiveGrammar> {
        self.call.live.as_ref()
    }

    /// The verb being served, as the program declares it but for its limits, which are those of this call.
    #[must_use]
    pub fn verb(&self) -> &VerbSpec {
        &self.call.spec
    }

    /// What is left until the deadline; `None` without one, zero once it has passed. In a function with a
    /// [`timeout`](macro@crate::timeout) it is that of the function, where it is the earlier one.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    pub(super) fn shared(&self) -> Arc<Call> {
        Arc::clone(&self.call)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Says whether the work may go on. A handler that computes or blocks for long asks at every
    /// round; between two `.await`s nothing else can stop it. Costs one atomic load, and one reading
    /// of the clock where there is a deadline.
    ///
    /// # Errors
    ///
    /// [`Stopped`], to be returned with `?`.
    pub fn checkpoint(&self) -> Result<(), Stopped> {
        if self.call.cancellation.is_cancelled() {
            return Err(Stopped::Cancelled);
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Stopped::Deadline),
            _ => Ok(()),
        }
    }

    /// Completes when the call is cancelled, or when the server that serves it is to end. A handler that follows something
    /// without end waits for this beside its work, and then returns what it has. One whose work has an end is let come to
    /// it by a server that ends, and asks [`checkpoint`](Self::checkpoint) instead.
    pub async fn cancelled(&self) {
        // Whatever is asked at all.
        self.call.cancellation.asked(1).await;
    }

    /// Waits, for a handler that looks at something again and again without end.
    ///
    /// # Errors
    ///
    /// [`Stopped`] as soon as the call has to stop, and [`Stopped::Cancelled`] also as soon as the server that serves it is to
    /// end: see [`cancelled`](Self::cancelled).
    pub async fn sleep(&self, duration: Duration) -> Result<(), Stopped> {
        let is_asked = tokio::time::timeout(duration, self.cancelled()).await;
        self.checkpoint()?;
        match is_asked {
            Ok(()) => Err(Stopped::Cancelled),
            Err(_) => Ok(()),
        }
    }

    /// Tells how far a long piece of work is, of `total` steps (bytes, files). On a terminal it is a
    /// bar on standard error; elsewhere nothing is drawn.
    #[must_use]
    pub fn progress(&self, total: u64) -> Progress {
        Progress::new(total, self.call.show_progress, Arc::clone(&self.call.sink))
    }
}

impl CarriesEvidence for Context {
    fn evidence(&self) -> &Evidence {
        &self.call.evidence
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("call_id", &self.call.id)
            .field("verb", &format_args!("{}", self.call.spec))
            .finish_non_exhaustive()
    }
}
