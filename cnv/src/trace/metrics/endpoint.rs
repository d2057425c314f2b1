//! Where Prometheus scrapes.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::prometheus_text::PROMETHEUS_CONTENT_TYPE;
use super::snapshot::Snapshot;

/// Where the metrics are.
const PATH: &str = "/metrics";

/// Connections at a time. The next waits in the operating system's queue until one of these is over, which is soon.
const MAX_CONNECTIONS: usize = 16;

/// The longest head of a request, which is the shortest that hyper can be held to. Bodies are not read.
const MAX_HEAD_BYTES: usize = 8 << 10;

/// How long a head may take to come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection may take in all, as long as Prometheus waits for a scrape by default. Each has one request.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long no connection is accepted after one could not be, such as for want of a file descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type Take = dyn Fn() -> Snapshot + Send + Sync;

/// Answers `GET /metrics` with what there is at that moment, as Prometheus scrapes it.
///
/// It speaks plain HTTP and asks nobody who they are: whoever reaches the address reads the names of verbs and policies and
/// how they fare. Listen at a loopback address, or put something in front that encrypts and asks.
///
/// One request a connection, 16 connections at a time, 8 KiB for a request's head, 2 s for it to come and 10 s for all: a
/// scraper that is slow or says nothing holds a place for so long, and no others wait for longer.
///
/// Programs that serve sessions have one with `SessionServer::metrics`. For others:
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
/// use std::sync::Arc;
/// use cnv::prelude::*;
/// use cnv::trace::metrics::MetricsServer;
///
/// /// Adds two numbers.
/// #[verb(noun = "sum", effect = "pure")]
/// fn add(left: i64, right: i64) -> Result<i64, Failure> {
///     Ok(left.saturating_add(right))
/// }
///
/// # let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
/// # let _entered = runtime.enter();
/// let app = Arc::new(App::new("calc").verbs(verbs![add]));
/// let metrics = MetricsServer::bind("127.0.0.1:0".parse()?)?;
/// let address = metrics.address();
/// tokio::spawn(metrics.run({
///     let app = Arc::clone(&app);
///     move || app.snapshot()
/// }));
///
/// let mut scrape = TcpStream::connect(address)?;
/// write!(scrape, "GET /metrics HTTP/1.1\r\nhost: {address}\r\n\r\n")?;
/// let mut answer = String::new();
/// scrape.read_to_string(&mut answer)?;
/// assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
/// assert!(answer.contains("cnv_calls_total"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Needs the feature `prometheus`.
#[derive(Debug)]
pub struct MetricsServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl MetricsServer {
    /// Listens here from now on, and answers once it [runs](Self::run). Has to be called on tokio.
    ///
    /// # Errors
    ///
    /// Where nothing can listen there.
    ///
    /// # Panics
    ///
    /// Outside of tokio.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            address: listener.local_addr()?,
            listener: TcpListener::from_std(listener)?,
        })
    }

    /// Where it listens; with the port that was chosen, where it was left to the operating system.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers each scrape with what `take` returns, until it is dropped, and its connections with it.
    pub async fn run(self, take: impl Fn() -> Snapshot + Send + Sync + 'static) -> Infallible {
        let take: Arc<Take> = Arc::new(take);
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= MAX_CONNECTIONS {
                connections.join_next().await;
            }
            while connections.try_join_next().is_some() {}
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&take)));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

async fn serve(stream: TcpStream, take: Arc<Take>) {
    let service = service_fn(|request: Request<Incoming>| {
        let answer = answer(&request, &*take);
        async { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Whoever breaks off, sends no HTTP or takes too long is not waited for.
    let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
}

fn answer(request: &Request<Incoming>, take: &Take) -> Response<String> {
    if request.uri().path() != PATH {
        return refused(StatusCode::NOT_FOUND, "the metrics are at /metrics\n");
    }
    if request.method() != Method::GET {
        let answer = refused(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        return with(answer, ALLOW, "GET");
    }
    let text = take().to_prometheus_text();
    with(Response::new(text), CONTENT_TYPE, PROMETHEUS_CONTENT_TYPE)
}

fn refused(status: StatusCode, why: &str) -> Response<String> {
    let mut answer = Response::new(why.to_owned());
    *answer.status_mut() = status;
    with(answer, CONTENT_TYPE, "text/plain; charset=utf-8")
}

fn with(mut answer: Response<String>, name: HeaderName, value: &'static str) -> Response<String> {
    let value = HeaderValue::from_static(value);
    answer.headers_mut().insert(name, value);
    answer
}
