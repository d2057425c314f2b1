//! A call's entries in the audit log: one before it runs, one after.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};

use clap::ArgMatches;

use super::context::CallId;
use super::denial::Record;
use super::failure::{Failure, FailureCode};
use super::output::Output;
use super::stream::{Note, Sink};
use super::version::LiveVerb;
use crate::attestation::{Clock, Evidence};
use crate::audit::{
    AppendError, AuditEntry, AuditLog, Decision, Digest, Outcome, PartsDigest, Reason,
};
use crate::quota::Usage;
use crate::transaction::TransactionId;

/// What the digest of a call's arguments covers: for each argument, in the order of the parameters, its name, how many
/// values it has (8 bytes, big-endian), and these.
const ARGUMENTS: &str = "cnv arguments 1";

/// What the digest of a call's result covers: each item that it streamed and then what it returned, as JSON.
const RESULT: &str = "cnv result 1";

/// Tells the person at the process, where there is one.
pub(super) type Tell<'a> = dyn Fn(&str) + Send + Sync + 'a;

/// Writes the entries of one call.
pub(super) struct Recorder {
    log: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
    entry: AuditEntry,
    /// The digest of the token that was presented, for the entry of a denial: what the token says counts for nothing there.
    token: Option<Digest>,
    result: Arc<Mutex<PartsDigest>>,
    repeats: Option<CallId>,
    /// Whether there is an entry that it may run, and none of its end.
    is_under_way: bool,
}

/// A call that is dropped has an end, too.
impl Drop for Recorder {
    fn drop(&mut self) {
        if !self.is_under_way {
            return;
        }
        self.entry.time = self.clock.now();
        let reason = Reason::new(
            FailureCode::Cancelled.as_str(),
            "the call was dropped before it ended",
        );
        self.entry.outcome = Some(Outcome::Failed(reason));
        let (log, entry) = (Arc::clone(&self.log), self.entry.clone());
        // Nobody is left to hear that it could not be recorded.
        let record = move || drop(log.record(&entry));
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(record)),
            Err(_) => record(),
        }
    }
}

impl Recorder {
    pub(super) fn new(
        log: Arc<AuditLog>,
        clock: Arc<dyn Clock>,
        verb: &LiveVerb,
        call_id: CallId,
        transaction: Option<TransactionId>,
    ) -> Self {
        let (name, id) = (verb.to_string(), call_id.to_bytes());
        let mut recorded = AuditEntry::new(clock.now(), id, name, Decision::Allowed);
        recorded.transaction_id = transaction.map(TransactionId::to_bytes);
        recorded.grammar = Some(verb.digest());
        recorded.budget = verb.spec().limits().copied();
        Self {
            log,
            clock,
            entry: recorded,
            token: None,
            result: Arc::new(Mutex::new(PartsDigest::new(RESULT))),
            repeats: None,
            is_under_way: false,
        }
    }

    /// What the caller brought: the arguments as they were understood, and the token as it stands.
    pub(super) fn presented(&mut self, arguments: Digest, token: Option<Digest>) {
        self.entry.arguments = Some(arguments);
        self.token = token;
    }

    /// The call whose reply is given again, for the entry of the end.
    pub(super) fn repeats(&mut self, call: CallId) {
        self.repeats = Some(call);
    }

    /// The sink of the call, listened to.
    pub(super) fn listen(&self, sink: Arc<dyn Sink>) -> Arc<dyn Sink> {
        Arc::new(Listener {
            sink,
            result: Arc::clone(&self.result),
        })
    }

    /// Records that the call may run, and returns once that is in the log's file: what the call does to its process cannot
    /// take it back.
    ///
    /// # Errors
    ///
    /// Where that cannot be recorded: then it may not.
    pub(super) async fn allowed(&mut self, evidence: &Evidence) -> Result<(), Failure> {
        self.used(evidence);
        let or_else = "the call was not run, because the audit log takes no entry";
        let written = self.write(AuditLog::record_written, or_else).await;
        self.is_under_way = written.is_ok();
        written
    }

    /// Whose word the call rests on, once some of it does.
    fn used(&mut self, evidence: &Evidence) {
        if let Some(verified) = evidence.verified() {
            let links = verified.chain().links().iter();
            self.entry.subject = Some(verified.subject().to_owned());
            self.entry.links = links.map(|link| Digest::from(link.id())).collect();
        }
    }

    /// Records that the call may not run. The caller is refused whether that succeeds or not, and `tell` hears if it does
    /// not.
    pub(super) async fn denied(&mut self, failure: &Failure, tell: &Tell<'_>) -> Record {
        self.entry.decision = Decision::Denied(reason(failure));
        self.entry.token = self.token;
        let or_else = "the call was denied, and that is not in the audit log";
        match self.write(AuditLog::record, or_else).await {
            Ok(()) => Record::Written,
            Err(failure) => {
                tell(&failure.to_string());
                Record::Refused
            }
        }
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
        evidence: &Evidence,
    ) -> Result<(), Failure> {
        self.is_under_way = false;
        // A function within may be the first that asked for it.
        self.used(evidence);
        self.entry.time = self.clock.now();
        self.entry.repeats = self.repeats.map(CallId::to_bytes);
        self.entry.used = usage.is_metered().then(|| usage.into());
        self.entry.outcome = Some(match result {
            Err(failure) => {
                if failure.denial().is_some() {
                    self.entry.token = self.token;
                }
                Outcome::Failed(reason(failure))
            }
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
        let or_else = "the call has run, and its end is not in the audit log, which takes no entry";
        self.write(AuditLog::record, or_else).await
    }

    /// On a thread of its own, because it may wait for the disk.
    async fn write(
        &self,
        record: fn(&AuditLog, &AuditEntry) -> Result<(), AppendError>,
        or_else: &str,
    ) -> Result<(), Failure> {
        let (log, entry) = (Arc::clone(&self.log), self.entry.clone());
        let written = tokio::task::spawn_blocking(move || record(&log, &entry)).await;
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
    match failure.denial() {
        Some(denied) => Reason::from(&denied),
        None => Reason::new(failure.code().as_str(), failure.to_string()),
    }
}

/// Takes what a handler streams into the digest of its result.
struct Listener {
    sink: Arc<dyn Sink>,
    result: Arc<Mutex<PartsDigest>>,
}

impl Sink for Listener {
    fn poll_item(
        &self,
        item: &mut dyn FnMut() -> Output,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<(), Failure>> {
        let mut json = String::new();
        let mut listened = || {
            let item = item();
            item.as_json().clone_into(&mut json);
            item
        };
        let polled = self.sink.poll_item(&mut listened, cx);
        if let Poll::Ready(Ok(())) = polled {
            let mut result = self.result.lock().unwrap_or_else(PoisonError::into_inner);
            result.put(json.as_bytes());
        }
        polled
    }

    #[cfg(feature = "session")]
    fn poll_custom(
        &self,
        bytes: &mut bytes::Bytes,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<(), Failure>> {
        self.sink.poll_custom(bytes, cx)
    }

    fn note(&self, note: &Note<'_>) {
        self.sink.note(note);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::attestation::TrustStore;
    use crate::audit::{WhenUnavailable, on_a_broken_disk};
    use crate::capability::CapabilityContract;
    use crate::command::spec::VerbSpec;
    use crate::command::verb::Registration;
    use crate::command::{App, Reply};
    use crate::grammar::Effect;

    static RAN: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];

    fn call(when: WhenUnavailable, contract: Option<CapabilityContract>) -> (Reply, bool) {
        let ran = &RAN[when as usize];
        let spec = VerbSpec {
            noun: "file",
            name: if when == WhenUnavailable::Deny {
                "deny"
            } else {
                "allow"
            },
            aliases: &[],
            deprecated: None,
            idempotent: false,
            about: "",
            long_about: None,
            effect: Effect::Write,
            contract,
            limits: None,
            traced_fields: &[],
            function: "",
            file: "",
            line: 0,
        };
        let verb = Registration {
            spec,
            arguments: Vec::new,
            output: || None,
            #[cfg(feature = "session")]
            is_blocking: false,
            policy: || None,
            invoke: |cx, _matches| {
                let when = usize::from(cx.verb().name() == "allow");
                RAN[when].store(true, Ordering::Relaxed);
                Box::pin(async { Output::of("written") })
            },
        };
        let log = Arc::new(on_a_broken_disk(when));
        let app = App::new("test")
            .verbs([verb])
            .trust(TrustStore::new())
            .without_revocation()
            .audit(log);
        let reply = app.call_blocking([spec.noun, spec.name]);
        (reply, ran.load(Ordering::Relaxed))
    }

    #[test]
    fn a_call_that_cannot_be_recorded_does_not_run() {
        let (reply, ran) = call(WhenUnavailable::Deny, None);
        let failure = reply.result.unwrap_err().to_string();
        assert!(failure.contains("was not run"), "{failure}");
        assert!(!ran);
    }

    #[test]
    fn a_denial_that_cannot_be_recorded_is_one_and_says_so() {
        let contract = Some(CapabilityContract::read_write());
        let (reply, _) = call(WhenUnavailable::Deny, contract);
        let failure = reply.result.unwrap_err();
        assert_eq!(failure.code(), FailureCode::Attestation);
        let told = failure.to_string();
        assert!(told.contains("the audit log took no entry"), "{told}");
    }

    #[test]
    fn whoever_is_at_the_process_hears_of_a_denial_that_is_not_recorded() {
        let log = Arc::new(on_a_broken_disk(WhenUnavailable::Deny));
        let verb = Registration {
            spec: crate::command::spec::faulty_spec(),
            arguments: Vec::new,
            output: || None,
            #[cfg(feature = "session")]
            is_blocking: false,
            policy: || None,
            invoke: |_cx, _matches| Box::pin(async { Output::of("never") }),
        };
        let clock = Arc::new(crate::attestation::SystemClock);
        let verb = LiveVerb::compiled(verb);
        let mut recorder = Recorder::new(log, clock, &verb, CallId([0; 16]), None);
        let heard = Mutex::new(Vec::new());
        let tell = |text: &str| heard.lock().unwrap().push(text.to_owned());
        let failure = Failure::failed("no");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let record = runtime.block_on(recorder.denied(&failure, &tell));
        assert_eq!(record, Record::Refused);
        let heard = heard.into_inner().unwrap();
        assert_eq!(heard.len(), 1);
        assert!(
            heard[0].starts_with("the call was denied, and that is not "),
            "{heard:?}"
        );
    }

    #[test]
    fn it_runs_where_that_was_asked_for() {
        let (reply, ran) = call(WhenUnavailable::Allow, None);
        assert_eq!(reply.result.unwrap().as_json(), "\"written\"");
        assert!(ran);
    }
}
