//! The one pipeline, whatever the door: resolve, authorise, admit, run, receipt.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use clap::ArgMatches;

use super::app::App;
use super::audit::Recorder;
use super::context::{Call, CallId, Cancellation, Context, Sink};
use super::failure::{Failure, FailureCode};
use super::output::Output;
use super::receipt::{AttestedBy, Receipt};
use super::spec::VerbSpec;
use super::stopped::Stopped;
use super::verb::Registration;
use crate::attestation::{Denied, Evidence};
use crate::audit::AuditLog;
use crate::quota::{Limits, Resource, metered};

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

/// What a door brings to a call.
pub(super) struct Visit {
    pub(super) matches: ArgMatches,
    pub(super) evidence: Evidence,
    /// Where the call is recorded.
    pub(super) audit: Option<Arc<AuditLog>>,
    pub(super) deadline: Option<Instant>,
    pub(super) cancellation: Arc<Cancellation>,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) show_progress: bool,
    pub(super) call_id: CallId,
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
    fn item(&self, output: Output) -> Result<(), Failure> {
        self.items
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(output);
        Ok(())
    }
}

impl App {
    pub(super) fn resolve(&self, noun: &str, name: &str) -> Option<&Registration> {
        self.verbs
            .iter()
            .find(|entry| (entry.spec.noun, entry.spec.name) == (noun, name))
    }

    /// Carries one call through every stage after `resolve`.
    pub(super) async fn serve(&self, entry: &Registration, mut visit: Visit) -> Reply {
        let spec = entry.spec;
        let call_id = visit.call_id;
        let log = visit.audit.take();
        let mut recorder = log.as_ref().map(|log| {
            let mut recorder = Recorder::new(log, &spec, call_id);
            recorder.arguments(&(entry.arguments)(), &visit.matches);
            visit.sink = recorder.listen(Arc::clone(&visit.sink));
            recorder
        });
        let admitted = authorise(&spec, &visit.evidence)
            .map_err(Failure::from)
            .and_then(|attestation| {
                self.admit(&spec)?;
                Ok(attestation)
            });
        let (attestation, refusal) = match admitted {
            Ok(attestation) => (attestation, None),
            Err(failure) => (None, Some(failure)),
        };
        let refusal = match (&mut recorder, refusal) {
            (None, refusal) => refusal,
            (Some(recorder), None) => {
                let recorded = recorder
                    .allowed(attestation.as_ref(), &visit.evidence)
                    .await;
                recorded.err()
            }
            (Some(recorder), Some(failure)) => {
                recorder.denied(&failure).await;
                Some(failure)
            }
        };
        let is_run = refusal.is_none();
        let limits = spec.limits.unwrap_or_else(Limits::unlimited);
        let (result, usage) = metered(spec.name, limits, async {
            match refusal {
                Some(failure) => Err(failure),
                None => run(entry, visit).await,
            }
        })
        .await;
        let result = match &mut recorder {
            Some(recorder) if is_run => recorder.ended(&result, &usage).await.and(result),
            _ => result,
        };
        Reply {
            receipt: Some(Receipt {
                call_id,
                verb: spec,
                usage,
                attestation,
                failure: result.as_ref().err().map(Failure::code),
            }),
            result,
            items: Vec::new(),
        }
    }

    /// Refuses a call before there is anything to judge it by.
    pub(super) async fn refuse(
        &self,
        spec: &VerbSpec,
        log: Option<&Arc<AuditLog>>,
        failure: Failure,
    ) -> Reply {
        if let Some(log) = log {
            // Without randomness for a number, it is the call of number zero.
            let call_id = call_id().unwrap_or(CallId([0; 16]));
            Recorder::new(log, spec, call_id).denied(&failure).await;
        }
        Reply::refused(failure)
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

fn authorise(spec: &VerbSpec, evidence: &Evidence) -> Result<Option<AttestedBy>, Denied> {
    let Some(contract) = spec.contract() else {
        return Ok(None);
    };
    let permit = evidence.authorise(contract)?;
    Ok(Some(AttestedBy {
        subject: permit.subject().to_owned(),
        issuer_name: permit.issuer_name().to_owned(),
        issuer: permit.issuer(),
        contract: *permit.contract(),
        expires_at: permit.expires_at(),
        development: evidence.is_development(),
    }))
}

/// Runs the handler until it is done or the deadline passes. A cancelled handler is left to return
/// what it has; one that does not notice is ended by the next signal.
async fn run(entry: &Registration, visit: Visit) -> Result<Output, Failure> {
    let cx = Context::new(Call {
        id: visit.call_id,
        spec: entry.spec,
        evidence: visit.evidence,
        deadline: visit.deadline,
        cancellation: visit.cancellation,
        sink: visit.sink,
        show_progress: visit.show_progress,
    });
    cx.checkpoint()?;
    let deadline = cx.deadline();
    let handler = (entry.invoke)(cx, visit.matches);
    match deadline {
        None => handler.await,
        Some(deadline) => match tokio::time::timeout_at(deadline.into(), handler).await {
            Ok(result) => result,
            Err(_) => Err(Stopped::Deadline.into()),
        },
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
pub(super) fn explain(spec: &VerbSpec, deadline: Option<std::time::Duration>) -> Explanation {
    Explanation {
        verb: spec.to_string(),
        about: spec.about,
        effect: spec.effect.as_str(),
        attestation: spec.contract.map(|contract| contract.to_string()),
        budget: spec.limits.map(|limits| Budget {
            memory: limits.shown(Resource::Memory).to_string(),
            cpu: limits.shown(Resource::Cpu).to_string(),
            io: limits.shown(Resource::Io).to_string(),
            network: limits.shown(Resource::Network).to_string(),
        }),
        deadline: deadline.map(|deadline| format!("{deadline:?}")),
        function: spec.function,
    }
}

#[derive(serde::Serialize)]
pub(super) struct Explanation {
    verb: String,
    about: &'static str,
    effect: &'static str,
    attestation: Option<String>,
    budget: Option<Budget>,
    deadline: Option<String>,
    function: &'static str,
}

#[derive(serde::Serialize)]
struct Budget {
    memory: String,
    cpu: String,
    io: String,
    network: String,
}
