//! The session door: an application's commands over the sessions of a server.

mod denials;
mod notes;
mod once;
mod places;
mod room;

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::app::App;
use super::context::Cancellation;
use super::evidence::{REVOCATIONS, Unfit, development, is_bare, nothing, verifier};
use super::failure::{Failure, FailureCode};
use super::log::audit_log;
use super::output::Output;
use super::pipeline::{Arrival, Replay, Reply, Way, authorise};
use super::spec::VerbSpec;
use super::stopped::Stopped;
use super::stream::{Note, Sink};
use super::traced::Traced;
use super::version::{LiveVerb, Version};
use crate::attestation::{Evidence, Verified};
use crate::audit::{AuditEntry, Decision, Digest, PartsDigest, Reason};
use crate::capability::CapabilityContract;
use crate::session::{
    Begun, Caller, Channel, Close, CloseCode, Ending, Identity, ItemTooLarge, Peer, Presented,
    RemoteFailure, Request, Service, Stop, Unsent,
};
#[cfg(feature = "trace")]
use crate::trace::Carried;
use denials::Denials;
use notes::Dropped;
use once::{Kept, Key, Once, Running, Turn};
use places::Places;

/// What the audit log calls the beginning of a session, and its going on over another connection.
const SESSION_OPEN: &str = "session open";
const SESSION_RESUME: &str = "session resume";

/// An application as sessions call it.
pub(super) struct Served {
    pub(super) app: Arc<App>,
    /// Whom a session needs no attestation of.
    user: Option<u32>,
    /// Places for handlers that are not async.
    blocking: Arc<Places>,
    denials: Denials,
    once: Arc<Once>,
    dropped_notes: Arc<Dropped>,
}

/// What a session presented.
#[derive(Clone)]
pub(super) enum Authority {
    /// Only the process's own user may present nothing.
    Nothing,
    Development,
    Presented {
        evidence: Evidence,
        token: Digest,
        /// Whether it is the process's own user all the same.
        #[cfg_attr(
            not(feature = "trace"),
            expect(dead_code, reason = "only traces are let in by it")
        )]
        is_own: bool,
    },
}

impl Service for Served {
    type Authority = Authority;

    fn application(&self) -> &str {
        self.app.name
    }

    fn version(&self) -> Option<&str> {
        self.app.version
    }

    fn grammar(&self) -> String {
        self.app.version_in_force().digest().to_string()
    }

    fn understands(&self, grammar: &str) -> bool {
        #[cfg(feature = "reload")]
        if let Some(live) = self.app.live_grammar() {
            return live.understands(grammar);
        }
        self.grammar() == grammar
    }

    async fn authenticate(
        &self,
        peer: Peer,
        presented: Option<Presented>,
    ) -> Result<Authority, Close> {
        let is_own = match peer {
            Peer::Parent => true,
            Peer::User(user) => Some(user) == self.user,
            Peer::Anyone => false,
        };
        let Some(presented) = presented else {
            if is_own {
                return Ok(self.without_token());
            }
            let refused = format!("{} presented no attestation", who(peer));
            self.record_denial(SESSION_OPEN, refused, None).await;
            return Err(Close::new(
                CloseCode::Attestation,
                "this server asks who is calling: present an attestation",
            ));
        };
        let token = Digest::from_bytes(Sha256::digest(&presented.token).into());
        let app = Arc::clone(&self.app);
        let refused = match elsewhere(move || decide(&app, presented)).await {
            Ok(Ok(evidence)) => {
                return Ok(Authority::Presented {
                    evidence,
                    token,
                    is_own,
                });
            }
            Ok(Err(refused)) => refused,
            Err(failure) => Reason::new(failure.code().as_str(), failure.to_string()),
        };
        let told = if self.app.explains_denials {
            format!("attestation refused: {}", refused.detail())
        } else {
            "attestation refused".to_owned()
        };
        self.record_denied(SESSION_OPEN, refused, Some(token)).await;
        Err(Close::new(CloseCode::Attestation, told))
    }

    async fn not_theirs(&self, peer: Peer, token: Option<&str>) {
        let refused = format!(
            "{} came again for a session whose secret, user or token is another",
            who(peer)
        );
        let token = token.map(|token| Digest::from_bytes(Sha256::digest(token).into()));
        self.record_denial(SESSION_RESUME, refused, token).await;
    }

    fn identity(&self, peer: Peer, authority: &Authority) -> Identity {
        match (peer, authority.verified()) {
            (Peer::User(user), _) => Identity::User(user),
            (Peer::Anyone, Some(verified)) => Identity::Attested(*vouched_for(verified).as_bytes()),
            (Peer::Parent | Peer::Anyone, _) => Identity::Parent,
        }
    }

    fn call(&self, authority: &Authority, request: Request, caller: Caller) -> Begun {
        let cancellation = Arc::new(Cancellation::default());
        let timeout = request.timeout_ms.map(Duration::from_millis);
        // A deadline beyond the end of the clock is none.
        let since = Instant::now();
        let deadline = timeout.and_then(|timeout| since.checked_add(timeout));
        let (app, authority) = (Arc::clone(&self.app), authority.clone());
        let (asked, blocking) = (Arc::clone(&cancellation), Arc::clone(&self.blocking));
        let once = Arc::clone(&self.once);
        let all_dropped = Arc::clone(&self.dropped_notes);
        let ending = async move {
            let streams = Arc::new(Streams {
                caller,
                dropped: AtomicU64::new(0),
                all_dropped,
            });
            let sink = Arc::clone(&streams) as Arc<dyn Sink>;
            let asked = Asked {
                since,
                once,
                app,
                authority,
                request,
                deadline,
                cancellation: asked,
                sink,
                #[cfg(feature = "tracing")]
                listener: Arc::downgrade(&streams) as _,
            };
            let reply = asked.attend(blocking).await;
            streams.end(reply).await
        };
        Begun {
            ending: Box::pin(ending),
            ask: Box::new(move |stop| match stop {
                Stop::WindUp => cancellation.wind_up(),
                Stop::Cancel => cancellation.cancel(),
            }),
        }
    }
}

/// Who connected, as the audit log has it.
fn who(peer: Peer) -> String {
    match peer {
        Peer::Parent => "whoever started the server".to_owned(),
        Peer::User(user) => format!("the user {user}"),
        Peer::Anyone => "whoever connected over TCP".to_owned(),
    }
}

/// Whom a root vouched for, and by whom: delegates count as that one.
fn vouched_for(verified: &Verified) -> Digest {
    let first = verified.chain().root();
    let mut digest = PartsDigest::new("cnv vouched for 1");
    digest.put(first.issuer().as_bytes());
    // A subject may have the bytes of a key.
    match first.holder_key() {
        Some(holder) => {
            digest.put(b"holder");
            digest.put(holder.as_bytes());
        }
        None => {
            digest.put(b"subject");
            digest.put(first.subject().as_bytes());
        }
    }
    digest.finish()
}

impl Authority {
    fn verified(&self) -> Option<&Verified> {
        match self {
            Self::Presented { evidence, .. } => evidence.verified(),
            Self::Nothing | Self::Development => None,
        }
    }

    /// Whether it is the process's own user's.
    #[cfg(feature = "trace")]
    const fn is_own(&self) -> bool {
        match self {
            Self::Nothing | Self::Development => true,
            Self::Presented { is_own, .. } => *is_own,
        }
    }

    /// Whose room the keys of a call take: that of one client, however many delegates it has.
    fn client(&self) -> Digest {
        let nobody = || PartsDigest::new("cnv nobody 1").finish();
        self.verified().map_or_else(nobody, vouched_for)
    }

    /// Whose keys those of a call are: every link counts, because a function within a handler may have refused a delegate
    /// what it replied to somebody who may do more.
    fn owner(&self) -> Digest {
        let mut digest = PartsDigest::new("cnv owner of keys 1");
        let links = self.verified().map(|verified| verified.chain().links());
        for link in links.into_iter().flatten() {
            digest.put(link.id().as_bytes());
        }
        digest.finish()
    }
}

/// Does what reads files or checks signatures where no connection waits for it.
async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Failure::failed("it could not be decided"))
}

/// What a session presents, once that is decided to be good enough to begin it.
fn decide(app: &App, presented: Presented) -> Result<Evidence, Reason> {
    let refused = |why: String| Reason::new(FailureCode::Attestation.as_str(), why);
    let proof = presented.proof;
    let proof = proof.map_err(|error| refused(format!("the proof is none: {error}")))?;
    let verifier = verifier(app).map_err(|unfit| refused(unfit.failure().to_string()))?;
    let evidence = Evidence::new(&verifier).with_token(presented.token);
    let evidence = match proof {
        Some(proof) => evidence.with_answer(proof, presented.request, presented.nonce),
        None => evidence,
    };
    let denied = evidence.authorise(&CapabilityContract::pure()).err();
    match denied {
        None => Ok(evidence),
        Some(denied) => Err(Reason::from(&denied)),
    }
}

impl Served {
    pub(super) fn new(app: Arc<App>, user: Option<u32>) -> Self {
        let blocking = Arc::new(Places::new());
        let dropped_notes = Arc::<Dropped>::default();
        #[cfg(feature = "trace")]
        {
            app.tell_of(&blocking);
            app.tell_of(&dropped_notes);
        }
        Self {
            app,
            user,
            blocking,
            denials: Denials::new(Instant::now()),
            once: Arc::default(),
            dropped_notes,
        }
    }

    fn without_token(&self) -> Authority {
        if self.app.development && is_bare(&self.app) {
            Authority::Development
        } else {
            Authority::Nothing
        }
    }

    /// As [`record_denied`](Self::record_denied), of somebody who may not have a session.
    async fn record_denial(&self, what: &'static str, why: String, token: Option<Digest>) {
        let reason = Reason::new(FailureCode::Attestation.as_str(), why);
        self.record_denied(what, reason, token).await;
    }

    /// Records that a session was not begun, or not gone on with. It is not, whether that succeeds or not.
    async fn record_denied(&self, what: &'static str, reason: Reason, token: Option<Digest>) {
        let reason = match self.denials.admit(Instant::now()) {
            None => return,
            Some(0) => reason,
            Some(left_out) => {
                let detail = format!("{} ({})", reason.detail(), left_out_text(left_out));
                Reason::new(reason.code(), detail)
            }
        };
        self.record(what, reason, token).await;
    }

    /// Records how many denials were left out at the end.
    pub(super) async fn record_left_out(&self) {
        let left_out = self.denials.take_left_out();
        if left_out > 0 {
            let code = FailureCode::Attestation.as_str();
            let reason = Reason::new(code, left_out_text(left_out));
            self.record(SESSION_OPEN, reason, None).await;
        }
    }

    async fn record(&self, what: &'static str, reason: Reason, token: Option<Digest>) {
        let Ok(Some(log)) = audit_log(&self.app).await else {
            return;
        };
        let now = self.app.time().now();
        let mut entry = AuditEntry::new(now, [0; 16], what, Decision::Denied(reason));
        entry.token = token;
        let _ = tokio::task::spawn_blocking(move || log.record(&entry)).await;
    }
}

fn left_out_text(denials: u64) -> String {
    format!(
        "{denials} denials before this one were left out, because there were too many at a time"
    )
}

/// A request, and everything that a call of it needs.
struct Asked {
    since: Instant,
    once: Arc<Once>,
    app: Arc<App>,
    authority: Authority,
    request: Request,
    deadline: Option<Instant>,
    cancellation: Arc<Cancellation>,
    sink: Arc<dyn Sink>,
    #[cfg(feature = "tracing")]
    listener: std::sync::Weak<dyn crate::trace::Listener>,
}

impl Asked {
    /// Understands the request by the grammar in force, and carries it through the pipeline.
    async fn attend(self, blocking: Arc<Places>) -> Reply {
        self.once.forget(Instant::now());
        // What is wrong with an overlay is for whoever serves, and not for each who calls.
        let version = match self.app.ready(&|_| ()).await {
            Ok(version) => version,
            Err(failure) => return self.app.refuse_request(failure),
        };
        if let [only] = &*self.request.arguments
            && only == "--grammar"
        {
            return Reply::without_call(Output::of(&version.grammar()));
        }
        // Whoever waits for another call's reply has no place, which that call may be waiting for.
        let turn = match self.turn(&version).await {
            Ok(turn) => turn,
            Err(failure) => return self.refuse_waiting(&version, failure),
        };
        if matches!(turn, Taken::Again(_)) || !self.is_blocking(&version) {
            return self.carry(&version, turn).await;
        }
        let place = unless_stopped(blocking.enter(), self.deadline, &self.cancellation).await;
        let place = match place.flatten() {
            Ok(place) => place,
            Err(stopped) => return self.refuse_waiting(&version, stopped.into()),
        };
        let runtime = tokio::runtime::Handle::current();
        let carried = tokio::task::spawn_blocking(move || {
            let _place = place;
            runtime.block_on(self.carry(&version, turn))
        });
        match carried.await {
            Ok(reply) => reply,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The process ends.
                Err(_) => Reply::refused(Stopped::Cancelled.into()),
            },
        }
    }

    /// Refuses a call that waited for its turn or its place. It has a span, where it is understood.
    fn refuse_waiting(&self, version: &Version, failure: Failure) -> Reply {
        let reply = self.app.refuse_request(failure);
        let understood = understand(version, &self.request.arguments);
        if let (Ok((verb, _)), Ok(arrival)) = (understood, self.arrival(version)) {
            Traced::begin(&self.app, verb, &arrival, None).end(&reply);
        }
        reply
    }

    /// # Errors
    ///
    /// Where the transaction is none.
    fn arrival(
        &self,
        #[cfg_attr(not(feature = "trace"), expect(unused_variables))] version: &Version,
    ) -> Result<Arrival, Failure> {
        let transaction = self.request.transaction.as_deref().map(str::parse);
        let transaction = transaction.transpose();
        Ok(Arrival {
            since: self.since,
            transaction: transaction
                .map_err(|error| Failure::usage(format!("transaction: {error}")))?,
            #[cfg(feature = "trace")]
            carried: Carried::new(self.request.trace_headers()),
            #[cfg(feature = "trace")]
            is_own: self.authority.is_own(),
            #[cfg(feature = "trace")]
            is_queued: self.request.idempotency_key.is_some() || self.is_blocking(version),
        })
    }

    fn is_blocking(&self, version: &Version) -> bool {
        let [noun, name, ..] = &*self.request.arguments else {
            return false;
        };
        let verb = version.resolve(noun, name);
        verb.is_ok_and(|verb| verb.entry().is_blocking)
    }

    /// Takes the turn of a call with a key, and waits for the one before.
    async fn turn(&self, version: &Version) -> Result<Taken, Failure> {
        let Some(key) = &self.request.idempotency_key else {
            return Ok(Taken::Only);
        };
        let (verb, _) = understand(version, &self.request.arguments)?;
        // Whoever may not make the call is refused, whatever it replied to somebody else.
        let (evidence, _) = evidence(&self.app, verb.spec(), &self.authority).await;
        let is_allowed = |evidence: &Evidence| authorise(verb.spec(), evidence).is_ok();
        if !evidence.as_ref().is_ok_and(is_allowed) {
            return Ok(Taken::Refused);
        }
        once::check(key)?;
        let words = serde_json::json!(self.request.arguments).to_string();
        let asked = Digest::from_bytes(Sha256::digest(words).into());
        let key = Key {
            client: self.authority.client(),
            owner: self.authority.owner(),
            name: key.clone(),
        };
        match self.once.begin(key, asked, Instant::now())? {
            Turn::First(running) => Ok(Taken::First(running)),
            Turn::Again(reply) => {
                let over = once::over(reply);
                let kept = unless_stopped(over, self.deadline, &self.cancellation).await;
                kept.map_err(once::still_made)?.map(Taken::Again)
            }
        }
    }

    async fn carry(self, version: &Version, turn: Taken) -> Reply {
        let (verb, matches) = match understand(version, &self.request.arguments) {
            Ok(understood) => understood,
            Err(failure) => return self.app.refuse_request(failure),
        };
        let arrival = match self.arrival(version) {
            Ok(arrival) => arrival,
            Err(failure) => return self.app.refuse_request(failure),
        };
        let tell = |text: &str| self.sink.note(&Note::Remark(text));
        // Anew: what held when the turn was taken may have been revoked while the call waited.
        let decided_by = evidence(&self.app, verb.spec(), &self.authority).await;
        let mut way = Way {
            arrival,
            deadline: Ok(self.deadline),
            #[cfg(feature = "tracing")]
            listener: Some(self.listener),
            cancellation: self.cancellation,
            sink: Arc::clone(&self.sink),
            show_progress: false,
            replay: None,
        };
        let mut first = None;
        match turn {
            Taken::Only => {}
            // Where it has become allowed since then, no handler is called without a turn.
            Taken::Refused => {
                way.replay = Some(Replay {
                    of: None,
                    reply: Box::pin(async { Err(once::not_made()) }),
                });
            }
            Taken::First(mut running) => {
                let streamed = Arc::new(running.streamed(Arc::clone(&self.sink)));
                way.sink = Arc::clone(&streamed) as Arc<dyn Sink>;
                running.begin();
                first = Some((running, streamed));
            }
            Taken::Again(kept) => {
                tell("this is the reply of an earlier call with the same idempotency key");
                let sink = Arc::clone(&self.sink);
                way.replay = Some(Replay {
                    of: kept.call_id(),
                    reply: Box::pin(async move { kept.give(&*sink).await }),
                });
            }
        }
        let evidence = |_: &dyn Fn() -> Digest| decided_by;
        let reply = self.app.attend(verb, matches, way, evidence, &tell).await;
        if let Some((running, streamed)) = first {
            running.end(&reply, &streamed);
        }
        reply
    }
}

/// The turn that a call has.
enum Taken {
    /// It has no key.
    Only,
    /// It may not be made, which the pipeline says and records.
    Refused,
    /// It is the first with its key.
    First(Running),
    /// It repeats one.
    Again(Arc<Kept>),
}

/// What `work` comes to, unless its call has to stop before that.
async fn unless_stopped<T>(
    work: impl Future<Output = T>,
    deadline: Option<Instant>,
    cancellation: &Cancellation,
) -> Result<T, Stopped> {
    let mut work = std::pin::pin!(work);
    let mut cancelled = std::pin::pin!(cancellation.cancelled());
    let raced = std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Ok(done)),
        Poll::Pending => cancelled
            .as_mut()
            .poll(cx)
            .map(|()| Err(Stopped::Cancelled)),
    });
    match deadline {
        None => raced.await,
        Some(deadline) => {
            let raced = tokio::time::timeout_at(deadline.into(), raced).await;
            raced.unwrap_or(Err(Stopped::Deadline))
        }
    }
}

fn understand<'v>(
    version: &'v Version,
    arguments: &[String],
) -> Result<(&'v LiveVerb, clap::ArgMatches), Failure> {
    let [noun, name, rest @ ..] = arguments else {
        return Err(Failure::usage("a call is a noun, a verb and arguments"));
    };
    let verb = match version.resolve(noun, name) {
        Ok(verb) => verb,
        Err(unresolved) => return Err(unresolved.into_failure()),
    };
    let words = std::iter::once(name).chain(rest);
    verb.parse(words)
        .map(|matches| (verb, matches))
        .map_err(|error| super::cli::usage_failure(&error))
}

/// What a call of the session is decided by, and the digest of its token. Lists and roots are those of now.
async fn evidence(
    app: &Arc<App>,
    spec: &VerbSpec,
    authority: &Authority,
) -> (Result<Evidence, Unfit>, Option<Digest>) {
    match authority {
        Authority::Nothing => (Ok(nothing(app)), None),
        Authority::Development if spec.contract().is_some() => (development(app), None),
        Authority::Development => (Ok(nothing(app)), None),
        Authority::Presented {
            evidence, token, ..
        } => {
            // Whoever may not begin a session any more makes no call on one, whatever the call asks for.
            let fresh = if spec.contract().is_some() {
                renewed(app).await
            } else {
                let pure = evidence.authorise(&CapabilityContract::pure());
                pure.map(|_| ())
                    .map_err(|denied| Unfit::Operators(denied.into()))
            };
            (fresh.map(|()| evidence.clone()), Some(*token))
        }
    }
}

/// Has the verifier decide by the roots and lists that the operator's files have now.
async fn renewed(app: &Arc<App>) -> Result<(), Unfit> {
    // Roots of the program and lists that it follows are in memory.
    let reads_files = app.trust.is_none() || env::var_os(REVOCATIONS).is_some();
    if !reads_files {
        return verifier(app).map(|_| ());
    }
    let app = Arc::clone(app);
    let renewed = elsewhere(move || verifier(&app).map(|_| ())).await;
    renewed.unwrap_or_else(|failure| Err(Unfit::Operators(failure)))
}

/// The streams of a call in a session.
struct Streams {
    caller: Caller,
    /// Notes that there was no room for.
    dropped: AtomicU64,
    all_dropped: Arc<Dropped>,
}

impl Streams {
    fn poll_send(
        &self,
        channel: Channel,
        item: &mut dyn FnMut() -> Bytes,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<(), Failure>> {
        let sent = self.caller.poll_send(channel, item, cx);
        sent.map_err(|unsent| match unsent {
            // Whoever forgets a call has taken it back.
            Unsent::Gone => Stopped::Cancelled.into(),
            Unsent::TooLarge(error) => error.into(),
        })
    }

    /// Sends what is said beside the output, or counts that there is no room for it.
    fn try_send(&self, channel: Channel, text: String) {
        if !self.caller.try_send(channel, Bytes::from(text)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.all_dropped.add();
        }
    }

    /// Sends the result, and says how the call ended.
    async fn end(&self, reply: Reply) -> Ending {
        let mut result = reply.result;
        if let Ok(output) = &mut result {
            let send = std::future::poll_fn(|cx| {
                let mut json = || Bytes::from(std::mem::take(output).into_json());
                self.poll_send(Channel::Result, &mut json, cx)
            });
            if let Err(failure) = send.await {
                result = Err(failure);
            }
        }
        let receipt = reply.receipt.and_then(|receipt| {
            let json = serde_json::to_string(&receipt).ok()?;
            RawValue::from_string(json).ok()
        });
        Ending {
            failure: result.err().map(|failure| remote(&failure)),
            receipt,
            left_out_receipt_bytes: None,
            dropped_notes: self.dropped.load(Ordering::Relaxed),
        }
    }
}

/// The code of a call that had an item which is larger than the two ends take.
const ITEM_TOO_LARGE: &str = "item-too-large";

/// A failure as the client hears it.
fn remote(failure: &Failure) -> RemoteFailure {
    let is_too_large = failure
        .error()
        .is_some_and(|error| error.is::<ItemTooLarge>());
    let code = match is_too_large {
        true => ITEM_TOO_LARGE,
        false => failure.code().as_str(),
    };
    let exit_code = failure.code().exit_code();
    let mut remote = RemoteFailure::new(code, exit_code, failure.to_string());
    // Rounded up: earlier than that no try makes sense.
    let retry_after = failure
        .retry_after()
        .map(|after| after.as_nanos().div_ceil(1_000_000));
    remote.retry_after_ms = retry_after.and_then(|after| u64::try_from(after).ok());
    remote
}

impl Sink for Streams {
    fn poll_item(
        &self,
        item: &mut dyn FnMut() -> Output,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<(), Failure>> {
        let mut json = || Bytes::from(item().into_json());
        self.poll_send(Channel::Stdout, &mut json, cx)
    }

    fn poll_custom(
        &self,
        bytes: &mut Bytes,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<(), Failure>> {
        let mut bytes = || std::mem::take(bytes);
        self.poll_send(Channel::Custom, &mut bytes, cx)
    }

    fn note(&self, note: &Note<'_>) {
        let (channel, text) = match note {
            Note::Remark(text) => (Channel::Stderr, (*text).to_owned()),
            Note::Log { .. } => (Channel::Logs, note.json()),
            Note::Metric { .. } => (Channel::Metrics, note.json()),
            Note::Progress { .. } => (Channel::Control, note.json()),
        };
        self.try_send(channel, text);
    }
}

#[cfg(feature = "tracing")]
impl crate::trace::Listener for Streams {
    fn log(&self, record: &crate::trace::LogRecord) {
        let level = record.level.as_str().to_ascii_lowercase();
        self.try_send(Channel::Logs, crate::trace::json(record, &level));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attestation::{
        CapabilityAttestation, Nonce, Possession, PrivateKey, RequestDigest, Timestamp, TrustStore,
    };
    use crate::command::SessionServer;
    use crate::session::{Client, ClientOptions, SessionError};

    fn root() -> PrivateKey {
        PrivateKey::from_seed(&[1; 32])
    }

    fn agent() -> PrivateKey {
        PrivateKey::from_seed(&[2; 32])
    }

    fn guarded() -> App {
        let mut trust = TrustStore::new();
        trust.add("root", root().public_key()).unwrap();
        App::new("jobs").trust(trust).without_revocation()
    }

    fn token() -> String {
        CapabilityAttestation::builder(CapabilityContract::pure(), "agent-42")
            .audience("jobs")
            .held_by(&agent().public_key())
            .sign(&root())
            .unwrap()
            .to_string()
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(test)
    }

    /// Begins a session with the server of an application.
    async fn begin(server: SessionServer) -> Result<Client, SessionError> {
        let (here, there) = tokio::io::duplex(1 << 16);
        tokio::spawn(server.run_over(there));
        let options = ClientOptions::new().application("jobs");
        Client::over(here, options.attest(token(), Some(agent()))).await
    }

    #[test]
    fn strangers_who_use_up_the_nonces_keep_nobody_out() {
        run(async {
            let app = Arc::new(guarded());
            let verifier = verifier(&app).ok().unwrap();
            while verifier.challenge().is_ok() {}
            let begun = begin(SessionServer::of(app)).await;
            assert!(begun.is_ok(), "{:?}", begun.err());
        });
    }

    #[test]
    fn a_proof_answers_the_nonce_of_its_own_connection() {
        run(async {
            let served = SessionServer::of(Arc::new(guarded())).served();
            let [own, other] = [(); 2].map(|()| Nonce::of_connection().unwrap());
            let kept = verifier(&served.app).ok().unwrap().challenge().unwrap();
            let request = RequestDigest::of(b"both hellos");
            for (nonce, is_good) in [(other, false), (kept, false), (own, true)] {
                let token = token();
                let possession = Possession {
                    token: &token,
                    audience: Some("jobs"),
                    nonce,
                    request,
                    signed_at: Timestamp::now(),
                };
                let presented = Presented {
                    proof: Ok(Some(possession.sign(&agent()))),
                    token,
                    request,
                    nonce: own,
                };
                let decided = served.authenticate(Peer::Anyone, Some(presented)).await;
                assert_eq!(decided.is_ok(), is_good);
            }
        });
    }

    /// Whether a future has to wait for another thread.
    fn waits<T>(future: impl Future<Output = T>) -> bool {
        let mut future = std::pin::pin!(future);
        let mut cx = TaskContext::from_waker(std::task::Waker::noop());
        future.as_mut().poll(&mut cx).is_pending()
    }

    #[test]
    fn no_connection_waits_while_a_session_is_decided_about() {
        run(async {
            let served = Served::new(Arc::new(guarded()), None);
            let presented = Presented {
                token: token(),
                proof: Ok(None),
                request: RequestDigest::of(b""),
                nonce: Nonce::of_connection().unwrap(),
            };
            assert!(waits(served.authenticate(Peer::Anyone, Some(presented))));
        });
    }

    /// The roots that the environment names are read at each guarded call.
    #[test]
    fn no_connection_waits_while_files_are_read() {
        if env::var_os("CNV_TRUST").is_some() {
            // The process that is started below.
            return run(async {
                let app = Arc::new(App::new("jobs").without_revocation());
                assert!(waits(renewed(&app)));
                assert!(renewed(&app).await.is_ok());
            });
        }
        let folder = tempfile::tempdir().unwrap();
        let roots = folder.path().join("roots");
        std::fs::write(&roots, format!("{} root\n", root().public_key())).unwrap();
        let this = "command::served::tests::no_connection_waits_while_files_are_read";
        let status = std::process::Command::new(env::current_exe().unwrap())
            .args(["--exact", this])
            .env("CNV_TRUST", &roots)
            .status();
        assert!(status.unwrap().success());
        run(async { assert!(!waits(renewed(&Arc::new(guarded())))) });
    }
}
