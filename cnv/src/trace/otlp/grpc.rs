//! OTLP over gRPC: one unary call a request (gRPC over HTTP2; OpenTelemetry Protocol Specification 1.5, "OTLP/gRPC").
//!
//! tonic makes one status of what the server answered and of what went wrong on the way, and does not say whether a request
//! left: here that is the difference between what is sent again, what is dropped and what nobody knows.

use std::borrow::Cow;
use std::time::Duration;

use base64ct::{Base64, Base64Unpadded, Encoding};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE, USER_AGENT};
use hyper::http::response::Parts;
use prost::Message;

use super::AGENT;
use super::channel::{Rest, arrived, shown};
use super::message::{Answer, RetryInfo, RpcStatus};
use crate::trace::baggage;
use crate::trace::exporter::Exported;

const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
const DETAILS: &str = "grpc-status-details-bin";
const ENCODING: &str = "grpc-encoding";

/// A byte that says whether it is compressed, and four for its length, stand before a message.
const PREFIX_BYTES: usize = 5;

pub(super) fn request(message: Vec<u8>, is_gzipped: bool) -> (HeaderMap, Vec<u8>) {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if is_gzipped {
        headers.insert(ENCODING, HeaderValue::from_static("gzip"));
    }
    // A request is far shorter than four bytes can say.
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut body = Vec::with_capacity(PREFIX_BYTES + message.len());
    body.push(u8::from(is_gzipped));
    body.extend(len.to_be_bytes());
    body.extend(message);
    (headers, body)
}

/// What an answer says of what was sent.
pub(super) fn judge(head: &Parts, rest: &Rest) -> Exported {
    // An error may be all in the head.
    if let Some(status) = Status::read(&head.headers) {
        return status.judge(rest);
    }
    if head.status != StatusCode::OK {
        return not_grpc(head.status);
    }
    match rest {
        Rest::Cut(why) => Exported::Unknown(why.clone()),
        Rest::Whole(_, trailers) => match trailers.as_ref().and_then(Status::read) {
            Some(status) => status.judge(rest),
            None => Exported::Unknown("the answer has no status".to_owned()),
        },
    }
}

/// Somebody who does not speak gRPC answered (gRPC's `http-grpc-status-mapping.md`).
fn not_grpc(status: StatusCode) -> Exported {
    let why = format!("HTTP status {status}, without one of gRPC");
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Exported::Unavailable {
            retry_after: None,
            why,
        },
        _ => Exported::Refused(why),
    }
}

/// The status that a call ended with.
struct Status<'a> {
    code: u32,
    message: Cow<'a, str>,
    details: Option<RpcStatus>,
}

impl<'a> Status<'a> {
    fn read(headers: &'a HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        Some(Self {
            code: text(STATUS)?.parse().ok()?,
            message: text(MESSAGE).map(baggage::decode).unwrap_or_default(),
            details: text(DETAILS).and_then(details),
        })
    }

    fn judge(&self, rest: &Rest) -> Exported {
        if self.code == 0 {
            return taken(rest);
        }
        let mut why = format!("gRPC status {}", name(self.code));
        if !self.message.is_empty() {
            why = format!("{why}: {}", shown(&self.message));
        }
        let retry_after = self.retry_after();
        match self.code {
            // Out of resources, and nobody says for how long.
            8 if retry_after.is_none() => Exported::Refused(why),
            1 | 4 | 8 | 10 | 11 | 14 | 15 => Exported::Unavailable { retry_after, why },
            _ => Exported::Refused(why),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        let details = &self.details.as_ref()?.details;
        let info = details
            .iter()
            .find(|any| any.type_url.ends_with("/google.rpc.RetryInfo"))?;
        let delay = RetryInfo::decode(&info.value[..]).ok()?.retry_delay?;
        let seconds = u64::try_from(delay.seconds).ok()?;
        let nanos = u32::try_from(delay.nanos).ok()?.min(999_999_999);
        Some(Duration::new(seconds, nanos))
    }
}

/// Binary values may be padded or not.
fn details(text: &str) -> Option<RpcStatus> {
    let bytes = Base64Unpadded::decode_vec(text).or_else(|_| Base64::decode_vec(text));
    RpcStatus::decode(&bytes.ok()?[..]).ok()
}

fn taken(rest: &Rest) -> Exported {
    let unreadable = |why: &str| Exported::Unknown(format!("the answer cannot be read: {why}"));
    let body = match rest {
        Rest::Cut(why) => return Exported::Unknown(why.clone()),
        Rest::Whole(body, _) => body,
    };
    let Some((prefix, message)) = body.split_first_chunk::<PREFIX_BYTES>() else {
        return unreadable("there is no message in it");
    };
    let [is_compressed, len @ ..] = *prefix;
    if is_compressed != 0 {
        return unreadable("it is compressed, and nobody asked for that");
    }
    if u32::from_be_bytes(len) as usize != message.len() {
        return unreadable("its length is another than it says");
    }
    match Answer::decode(message) {
        Ok(answer) => arrived(&answer),
        Err(error) => unreadable(&error.to_string()),
    }
}

/// The name of a status (gRPC's `statuscodes.md`).
fn name(code: u32) -> Cow<'static, str> {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    match usize::try_from(code).ok().and_then(|code| NAMES.get(code)) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(code.to_string()),
    }
}
