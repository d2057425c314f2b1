//! `ops http`: asks a service on this machine, which may fail.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cnv::prelude::*;
use cnv::quota::BudgetExceeded;
use cnv::quota::tokio_net::TcpStream;
use cnv::recovery::{Refused, Verdict};
use cnv::{bulkhead, circuit_breaker, retry, timeout};
use cnv_examples::http::{self, ExchangeError, LoopbackUrl};
use schemars::JsonSchema;
use serde::Serialize;

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("gave up")]
    Refused(#[from] Refused),
    #[error("cannot connect to {address}")]
    Connect {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("no answer to {url}")]
    Exchange {
        url: LoopbackUrl,
        #[source]
        source: ExchangeError,
    },
    #[error("{url} answered {status}")]
    Status {
        url: LoopbackUrl,
        status: u16,
        retry_after: Option<Duration>,
    },
}

/// What an error says about the service, and whether to ask it again.
fn verdict(error: &HttpError) -> Verdict {
    // What this end does not take says nothing about the other.
    if BudgetExceeded::in_chain(error).is_some() {
        return Verdict::Ignore;
    }
    match error {
        HttpError::Exchange {
            source: ExchangeError::TooLong,
            ..
        } => Verdict::Ignore,
        HttpError::Status {
            status: 429 | 500..,
            retry_after,
            ..
        } => retry_after.map_or(Verdict::Retry, Verdict::RetryAfter),
        // The caller asked for what is not there.
        HttpError::Status { .. } => Verdict::Ignore,
        _ => Verdict::Retry,
    }
}

/// What a service answered.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Answer {
    status: u16,
    bytes: u64,
    body: String,
}

/// Asks a service on this machine with GET.
///
/// It is asked up to three times, and left alone for a while when it fails again and again.
// Anyone may call: it reaches loopback addresses alone, with a request that changes nothing there, and whoever can call a
// program on this machine can open such a connection without it. A program that serves others over TCP would guard it, with
// `requires_attestation(network)` in the place of `public`.
//
// All attempts may use what one may: whoever spends this call is charged for three.
#[verb(noun = "http", effect = "network", public, idempotent)]
#[timeout("2s", attempt = "500ms")]
#[retry(attempts = 3, base = "50ms", when = verdict)]
#[circuit_breaker(
    consecutive = 4,
    minimum = 10,
    slow = "300ms",
    open = "3s",
    longest_open = "12s",
    probes = 2
)]
#[bulkhead(max = 4, queue = 8, wait = "200ms")]
#[budget(memory = "1MB", cpu = "100ms", io = 1, network = "100KB")]
pub async fn get(
    cx: Context,
    /// Where to ask: `http://127.0.0.1:PORT/PATH`
    url: LoopbackUrl,
) -> Result<Answer, HttpError> {
    let address = url.address();
    let stream = TcpStream::connect(address)
        .await
        .map_err(|source| HttpError::Connect { address, source })?;
    let answer = match http::get(stream, &url).await {
        Ok(answer) => answer,
        Err(source) => return Err(HttpError::Exchange { url, source }),
    };
    if !answer.status.is_success() {
        return Err(HttpError::Status {
            url,
            status: answer.status.as_u16(),
            retry_after: answer.retry_after,
        });
    }
    Ok(Answer {
        status: answer.status.as_u16(),
        bytes: answer.body.len() as u64,
        body: String::from_utf8_lossy(&answer.body).into_owned(),
    })
}
