//! The one pipeline, whatever the door: resolve, authorise, admit, run, receipt.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use clap::ArgMatches;

use super::app::App;
use super::audit::{Recorder, Tell, digest_of_arguments};
use super::context::{Call, CallId, Cancellation, Context};
use super::denial::{self, Denial, Record};
use super::evidence::Unfit;
use super::failure::{Failure, FailureCode};
#[cfg(feature = "reload")]
use super::live::LiveGrammar;
use super::log::audit_log;
use super::output::Output;
use super::receipt::{AttestedBy, Receipt};
use super::recovery::Decisions;
use super::spec::VerbSpec;
use super::stopped::Stopped;
use super::stream::{Note, Sink};
use super::traced::Traced;
use super::verb::{Invocation, Registration};
use super::version::LiveVerb;
use crate::attestation::Evidence;
use crate::audit::Digest;
use crate::quota::{BudgetInfo, Limits, Resource, metered};
use crate::recovery::Policy;
#[cfg(feature = "trace")]
use crate::trace::{Carried, Tracer};
use crate::transaction::TransactionId;

/// How a call ended: its output or failure, and its receipt.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reply {
    /// What the handler returned, or why there is nothing.
    pub result: Result<Output, Failure>,
    /// What the handler streamed before it returned, in order. Empty where a sink took it.
    pub items: Vec<Output>,
    /// What was allowed and used; `None` where the call never got to a verb.
    pub receipt: Option<Receipt>,
}

impl Reply {
    /// The end of a call that never got to a handler.
    pub(super) fn without_call(result: Result<Output, Failure>) -> Self {
        Self {
            result,
            items: Vec::new(),
            receipt: None,
        }
    }

    pub(super) fn refused(failure: Failure) -> Self {
        Self::without_call(Err(failure))
    }
}

/// Where a call comes from, and since when it is there.
pub(super) struct Arrival {
    pub(super) since: Instant,
    pub(super) transaction: Option<TransactionId>,
    /// What it brings with it of its trace.
    #[cfg(feature = "trace")]
    pub(super) carried: Carried,
    /// Whether the caller is the process's own user.
    #[cfg(feature = "trace")]
    pub(super) is_own: bool,
    /// Whether it had to wait for its turn or its place.
    #[cfg(feature = "trace")]
    pub(super) is_queued: bool,
}

/// How a call comes, whatever the door.
pub(super) struct Way {
    pub(super) arrival: Arrival,
    pub(super) deadline: Result<Option<Instant>, Failure>,
    /// Who hears what is logged within the call.
    #[cfg(feature = "tracing")]
    pub(super) listener: Option<std::sync::Weak<dyn crate::trace::Listener>>,
    pub(super) cancellation: Arc<Cancellation>,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) show_progress: bool,
    /// What it replies where no handler is called.
    pub(super) replay: Option<Replay>,
}

/// A reply without a handler.
#[cfg_attr(not(feature = "session"), allow(dead_code))]
pub(super) struct Replay {
    /// The earlier call whose reply it is, where there was one and its number is known.
    pub(super) of: Option<CallId>,
    pub(super) reply: Invocation,
}

/// What a door brings to a call.
pub(super) struct Visit {
    pub(super) matches: ArgMatches,
    pub(super) evidence: Evidence,
    pub(super) deadline: Option<Instant>,
    pub(super) cancellation: Arc<Cancellation>,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) show_progress: bool,
    pub(super) call_id: CallId,
    pub(super) transaction: Option<TransactionId>,
    #[cfg(feature = "reload")]
    pub(super) live: Option<LiveGrammar>,
    pub(super) decisions: Decisions,
    pub(super) policies: Arc<[&'static Policy]>,
    #[cfg(feature = "trace")]
    pub(super) tracer: Option<Tracer>,
    pub(super) replay: Option<Replay>,
}

/// Keeps streamed items, for a caller in the same process.
#[derive(Default)]
pub(super) struct Collector {
    items: Mutex<Vec<Output>>,
}

impl Collector {
    pub(super) fn take(&self) -> Vec<Output> {
        std::mem::take(&mut *self.items.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sink for Collector {
    fn poll_item(
        &self,
        item: &mut dyn FnMut() -> Output,
        _: &mut TaskContext<'_>,
    ) -> Poll<Result<(), Failure>> {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.push(item());
        Poll::Ready(Ok(()))
    }

    fn note(&self, _: &Note<'_>) {}
}

impl App {
    /// Decides by the door's evidence whether the call may run, carries it through the stages, and records it. The door
    /// gives the evidence, and the digest of what was presented; it may ask for the digest of the arguments.
    pub(super) async fn attend(
        &self,
        verb: &LiveVerb,
        matches: ArgMatches,
        way: Way,
        evidence: impl FnOnce(&dyn Fn() -> Digest) -> (Result<Evidence, Unfit>, Option<Digest>),
        tell: &Tell<'_>,
    ) -> Reply {
        let counted = self.count(verb.spec(), way.arrival.since);
        // Without randomness for a number, it is refused as the call of number zero.
        let number = call_id();
        let id = number.as_ref().map_or(CallId([0; 16]), |id| *id);
        let mut traced = Traced::begin(self, verb, &way.arrival, Some(id));
        let current = traced.current();
        #[cfg(feature = "tracing")]
        let current = current.heard_by(way.listener.clone());
        let call = self.decide(verb, matches, way, number, evidence, &mut traced, tell);
        let reply = counted.end(current.during(call).await);
        traced.end(&reply);
        reply
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "all of them are what a door brings"
    )]
    async fn decide(
        &self,
        verb: &LiveVerb,
        matches: ArgMatches,
        way: Way,
        number: Result<CallId, Failure>,
        evidence: impl FnOnce(&dyn Fn() -> Digest) -> (Result<Evidence, Unfit>, Option<Digest>),
        traced: &mut Traced<'_>,
        tell: &Tell<'_>,
    ) -> Reply {
        traced.fields(&matches);
        let log = match audit_log(self).await {
            Ok(log) => log,
            Err(failure) => return Reply::refused(failure),
        };
        #[cfg(feature = "reload")]
        if let (Some(live), Some(log)) = (self.live_grammar(), &log) {
            live.lend(log);
        }
        if let Some(advice) = &verb.grammar().deprecated {
            tell(&format!("`{verb}` is deprecated: {advice}"));
        }
        let id = number.as_ref().map_or(CallId([0; 16]), |id| *id);
        let transaction = traced.transaction();
        traced.stage("authorise");
        let arguments = || digest_of_arguments(&verb.arguments(), &matches);
        let (evidence, token) = evidence(&arguments);
        let recorder = log.map(|log| {
            let mut recorder = Recorder::new(log, self.time(), verb, id, transaction);
            recorder.presented(arguments(), token);
            recorder
        });
        let prepared = evidence.and_then(|evidence| {
            Ok(Visit {
                matches,
                evidence,
                deadline: way.deadline.map_err(Unfit::Callers)?,
                cancellation: way.cancellation,
                sink: way.sink,
                show_progress: way.show_progress,
                call_id: number.map_err(Unfit::Callers)?,
                transaction,
                #[cfg(feature = "reload")]
                live: self.live_grammar().cloned(),
                decisions: Decisions::default(),
                policies: Arc::clone(self.known_policies()),
                #[cfg(feature = "trace")]
                tracer: self.tracer.clone().filter(Tracer::takes_logs),
                replay: way.replay,
            })
        });
        match prepared {
            Ok(visit) => self.serve(verb, visit, recorder, traced, tell).await,
            Err(unfit) => self.refuse(verb.spec(), id, recorder, unfit, tell).await,
        }
    }

    /// Carries one call through every stage after `resolve`.
    pub(super) async fn serve(
        &self,
        verb: &LiveVerb,
        mut visit: Visit,
        mut recorder: Option<Recorder>,
        traced: &mut Traced<'_>,
        tell: &Tell<'_>,
    ) -> Reply {
        let spec = *verb.spec();
        let (call_id, transaction_id) = (visit.call_id, visit.transaction);
        let evidence = visit.evidence.clone();
        let decisions = visit.decisions.clone();
        let repeats = visit.replay.as_ref().and_then(|replay| replay.of);
        if let Some(recorder) = &mut recorder {
            if let Some(call) = repeats {
                recorder.repeats(call);
            }
            visit.sink = recorder.listen(Arc::clone(&visit.sink));
        }
        traced.stage("admit");
        let admitted = authorise(&spec, &evidence).and_then(|()| self.admit(&spec));
        let mut record = Record::Unkept;
        let refusal = match (&mut recorder, admitted) {
            (None, admitted) => admitted.err(),
            (Some(recorder), Ok(())) => {
                record = Record::Written;
                recorder.allowed(&evidence).await.err()
            }
            (Some(recorder), Err(failure)) => {
                record = recorder.denied(&failure, tell).await;
                Some(failure)
            }
        };
        let is_within = refusal.is_none();
        if is_within {
            traced.stage("run");
        }
        let limits = spec.limits.unwrap_or_else(Limits::unlimited);
        let ((result, is_run), usage) = metered(spec.name, limits, async {
            match refusal {
                Some(failure) => (Err(failure), false),
                None => run(verb.entry(), visit, &self.panics).await,
            }
        })
        .await;
        traced.stage("end");
        let result = match &mut recorder {
            Some(recorder) if is_within => {
                let recorded = recorder.ended(&result, &usage, &evidence).await;
                recorded.and(result)
            }
            _ => result,
        };
        let denial = Denial {
            spec: &spec,
            call_id,
            record,
            is_within,
        };
        let is_explained = self.explains_denials || evidence.is_development();
        let result = result.map_err(|failure| tell_denial(failure, &denial, is_explained));
        Reply {
            receipt: Some(Receipt {
                call_id,
                transaction_id,
                #[cfg(feature = "trace")]
                trace_id: traced.trace_id(),
                verb: spec,
                usage,
                attestation: AttestedBy::of(&evidence),
                is_run,
                repeats: repeats.filter(|_| is_within),
                failure: result.as_ref().err().map(Failure::code),
                decided: decisions.take(),
            }),
            result,
            items: Vec::new(),
        }
    }

    /// Refuses a call before there is anything to judge it by.
    pub(super) async fn refuse(
        &self,
        spec: &VerbSpec,
        call_id: CallId,
        recorder: Option<Recorder>,
        unfit: Unfit,
        tell: &Tell<'_>,
    ) -> Reply {
        let record = match recorder {
            Some(mut recorder) => recorder.denied(unfit.failure(), tell).await,
            None => Record::Unkept,
        };
        let denial = Denial {
            spec,
            call_id,
            record,
            is_within: false,
        };
        Reply::refused(match unfit {
            Unfit::Callers(failure) => failure,
            Unfit::Operators(failure) => tell_denial(failure, &denial, self.explains_denials),
        })
    }

    /// Whether the application has room for what the verb declares.
    fn admit(&self, spec: &VerbSpec) -> Result<(), Failure> {
        let (Some(allowed), Some(declared)) = (&self.limits, spec.limits()) else {
            return Ok(());
        };
        match declared.first_over(allowed) {
            None => Ok(()),
            Some(resource) => Err(Failure::new(
                FailureCode::Budget,
                format!(
                    "not admitted: `{spec}` declares {declared}, more {resource} than the application allows ({allowed})"
                ),
            )),
        }
    }
}

/// A failure as the caller hears it.
fn tell_denial(failure: Failure, denial: &Denial<'_>, is_explained: bool) -> Failure {
    if is_explained {
        denial::explained(failure)
    } else {
        denial::told(failure, denial)
    }
}

pub(super) fn authorise(spec: &VerbSpec, evidence: &Evidence) -> Result<(), Failure> {
    if let Some(contract) = spec.contract() {
        evidence.authorise(contract)?;
    }
    Ok(())
}

/// Runs the handler until it is done or the deadline passes, and says whether it was begun. A cancelled handler is left to
/// return what it has; one that does not notice is ended by the next signal.
async fn run(
    entry: &Registration,
    visit: Visit,
    panics: &AtomicU64,
) -> (Result<Output, Failure>, bool) {
    let decisions = visit.decisions.clone();
    let cx = Context::new(Call {
        id: visit.call_id,
        transaction: visit.transaction,
        spec: entry.spec,
        evidence: visit.evidence,
        deadline: visit.deadline,
        cancellation: visit.cancellation,
        sink: visit.sink,
        show_progress: visit.show_progress,
        #[cfg(feature = "reload")]
        live: visit.live,
        decisions: visit.decisions,
        policies: visit.policies,
        #[cfg(feature = "trace")]
        trace: crate::trace::Current::get(),
        #[cfg(feature = "trace")]
        tracer: visit.tracer,
        #[cfg(feature = "trace")]
        is_streaming: std::sync::atomic::AtomicBool::new(false),
    });
    if let Err(stopped) = cx.checkpoint() {
        return (Err(stopped.into()), false);
    }
    let deadline = cx.deadline();
    let is_replay = visit.replay.is_some();
    let handler = Isolated {
        handler: match visit.replay {
            Some(replay) => replay.reply,
            None => (entry.invoke)(cx, visit.matches),
        },
        panics,
    };
    let result = match deadline {
        None => handler.await,
        Some(deadline) => match tokio::time::timeout_at(deadline.into(), handler).await {
            Ok(result) => result,
            Err(_) => Err(Stopped::Deadline.into()),
        },
    };
    let refused = |failure: &Failure| decisions.refused_at_first(entry, failure);
    let is_run = !is_replay && !result.as_ref().is_err_and(refused);
    (result, is_run)
}

/// A handler whose panic is its call's failure, and nobody else's.
struct Isolated<'a> {
    handler: Invocation,
    panics: &'a AtomicU64,
}

impl Future for Isolated<'_> {
    type Output = Result<Output, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        // It is not polled again after a panic, and all that it holds is its call's.
        let polled = catch_unwind(AssertUnwindSafe(|| self.handler.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| {
            self.panics.fetch_add(1, Ordering::Relaxed);
            // What it says may be anything; the panic hook has it.
            Poll::Ready(Err(Failure::new(
                FailureCode::Panicked,
                "the handler panicked",
            )))
        })
    }
}

/// A fresh number for a call.
///
/// # Errors
///
/// Where the operating system has no randomness to give.
pub(super) fn call_id() -> Result<CallId, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::failed(format!("no randomness for a call number: {error}")))?;
    Ok(CallId(bytes))
}

/// What a call would need, for `--dry-run`.
pub(super) fn explain(verb: &LiveVerb, deadline: Option<std::time::Duration>) -> Explanation<'_> {
    let spec = verb.spec();
    Explanation {
        verb: spec.to_string(),
        about: &verb.grammar().about,
        effect: spec.effect.as_str(),
        attestation: spec.contract.map(|contract| contract.to_string()),
        budget: spec.limits.map(|limits| Budget {
            tier: BudgetInfo::from(limits).tier(),
            memory: limits.shown(Resource::Memory).to_string(),
            cpu: limits.shown(Resource::Cpu).to_string(),
            io: limits.shown(Resource::Io).to_string(),
            network: limits.shown(Resource::Network).to_string(),
        }),
        deadline: deadline.map(|deadline| format!("{deadline:?}")),
        function: spec.function,
        grammar: verb.digest().to_string(),
    }
}

#[derive(serde::Serialize)]
pub(super) struct Explanation<'a> {
    verb: String,
    about: &'a str,
    effect: &'static str,
    attestation: Option<String>,
    budget: Option<Budget>,
    deadline: Option<String>,
    function: &'static str,
    grammar: String,
}

#[derive(serde::Serialize)]
struct Budget {
    /// The budget type that comes with cnv, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<&'static str>,
    memory: String,
    cpu: String,
    io: String,
    network: String,
}
