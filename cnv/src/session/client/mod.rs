//! The client: a session, and the calls that are made on it.

mod begin;
mod call;
mod carry;
mod options;
#[cfg(feature = "trace")]
mod span;

use std::ffi::OsString;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite};

use super::address::{Address, Stream};
use super::client_core::{ClientCore, Opened, Ticket};
use super::close::{Close, CloseCode};
use super::error::SessionError;
use super::limits::SessionLimits;
use super::message::{ServerHello, encode};
use super::shared::Shared;
use begin::{Begun, begin, check_that_nobody_reads};
use call::remaining_ms;
pub use call::{Call, CallError, CallRequest, Collected, Item};
use carry::in_time;
pub use options::ClientOptions;

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
        let begun = in_time(limits.handshake_timeout, async {
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
        let handshake = begin(stream, &options, &limits, None);
        let begun = in_time(limits.handshake_timeout, handshake).await?;
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
                protocol: crate::session::wire::PROTOCOL,
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

    /// Whether there is no call, and nobody who waits to make one.
    #[cfg(test)]
    pub(in crate::session) fn holds_nothing(&self) -> bool {
        let core = &self.inner.shared.lock().core;
        !core.has_calls() && core.waiting() == 0
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

    /// Makes a call that has a deadline or belongs to a transaction or a trace. Waits while the server has as many calls of this
    /// session as it takes.
    ///
    /// # Errors
    ///
    /// Where the request is too large, the server takes no new calls, the session has no more numbers for them, or it is over.
    pub async fn start_call(&self, request: CallRequest) -> Result<Call, SessionError> {
        #[cfg(feature = "trace")]
        let (request, mut span) = {
            let mut request = request;
            let span = request.begin_span();
            (request, span)
        };
        let opened = self.open(request).await;
        #[cfg(feature = "trace")]
        if let Err(error) = &opened {
            span.fail(error.kind());
        }
        let call = Call::new(self, opened?);
        #[cfg(feature = "trace")]
        let call = call.within(span);
        Ok(call)
    }

    /// Has the server begin a call, once it has room for it.
    async fn open(&self, request: CallRequest) -> Result<u32, SessionError> {
        let CallRequest {
            mut request,
            timeout,
            ..
        } = request;
        // What is beyond the end of the clock is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        request.timeout_ms = deadline.map(remaining_ms);
        // It gets no longer while the call waits.
        let max = self.inner.server.max_request_bytes;
        let len = request.fit(max);
        if len > max {
            return Err(SessionError::RequestTooLarge { len, max });
        }
        let mut opening = Opening {
            inner: &self.inner,
            ticket: None,
        };
        poll_fn(|cx| {
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
        .await
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
