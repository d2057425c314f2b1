//! Where a call is in its trace, and what travels with it.

use super::baggage::{Baggage, BaggageError};
use super::boundary::{Boundary, Incoming};
use super::generator::IdGenerator;
use super::ids::{SpanId, TraceFlags};
use super::ows;
use super::traceparent::{TraceParent, TraceParentError};
use super::tracestate::{TraceState, TraceStateError, TraceStateMember};

/// The three texts as they came in, whatever carried them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a> {
    /// `traceparent`.
    pub traceparent: Option<&'a [u8]>,
    /// `tracestate`; several lines with a comma between them.
    pub tracestate: Option<&'a [u8]>,
    /// `baggage`; several lines with a comma between them.
    pub baggage: Option<&'a [u8]>,
}

/// What came in and was left out, because it is not as it has to be. What a boundary does not let in is not here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// Why there is a new trace. The `tracestate` was not looked at then.
    pub traceparent: Option<TraceParentError>,
    /// Why no system on the way has anything to say.
    pub tracestate: Option<TraceStateError>,
    /// Why there is no baggage.
    pub baggage: Option<BaggageError>,
}

/// Where a call is in its trace, and what travels with it.
///
/// It borrows what came in, and is `Copy`.
#[derive(Clone, Copy, Debug)]
pub struct TraceContext<'a> {
    here: TraceParent,
    parent: Option<SpanId>,
    link: Option<TraceParent>,
    state: TraceState<'a>,
    baggage: Baggage<'a>,
    left_out: LeftOut,
}

impl<'a> TraceContext<'a> {
    /// A trace that begins here. It is not sampled, until [`with_sampled`](Self::with_sampled) says otherwise.
    #[must_use]
    pub fn fresh(ids: &IdGenerator) -> Self {
        Self {
            here: TraceParent::new(ids.trace_id(), ids.span_id(), TraceFlags::RANDOM),
            parent: None,
            link: None,
            state: TraceState::EMPTY,
            baggage: Baggage::EMPTY,
            left_out: LeftOut::default(),
        }
    }

    /// A new span in the trace that came in, as far as `boundary` lets it.
    ///
    /// It does not fail: without a `traceparent`, or with one that is not as it has to be, a trace begins here, and a
    /// `tracestate` or `baggage` that is not counts for nothing. [`left_out`](Self::left_out) says what was wrong. White
    /// space around the texts is no matter, and an empty text is none.
    #[must_use]
    pub fn extract(headers: Headers<'a>, boundary: Boundary<'a>, ids: &IdGenerator) -> Self {
        Self::extract_rest(headers, LeftOut::default(), boundary, ids)
    }

    /// What [`extract`](Self::extract) makes of `headers`, from which `lost` was left out before.
    pub(super) fn extract_rest(
        headers: Headers<'a>,
        lost: LeftOut,
        boundary: Boundary<'a>,
        ids: &IdGenerator,
    ) -> Self {
        let mut left_out = LeftOut::default();
        let mut baggage = None;
        if boundary.baggage.is_none_or(|keys| !keys.is_empty()) {
            left_out.baggage = lost.baggage;
            baggage = read(headers.baggage, &mut left_out.baggage, Baggage::parse);
        }
        let baggage = baggage.map_or(Baggage::EMPTY, |baggage| match boundary.baggage {
            Some(keys) => baggage.only(keys),
            None => baggage,
        });
        let mut parent = None;
        if boundary.incoming != Incoming::Ignore {
            left_out.traceparent = lost.traceparent;
            parent = read(headers.traceparent, &mut left_out.traceparent, |text| {
                TraceParent::parse(text)
            });
        }
        let context = match (parent, boundary.incoming) {
            (Some(parent), Incoming::Continue) => {
                left_out.tracestate = lost.tracestate;
                let state = read(headers.tracestate, &mut left_out.tracestate, |text| {
                    TraceState::parse(text)
                });
                Self {
                    here: TraceParent::new(parent.trace_id(), ids.span_id(), parent.flags()),
                    parent: Some(parent.span_id()),
                    link: None,
                    state: state.unwrap_or_default(),
                    baggage,
                    left_out,
                }
            }
            (link, _) => Self {
                link,
                ..Self::fresh(ids)
            },
        };
        Self {
            baggage,
            left_out,
            ..context
        }
    }

    /// A span that is there already.
    pub(super) const fn of(here: TraceParent) -> Self {
        Self {
            here,
            parent: None,
            link: None,
            state: TraceState::EMPTY,
            baggage: Baggage::EMPTY,
            left_out: LeftOut {
                traceparent: None,
                tracestate: None,
                baggage: None,
            },
        }
    }

    /// A span within this one.
    #[must_use]
    pub fn child(&self, ids: &IdGenerator) -> Self {
        Self {
            here: TraceParent::new(self.here.trace_id(), ids.span_id(), self.here.flags()),
            parent: Some(self.here.span_id()),
            link: None,
            ..*self
        }
    }

    /// This context, recorded or not.
    #[must_use]
    pub const fn with_sampled(self, is_sampled: bool) -> Self {
        let (trace_id, span_id) = (self.here.trace_id(), self.here.span_id());
        let flags = self.here.flags().with_sampled(is_sampled);
        Self {
            here: TraceParent::new(trace_id, span_id, flags),
            ..self
        }
    }

    /// This context, with what this application's tracing system has to say before what others have.
    #[must_use]
    pub const fn with_state(self, member: TraceStateMember<'a>) -> Self {
        Self {
            state: self.state.with_member(member),
            ..self
        }
    }

    /// This context, where others have this to say.
    pub(super) const fn with_tracestate(self, state: TraceState<'a>) -> Self {
        Self { state, ..self }
    }

    /// This context with this baggage in place of its own.
    #[must_use]
    pub const fn with_baggage(self, baggage: Baggage<'a>) -> Self {
        Self { baggage, ..self }
    }

    /// The trace and this span: what a call that is made from here is told.
    #[inline]
    #[must_use]
    pub const fn traceparent(&self) -> TraceParent {
        self.here
    }

    /// The span that this one is in. A trace that begins here has none.
    #[inline]
    #[must_use]
    pub const fn parent(&self) -> Option<SpanId> {
        self.parent
    }

    /// Where the call came from, if a boundary began a new trace for it.
    #[inline]
    #[must_use]
    pub const fn link(&self) -> Option<TraceParent> {
        self.link
    }

    /// What the tracing systems on the way have to say.
    #[inline]
    #[must_use]
    pub const fn tracestate(&self) -> TraceState<'a> {
        self.state
    }

    /// What the application's parts tell each other, as far as it was let in.
    #[inline]
    #[must_use]
    pub const fn baggage(&self) -> Baggage<'a> {
        self.baggage
    }

    /// What came in and was not as it has to be.
    #[must_use]
    pub const fn left_out(&self) -> LeftOut {
        self.left_out
    }
}

/// What `parse` makes of a text, or why it makes nothing of it.
fn read<'a, T, E>(
    text: Option<&'a [u8]>,
    left_out: &mut Option<E>,
    parse: impl FnOnce(&'a [u8]) -> Result<T, E>,
) -> Option<T> {
    let text = ows::trim(text?);
    if text.is_empty() {
        return None;
    }
    parse(text).map_err(|error| *left_out = Some(error)).ok()
}
