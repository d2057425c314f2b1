//! The server: connections, the sessions that go on over them, and the calls of each.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

use super::close::{Close, CloseCode};
use super::driver::{Broken, Driver, GOODBYE, Shared, say_goodbye};
use super::error::SessionError;
use super::handshake::{Handshake, common_version, request_digest};
use super::limits::{MIN_FRAME_BYTES, SessionLimits};
use super::message::{
    Auth, ClientHello, DRAINING, Ending, Ready, RemoteFailure, Request, Resume, ServerHello,
    decode, encode,
};
use super::server_core::{Event, Offer, ServerCore};
use super::wire::{Channel, Kind};
use crate::attestation::{Nonce, ProofOfPossession, RequestDigest, random};

/// Who is at the other end of a connection, as far as the operating system knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Who started this process, over its standard input and output.
    Parent,
    /// A user of this machine.
    User(u32),
    /// Anybody.
    Anyone,
}

/// What a client presents.
pub(crate) struct Presented {
    pub(crate) token: String,
    pub(crate) proof: Option<ProofOfPossession>,
    /// What the proof is to be about.
    pub(crate) request: RequestDigest,
    /// The number that it is to answer, which this connection alone was given.
    pub(crate) nonce: Nonce,
}

/// A call that has begun.
pub(crate) struct Begun {
    pub(crate) ending: Pin<Box<dyn Future<Output = Ending> + Send>>,
    /// Asks the handler to stop.
    pub(crate) cancel: Box<dyn Fn() + Send + Sync>,
}

/// What a server serves.
pub(crate) trait Service: Send + Sync + 'static {
    /// What a session may do, once that is decided.
    type Authority: Clone + Send + Sync + 'static;

    fn application(&self) -> &str;

    fn version(&self) -> Option<&str>;

    /// The digest of the grammar in force.
    fn grammar(&self) -> String;

    /// Whether a client that was written for this grammar is understood.
    fn understands(&self, grammar: &str) -> bool;

    /// Decides whether the session may begin.
    fn authenticate(
        &self,
        peer: Peer,
        presented: Option<Presented>,
    ) -> impl Future<Output = Result<Self::Authority, Close>> + Send;

    fn call(&self, authority: &Self::Authority, request: Request, caller: Caller) -> Begun;
}

/// All sessions of a server.
pub(crate) struct Sessions<S: Service> {
    service: S,
    limits: SessionLimits,
    connections: AtomicUsize,
    registry: Mutex<Registry<S::Authority>>,
}

struct Registry<A> {
    sessions: HashMap<SessionNumber, Weak<Session<A>>>,
    /// Those whose connection broke, from the oldest on.
    detached: VecDeque<Arc<Session<A>>>,
    is_draining: bool,
}

type SessionNumber = [u8; 16];

/// One session, over however many connections.
struct Session<A> {
    number: SessionNumber,
    /// What a client shows when it comes again; `None` where it cannot.
    secret: Option<[u8; 32]>,
    peer: Peer,
    /// Whose session it is: that which was presented, to be presented again.
    token: Option<String>,
    authority: A,
    limits: SessionLimits,
    shared: Shared<ServerCore>,
    running: Mutex<BTreeMap<u32, Running>>,
}

struct Running {
    abort: AbortHandle,
    cancel: Arc<dyn Fn() + Send + Sync>,
}

impl<A> Session<A> {
    fn running(&self) -> MutexGuard<'_, BTreeMap<u32, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every call: asks the handlers to stop, and drops them.
    fn abandon(&self) {
        let running = std::mem::take(&mut *self.running());
        for call in running.into_values() {
            (call.cancel)();
            call.abort.abort();
        }
        self.shared.with(ServerCore::abandon);
    }

    /// Asks every handler to stop, and leaves them the time to.
    fn cancel_all(&self) {
        for call in self.running().values() {
            (call.cancel)();
        }
    }
}

/// The client of a call, as its handler knows it.
#[derive(Clone)]
pub(crate) struct Caller {
    end: Arc<dyn CallEnd>,
    call: u32,
}

/// A session without the type of its authority.
trait CallEnd: Send + Sync {
    fn offer(
        &self,
        call: u32,
        channel: Channel,
        item: &mut dyn FnMut() -> Bytes,
        waker: Option<&Waker>,
    ) -> Offer;
}

impl<A: Send + Sync> CallEnd for Session<A> {
    fn offer(
        &self,
        call: u32,
        channel: Channel,
        item: &mut dyn FnMut() -> Bytes,
        waker: Option<&Waker>,
    ) -> Offer {
        let mut offer = Offer::Gone;
        self.shared.with_later(|core| {
            let mut bytes = 0;
            let mut counted = || {
                let item = item();
                bytes = item.len();
                item
            };
            offer = core.offer(call, channel, &mut counted, waker);
            bytes
        });
        offer
    }
}

/// The client of a call is gone, or not interested any more.
#[derive(Debug)]
pub(crate) struct Gone;

impl Caller {
    /// Sends an item, which is made once there is room for it.
    pub(crate) fn poll_send(
        &self,
        channel: Channel,
        item: &mut dyn FnMut() -> Bytes,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Gone>> {
        match self.end.offer(self.call, channel, item, Some(cx.waker())) {
            Offer::Taken => Poll::Ready(Ok(())),
            Offer::Gone => Poll::Ready(Err(Gone)),
            Offer::Full => Poll::Pending,
        }
    }

    /// Sends an item if there is room for it now. `false` where there is none.
    pub(crate) fn try_send(&self, channel: Channel, item: Bytes) -> bool {
        let mut item = Some(item);
        let mut make = || item.take().unwrap_or_default();
        self.end.offer(self.call, channel, &mut make, None) != Offer::Full
    }
}

/// Counts a connection for as long as it is there.
struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S: Service> Sessions<S> {
    pub(crate) fn new(service: S, limits: SessionLimits) -> Arc<Self> {
        Arc::new(Self {
            service,
            limits: limits.in_range(),
            connections: AtomicUsize::new(0),
            registry: Mutex::new(Registry {
                sessions: HashMap::new(),
                detached: VecDeque::new(),
                is_draining: false,
            }),
        })
    }

    fn registry(&self) -> MutexGuard<'_, Registry<S::Authority>> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one connection to its end.
    pub(crate) async fn serve<T>(self: Arc<Self>, mut stream: T, peer: Peer, is_resumable: bool)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let count = self.connections.fetch_add(1, Ordering::Relaxed);
        let _counted = Counted(&self.connections);
        if count >= self.limits.max_connections {
            let close = too_many_connections(self.limits.max_connections);
            return goodbye(&mut stream, &close).await;
        }
        let mut handshake = Handshake::new(stream);
        let time = self.limits.handshake_timeout;
        let until = tokio::time::Instant::now() + time;
        let begun = self.begin(&mut handshake, peer, is_resumable);
        let begun = match tokio::time::timeout_at(until, begun).await {
            Ok(begun) => begun,
            Err(_) => Err(SessionError::Refused(Close::new(
                CloseCode::Handshake,
                format!("the session did not begin within {time:?}"),
            ))),
        };
        let (mut attached, ready) = match begun {
            Ok(begun) => begun,
            Err(SessionError::Refused(close)) => {
                return goodbye(&mut handshake.stream, &close).await;
            }
            Err(_) => return,
        };
        let sent = handshake.send(Kind::Ready, &ready);
        if !matches!(tokio::time::timeout_at(until, sent).await, Ok(Ok(()))) {
            return;
        }
        let Handshake { stream, arrived } = handshake;
        let session = Arc::clone(&attached.session);
        let driver = Driver::new(
            stream,
            &session.shared,
            &session.limits,
            attached.connection,
            arrived,
            true,
        );
        attached.broken = driver
            .run(|event| match event {
                Event::Close(close) => Some(Broken::Closed(close)),
                event => {
                    self.on_event(&session, event);
                    None
                }
            })
            .await;
    }

    /// The server's part of the handshake.
    async fn begin<T: AsyncRead + AsyncWrite + Unpin>(
        self: &Arc<Self>,
        handshake: &mut Handshake<T>,
        peer: Peer,
        is_resumable: bool,
    ) -> Result<(Attached<S>, Bytes), SessionError> {
        let hello = handshake.expect(Kind::Hello).await?;
        let client: ClientHello = decode("the client's hello", &hello)?;
        let protocol = common_version(&client)?;
        let agreed = self.limits.agreed(
            client.window_bytes,
            client.call_window_bytes,
            client.max_frame_bytes,
        )?;
        self.check_wishes(&client)?;
        // It is kept here, with the connection: strangers who ask for many take none from anybody.
        let nonce = client.attests.then(Nonce::of_connection).transpose();
        let nonce = nonce.map_err(|_| without_randomness())?;
        let answer = encode(&ServerHello {
            protocol,
            application: self.service.application().to_owned(),
            version: self.service.version().map(str::to_owned),
            grammar: self.service.grammar(),
            nonce: nonce.map(|nonce| nonce.to_string()),
            max_request_bytes: self.limits.max_request_bytes,
            window_bytes: self.limits.window_bytes,
            call_window_bytes: self.limits.call_window_bytes,
            max_frame_bytes: self.limits.max_frame_bytes,
        });
        handshake.send(Kind::Hello, &answer).await?;
        let presented = if let Some(nonce) = nonce {
            let auth = handshake.expect(Kind::Auth).await?;
            let auth: Auth = decode("what the client presents", &auth)?;
            let proof = auth.proof.map(|proof| proof.parse()).transpose();
            Some(Presented {
                token: auth.token,
                proof: proof.map_err(|error| {
                    Close::new(
                        CloseCode::Attestation,
                        format!("the proof is none: {error}"),
                    )
                })?,
                request: request_digest(&hello, &answer),
                nonce,
            })
        } else {
            None
        };
        let token = presented.as_ref().map(|presented| presented.token.clone());
        let authority = self.service.authenticate(peer, presented).await?;
        let is_resumable = is_resumable && client.is_resumable;
        let (session, connection, received) = match client.resume.as_ref().filter(|_| is_resumable)
        {
            Some(resume) => {
                let session = self.find(resume, peer, token.as_deref())?;
                let (connection, received) = self.go_on(&session, resume)?;
                (session, connection, Some(received))
            }
            None => {
                let session = self.open(&agreed, peer, token, authority, is_resumable)?;
                let connection = session.shared.attach();
                (session, connection, None)
            }
        };
        let ready = encode(&Ready {
            session: hexadecimal(&session.number),
            secret: session.secret.map(|secret| hexadecimal(&secret)),
            received,
            calls: session.shared.lock().core.allowed(),
        });
        let attached = Attached {
            sessions: Arc::clone(self),
            session,
            connection,
            broken: Broken::Lost(std::io::ErrorKind::ConnectionAborted.into()),
        };
        Ok((attached, ready))
    }

    /// What a client insists on.
    fn check_wishes(&self, client: &ClientHello) -> Result<(), Close> {
        let own = self.service.application();
        if let Some(wanted) = &client.application
            && wanted != own
        {
            return Err(Close::new(
                CloseCode::Application,
                format!("this is the server of `{own}`, and not of `{wanted}`"),
            ));
        }
        if let Some(wanted) = &client.grammar
            && !self.service.understands(wanted)
        {
            let own = self.service.grammar();
            return Err(Close::new(
                CloseCode::Grammar,
                format!(
                    "the grammar {wanted} is not served any more; the one in force is {own}: read it with `--grammar`"
                ),
            ));
        }
        if self.registry().is_draining {
            return Err(Close::drain());
        }
        Ok(())
    }

    fn open(
        &self,
        agreed: &SessionLimits,
        peer: Peer,
        token: Option<String>,
        authority: S::Authority,
        is_resumable: bool,
    ) -> Result<Arc<Session<S::Authority>>, Close> {
        let mut number = [0; 16];
        let mut secret = [0; 32];
        let filled = random::fill(&mut number).and_then(|()| random::fill(&mut secret));
        filled.map_err(|_| without_randomness())?;
        let session = Arc::new(Session {
            number,
            secret: is_resumable.then_some(secret),
            peer,
            token,
            authority,
            shared: Shared::new(ServerCore::new(agreed, is_resumable, Instant::now())),
            limits: self.limits.clone(),
            running: Mutex::new(BTreeMap::new()),
        });
        let mut registry = self.registry();
        if registry.is_draining {
            return Err(Close::drain());
        }
        registry.sessions.insert(number, Arc::downgrade(&session));
        Ok(session)
    }

    /// The session that a client comes again with.
    fn find(
        &self,
        resume: &Resume,
        peer: Peer,
        token: Option<&str>,
    ) -> Result<Arc<Session<S::Authority>>, Close> {
        let unknown = || Close::new(CloseCode::Resume, "there is no such session any more");
        let number = session_number(&resume.session).ok_or_else(unknown)?;
        let registry = self.registry();
        let session = registry.sessions.get(&number).and_then(Weak::upgrade);
        drop(registry);
        let session = session.ok_or_else(unknown)?;
        let secret = session.secret.map(|secret| hexadecimal(&secret));
        let is_it = secret.is_some_and(|secret| is_same(&secret, &resume.secret));
        if !is_it || session.peer != peer || session.token.as_deref() != token {
            return Err(unknown());
        }
        Ok(session)
    }

    /// Goes on with a session over a new connection. Says which it is, and the last sequence that the server has.
    fn go_on(
        &self,
        session: &Arc<Session<S::Authority>>,
        resume: &Resume,
    ) -> Result<(u64, u64), Close> {
        let mut registry = self.registry();
        if !registry.sessions.contains_key(&session.number) {
            let message = "there is no such session any more";
            return Err(Close::new(CloseCode::Resume, message));
        }
        registry
            .detached
            .retain(|other| !Arc::ptr_eq(other, session));
        let mut state = session.shared.lock();
        if let Err(close) = state.core.reattach(resume.received) {
            drop(state);
            registry.sessions.remove(&session.number);
            drop(registry);
            session.shared.close(close.clone());
            session.abandon();
            return Err(close);
        }
        let connection = state.attach();
        Ok((connection, state.core.link.received()))
    }

    /// What becomes of a session without this connection.
    fn broke(
        self: &Arc<Self>,
        session: &Arc<Session<S::Authority>>,
        connection: u64,
        broken: &Broken,
    ) {
        let goes_on = match broken {
            Broken::TakenOver => return,
            Broken::Lost(_) => true,
            Broken::Closed(close) | Broken::Refused(close) => close.code().is_resumable(),
        };
        let mut registry = self.registry();
        if session.shared.lock().connection() != connection {
            // It broke just when a newer one took over.
            return;
        }
        let goes_on = goes_on && session.secret.is_some();
        if goes_on && registry.is_draining {
            // Its calls have the time that all have.
            return;
        }
        let runtime = tokio::runtime::Handle::try_current().ok();
        let (true, Some(runtime)) = (goes_on, runtime) else {
            registry.sessions.remove(&session.number);
            drop(registry);
            session.abandon();
            return;
        };
        registry.detached.push_back(Arc::clone(session));
        let oldest = (registry.detached.len() > self.limits.max_detached)
            .then(|| registry.detached.pop_front())
            .flatten();
        if let Some(oldest) = &oldest {
            registry.sessions.remove(&oldest.number);
        }
        drop(registry);
        if let Some(oldest) = oldest {
            oldest.abandon();
        }
        let (sessions, session) = (Arc::downgrade(self), Arc::downgrade(session));
        let window = self.limits.resume_window;
        runtime.spawn(async move {
            tokio::time::sleep(window).await;
            if let (Some(sessions), Some(session)) = (sessions.upgrade(), session.upgrade()) {
                sessions.forget(&session, connection);
            }
        });
    }

    /// Ends a session that nobody came again for.
    fn forget(&self, session: &Arc<Session<S::Authority>>, connection: u64) {
        let mut registry = self.registry();
        let is_detached = registry
            .detached
            .iter()
            .any(|other| Arc::ptr_eq(other, session));
        if !is_detached || session.shared.lock().connection() != connection {
            return;
        }
        registry
            .detached
            .retain(|other| !Arc::ptr_eq(other, session));
        registry.sessions.remove(&session.number);
        drop(registry);
        session.abandon();
    }

    fn on_event(&self, session: &Arc<Session<S::Authority>>, event: Event) {
        match event {
            Event::Open { call, request } => self.start(session, call, &request),
            Event::Cancel { call } => cancel(session, call),
            Event::Reset { call } => {
                // Not within the condition, where the lock would still be held.
                let running = session.running().remove(&call);
                if let Some(running) = running {
                    (running.cancel)();
                    running.abort.abort();
                }
            }
            Event::Close(_) => {}
        }
    }

    fn start(&self, session: &Arc<Session<S::Authority>>, call: u32, request: &Bytes) {
        let mut ender = Ender {
            session: Arc::clone(session),
            call,
            ending: None,
            has_ended: Arc::new(AtomicBool::new(false)),
        };
        if session.shared.lock().core.is_draining() {
            let message = "the server takes no new calls, because it ends";
            ender.ending = Some(failed(DRAINING, 1, message.to_owned()));
            return;
        }
        let request = match decode::<Request>("the request", request) {
            Ok(request) => request,
            Err(close) => {
                ender.ending = Some(failed("usage", 2, close.to_string()));
                return;
            }
        };
        let caller = Caller {
            end: Arc::clone(session) as Arc<dyn CallEnd>,
            call,
        };
        let Begun { ending, cancel } = self.service.call(&session.authority, request, caller);
        let has_ended = Arc::clone(&ender.has_ended);
        let task = tokio::spawn(async move {
            let isolated = Isolated {
                future: ending,
                session: Arc::clone(&ender.session),
            };
            ender.ending = Some(match isolated.await {
                Ok(ending) => ending,
                Err(message) => failed("failed", 1, message),
            });
            drop(ender);
        });
        let mut running = session.running();
        // It may be over by now, or never have begun where the process ends.
        if !has_ended.load(Ordering::Relaxed) {
            running.insert(
                call,
                Running {
                    abort: task.abort_handle(),
                    cancel: cancel.into(),
                },
            );
        }
    }

    /// Takes no new sessions and calls, and returns once those that are there have ended, or their time is up. Says how
    /// many calls were cut off.
    pub(crate) async fn drain(self: &Arc<Self>) -> usize {
        // Those whose connection broke have the same time to end.
        let sessions = {
            let mut registry = self.registry();
            registry.is_draining = true;
            let sessions = registry.sessions.values();
            let sessions = sessions.filter_map(Weak::upgrade).collect::<Vec<_>>();
            registry.detached.clear();
            sessions
        };
        for session in &sessions {
            session.shared.with(ServerCore::drain);
        }
        let until = Instant::now() + self.limits.drain_timeout;
        let is_over = |sessions: &[Arc<Session<S::Authority>>]| {
            sessions.iter().all(|session| session.running().is_empty())
                && self.connections.load(Ordering::Relaxed) == 0
        };
        while !is_over(&sessions) && Instant::now() < until {
            tokio::time::sleep(DRAIN_POLL).await;
        }
        let mut cut = 0;
        for session in &sessions {
            cut += session.running().len();
            session.cancel_all();
        }
        if cut > 0 {
            tokio::time::sleep(self.limits.cancel_grace).await;
        }
        for session in &sessions {
            session.abandon();
        }
        let until = Instant::now() + GOODBYE;
        while self.connections.load(Ordering::Relaxed) > 0 && Instant::now() < until {
            tokio::time::sleep(DRAIN_POLL).await;
        }
        cut
    }
}

/// The longest end of a call: what every client takes in one frame.
const MAX_ENDING_BYTES: usize = MIN_FRAME_BYTES;

/// How often it is looked whether all calls have ended.
const DRAIN_POLL: std::time::Duration = std::time::Duration::from_millis(10);

/// Asks a handler to stop, and drops it if it does not.
fn cancel<A: Send + Sync + 'static>(session: &Arc<Session<A>>, call: u32) {
    let Some((ask, abort)) = session
        .running()
        .get(&call)
        .map(|running| (Arc::clone(&running.cancel), running.abort.clone()))
    else {
        return;
    };
    ask();
    let grace = session.limits.cancel_grace;
    tokio::spawn(async move {
        tokio::time::sleep(grace).await;
        abort.abort();
    });
}

/// What is told when no more connections are taken.
fn too_many_connections(max: usize) -> Close {
    Close::new(
        CloseCode::Connections,
        format!("the server has {max} connections, which is as many as it takes"),
    )
}

fn without_randomness() -> Close {
    Close::protocol("the server has no randomness for a session")
}

async fn goodbye<T: AsyncRead + AsyncWrite + Unpin>(stream: &mut T, close: &Close) {
    // It is told if that works; the connection ends either way.
    let _ = tokio::time::timeout(GOODBYE, say_goodbye(stream, close)).await;
}

fn failed(code: &str, exit_code: u8, message: String) -> Ending {
    Ending {
        failure: Some(RemoteFailure::new(code, exit_code, message)),
        receipt: None,
        dropped_notes: 0,
    }
}

/// A connection of a session. However it ends, the session is told.
struct Attached<S: Service> {
    sessions: Arc<Sessions<S>>,
    session: Arc<Session<S::Authority>>,
    connection: u64,
    broken: Broken,
}

impl<S: Service> Drop for Attached<S> {
    fn drop(&mut self) {
        self.sessions
            .broke(&self.session, self.connection, &self.broken);
    }
}

/// The payload of a call's end. It is one frame and takes no credit, so what makes it long is cut.
fn encode_ending(mut ending: Ending) -> Bytes {
    let payload = encode(&ending);
    if payload.len() <= MAX_ENDING_BYTES {
        return payload;
    }
    ending.receipt = None;
    if let Some(failure) = &mut ending.failure {
        // A byte is six in JSON at most.
        let room = MAX_ENDING_BYTES / 8;
        if failure.message.len() > room {
            let end = (0..=room)
                .rev()
                .find(|&at| failure.message.is_char_boundary(at));
            failure.message.truncate(end.unwrap_or_default());
            failure.message.push_str(" ..");
        }
    }
    encode(&ending)
}

/// Tells the client how a call ended, however it did.
struct Ender<A> {
    session: Arc<Session<A>>,
    call: u32,
    ending: Option<Ending>,
    /// Changed while the list of running calls is held.
    has_ended: Arc<AtomicBool>,
}

impl<A> Drop for Ender<A> {
    fn drop(&mut self) {
        let ending = self.ending.take();
        // A handler that is dropped before its end was told to stop.
        let ending =
            ending.unwrap_or_else(|| failed("cancelled", 130, "the call was cancelled".to_owned()));
        let mut running = self.session.running();
        self.has_ended.store(true, Ordering::Relaxed);
        running.remove(&self.call);
        drop(running);
        self.session
            .shared
            .with(|core| core.end(self.call, encode_ending(ending)));
    }
}

/// A handler whose panic is a message. What it has sent is on its way whenever it waits.
struct Isolated<A, T> {
    future: Pin<Box<dyn Future<Output = T> + Send>>,
    session: Arc<Session<A>>,
}

impl<A, T> Future for Isolated<A, T> {
    type Output = Result<T, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.session.shared.defer();
        // The future is not polled again after a panic.
        let polled = catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(cx)));
        self.session.shared.settle();
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(_) => Poll::Ready(Err("the handler panicked".to_owned())),
        }
    }
}

/// The number of a session, as [`hexadecimal`] writes it.
fn session_number(text: &str) -> Option<SessionNumber> {
    let number = u128::from_str_radix(text, 16).ok()?;
    (text.len() == 2 * size_of::<SessionNumber>()).then(|| number.to_be_bytes())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Compares without telling by its time how much is the same.
fn is_same(a: &str, b: &str) -> bool {
    let difference = a
        .bytes()
        .zip(b.bytes())
        .fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves nothing, to everybody.
    struct Nothing;

    impl Service for Nothing {
        type Authority = ();

        fn application(&self) -> &str {
            "nothing"
        }

        fn version(&self) -> Option<&str> {
            None
        }

        fn grammar(&self) -> String {
            String::new()
        }

        fn understands(&self, _: &str) -> bool {
            false
        }

        async fn authenticate(&self, _: Peer, _: Option<Presented>) -> Result<(), Close> {
            Ok(())
        }

        fn call(&self, (): &(), _: Request, _: Caller) -> Begun {
            unreachable!("no call is made")
        }
    }

    fn lost() -> Broken {
        Broken::Lost(std::io::ErrorKind::UnexpectedEof.into())
    }

    fn limits() -> SessionLimits {
        SessionLimits {
            max_detached: 1,
            ..SessionLimits::default()
        }
    }

    fn open(sessions: &Sessions<Nothing>) -> Arc<Session<()>> {
        sessions
            .open(&limits(), Peer::Parent, None, (), true)
            .unwrap()
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test);
    }

    #[test]
    fn a_connection_that_breaks_as_another_takes_over_detaches_nothing() {
        run(async {
            let sessions = Sessions::new(Nothing, limits());
            let session = open(&sessions);
            let older = session.shared.attach();
            let newer = session.shared.attach();
            sessions.broke(&session, older, &lost());
            assert!(sessions.registry().detached.is_empty());
            sessions.broke(&session, newer, &lost());
            assert_eq!(sessions.registry().detached.len(), 1);
        });
    }

    #[test]
    fn the_session_that_waited_longest_makes_room() {
        run(async {
            let sessions = Sessions::new(Nothing, limits());
            let (first, second) = (open(&sessions), open(&sessions));
            for session in [&first, &second] {
                let connection = session.shared.attach();
                sessions.broke(session, connection, &lost());
            }
            let registry = sessions.registry();
            assert!(Arc::ptr_eq(&registry.detached[0], &second));
            assert_eq!(registry.detached.len(), 1);
            assert!(!registry.sessions.contains_key(&first.number));
        });
    }

    /// Not even where there is no runtime any more to wait on.
    #[test]
    fn a_connection_that_is_dropped_leaves_no_session_behind() {
        let sessions = Sessions::new(Nothing, limits());
        let session = open(&sessions);
        let connection = session.shared.attach();
        drop(Attached {
            sessions: Arc::clone(&sessions),
            session,
            connection,
            broken: lost(),
        });
        assert!(sessions.registry().sessions.is_empty());
    }

    #[test]
    fn an_end_is_one_frame_whatever_the_failure() {
        for text in ["x", "é", "\u{1}", "\u{1f600}"] {
            let message = text.repeat(100_000);
            let payload = encode_ending(failed("failed", 1, message));
            assert!(payload.len() <= MAX_ENDING_BYTES, "{}", payload.len());
            let ending: Ending = decode("the end", &payload).unwrap();
            let message = ending.failure.unwrap().message;
            assert!(message.starts_with(text) && message.ends_with(" .."));
        }
    }
}
