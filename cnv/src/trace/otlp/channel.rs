//! The way of one signal to its collector.

use std::io::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::http::response::Parts;
use hyper::{HeaderMap, Request};
use tokio::time::timeout_at;

use super::connection::{Body, Connection, Version, describe};
use super::error::OtlpError;
use super::settings::{OtlpProtocol, Target};
use super::tls::Tls;
use super::{grpc, http};
use crate::trace::exporter::Exported;

/// The longest answer. What it says is how many records were not wanted, and why.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// The longest time that a collector may ask for before a request is sent again.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

pub(super) struct Channel {
    target: Target,
    tls: Option<Tls>,
    /// The last request's, where it can take another.
    connection: Option<Connection>,
}

/// What came behind the head of an answer.
pub(super) enum Rest {
    /// All of it, with the trailers.
    Whole(Bytes, Option<HeaderMap>),
    /// It broke off, or took too long: what was wrong.
    Cut(String),
}

impl Channel {
    pub(super) fn new(target: Target) -> Result<Self, OtlpError> {
        let version = version(target.protocol);
        let is_tls = target.endpoint.is_tls();
        let tls = is_tls.then(|| Tls::new(target.roots.as_deref(), version));
        Ok(Self {
            tls: tls.transpose()?,
            target,
            connection: None,
        })
    }

    /// Where it leads to.
    pub(super) fn place(&self) -> String {
        self.target.endpoint.to_string()
    }

    /// Sends one request, and says what became of it, by then at the latest.
    pub(super) async fn export(&mut self, message: Vec<u8>, until: Instant) -> Exported {
        let own = Instant::now().checked_add(self.target.timeout);
        let until = own.map_or(until, |own| own.min(until)).into();
        let mut connection = match timeout_at(until, self.connect()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(why)) => return self.unreached(&why),
            Err(_) => return self.unreached("there was no connection in time"),
        };
        let request = match self.request(message) {
            Ok(request) => request,
            Err(why) => return Exported::Refused(why),
        };
        let head = match timeout_at(until, connection.send(request)).await {
            Ok(Ok(head)) => head,
            Ok(Err(unanswered)) if unanswered.may_have_arrived => {
                return self.unanswered(&unanswered.why);
            }
            Ok(Err(unanswered)) => return self.unreached(&unanswered.why),
            Err(_) => return self.unanswered("there was no answer in time"),
        };
        let (head, body) = head.into_parts();
        let rest = match timeout_at(until, read(body)).await {
            Ok(rest) => rest,
            Err(_) => Rest::Cut("the answer did not end in time".to_owned()),
        };
        if matches!(rest, Rest::Whole(..)) {
            self.connection = Some(connection);
        }
        self.judge(&head, &rest)
    }

    async fn connect(&mut self) -> Result<Connection, String> {
        if let Some(mut connection) = self.connection.take()
            && connection.is_open().await
        {
            return Ok(connection);
        }
        let version = version(self.target.protocol);
        Connection::open(&self.target.endpoint, version, self.tls.as_ref()).await
    }

    fn request(&self, message: Vec<u8>) -> Result<Request<Body>, String> {
        let is_gzipped = self.target.is_gzipped;
        let message = if is_gzipped { gzip(&message) } else { message };
        let (headers, body) = match self.target.protocol {
            OtlpProtocol::Grpc => grpc::request(message, is_gzipped),
            OtlpProtocol::Http => http::request(&self.target.endpoint, message, is_gzipped),
        };
        let mut request = Request::post(match self.target.protocol {
            OtlpProtocol::Grpc => self.target.endpoint.uri().clone(),
            // Whom it is for is in the header `host`.
            OtlpProtocol::Http => http::path(self.target.endpoint.uri()),
        });
        if let Some(all) = request.headers_mut() {
            all.extend(self.target.headers.clone());
            all.extend(headers);
        }
        let request = request.body(Full::new(Bytes::from(body)));
        request.map_err(|error| error.to_string())
    }

    fn judge(&self, head: &Parts, rest: &Rest) -> Exported {
        let exported = match self.target.protocol {
            OtlpProtocol::Grpc => grpc::judge(head, rest),
            OtlpProtocol::Http => http::judge(head, rest),
        };
        match exported {
            Exported::Partial { rejected, why } => Exported::Partial {
                rejected,
                why: self.of_here(&why),
            },
            Exported::Unavailable { retry_after, why } => Exported::Unavailable {
                retry_after: retry_after.map(|time| time.min(LONGEST_RETRY_AFTER)),
                why: self.of_here(&why),
            },
            Exported::Refused(why) => Exported::Refused(self.of_here(&why)),
            Exported::Unknown(why) => self.unanswered(&why),
            other => other,
        }
    }

    fn unreached(&self, why: &str) -> Exported {
        Exported::Unavailable {
            retry_after: None,
            why: self.of_here(why),
        }
    }

    fn unanswered(&self, why: &str) -> Exported {
        Exported::Unknown(self.of_here(why))
    }

    fn of_here(&self, why: &str) -> String {
        format!("{}: {why}", self.target.endpoint)
    }
}

const fn version(protocol: OtlpProtocol) -> Version {
    match protocol {
        OtlpProtocol::Grpc => Version::Http2,
        OtlpProtocol::Http => Version::Http1,
    }
}

async fn read(body: Incoming) -> Rest {
    match Limited::new(body, MAX_ANSWER_BYTES).collect().await {
        Ok(whole) => {
            let trailers = whole.trailers().cloned();
            Rest::Whole(whole.to_bytes(), trailers)
        }
        Err(error) if error.is::<LengthLimitError>() => {
            Rest::Cut(format!("the answer has more than {MAX_ANSWER_BYTES} bytes"))
        }
        Err(error) => Rest::Cut(match error.downcast::<hyper::Error>() {
            Ok(error) => describe(error),
            Err(error) => error.to_string(),
        }),
    }
}

fn gzip(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(message);
    encoder.finish().unwrap_or_default()
}

/// What somebody else says of an error, short enough to be shown.
pub(super) fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 200;
    let mut shown: String = text.trim().chars().take(MAX_CHARS).collect();
    if shown.len() < text.trim().len() {
        shown.push_str("...");
    }
    shown.escape_debug().to_string()
}

/// What an answer says of a request that arrived.
pub(super) fn arrived(answer: &super::message::Answer) -> Exported {
    match &answer.partial_success {
        Some(part) if part.rejected > 0 || !part.error_message.is_empty() => Exported::Partial {
            rejected: usize::try_from(part.rejected).unwrap_or(0),
            why: match shown(&part.error_message) {
                why if why.is_empty() => "it does not say why".to_owned(),
                why => why,
            },
        },
        _ => Exported::Delivered,
    }
}
