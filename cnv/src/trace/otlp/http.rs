//! OTLP over HTTP/1.1 (OpenTelemetry Protocol Specification 1.5, "OTLP/HTTP").

use std::time::{Duration, SystemTime};

use hyper::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::http::response::Parts;
use hyper::{StatusCode, Uri};
use prost::Message;

use super::AGENT;
use super::channel::{Rest, arrived, shown};
use super::endpoint::Endpoint;
use super::message::{Answer, RpcStatus};
use crate::trace::exporter::Exported;

const PROTOBUF: &str = "application/x-protobuf";

pub(super) fn request(
    endpoint: &Endpoint,
    message: Vec<u8>,
    is_gzipped: bool,
) -> (HeaderMap, Vec<u8>) {
    let mut headers = HeaderMap::new();
    if let Ok(host) = HeaderValue::from_str(endpoint.authority()) {
        headers.insert(HOST, host);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROTOBUF));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if is_gzipped {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    (headers, message)
}

/// What stands in the first line of a request.
pub(super) fn path(uri: &Uri) -> Uri {
    let path = uri.path_and_query().cloned();
    path.map_or_else(Uri::default, Uri::from)
}

/// What an answer says of what was sent.
pub(super) fn judge(head: &Parts, rest: &Rest) -> Exported {
    let is_protobuf = is_protobuf(&head.headers);
    if head.status.is_success() {
        return match rest {
            Rest::Cut(why) => Exported::Unknown(why.clone()),
            Rest::Whole(body, _) if is_protobuf => match Answer::decode(&body[..]) {
                Ok(answer) => arrived(&answer),
                Err(error) => Exported::Unknown(format!("the answer cannot be read: {error}")),
            },
            // Somebody took it who says no more than that.
            Rest::Whole(..) => Exported::Delivered,
        };
    }
    let mut why = format!("HTTP status {}", head.status);
    if let Rest::Whole(body, _) = rest {
        let said = if is_protobuf {
            RpcStatus::decode(&body[..]).map_or_else(|_| String::new(), |status| status.message)
        } else {
            String::from_utf8_lossy(body).into_owned()
        };
        let said = shown(&said);
        if !said.is_empty() {
            why = format!("{why}: {said}");
        }
    }
    match head.status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Exported::Unavailable {
            retry_after: retry_after(&head.headers, SystemTime::now()),
            why,
        },
        _ => Exported::Refused(why),
    }
}

/// Whether it is of that media type, whatever its parameters are (RFC 9110, section 8.3.1).
fn is_protobuf(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let media_type = kind.and_then(|kind| kind.split(';').next());
    media_type.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(PROTOBUF))
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_has_parameters_and_no_case() {
        for (kind, expected) in [
            ("application/x-protobuf", true),
            ("Application/X-Protobuf", true),
            ("application/x-protobuf;charset=utf-8", true),
            ("application/x-protobuf ; a=b; c", true),
            ("application/x-protobuffer", false),
            ("text/html; application/x-protobuf", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            assert_eq!(is_protobuf(&headers), expected, "{kind}");
        }
        assert!(!is_protobuf(&HeaderMap::new()));
    }

    #[test]
    fn a_retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let after = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(
            after("Sun, 06 Nov 1994 08:49:40 GMT"),
            Some(Duration::from_secs(3))
        );
        assert_eq!(after("Sun, 06 Nov 1994 08:49:30 GMT"), Some(Duration::ZERO));
        assert_eq!(
            after("18446744073709551615"),
            Some(Duration::from_secs(u64::MAX))
        );
        for wrong in ["", "-1", "soon", "1.5"] {
            assert_eq!(after(wrong), None, "{wrong}");
        }
    }
}
