//! `flaky`: a service that fails on command, for what calls services that fail.
//!
//! `flaky [PORT]` listens on 127.0.0.1, on a free port where none is named, and says where.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | as the mode says |
//! | `POST /mode/ok` | from now on 200 |
//! | `POST /mode/fail` | from now on 503, to be tried again after a second |
//! | `POST /mode/slow` | from now on 200, after 400 ms |
//! | `POST /mode/hang` | from now on none |
//! | `POST /mode/panic-connection` | from now on the half of one |
//! | `GET /stats` | the mode, and how many requests to `/` came |

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use cnv::trace::{Headers, TraceContext, Tracer, TracerBuilder};
use cnv_examples::http::TRANSACTION;
use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{ALLOW, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

/// How many connections are open at a time; others wait.
const MAX_CONNECTIONS: usize = 256;

/// The longest head of a request. Bodies are not read.
const MAX_HEAD_BYTES: usize = 8 << 10;

/// How long a head may take to come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

const SLOW: Duration = Duration::from_millis(400);

/// What `GET /` gets.
#[derive(Clone, Copy)]
enum Mode {
    Ok,
    Fail,
    Slow,
    Hang,
    PanicConnection,
}

impl Mode {
    const ALL: [Self; 5] = [
        Self::Ok,
        Self::Fail,
        Self::Slow,
        Self::Hang,
        Self::PanicConnection,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Slow => "slow",
            Self::Hang => "hang",
            Self::PanicConnection => "panic-connection",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }
}

/// What the requests share.
struct Service {
    mode: Cell<Mode>,
    requests: Cell<u64>,
    tracer: Tracer,
}

type Answer = Response<Either<Full<Bytes>, Half>>;

impl Service {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        match (request.method(), path.strip_prefix("/mode/")) {
            (&Method::POST, Some(name)) => match Mode::named(name) {
                Some(mode) => {
                    self.mode.set(mode);
                    text(StatusCode::OK, format!("{name}\n"))
                }
                None => text(StatusCode::NOT_FOUND, "there is no such mode\n"),
            },
            (_, Some(_)) => only("POST"),
            (&Method::GET, None) if path == "/" => {
                self.requests.set(self.requests.get() + 1);
                self.traced(request.headers()).await
            }
            (&Method::GET, None) if path == "/stats" => {
                let (mode, requests) = (self.mode.get().as_str(), self.requests.get());
                let stats = format!("{{\"mode\":\"{mode}\",\"requests\":{requests}}}\n");
                text(StatusCode::OK, stats)
            }
            (_, None) if ["/", "/stats"].contains(&path) => only("GET"),
            _ => text(StatusCode::NOT_FOUND, "there is nothing here\n"),
        }
    }

    /// Answers within a span that says whose request it was.
    async fn traced(&self, headers: &HeaderMap) -> Answer {
        let header = |name| headers.get(name).map(HeaderValue::as_bytes);
        let incoming = Headers {
            traceparent: header("traceparent"),
            tracestate: header("tracestate"),
            baggage: None,
        };
        let ids = self.tracer.ids();
        let context = TraceContext::extract(incoming, self.tracer.boundary(true), ids);
        let transaction = header(TRANSACTION).and_then(|id| str::from_utf8(id).ok()?.parse().ok());
        let mut span = self.tracer.entry("GET /", &context, transaction);
        let answer = span.current().clone().during(self.by_mode()).await;
        let status = answer.status();
        span.set("http.response.status_code", i64::from(status.as_u16()));
        span.ended(
            status
                .is_server_error()
                .then(|| status.as_u16().to_string().into()),
        );
        answer
    }

    async fn by_mode(&self) -> Answer {
        match self.mode.get() {
            Mode::Ok => {}
            Mode::Fail => {
                let answer = text(StatusCode::SERVICE_UNAVAILABLE, "not now\n");
                return with(answer, RETRY_AFTER, "1");
            }
            Mode::Slow => tokio::time::sleep(SLOW).await,
            // It ends when the client goes away.
            Mode::Hang => pending().await,
            Mode::PanicConnection => return Response::new(Either::Right(Half::Whole)),
        }
        text(StatusCode::OK, "all is well")
    }
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(text.into())));
    *answer.status_mut() = status;
    answer
}

fn with(mut answer: Answer, name: HeaderName, value: &'static str) -> Answer {
    let value = HeaderValue::from_static(value);
    answer.headers_mut().insert(name, value);
    answer
}

fn only(method: &'static str) -> Answer {
    let answer = text(StatusCode::METHOD_NOT_ALLOWED, format!("only {method}\n"));
    with(answer, ALLOW, method)
}

/// A body that promises more than comes.
enum Half {
    /// Nothing was sent yet.
    Whole,
    /// The first half is on its way.
    Sent,
    Broken,
}

const HALF: &[u8] = b"all is ";

impl Body for Half {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match *self {
            Self::Whole => {
                *self = Self::Sent;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(HALF)))))
            }
            // While this waits, what there is goes out.
            Self::Sent => {
                *self = Self::Broken;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Broken => Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into()))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(2 * HALF.len() as u64)
    }
}

async fn connection(stream: TcpStream, service: Rc<Service>) {
    let respond = service_fn(|request| {
        let service = Rc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .keep_alive(false);
    // A client that goes away, or that sends no HTTP, is no fault of the service.
    let _ = server.serve_connection(TokioIo::new(stream), respond).await;
}

async fn serve(port: u16, tracer: Tracer) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("flaky listens at http://{}", listener.local_addr()?);
    let service = Rc::new(Service {
        mode: Cell::new(Mode::Ok),
        requests: Cell::new(0),
        tracer,
    });
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let (stream, _) = listener.accept().await?;
        let service = Rc::clone(&service);
        tokio::task::spawn_local(async move {
            let _place = place;
            connection(stream, service).await;
        });
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let port = match std::env::args().nth(1) {
        Some(port) => port.parse().map_err(|_| format!("`{port}` is no port"))?,
        None => 0,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (tracer, warnings) = TracerBuilder::from_env("flaky");
    for warning in &warnings {
        eprintln!("flaky: {warning}");
    }
    LocalSet::new().block_on(&runtime, serve(port, tracer.build()?))?;
    Ok(())
}
