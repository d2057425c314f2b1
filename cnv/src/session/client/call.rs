//! A call: what it is begun with, what comes of it, and how it ends.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::de::DeserializeOwned;

#[cfg(feature = "trace")]
use super::span::CallSpan;
use super::{Client, Inner, Open};
use crate::session::client_core::Next;
use crate::session::close::Close;
use crate::session::error::SessionError;
use crate::session::message::{DRAINING, Ending, RemoteFailure, Request, decode, encode};
use crate::session::wire::Channel;
#[cfg(feature = "trace")]
use crate::trace::{Carried, Current, Headers, TraceContext};

/// What is left until a deadline. A part of a millisecond is one, so that no time that is left is none.
pub(super) fn remaining_ms(deadline: Instant) -> u64 {
    let left = deadline.saturating_duration_since(Instant::now());
    u64::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

/// A request that was sent before, with what is left until its deadline.
pub(super) fn with_remaining(request: &[u8], deadline: Instant) -> Option<Bytes> {
    let mut request: Request = decode("a request", request).ok()?;
    request.timeout_ms = Some(remaining_ms(deadline));
    Some(encode(&request))
}

/// What a call is begun with.
#[derive(Debug, Clone)]
pub struct CallRequest {
    pub(super) request: Request,
    pub(super) timeout: Option<Duration>,
    /// Whether it is part of the trace that whoever makes the call is in.
    #[cfg(feature = "trace")]
    is_of_here: bool,
}

impl CallRequest {
    /// Noun, verb and arguments, as they would be typed. A call that is made in the handler of another one is part of its
    /// trace and its transaction, unless it is told otherwise.
    ///
    /// # Errors
    ///
    /// [`SessionError::NotText`] where one is not UTF-8.
    pub fn new<A: Into<OsString>>(
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Self, SessionError> {
        let text = |argument: A| {
            let text = argument.into().into_string();
            text.map_err(|argument| SessionError::NotText { argument })
        };
        let arguments = arguments.into_iter().map(text);
        Ok(Self {
            request: Request::new(arguments.collect::<Result<_, _>>()?),
            timeout: None,
            #[cfg(feature = "trace")]
            is_of_here: true,
        })
    }

    /// Begins the span of the call, and tells the server of it, and of the transaction that it is part of.
    #[cfg(feature = "trace")]
    pub(super) fn begin_span(&mut self) -> CallSpan {
        let span = crate::trace::span("call").to_another_process();
        let words = self.request.arguments.get(..2);
        let verb = words.filter(|_| span.is_recorded());
        let verb = verb.map(|words| words.join(" "));
        Current::with(|here| {
            let current = span.current().unwrap_or(here);
            if let Some(context) = current.context().filter(|_| self.is_of_here) {
                self.set_trace(&context);
            }
            if let (None, Some(id)) = (&self.request.transaction, current.transaction()) {
                self.request.transaction = Some(id.to_string());
            }
        });
        CallSpan { span, verb }
    }

    /// The call is over after this time, in whole milliseconds. It begins when the call is made: the wait for a place among
    /// the session's calls and for a connection counts.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// The transaction that the call belongs to: 32 hexadecimal digits, or a UUID.
    #[must_use]
    pub fn transaction(mut self, id: impl fmt::Display) -> Self {
        self.request.transaction = Some(id.to_string());
        self
    }

    /// The trace that the call belongs to, the span that makes it, and the baggage.
    ///
    /// Where a request would be larger than the server takes, the baggage is left out, then the `tracestate`, and then all.
    #[cfg(feature = "trace")]
    #[must_use]
    pub fn trace(mut self, context: &TraceContext<'_>) -> Self {
        self.set_trace(context);
        self
    }

    #[cfg(feature = "trace")]
    fn set_trace(&mut self, context: &TraceContext<'_>) {
        self.is_of_here = false;
        let text = |text: String| (!text.is_empty()).then_some(text);
        self.request.traceparent = Some(context.traceparent().to_string());
        self.request.tracestate = text(context.tracestate().to_string());
        self.request.baggage = text(context.baggage().to_string());
    }

    /// As [`trace`](Self::trace), for whoever passes on what came in and has no span of its own. A `traceparent` that is none
    /// is left out, and so are a `tracestate` and a `baggage` that are no UTF-8 or longer than any that would be taken; what
    /// else is wrong with those the server finds.
    #[cfg(feature = "trace")]
    #[must_use]
    pub fn trace_headers(mut self, headers: Headers<'_>) -> Self {
        self.is_of_here = false;
        let carried = Carried::new(headers);
        let headers = carried.headers();
        let text = |text: &[u8]| str::from_utf8(text).ok().map(str::to_owned);
        self.request.traceparent = headers.traceparent.and_then(text);
        self.request.tracestate = headers.tracestate.and_then(text);
        self.request.baggage = headers.baggage.and_then(text);
        self
    }

    /// Has the server make the call once, however often it is asked to: a call that it began already with the same key and the
    /// same words gives that one's reply, for 10 minutes after its end, on any connection of this client. What never got to a
    /// handler is not remembered; a call that was cut off is, as one of which nobody knows what took effect.
    ///
    /// A key is 1 to 128 visible characters of ASCII, such as a random number in hexadecimal. A reply of more than 64 KiB, or
    /// with bytes of its own stream, is not given again: then the failure says how the call ended. The server remembers 1024
    /// keys of a client.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.request.idempotency_key = Some(key.into());
        self
    }
}

/// A call that was made. Dropping it before its end takes it back: the handler is dropped.
pub struct Call {
    inner: Arc<Inner>,
    call: u32,
    _open: Arc<Open>,
    is_over: bool,
    receipt: Option<String>,
    left_out_receipt_bytes: Option<usize>,
    dropped_notes: u64,
    /// Whether its result came.
    #[cfg(feature = "trace")]
    has_result: bool,
    #[cfg(feature = "trace")]
    span: CallSpan,
}

/// One item of a call's streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    channel: Channel,
    payload: Bytes,
}

impl Item {
    /// The stream that it is from.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        self.channel
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.payload
    }

    /// Its bytes as text; what is not UTF-8 in them is shown as `\u{fffd}`.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.payload)
    }

    /// The value that it is the JSON of.
    ///
    /// # Errors
    ///
    /// Where it is not JSON, or of another type.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.payload)
    }
}

/// How a call ended, and all that it sent.
#[derive(Debug)]
#[non_exhaustive]
pub struct Collected {
    /// What came before the result, in order.
    pub items: VecDeque<Item>,
    /// What the command returned, as JSON.
    pub result: Item,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The command failed, or was refused.
    #[error(transparent)]
    Failed(#[from] RemoteFailure),
    /// The session ended before the call: whether it was carried out is not known.
    #[error("the session ended before the call did: whether it was carried out is not known")]
    Session(#[from] SessionError),
}

impl RemoteFailure {
    /// The failure that this error is, also where a [`CallError`] stands for it.
    pub(crate) fn of<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        match error.downcast_ref::<CallError>() {
            Some(CallError::Failed(failure)) => Some(failure),
            _ => error.downcast_ref(),
        }
    }
}

impl Call {
    pub(super) fn new(client: &Client, call: u32) -> Self {
        Self {
            inner: Arc::clone(&client.inner),
            call,
            _open: Arc::clone(&client._open),
            is_over: false,
            receipt: None,
            left_out_receipt_bytes: None,
            dropped_notes: 0,
            #[cfg(feature = "trace")]
            has_result: false,
            #[cfg(feature = "trace")]
            span: CallSpan::NONE,
        }
    }

    /// The call, whose span this is.
    #[cfg(feature = "trace")]
    pub(super) fn within(mut self, span: CallSpan) -> Self {
        self.span = span;
        self
    }

    /// The next item; `None` once the call is over and its end was taken. The last one is the result, on
    /// [`Channel::Result`].
    ///
    /// # Errors
    ///
    /// [`CallError::Failed`] where the call did, and [`CallError::Session`] where the session ended before it.
    pub async fn next(&mut self) -> Result<Option<Item>, CallError> {
        let next = poll_fn(|cx| {
            let shared = &self.inner.shared;
            // Credit may be due.
            match shared.take(|core| core.next(self.call, cx.waker())) {
                Next::Nothing => match self.inner.over() {
                    Some(error) => Poll::Ready(Err(error)),
                    None => Poll::Pending,
                },
                next => Poll::Ready(Ok(next)),
            }
        });
        let next = next.await;
        #[cfg(feature = "trace")]
        self.trace(&next);
        match next? {
            Next::Item(arrived) => Ok(Some(Item {
                channel: arrived.channel,
                payload: arrived.payload,
            })),
            Next::End(ending) => {
                self.is_over = true;
                self.ended(&ending)
            }
            Next::Nothing | Next::Gone => Ok(None),
        }
    }

    /// Waits for the end, and keeps all that comes before it.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub async fn collect(mut self) -> Result<Collected, CallError> {
        let mut items = VecDeque::new();
        while let Some(item) = self.next().await? {
            items.push_back(item);
        }
        match items.pop_back() {
            Some(result) if result.channel == Channel::Result => Ok(Collected { items, result }),
            _ => {
                Err(SessionError::from(Close::protocol("a call succeeded without a result")).into())
            }
        }
    }

    /// What the server allowed the call and what it used, as JSON, once it has ended and where it got to a handler.
    #[must_use]
    pub fn receipt(&self) -> Option<&str> {
        self.receipt.as_deref()
    }

    /// How many bytes the receipt had, once the call has ended, where it was too long to be sent: a call's end has room for
    /// 16 KiB. The server's audit log has what it used.
    #[must_use]
    pub const fn left_out_receipt_bytes(&self) -> Option<usize> {
        self.left_out_receipt_bytes
    }

    /// Records of its log, measurements and progress that there was no room for, once it has ended.
    #[must_use]
    pub const fn dropped_notes(&self) -> u64 {
        self.dropped_notes
    }

    /// Says in its span what came.
    #[cfg(feature = "trace")]
    fn trace(&mut self, next: &Result<Next, SessionError>) {
        match next {
            Ok(Next::Item(arrived)) => {
                self.has_result |= arrived.channel == Channel::Result;
                self.span.is_understood();
            }
            Err(error) => self.span.fail(error.kind()),
            // An end is decoded first.
            Ok(_) => {}
        }
    }

    fn ended(&mut self, ending: &Bytes) -> Result<Option<Item>, CallError> {
        let ending = decode::<Ending>("a call's end", ending).map_err(SessionError::from);
        #[cfg(feature = "trace")]
        match &ending {
            Ok(ending) => self.span.end(ending, self.has_result),
            Err(error) => self.span.fail(error.kind()),
        }
        let ending = ending?;
        self.receipt = ending.receipt.map(|receipt| receipt.get().to_owned());
        self.left_out_receipt_bytes = ending.left_out_receipt_bytes;
        self.dropped_notes = ending.dropped_notes;
        match ending.failure {
            None => Ok(None),
            Some(failure) if failure.code == DRAINING => Err(SessionError::Draining.into()),
            Some(failure) => Err(failure.into()),
        }
    }

    /// Asks the call to stop. Its end still comes: with what it has, or as one that was cancelled.
    pub fn cancel(&self) {
        self.inner.shared.with(|core| core.cancel(self.call));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.is_over {
            self.inner.shared.with(|core| core.reset(self.call));
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}
