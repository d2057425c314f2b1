//! A server of gRPC that answers as it is told, or does not.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// A call as it came.
#[derive(Clone, Debug)]
pub struct Call {
    pub path: String,
    pub headers: HeaderMap,
    /// With the prefix.
    pub body: Vec<u8>,
}

/// What follows on a call.
pub enum Reply {
    /// A message, with its prefix, and trailers.
    Answer(Vec<u8>, Vec<(&'static str, String)>),
    /// A status in the head, with what else stands there.
    Head(Vec<(&'static str, String)>),
    /// A status of HTTP.
    Http(u16),
    /// The head of an answer, and an error behind it.
    Broken,
    /// The end of the connection.
    End,
    /// The stream is refused: nothing was done with it.
    Refused,
    /// Nothing, for as long as the other end waits.
    Nothing,
}

/// A message with its prefix.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).unwrap();
    [&[0], &len.to_be_bytes()[..], message].concat()
}

pub fn ok(message: &[u8]) -> Reply {
    Reply::Answer(framed(message), vec![("grpc-status", "0".to_owned())])
}

type Replies = Arc<Mutex<dyn FnMut(&Call) -> Reply + Send>>;
type Connections = Arc<Mutex<Vec<AbortHandle>>>;
type Body = BoxBody<Bytes, io::Error>;

pub struct GrpcServer {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    connections: Connections,
}

impl GrpcServer {
    pub fn start(reply: impl FnMut(&Call) -> Reply + Send + 'static) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(Mutex::default());
        let replies: Replies = Arc::new(Mutex::new(reply));
        let all = Arc::clone(&calls);
        let connections = Connections::default();
        let open = Arc::clone(&connections);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(run(listener, replies, all, open));
        });
        Self {
            address,
            calls,
            connections,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends all connections.
    pub fn disconnect(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

async fn run(
    listener: std::net::TcpListener,
    replies: Replies,
    calls: Arc<Mutex<Vec<Call>>>,
    open: Connections,
) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (replies, calls) = (Arc::clone(&replies), Arc::clone(&calls));
        let service = service_fn(move |request: Request<Incoming>| {
            let (replies, calls) = (Arc::clone(&replies), Arc::clone(&calls));
            async move {
                let (head, body) = request.into_parts();
                let call = Call {
                    path: head.uri.path().to_owned(),
                    headers: head.headers,
                    body: body.collect().await.unwrap().to_bytes().to_vec(),
                };
                calls.lock().unwrap().push(call.clone());
                let reply = (replies.lock().unwrap())(&call);
                respond(reply).await
            }
        });
        let connection = tokio::spawn(async move {
            let connection = http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            let _ = connection.await;
        });
        open.lock().unwrap().push(connection.abort_handle());
    }
}

async fn respond(reply: Reply) -> Result<Response<Body>, h2::Error> {
    let full = |bytes: Vec<u8>| Full::new(Bytes::from(bytes)).map_err(never).boxed();
    let response = Response::builder().header("content-type", "application/grpc");
    Ok(match reply {
        Reply::Answer(bytes, trailers) => {
            let trailers = map(trailers);
            let body = Full::new(Bytes::from(bytes)).with_trailers(async { Some(Ok(trailers)) });
            response.body(body.map_err(never).boxed()).unwrap()
        }
        Reply::Head(headers) => {
            let mut head = response.body(full(Vec::new())).unwrap();
            head.headers_mut().extend(map(headers));
            head
        }
        Reply::Http(status) => {
            let mut head = Response::new(full(b"no gRPC here".to_vec()));
            *head.status_mut() = StatusCode::from_u16(status).unwrap();
            head
        }
        Reply::Broken => {
            let body = Full::new(Bytes::from_static(&[0, 0, 0, 0, 9]))
                .map_err(never)
                .with_trailers(async { Some(Err(io::Error::other("broken"))) });
            response.body(body.boxed()).unwrap()
        }
        Reply::End => return Err(h2::Reason::INTERNAL_ERROR.into()),
        Reply::Refused => return Err(h2::Reason::REFUSED_STREAM.into()),
        Reply::Nothing => pending().await,
    })
}

fn map(headers: Vec<(&'static str, String)>) -> HeaderMap {
    let pair = |(name, value): (&'static str, String)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(&value).unwrap(),
        )
    };
    headers.into_iter().map(pair).collect()
}

fn never(never: Infallible) -> io::Error {
    match never {}
}
