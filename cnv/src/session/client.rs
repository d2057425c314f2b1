//! The client: calls over a session, and the session over one connection after another.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};

use super::address::{Address, Stream};
use super::client_core::{ClientCore, Next, Opened, Ticket};
use super::close::{Close, CloseCode};
use super::driver::{Broken, Driver, Shared};
use super::error::SessionError;
use super::handshake::{Handshake, check_answer, request_digest};
use super::limits::SessionLimits;
use super::message::{
    Auth, ClientHello, DRAINING, Ending, Ready, RemoteFailure, Request, Resume, ServerHello,
    decode, encode,
};
use super::wire::{Channel, Kind, PROTOCOL};
use crate::attestation::{AttestationChain, Nonce, Possession, PrivateKey, Timestamp};

/// How long it takes until a broken connection is tried again: doubled each time, up to the second.
const FIRST_RETRY: Duration = Duration::from_millis(20);
const LAST_RETRY: Duration = Duration::from_secs(1);

/// How a client begins its sessions.
///
/// ```no_run
/// use cnv::session::{Client, ClientOptions};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let address = "unix:/run/ops.sock".parse()?;
/// let client = Client::connect(&address, ClientOptions::new().application("ops")).await?;
/// let mut call = client.call(["log", "scan", "access.log"]).await?;
/// while let Some(item) = call.next().await? {
///     println!("{}", item.text());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct ClientOptions {
    application: Option<String>,
    grammar: Option<String>,
    token: Option<String>,
    key: Option<PrivateKey>,
    limits: SessionLimits,
    is_single: bool,
    is_plaintext: bool,
}

impl ClientOptions {
    /// A client that presents nothing and takes any server.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on only with the server of this application. A proof of possession names it, so whoever attests has to know.
    #[must_use]
    pub fn application(mut self, name: impl Into<String>) -> Self {
        self.application = Some(name.into());
        self
    }

    /// Goes on only where the server's grammar has this digest, or is understood by it still.
    #[must_use]
    pub fn grammar(mut self, digest: impl fmt::Display) -> Self {
        self.grammar = Some(digest.to_string());
        self
    }

    /// Presents a token, and proves possession of the key that it names; a bearer's needs none.
    #[must_use]
    pub fn attest(mut self, token: impl Into<String>, key: Option<PrivateKey>) -> Self {
        self.token = Some(token.into());
        self.key = key;
        self
    }

    /// Presents a bearer's token also over TCP to other machines, because something in between protects what is sent. A
    /// token that is held by a key needs none: its proof is worth nothing in another session.
    #[must_use]
    pub fn plaintext(mut self) -> Self {
        self.is_plaintext = true;
        self
    }

    /// What this client grants the server, and for how long.
    #[must_use]
    pub fn limits(mut self, limits: SessionLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Does not go on over another connection when this one breaks.
    #[must_use]
    pub fn single_connection(mut self) -> Self {
        self.is_single = true;
        self
    }
}

/// A session with a server. Clones are the same session; it ends when the last of them and of its calls is dropped.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    /// Ends the session when the last clone goes.
    _open: Arc<Open>,
}

struct Inner {
    shared: Shared<ClientCore>,
    server: ServerHello,
    limits: SessionLimits,
    ended: Mutex<Option<Arc<SessionError>>>,
}

struct Open {
    inner: Arc<Inner>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.inner
            .shared
            .close(Close::new(CloseCode::Done, "the client is done"));
    }
}

/// What the handshake came to.
struct Begun<S> {
    stream: S,
    arrived: BytesMut,
    server: ServerHello,
    /// What may be in flight.
    agreed: SessionLimits,
    ready: Ready,
}

impl Client {
    /// Connects to a server. Runs on tokio, where a task carries the session's frames until it ends.
    ///
    /// # Errors
    ///
    /// [`SessionError::Io`] and [`SessionError::Handshake`], with which a retry makes sense;
    /// [`SessionError::Closed`] where the server refuses; [`SessionError::Attestation`] where the token names a key that
    /// was not given; [`SessionError::Plaintext`] where others could read the token and use it.
    pub async fn connect(address: &Address, options: ClientOptions) -> Result<Self, SessionError> {
        check_that_nobody_reads(address, &options)?;
        let limits = options.limits.clone().in_range();
        let begun = in_time(&limits, async {
            let stream = Stream::connect(address).await?;
            begin(stream, &options, &limits, None).await
        })
        .await?;
        let address = (!options.is_single).then(|| address.clone());
        Ok(Self::start(begun, options, limits, address))
    }

    /// Begins a session over a connection that is there already, such as a process's standard input and output. It is
    /// not resumed.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn over<S>(stream: S, mut options: ClientOptions) -> Result<Self, SessionError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        options.is_single = true;
        let limits = options.limits.clone().in_range();
        let begun = in_time(&limits, begin(stream, &options, &limits, None)).await?;
        Ok(Self::start(begun, options, limits, None))
    }

    fn start<S>(
        begun: Begun<S>,
        options: ClientOptions,
        limits: SessionLimits,
        address: Option<Address>,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Begun {
            stream,
            arrived,
            server,
            agreed,
            ready,
        } = begun;
        let is_resumable = address.is_some() && ready.secret.is_some();
        let core = ClientCore::new(&agreed, is_resumable, ready.calls, Instant::now());
        let inner = Arc::new(Inner {
            shared: Shared::new(core),
            server,
            limits,
            ended: Mutex::new(None),
        });
        let open = Arc::new(Open {
            inner: Arc::clone(&inner),
        });
        let carried = Arc::clone(&inner);
        tokio::spawn(async move {
            let error = carried
                .carry(stream, arrived, &options, ready, address)
                .await;
            carried.end(error);
        });
        Self { inner, _open: open }
    }

    /// A client without a connection.
    #[cfg(test)]
    fn of(core: ClientCore, limits: SessionLimits) -> Self {
        let inner = Arc::new(Inner {
            shared: Shared::new(core),
            server: ServerHello {
                protocol: PROTOCOL,
                application: String::new(),
                version: None,
                grammar: String::new(),
                nonce: None,
                max_request_bytes: limits.max_request_bytes,
                window_bytes: limits.window_bytes,
                call_window_bytes: limits.call_window_bytes,
                max_frame_bytes: limits.max_frame_bytes,
                max_item_bytes: limits.max_item_bytes,
            },
            limits,
            ended: Mutex::new(None),
        });
        let open = Arc::new(Open {
            inner: Arc::clone(&inner),
        });
        Self { inner, _open: open }
    }

    /// The name of the server's application, as it says.
    #[must_use]
    pub fn application(&self) -> &str {
        &self.inner.server.application
    }

    /// The version of the server's application, where it has one.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.inner.server.version.as_deref()
    }

    /// The digest of the grammar that the server had in force when the session began.
    #[must_use]
    pub fn grammar(&self) -> &str {
        &self.inner.server.grammar
    }

    /// Makes a call: noun, verb and arguments, as they would be typed.
    ///
    /// # Errors
    ///
    /// As [`start_call`](Self::start_call).
    pub async fn call<A>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Call, SessionError>
    where
        A: Into<OsString>,
    {
        self.start_call(CallRequest::new(arguments)?).await
    }

    /// Makes a call that has a deadline or belongs to a transaction. Waits while the server has as many calls of this
    /// session as it takes.
    ///
    /// # Errors
    ///
    /// Where the request is too large, the server takes no new calls, the session has no more numbers for them, or it is over.
    pub async fn start_call(&self, request: CallRequest) -> Result<Call, SessionError> {
        let CallRequest {
            mut request,
            timeout,
        } = request;
        // What is beyond the end of the clock is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        request.timeout_ms = deadline.map(remaining_ms);
        // It gets no longer while the call waits.
        let (len, max) = (encode(&request).len(), self.inner.server.max_request_bytes);
        if len > max {
            return Err(SessionError::RequestTooLarge { len, max });
        }
        let mut opening = Opening {
            inner: &self.inner,
            ticket: None,
        };
        let call = poll_fn(|cx| {
            let opened = self.inner.shared.with(|core| {
                if core.is_draining() {
                    return Err(SessionError::Draining);
                }
                let encoded = || {
                    request.timeout_ms = deadline.map(remaining_ms);
                    encode(&request)
                };
                Ok(core.open(encoded, deadline, &mut opening.ticket, cx.waker()))
            });
            match (opened, self.inner.over()) {
                (_, Some(error)) => Poll::Ready(Err(error)),
                (Err(error), None) => Poll::Ready(Err(error)),
                (Ok(Opened::Call(call)), None) => Poll::Ready(Ok(call)),
                (Ok(Opened::NoNumber), None) => Poll::Ready(Err(SessionError::NoNumber)),
                (Ok(Opened::NoRoom), None) => Poll::Pending,
            }
        })
        .await?;
        drop(opening);
        Ok(Call {
            inner: Arc::clone(&self.inner),
            call,
            _open: Arc::clone(&self._open),
            is_over: false,
            receipt: None,
            left_out_receipt_bytes: None,
            dropped_notes: 0,
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("server", &self.inner.server)
            .finish_non_exhaustive()
    }
}

/// A call that waits for its place. However that ends, nobody is woken for it any more.
struct Opening<'a> {
    inner: &'a Inner,
    ticket: Option<Ticket>,
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.inner.shared.lock().core.leave(ticket);
        }
    }
}

impl Inner {
    /// Carries the session until it is over.
    async fn carry<S>(
        &self,
        stream: S,
        arrived: BytesMut,
        options: &ClientOptions,
        ready: Ready,
        address: Option<Address>,
    ) -> SessionError
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut broken = self.drive(stream, arrived).await;
        let (Some(address), Some(secret)) = (address, ready.secret) else {
            return over(broken);
        };
        loop {
            match &broken {
                Broken::Lost(_) => {}
                Broken::Closed(close) | Broken::Refused(close) if close.code().is_resumable() => {}
                _ => return over(broken),
            }
            let received = self.shared.lock().core.link.received();
            let resume = Resume {
                session: ready.session.clone(),
                secret: secret.clone(),
                received,
            };
            match self.resume(&address, options, resume).await {
                Ok((stream, arrived)) => broken = self.drive(stream, arrived).await,
                Err(error) => return error,
            }
        }
    }

    async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        arrived: BytesMut,
    ) -> Broken {
        let connection = self.shared.attach();
        let driver = Driver::new(
            stream,
            &self.shared,
            &self.limits,
            connection,
            arrived,
            false,
        );
        driver.run(|| ()).await
    }

    /// Connects again, for as long as the server keeps the session.
    async fn resume(
        &self,
        address: &Address,
        options: &ClientOptions,
        resume: Resume,
    ) -> Result<(Stream, BytesMut), SessionError> {
        let since = Instant::now();
        let mut pause = FIRST_RETRY;
        loop {
            let attempt = in_time(&self.limits, async {
                let stream = Stream::connect(address).await?;
                begin(stream, options, &self.limits, Some(resume.clone())).await
            });
            let error = match attempt.await {
                Ok(begun) => {
                    let Some(received) = begun.ready.received else {
                        let close = Close::protocol("the server began another session");
                        return Err(close.into());
                    };
                    let calls = begun.ready.calls;
                    let mut state = self.shared.lock();
                    state.core.reattach(received, calls, with_remaining)?;
                    return Ok((begun.stream, begun.arrived));
                }
                Err(error) => error,
            };
            let is_temporary = match &error {
                SessionError::Io(_) | SessionError::Handshake(_) => true,
                // The older connection may be one of those that it has.
                SessionError::Closed(close) => {
                    matches!(close.code(), CloseCode::Connections | CloseCode::Handshake)
                }
                _ => false,
            };
            if !is_temporary || since.elapsed() + pause > self.limits.resume_window {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_RETRY);
        }
    }

    fn end(&self, error: SessionError) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(error));
        self.shared.lock().core.wake_all();
    }

    /// Why the session is over, once it is.
    fn over(&self) -> Option<SessionError> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.as_deref().map(again)
    }
}

/// The same error, for each call that it ends.
fn again(error: &SessionError) -> SessionError {
    match error {
        SessionError::Closed(close) => SessionError::Closed(close.clone()),
        SessionError::Refused(close) => SessionError::Refused(close.clone()),
        SessionError::Io(error) => {
            SessionError::Io(io::Error::new(error.kind(), error.to_string()))
        }
        SessionError::Handshake(time) => SessionError::Handshake(*time),
        SessionError::Draining => SessionError::Draining,
        SessionError::NoNumber => SessionError::NoNumber,
        SessionError::Plaintext { address } => SessionError::Plaintext { address: *address },
        SessionError::RequestTooLarge { len, max } => SessionError::RequestTooLarge {
            len: *len,
            max: *max,
        },
        SessionError::NotText { argument } => SessionError::NotText {
            argument: argument.clone(),
        },
        SessionError::Attestation(why) => SessionError::Attestation(why.clone()),
    }
}

fn over(broken: Broken) -> SessionError {
    match broken {
        Broken::Closed(close) => SessionError::Closed(close),
        Broken::Refused(close) => SessionError::Refused(close),
        Broken::Lost(error) => SessionError::Io(error),
        Broken::TakenOver => Close::protocol("the session goes on elsewhere").into(),
    }
}

async fn in_time<T>(
    limits: &SessionLimits,
    handshake: impl Future<Output = Result<T, SessionError>>,
) -> Result<T, SessionError> {
    let time = limits.handshake_timeout;
    match tokio::time::timeout(time, handshake).await {
        Ok(begun) => begun,
        Err(_) => Err(SessionError::Handshake(time)),
    }
}

/// The client's part of the handshake.
async fn begin<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    options: &ClientOptions,
    limits: &SessionLimits,
    resume: Option<Resume>,
) -> Result<Begun<S>, SessionError> {
    let mut handshake = Handshake::new(stream);
    let hello = encode(&ClientHello {
        protocol: (PROTOCOL, PROTOCOL),
        application: options.application.clone(),
        grammar: options.grammar.clone(),
        is_resumable: !options.is_single,
        resume,
        attests: options.token.is_some(),
        window_bytes: limits.window_bytes,
        call_window_bytes: limits.call_window_bytes,
        max_frame_bytes: limits.max_frame_bytes,
        max_item_bytes: limits.max_item_bytes,
    });
    handshake.send(Kind::Hello, &hello).await?;
    let answer = handshake.expect(Kind::Hello).await?;
    let server: ServerHello = decode("the server's hello", &answer)?;
    check_answer(&server)?;
    let agreed = limits.agreed(
        server.window_bytes,
        server.call_window_bytes,
        server.max_frame_bytes,
        server.max_item_bytes,
    )?;
    if let Some(token) = &options.token {
        let auth = prove(token, options, &server, &hello, &answer)?;
        handshake.send(Kind::Auth, &encode(&auth)).await?;
    }
    let ready = handshake.expect(Kind::Ready).await?;
    let ready = decode("the server's answer", &ready)?;
    let Handshake { stream, arrived } = handshake;
    Ok(Begun {
        stream,
        arrived,
        server,
        agreed,
        ready,
    })
}

/// Whether a bearer's token stays on this machine. Whoever reads one on its way can use it.
fn check_that_nobody_reads(address: &Address, options: &ClientOptions) -> Result<(), SessionError> {
    let (Address::Tcp(address), Some(token)) = (address, &options.token) else {
        return Ok(());
    };
    if options.is_plaintext || address.ip().is_loopback() {
        return Ok(());
    }
    // What cannot be read is no token that is known to need a key.
    let chain = token.parse::<AttestationChain>().ok();
    match chain.and_then(|chain| chain.leaf().holder_key()) {
        Some(_) => Ok(()),
        None => Err(SessionError::Plaintext { address: *address }),
    }
}

fn prove(
    token: &str,
    options: &ClientOptions,
    server: &ServerHello,
    hello: &Bytes,
    answer: &Bytes,
) -> Result<Auth, SessionError> {
    let unfit = |why: String| SessionError::Attestation(why);
    let chain: AttestationChain = token.parse().map_err(|error| unfit(format!("{error}")))?;
    let Some(needed) = chain.leaf().holder_key() else {
        return Ok(Auth {
            token: token.to_owned(),
            proof: None,
        });
    };
    let Some(key) = &options.key else {
        return Err(unfit(format!(
            "it is held by the key {needed}, and no key was given"
        )));
    };
    if key.public_key().id() != needed {
        let given = key.public_key().id();
        return Err(unfit(format!(
            "it is held by the key {needed}, and {given} was given"
        )));
    }
    let Some(application) = options.application.as_deref() else {
        return Err(unfit(
            "a proof names the application that it is for, and none was given".to_owned(),
        ));
    };
    let nonce = server.nonce.as_deref().unwrap_or_default();
    let nonce: Nonce = nonce
        .parse()
        .map_err(|error| Close::protocol(format!("the server's nonce is none: {error}")))?;
    let possession = Possession {
        token,
        audience: Some(application),
        nonce,
        request: request_digest(hello, answer),
        signed_at: Timestamp::now(),
    };
    Ok(Auth {
        token: token.to_owned(),
        proof: Some(possession.sign(key).to_string()),
    })
}

/// What is left until a deadline. A part of a millisecond is one, so that no time that is left is none.
fn remaining_ms(deadline: Instant) -> u64 {
    let left = deadline.saturating_duration_since(Instant::now());
    u64::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

/// A request that was sent before, with what is left until its deadline.
fn with_remaining(request: &[u8], deadline: Instant) -> Option<Bytes> {
    let mut request: Request = decode("a request", request).ok()?;
    request.timeout_ms = Some(remaining_ms(deadline));
    Some(encode(&request))
}

/// What a call is begun with.
#[derive(Debug, Clone)]
pub struct CallRequest {
    request: Request,
    timeout: Option<Duration>,
}

impl CallRequest {
    /// Noun, verb and arguments, as they would be typed.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotText`] where one is not UTF-8.
    pub fn new<A: Into<OsString>>(
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Self, SessionError> {
        let text = |argument: A| {
            let text = argument.into().into_string();
            text.map_err(|argument| SessionError::NotText { argument })
        };
        let arguments = arguments.into_iter().map(text);
        Ok(Self {
            request: Request {
                arguments: arguments.collect::<Result<_, _>>()?,
                timeout_ms: None,
                transaction: None,
            },
            timeout: None,
        })
    }

    /// The call is over after this time, in whole milliseconds. It begins when the call is made: the wait for a place among
    /// the session's calls and for a connection counts.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// The transaction that the call belongs to: 32 hexadecimal digits, or a UUID.
    #[must_use]
    pub fn transaction(mut self, id: impl fmt::Display) -> Self {
        self.request.transaction = Some(id.to_string());
        self
    }
}

/// A call that was made. Dropping it before its end takes it back: the handler is dropped.
pub struct Call {
    inner: Arc<Inner>,
    call: u32,
    _open: Arc<Open>,
    is_over: bool,
    receipt: Option<String>,
    left_out_receipt_bytes: Option<usize>,
    dropped_notes: u64,
}

/// One item of a call's streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    channel: Channel,
    payload: Bytes,
}

impl Item {
    /// The stream that it is from.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        self.channel
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.payload
    }

    /// Its bytes as text; what is not UTF-8 in them is shown as `\u{fffd}`.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.payload)
    }

    /// The value that it is the JSON of.
    ///
    /// # Errors
    ///
    /// Where it is not JSON, or of another type.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.payload)
    }
}

/// How a call ended, and all that it sent.
#[derive(Debug)]
#[non_exhaustive]
pub struct Collected {
    /// What came before the result, in order.
    pub items: VecDeque<Item>,
    /// What the command returned, as JSON.
    pub result: Item,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The command failed, or was refused.
    #[error(transparent)]
    Failed(#[from] RemoteFailure),
    /// The session ended before the call: whether it was carried out is not known.
    #[error("the session ended before the call did")]
    Session(#[from] SessionError),
}

impl RemoteFailure {
    /// The failure that this error is, also where a [`CallError`] stands for it.
    pub(crate) fn of<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        match error.downcast_ref::<CallError>() {
            Some(CallError::Failed(failure)) => Some(failure),
            _ => error.downcast_ref(),
        }
    }
}

impl Call {
    /// The next item; `None` once the call is over and its end was taken. The last one is the result, on
    /// [`Channel::Result`].
    ///
    /// # Errors
    ///
    /// [`CallError::Failed`] where the call did, and [`CallError::Session`] where the session ended before it.
    pub async fn next(&mut self) -> Result<Option<Item>, CallError> {
        let next = poll_fn(|cx| {
            let shared = &self.inner.shared;
            // Credit may be due.
            match shared.take(|core| core.next(self.call, cx.waker())) {
                Next::Nothing => match self.inner.over() {
                    Some(error) => Poll::Ready(Err(error)),
                    None => Poll::Pending,
                },
                next => Poll::Ready(Ok(next)),
            }
        });
        match next.await? {
            Next::Item(arrived) => Ok(Some(Item {
                channel: arrived.channel,
                payload: arrived.payload,
            })),
            Next::End(ending) => {
                self.is_over = true;
                self.ended(&ending)
            }
            Next::Nothing | Next::Gone => Ok(None),
        }
    }

    /// Waits for the end, and keeps all that comes before it.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub async fn collect(mut self) -> Result<Collected, CallError> {
        let mut items = VecDeque::new();
        while let Some(item) = self.next().await? {
            items.push_back(item);
        }
        match items.pop_back() {
            Some(result) if result.channel == Channel::Result => Ok(Collected { items, result }),
            _ => {
                Err(SessionError::from(Close::protocol("a call succeeded without a result")).into())
            }
        }
    }

    /// What the server allowed the call and what it used, as JSON, once it has ended and where it got to a handler.
    #[must_use]
    pub fn receipt(&self) -> Option<&str> {
        self.receipt.as_deref()
    }

    /// How many bytes the receipt had, once the call has ended, where it was too long to be sent: a call's end has room for
    /// 16 KiB. The server's audit log has what it used.
    #[must_use]
    pub const fn left_out_receipt_bytes(&self) -> Option<usize> {
        self.left_out_receipt_bytes
    }

    /// Records of its log, measurements and progress that there was no room for, once it has ended.
    #[must_use]
    pub const fn dropped_notes(&self) -> u64 {
        self.dropped_notes
    }

    fn ended(&mut self, ending: &Bytes) -> Result<Option<Item>, CallError> {
        let ending: Ending = decode("a call's end", ending).map_err(SessionError::from)?;
        self.receipt = ending.receipt.map(|receipt| receipt.get().to_owned());
        self.left_out_receipt_bytes = ending.left_out_receipt_bytes;
        self.dropped_notes = ending.dropped_notes;
        match ending.failure {
            None => Ok(None),
            Some(failure) if failure.code == DRAINING => Err(SessionError::Draining.into()),
            Some(failure) => Err(failure.into()),
        }
    }

    /// Asks the call to stop. Its end still comes: with what it has, or as one that was cancelled.
    pub fn cancel(&self) {
        self.inner.shared.with(|core| core.cancel(self.call));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.is_over {
            self.inner.shared.with(|core| core.reset(self.call));
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    /// Whoever stops waiting leaves nothing behind, or a client that gives up again and again would grow.
    #[test]
    fn a_call_that_is_not_waited_for_leaves_no_waker() {
        let limits = SessionLimits::default();
        let client = Client::of(ClientCore::new(&limits, false, 0, Instant::now()), limits);
        let mut cx = Context::from_waker(Waker::noop());
        let waiting = || client.inner.shared.lock().core.waiting();
        let mut calls = Vec::new();
        for waits in 1..=5 {
            let mut call = Box::pin(client.call(["job", "echo"]));
            for _ in 0..3 {
                assert!(call.as_mut().poll(&mut cx).is_pending());
            }
            calls.push(call);
            assert_eq!(waiting(), waits);
        }
        calls.truncate(2);
        assert_eq!(waiting(), 2);
        client.inner.end(SessionError::Draining);
        for mut call in calls {
            assert!(call.as_mut().poll(&mut cx).is_ready());
        }
        assert_eq!(waiting(), 0);
    }
}
