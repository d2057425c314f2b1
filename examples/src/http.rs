//! One HTTP request to a service on this machine.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::str::FromStr;
use std::task::Poll;
use std::time::Duration;

use cnv::trace::{Current, Span};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap, RETRY_AFTER};
use hyper::http::request;
use hyper::http::uri::{Authority, InvalidUri, PathAndQuery, Scheme};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// The longest answer that is taken.
pub const MAX_BODY_BYTES: usize = 64 << 10;

/// The longest head of an answer, and how much is read at a time.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// An address of a service on this machine: `http://127.0.0.1:8080/path`.
///
/// The host is a loopback address, and never a name: what a name leads to is somebody else's to say, and may be another
/// thing when it is looked up again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopbackUrl {
    address: SocketAddr,
    authority: Authority,
    target: PathAndQuery,
}

/// A text that is no [`LoopbackUrl`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoopbackUrlError {
    /// It is no URL at all.
    #[error("it is no URL")]
    Syntax(#[from] InvalidUri),
    /// Another scheme than `http`, or none.
    #[error("only `http://` is spoken here")]
    Scheme,
    /// No IP address, or no port.
    #[error("`{0}` is no IP address with a port: write one such as `127.0.0.1:8080`")]
    Host(String),
    /// An address that leads elsewhere.
    #[error("{0} is not on this machine: only loopback addresses are asked")]
    Elsewhere(SocketAddr),
}

impl FromStr for LoopbackUrl {
    type Err = LoopbackUrlError;

    fn from_str(text: &str) -> Result<Self, LoopbackUrlError> {
        let url = Uri::try_from(text)?.into_parts();
        let (Some(authority), true) = (url.authority, url.scheme == Some(Scheme::HTTP)) else {
            return Err(LoopbackUrlError::Scheme);
        };
        let Ok(address) = authority.as_str().parse::<SocketAddr>() else {
            return Err(LoopbackUrlError::Host(authority.to_string()));
        };
        if !address.ip().is_loopback() {
            return Err(LoopbackUrlError::Elsewhere(address));
        }
        Ok(Self {
            address,
            authority,
            target: url
                .path_and_query
                .unwrap_or_else(|| PathAndQuery::from_static("/")),
        })
    }
}

impl fmt::Display for LoopbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.address, self.target)
    }
}

impl LoopbackUrl {
    /// Where the service listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What a service answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// After what time the service wants to be asked again, where it says so in seconds.
    pub retry_after: Option<Duration>,
    /// At most [`MAX_BODY_BYTES`].
    pub body: Bytes,
}

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The connection broke, or what came over it is no HTTP.
    #[error("the exchange broke off")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
    /// It is longer than is taken.
    #[error("the answer is longer than {MAX_BODY_BYTES} bytes")]
    TooLong,
}

impl From<hyper::Error> for ExchangeError {
    fn from(error: hyper::Error) -> Self {
        Self::Broken(error.into())
    }
}

/// Asks once over a connection of its own. Redirections are not followed.
///
/// # Errors
///
/// [`ExchangeError`] where no whole answer came. Whatever a whole one says is an [`Answer`].
pub async fn get<S>(stream: S, url: &LoopbackUrl) -> Result<Answer, ExchangeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await?;
    let mut span = cnv::trace::span("GET").to_another_process();
    span.set("server.port", i64::from(url.address.port()));
    let request = Request::get(url.target.as_str()).header(HOST, url.authority.as_str());
    let request = traced(request, &span)
        .body(Empty::<Bytes>::new())
        .map_err(|error| ExchangeError::Broken(error.into()))?;
    // The connection is polled here and not in a task of its own: what goes through it is charged to whoever asks, and it
    // is closed when that one goes away.
    let mut connection = pin!(connection);
    let mut exchange = pin!(async move { take(sender.send_request(request).await?).await });
    let mut ended = None;
    let answer = poll_fn(|cx| {
        if ended.is_none()
            && let Poll::Ready(end) = connection.as_mut().poll(cx)
        {
            ended = Some(end);
        }
        exchange.as_mut().poll(cx)
    })
    .await;
    match &answer {
        Ok(answer) => span.set(
            "http.response.status_code",
            i64::from(answer.status.as_u16()),
        ),
        Err(error) => span.fail(error.to_string()),
    }
    // The connection knows better why it broke than who waited for what came over it.
    answer.map_err(|error| match (error, ended) {
        (ExchangeError::Broken(_), Some(Err(why))) => why.into(),
        (error, _) => error,
    })
}

/// The number of the transaction, in a header: W3C's headers have no place for it.
pub const TRANSACTION: &str = "cnv-transaction";

/// Tells the service which trace and which transaction the request is part of.
fn traced(mut request: request::Builder, span: &Span) -> request::Builder {
    let current = span.current().cloned().unwrap_or_else(Current::get);
    if let Some(context) = current.context() {
        request = request.header("traceparent", context.traceparent().to_string());
        let state = context.tracestate().to_string();
        if !state.is_empty() {
            request = request.header("tracestate", state);
        }
    }
    match current.transaction() {
        Some(id) => request.header(TRANSACTION, id.to_string()),
        None => request,
    }
}

/// Takes the whole answer, or none.
async fn take(response: Response<Incoming>) -> Result<Answer, ExchangeError> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_BODY_BYTES).collect().await;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => ExchangeError::TooLong,
        false => ExchangeError::Broken(error),
    })?;
    Ok(Answer {
        status: head.status,
        retry_after: retry_after(&head.headers),
        body: body.to_bytes(),
    })
}

/// `Retry-After` in its form of seconds (RFC 9110, section 10.2.3). The other form is a date, for which clocks would have to
/// agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_taken() {
        for text in [
            "http://127.0.0.1:80",
            "http://127.9.9.9:1/a?b",
            "http://[::1]:7000/",
        ] {
            let url: LoopbackUrl = text.parse().unwrap();
            assert!(url.address().ip().is_loopback());
            assert_eq!(
                url.to_string().trim_end_matches('/'),
                text.trim_end_matches('/')
            );
        }
        let fault = |text: &str| text.parse::<LoopbackUrl>().unwrap_err();
        for text in [
            "http://10.0.0.1:80",
            "http://0.0.0.0:80",
            "http://[::ffff:127.0.0.1]:80",
        ] {
            assert!(
                matches!(fault(text), LoopbackUrlError::Elsewhere(_)),
                "{text}"
            );
        }
        for text in [
            "http://localhost:80",
            "http://127.0.0.1",
            "http://127.0.0.1:80@10.0.0.1:80",
            "http://127.1:80",
        ] {
            assert!(matches!(fault(text), LoopbackUrlError::Host(_)), "{text}");
        }
        for text in ["https://127.0.0.1:80", "127.0.0.1:80", "/path"] {
            assert!(matches!(fault(text), LoopbackUrlError::Scheme), "{text}");
        }
        for text in ["", "http://", "http://127.0.0.1:80/a b"] {
            assert!(matches!(fault(text), LoopbackUrlError::Syntax(_)), "{text}");
        }
    }

    #[test]
    fn a_time_to_wait_is_in_seconds() {
        let of = |text: &str| {
            let value = text.parse().unwrap();
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value)]))
        };
        assert_eq!(of("2"), Some(Duration::from_secs(2)));
        for text in [
            "",
            "-1",
            "soon",
            "Fri, 31 Dec 1999 23:59:59 GMT",
            "99999999999999999999",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
