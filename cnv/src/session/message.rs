//! What the frames say that have words in them: JSON, because there are few of them, and people read them when something
//! is wrong.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::close::{Close, CloseCode};
#[cfg(feature = "trace")]
use crate::trace::Headers;

/// The most bytes of each frame of the handshake.
pub(super) const MAX_HANDSHAKE_BYTES: usize = 16 << 10;

/// What a client begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClientHello {
    /// The versions of the protocol that it speaks, from the oldest to the newest.
    pub(super) protocol: (u8, u8),
    /// Whose server it wants, where it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) application: Option<String>,
    /// The digest of the grammar that it was written for, where it insists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) grammar: Option<String>,
    /// Whether it will come again with the same session if the connection breaks.
    pub(super) is_resumable: bool,
    /// The session that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resume: Option<Resume>,
    /// Whether an [`Auth`] follows.
    pub(super) attests: bool,
    /// Bytes in flight that it has room for: of all calls, and of one.
    pub(super) window_bytes: u64,
    pub(super) call_window_bytes: u64,
    /// The largest payload that it takes.
    pub(super) max_frame_bytes: usize,
    /// The largest item, which may come in several frames.
    pub(super) max_item_bytes: usize,
}

/// A session that a client comes again with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Resume {
    pub(super) session: String,
    pub(super) secret: String,
    /// The last sequence that it has.
    pub(super) received: u64,
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServerHello {
    /// The version that is spoken from here on.
    pub(super) protocol: u8,
    pub(super) application: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    /// The digest of the grammar in force.
    pub(super) grammar: String,
    /// Signed in the [`Auth`], where the client attests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nonce: Option<String>,
    pub(super) max_request_bytes: usize,
    /// As the client's: the smaller one of each counts.
    pub(super) window_bytes: u64,
    pub(super) call_window_bytes: u64,
    pub(super) max_frame_bytes: usize,
    pub(super) max_item_bytes: usize,
}

/// Who the client is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Auth {
    pub(super) token: String,
    /// That it has the key which the token names; a bearer's token names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) proof: Option<String>,
}

/// The session is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ready {
    pub(super) session: String,
    /// What the client shows when it comes again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<String>,
    /// The last sequence that the server has, of a session that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) received: Option<u64>,
    /// How many calls may have been opened.
    pub(super) calls: u64,
}

/// What a call is begun with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Noun, verb, and arguments as they would be typed.
    pub(crate) arguments: Vec<String>,
    /// What is left until the caller's deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) transaction: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) idempotency_key: Option<String>,
    /// Which trace it belongs to, what the tracing systems on the way have to say, and what the application's parts tell each
    /// other. Nothing of it is needed to serve the call, and what is wrong with it is no fault of the call's.
    #[cfg(feature = "trace")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) traceparent: Option<String>,
    #[cfg(feature = "trace")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tracestate: Option<String>,
    #[cfg(feature = "trace")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) baggage: Option<String>,
}

impl Request {
    pub(super) fn new(arguments: Vec<String>) -> Self {
        Self {
            arguments,
            timeout_ms: None,
            transaction: None,
            idempotency_key: None,
            #[cfg(feature = "trace")]
            traceparent: None,
            #[cfg(feature = "trace")]
            tracestate: None,
            #[cfg(feature = "trace")]
            baggage: None,
        }
    }

    /// How many bytes it is sent in. What it says of its trace gives way where there is no room for all: a call that is made
    /// without a trace is made with one, too.
    pub(super) fn fit(&mut self, max_bytes: usize) -> usize {
        loop {
            let len = encode(self).len();
            if len <= max_bytes || !self.give_way() {
                return len;
            }
        }
    }

    /// Takes away what is needed least, and says whether there was something.
    fn give_way(&mut self) -> bool {
        #[cfg(feature = "trace")]
        let texts = [
            &mut self.baggage,
            &mut self.tracestate,
            &mut self.traceparent,
        ];
        #[cfg(not(feature = "trace"))]
        let texts: [&mut Option<String>; 0] = [];
        texts.into_iter().any(|text| text.take().is_some())
    }

    /// What it says of its trace.
    #[cfg(feature = "trace")]
    pub(crate) fn trace_headers(&self) -> Headers<'_> {
        Headers {
            traceparent: self.traceparent.as_deref().map(str::as_bytes),
            tracestate: self.tracestate.as_deref().map(str::as_bytes),
            baggage: self.baggage.as_deref().map(str::as_bytes),
        }
    }
}

/// The code of a call that came when the server had begun to end. It was not begun.
pub(super) const DRAINING: &str = "draining";

/// The code of a call that was one more than its client may have, over all of its sessions. It was not begun.
pub(super) const CLIENT_CALLS: &str = "client-calls";

/// How a call ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ending {
    /// `None` where it succeeded; its result came on its own channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<RemoteFailure>,
    /// What was allowed and used, where the call got to a handler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) receipt: Option<Box<RawValue>>,
    /// Bytes of a receipt that had no room in the frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) left_out_receipt_bytes: Option<usize>,
    /// Records of the log that there was no room for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) dropped_notes: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How a call failed at the other end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct RemoteFailure {
    /// The stable code, such as `usage` or `attestation`.
    pub code: String,
    /// The exit code of a process that fails in this way.
    pub exit_code: u8,
    /// What failed, for a person.
    pub message: String,
    /// Milliseconds after which the same call may succeed, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl RemoteFailure {
    pub(crate) fn new(code: &str, exit_code: u8, message: String) -> Self {
        Self {
            code: code.to_owned(),
            exit_code,
            message,
            retry_after_ms: None,
        }
    }
}

/// The payload of a message.
pub(super) fn encode<T: Serialize>(message: &T) -> Bytes {
    // Texts, numbers and lists of them always have a JSON.
    serde_json::to_vec(message).unwrap_or_default().into()
}

/// Reads a message.
///
/// # Errors
///
/// [`CloseCode::Protocol`], with what is wrong.
pub(super) fn decode<'de, T: Deserialize<'de>>(what: &str, payload: &'de [u8]) -> Result<T, Close> {
    serde_json::from_slice(payload).map_err(|error| {
        Close::new(
            CloseCode::Protocol,
            format!("{what} cannot be read: {error}"),
        )
    })
}

#[cfg(all(test, feature = "trace"))]
mod tests {
    use super::*;

    fn traced() -> Request {
        Request {
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            tracestate: Some("a=1".to_owned()),
            baggage: Some(r#"note=a"b"#.to_owned()),
            ..Request::new(vec!["job".to_owned(), "echo".to_owned()])
        }
    }

    /// What the fields are called is a matter between programs of different versions.
    #[test]
    fn a_request_says_of_its_trace_what_headers_say() {
        let json: serde_json::Value = serde_json::from_slice(&encode(&traced())).unwrap();
        let expected = serde_json::json!({
            "arguments": ["job", "echo"],
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "tracestate": "a=1",
            "baggage": "note=a\"b",
        });
        assert_eq!(json, expected);
        let read: Request = decode("a request", &encode(&traced())).unwrap();
        assert_eq!(read, traced());
        assert_eq!(read.trace_headers().tracestate, Some(&b"a=1"[..]));
        let none = encode(&Request::new(vec!["job".to_owned()]));
        assert_eq!(&none[..], br#"{"arguments":["job"]}"#);
    }

    /// A server that knows less, or a client that knows more.
    #[test]
    fn what_a_request_says_besides_is_no_fault() {
        let more = br#"{"arguments":["job"],"traceparent2":"x"}"#;
        let read: Request = decode("a request", more).unwrap();
        assert_eq!(read, Request::new(vec!["job".to_owned()]));
    }

    #[test]
    fn a_trace_gives_way_to_the_call() {
        let len = |request: &Request| encode(request).len();
        let all = traced();
        let without_baggage = Request {
            baggage: None,
            ..all.clone()
        };
        let only_parent = Request {
            tracestate: None,
            ..without_baggage.clone()
        };
        let none = Request {
            traceparent: None,
            ..only_parent.clone()
        };
        let mut larger = usize::MAX;
        for fitting in [all, without_baggage, only_parent, none.clone()] {
            for max in [len(&fitting), larger - 1] {
                let mut request = traced();
                assert_eq!(request.fit(max), len(&fitting));
                assert_eq!(request, fitting);
            }
            larger = len(&fitting);
        }
        let mut request = traced();
        assert_eq!(request.fit(0), len(&none));
        assert_eq!(request, none);
    }
}
