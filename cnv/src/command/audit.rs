//! A call's entries in the audit log: one before it runs, one after.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use clap::ArgMatches;

use super::context::{CallId, Sink};
use super::failure::{Failure, FailureCode};
use super::output::Output;
use super::receipt::AttestedBy;
use super::spec::VerbSpec;
use crate::attestation::{Denied, Evidence, Timestamp};
use crate::audit::{AuditEntry, AuditLog, Decision, Digest, Outcome, PartsDigest, Reason};
use crate::quota::Usage;

/// What the digest of a call's arguments covers: for each argument, in the order of the parameters, its name, how many
/// values it has (8 bytes, big-endian), and these.
const ARGUMENTS: &str = "cnv arguments 1";

/// What the digest of a call's result covers: each item that it streamed and then what it returned, as JSON.
const RESULT: &str = "cnv result 1";

/// Writes the entries of one call.
pub(super) struct Recorder {
    log: Arc<AuditLog>,
    entry: AuditEntry,
    result: Arc<Mutex<PartsDigest>>,
}

impl Recorder {
    pub(super) fn new(log: &Arc<AuditLog>, spec: &VerbSpec, call_id: CallId) -> Self {
        let time = Timestamp::now();
        let id = call_id.to_bytes();
        let mut entry = AuditEntry::new(time, id, spec.to_string(), Decision::Allowed);
        entry.budget = spec.limits().copied();
        Self {
            log: Arc::clone(log),
            entry,
            result: Arc::new(Mutex::new(PartsDigest::new(RESULT))),
        }
    }

    /// The arguments as they were understood, defaults included.
    pub(super) fn arguments(&mut self, arguments: &[clap::Arg], matches: &ArgMatches) {
        self.entry.arguments = Some(digest_of_arguments(arguments, matches));
    }

    /// The sink of the call, listened to.
    pub(super) fn listen(&self, sink: Arc<dyn Sink>) -> Arc<dyn Sink> {
        Arc::new(Listener {
            sink,
            result: Arc::clone(&self.result),
        })
    }

    /// Records that the call may run.
    ///
    /// # Errors
    ///
    /// Where that cannot be recorded: then it may not.
    pub(super) async fn allowed(
        &mut self,
        by: Option<&AttestedBy>,
        evidence: &Evidence,
    ) -> Result<(), Failure> {
        if let Some(by) = by {
            let links = evidence.verified().map(|verified| verified.chain().links());
            self.entry.subject = Some(by.subject.clone());
            self.entry.links = links
                .into_iter()
                .flatten()
                .map(|link| Digest::from(link.id()))
                .collect();
        }
        self.write("the call was not run, because the audit log takes no entry")
            .await
    }

    /// Records that the call may not run. The caller is refused whether that succeeds or not.
    pub(super) async fn denied(&mut self, failure: &Failure) {
        self.entry.decision = Decision::Denied(reason(failure));
        let _ = self.write("").await;
    }

    /// Records how the call ended.
    ///
    /// # Errors
    ///
    /// Where that cannot be recorded: a call without a receipt has no result.
    pub(super) async fn ended(
        &mut self,
        result: &Result<Output, Failure>,
        usage: &Usage,
    ) -> Result<(), Failure> {
        self.entry.time = Timestamp::now();
        self.entry.used = Some(usage.into());
        self.entry.outcome = Some(match result {
            Err(failure) => Outcome::Failed(reason(failure)),
            Ok(output) => {
                let mut digest = self
                    .result
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                digest.put(output.as_json().as_bytes());
                self.entry.result = Some(digest.finish());
                Outcome::Succeeded
            }
        });
        self.write("the call has run, and its end is not in the audit log, which takes no entry")
            .await
    }

    /// On a thread of its own, because it may wait for the disk.
    async fn write(&self, or_else: &str) -> Result<(), Failure> {
        let (log, entry) = (Arc::clone(&self.log), self.entry.clone());
        let written = tokio::task::spawn_blocking(move || log.record(&entry)).await;
        let refused =
            |error: &dyn Error| Failure::new(FailureCode::Failed, format!("{or_else}: {error}"));
        match written {
            Ok(recorded) => recorded.map_err(|error| refused(&error)),
            Err(error) => Err(refused(&error)),
        }
    }
}

/// The digest of a call's arguments, defaults included.
pub(super) fn digest_of_arguments(arguments: &[clap::Arg], matches: &ArgMatches) -> Digest {
    let mut digest = PartsDigest::new(ARGUMENTS);
    for argument in arguments {
        let name = argument.get_id().as_str();
        let values = matches.try_get_raw(name).ok().flatten();
        let values: Vec<_> = values.into_iter().flatten().collect();
        digest.put(name.as_bytes());
        digest.put(&(values.len() as u64).to_be_bytes());
        values
            .iter()
            .for_each(|value| digest.put(value.as_encoded_bytes()));
    }
    digest.finish()
}

/// The check that failed where the call was denied, also by a function within; otherwise the failure's code.
fn reason(failure: &Failure) -> Reason {
    let first = failure.error().map(|error| error as &(dyn Error + 'static));
    let mut errors =
        std::iter::successors(first, |error: &&(dyn Error + 'static)| (*error).source());
    match errors.find_map(|error| error.downcast_ref::<Denied>()) {
        Some(denied) => denied.into(),
        None => Reason::new(failure.code().as_str(), failure.to_string()),
    }
}

/// Takes what a handler streams into the digest of its result.
struct Listener {
    sink: Arc<dyn Sink>,
    result: Arc<Mutex<PartsDigest>>,
}

impl Sink for Listener {
    fn item(&self, output: Output) -> Result<(), Failure> {
        self.result
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .put(output.as_json().as_bytes());
        self.sink.item(output)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::audit::{WhenUnavailable, on_a_broken_disk};
    use crate::command::spec::Effect;
    use crate::command::verb::Registration;
    use crate::command::{App, Reply};

    static RAN: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];

    fn call(when: WhenUnavailable) -> (Reply, bool) {
        let ran = &RAN[when as usize];
        let spec = VerbSpec {
            noun: "file",
            name: if when == WhenUnavailable::Deny {
                "deny"
            } else {
                "allow"
            },
            about: "",
            long_about: None,
            effect: Effect::Write,
            contract: None,
            limits: None,
            function: "",
            file: "",
            line: 0,
        };
        let verb = Registration {
            spec,
            arguments: Vec::new,
            invoke: |cx, _matches| {
                let when = usize::from(cx.verb().name() == "allow");
                RAN[when].store(true, Ordering::Relaxed);
                Box::pin(async { Output::of("written") })
            },
        };
        let log = Arc::new(on_a_broken_disk(when));
        let app = App::new("test").verbs([verb]).audit(log);
        let reply = app.call_blocking([spec.noun, spec.name]);
        (reply, ran.load(Ordering::Relaxed))
    }

    #[test]
    fn a_call_that_cannot_be_recorded_does_not_run() {
        let (reply, ran) = call(WhenUnavailable::Deny);
        let failure = reply.result.unwrap_err().to_string();
        assert!(failure.contains("was not run"), "{failure}");
        assert!(!ran);
    }

    #[test]
    fn it_runs_where_that_was_asked_for() {
        let (reply, ran) = call(WhenUnavailable::Allow);
        assert_eq!(reply.result.unwrap().as_json(), "\"written\"");
        assert!(ran);
    }
}
