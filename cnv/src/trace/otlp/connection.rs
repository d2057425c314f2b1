//! One connection to a collector, for requests one after the other.

use std::error::Error as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::rt::{Read, Write};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::endpoint::Endpoint;

/// After so long without a request the connection is asked whether it is still there.
const IDLE: Duration = Duration::from_millis(10);

/// The longest head of an answer.
const MAX_HEAD_BYTES: usize = 64 << 10;

pub(super) type Body = Full<Bytes>;

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// A connection, which is closed when it is dropped.
pub(super) struct Connection {
    sender: Sender,
    /// What carries it.
    task: JoinHandle<()>,
    last_used: Instant,
}

enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

/// A request has no answer.
pub(super) struct Unanswered {
    /// Whether any of it may have arrived.
    pub(super) may_have_arrived: bool,
    pub(super) why: String,
}

impl Connection {
    /// Connects. Nothing of a request was sent where it fails, with what was wrong.
    pub(super) async fn open(
        endpoint: &Endpoint,
        version: Version,
        tls: Option<&super::tls::Tls>,
    ) -> Result<Self, String> {
        let stream = TcpStream::connect((endpoint.host(), endpoint.port())).await;
        let stream = stream.map_err(|error| error.to_string())?;
        stream
            .set_nodelay(true)
            .map_err(|error| error.to_string())?;
        match tls {
            Some(tls) => Self::over(tls.connect(endpoint.host(), stream).await?, version).await,
            None => Self::over(TokioIo::new(stream), version).await,
        }
    }

    async fn over(
        io: impl Read + Write + Send + Unpin + 'static,
        version: Version,
    ) -> Result<Self, String> {
        // How a connection ends is told to the request that it carries.
        let (sender, task) = match version {
            Version::Http1 => {
                let mut builder = http1::Builder::new();
                builder.max_buf_size(MAX_HEAD_BYTES);
                let (sender, connection) = builder.handshake(io).await.map_err(describe)?;
                let task = tokio::spawn(async { drop(connection.await) });
                (Sender::Http1(sender), task)
            }
            Version::Http2 => {
                let builder = http2::Builder::new(TokioExecutor::new());
                let (sender, connection) = builder.handshake(io).await.map_err(describe)?;
                let task = tokio::spawn(async { drop(connection.await) });
                (Sender::Http2(sender), task)
            }
        };
        Ok(Self {
            sender,
            task,
            last_used: Instant::now(),
        })
    }

    /// Whether it can take one more request. Nothing is read from it between requests, so that the end that came meanwhile
    /// has to be looked for.
    pub(super) async fn is_open(&mut self) -> bool {
        if self.last_used.elapsed() > IDLE {
            // The runtime looks at its sockets while everything waits.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let ready = match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await,
            Sender::Http2(sender) => sender.ready().await,
        };
        ready.is_ok() && !self.task.is_finished()
    }

    /// Sends a request, and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, Unanswered> {
        self.last_used = Instant::now();
        let answer = match &mut self.sender {
            Sender::Http1(sender) => sender.try_send_request(request).await,
            Sender::Http2(sender) => sender.try_send_request(request).await,
        };
        answer.map_err(|mut error: TrySendError<_>| {
            // What comes back has not left.
            let has_left = error.take_message().is_none();
            let error = error.into_error();
            Unanswered {
                may_have_arrived: has_left && !was_refused(&error),
                why: describe(error),
            }
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether the other end refused the stream, which says that it has done nothing with it (RFC 9113, section 8.7).
fn was_refused(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &h2::Error| {
        cause.is_reset() && cause.is_remote() && cause.reason() == Some(h2::Reason::REFUSED_STREAM)
    })
}

/// An error with all its causes.
pub(super) fn describe(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some say their causes themselves.
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
