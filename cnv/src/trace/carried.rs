//! What a call brings with it of its trace, until its span is made.

use super::baggage::{self, Baggage};
use super::boundary::Boundary;
use super::context::{Headers, LeftOut, TraceContext};
use super::environment::Environment;
use super::generator::IdGenerator;
use super::ows;
use super::traceparent::{TraceParent, TraceParentText};
use super::tracestate::{self, TraceState};

/// The three texts, kept from when a call arrives until it is known what serves it. A text is copied only if it is no longer
/// than any that would be taken, so whoever calls has no more than 24 KiB kept for it; why another was not is remembered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    /// Read at once, because of what a higher version may be followed by nothing is kept.
    traceparent: Option<TraceParentText>,
    tracestate: Option<Box<[u8]>>,
    baggage: Option<Box<[u8]>>,
    lost: LeftOut,
}

impl Carried {
    pub(crate) fn new(headers: Headers<'_>) -> Self {
        let mut lost = LeftOut::default();
        let parent = ows::trim(headers.traceparent.unwrap_or_default());
        let traceparent = match TraceParent::parse(parent) {
            _ if parent.is_empty() => None,
            Ok(parent) => Some(parent.to_text()),
            Err(error) => {
                lost.traceparent = Some(error);
                None
            }
        };
        let tracestate = kept(headers.tracestate, tracestate::MAX_BYTES);
        let baggage = kept(headers.baggage, baggage::MAX_BYTES);
        Self {
            traceparent,
            tracestate: tracestate.unwrap_or_else(|text| {
                lost.tracestate = TraceState::parse(text).err();
                None
            }),
            baggage: baggage.unwrap_or_else(|text| {
                lost.baggage = Baggage::parse(text).err();
                None
            }),
            lost,
        }
    }

    /// What this process was started with.
    pub(crate) fn of_process() -> Self {
        Self::new(Environment::of_process().headers())
    }

    /// The texts that are kept.
    pub(crate) fn headers(&self) -> Headers<'_> {
        Headers {
            traceparent: self.traceparent.as_ref().map(|text| &text.as_bytes()[..]),
            tracestate: self.tracestate.as_deref(),
            baggage: self.baggage.as_deref(),
        }
    }

    /// As [`TraceContext::extract`], which then says also what was not kept.
    pub(crate) fn extract<'a>(
        &'a self,
        boundary: Boundary<'a>,
        ids: &IdGenerator,
    ) -> TraceContext<'a> {
        TraceContext::extract_rest(self.headers(), self.lost, boundary, ids)
    }
}

/// A copy of the text, or the text itself where it is too long.
fn kept(text: Option<&[u8]>, max_bytes: usize) -> Result<Option<Box<[u8]>>, &[u8]> {
    let text = ows::trim(text.unwrap_or_default());
    if text.len() > max_bytes {
        return Err(text);
    }
    Ok((!text.is_empty()).then(|| text.into()))
}

#[cfg(test)]
mod tests {
    use super::super::{
        BaggageFault, Incoming, TraceParentFault, TraceStateFault, TraceStateMember,
    };
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers<'a>(parent: &'a str, state: &'a str, baggage: &'a str) -> Headers<'a> {
        Headers {
            traceparent: Some(parent.as_bytes()),
            tracestate: Some(state.as_bytes()),
            baggage: Some(baggage.as_bytes()),
        }
    }

    fn open() -> Boundary<'static> {
        Boundary::new(Incoming::Continue).allow_all_baggage()
    }

    /// What comes of a call is the same as if its texts had been read where they came in.
    #[test]
    fn what_is_carried_is_what_came() {
        let ids = IdGenerator::new().unwrap();
        let member = |n: usize| format!("k{n:a<255}={}", "v".repeat(256));
        let longest_state = (10..42).map(member).collect::<Vec<_>>().join(",");
        assert_eq!(longest_state.len(), tracestate::MAX_BYTES);
        let texts = [
            (PARENT, "a=1,b=2", "tenant=acme"),
            (
                " \t00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",
                " a=1 ",
                " tenant=acme ",
            ),
            (
                "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what the future brings",
                "",
                "",
            ),
            (
                "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                "a=1",
                "tenant=acme",
            ),
            (PARENT, "a", "tenant"),
            (PARENT, &longest_state, "a=1"),
            ("", " ", "\t"),
        ];
        let long_parent = format!("{PARENT}{}", "-".repeat(1 << 20));
        let long_state = format!("a=1,{}", " ".repeat(1 << 20) + "b=2");
        let long_baggage = format!("a=1,b={}", "2".repeat(1 << 20));
        let long = (&*long_parent, "a=1", "b=2");
        let others = [
            (PARENT, &*long_state, "a=1"),
            (PARENT, "a=1", &*long_baggage),
            long,
        ];
        for (parent, state, baggage) in texts.into_iter().chain(others) {
            let headers = headers(parent, state, baggage);
            for boundary in [
                open(),
                Boundary::new(Incoming::Continue),
                Boundary::new(Incoming::RestartWithLink).allow_baggage(&["tenant"]),
                Boundary::new(Incoming::Ignore).allow_all_baggage(),
            ] {
                let carried = Carried::new(headers);
                let (carried, direct) = (
                    carried.extract(boundary, &ids),
                    TraceContext::extract(headers, boundary, &ids),
                );
                let shown = format!("{:.60} {state:.60} {baggage:.60} {boundary:?}", parent);
                assert_eq!(carried.left_out(), direct.left_out(), "{shown}");
                assert_eq!(carried.parent(), direct.parent(), "{shown}");
                assert_eq!(carried.link(), direct.link(), "{shown}");
                if direct.parent().is_some() {
                    let (carried, direct) = (carried.traceparent(), direct.traceparent());
                    assert_eq!(carried.trace_id(), direct.trace_id(), "{shown}");
                    assert_eq!(carried.flags(), direct.flags(), "{shown}");
                }
                let members = |context: &TraceContext<'_>| -> Vec<(String, String)> {
                    let members = context.tracestate().members();
                    let owned = |member: TraceStateMember<'_>| {
                        (member.key().to_owned(), member.value().to_owned())
                    };
                    members.map(owned).collect()
                };
                assert_eq!(members(&carried), members(&direct), "{shown}");
                let baggages = [carried.baggage(), direct.baggage()].map(|text| text.to_string());
                assert_eq!(baggages[0], baggages[1], "{shown}");
            }
        }
    }

    #[test]
    fn what_is_too_long_is_not_kept_and_not_forgotten() {
        let ids = IdGenerator::new().unwrap();
        let state = format!("a={},{}", "1".repeat(250), " ".repeat(20_000) + "b=2");
        let baggage = format!("a={}", "1".repeat(8191));
        let parent = format!("{PARENT}-{}", "x".repeat(20_000));
        let carried = Carried::new(headers(&parent, &state, &baggage));
        assert_eq!(carried.headers(), Headers::default());
        let left_out = carried.extract(open(), &ids).left_out();
        let parent = left_out.traceparent.unwrap();
        assert_eq!(
            (parent.at(), parent.fault()),
            (55, TraceParentFault::TooLong)
        );
        // Without a trace that goes on, nobody asks for what is said of it.
        assert_eq!(left_out.tracestate, None);
        let baggage = left_out.baggage.unwrap();
        assert_eq!(
            (baggage.at(), baggage.fault()),
            (8192, BaggageFault::TooLong)
        );

        let carried = Carried::new(headers(PARENT, &state, "a=1"));
        let context = carried.extract(open(), &ids);
        let state = context.left_out().tracestate.unwrap();
        assert_eq!(
            (state.at(), state.fault()),
            (16_447, TraceStateFault::TooLong)
        );
        assert_eq!(context.parent().unwrap().to_string(), "b7ad6b7169203331");
        assert!(context.tracestate().is_empty());
        assert_eq!(context.baggage().get("a").as_deref(), Some("1"));
    }
}
