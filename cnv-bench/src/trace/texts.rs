//! Goals 1 to 4: reading and writing where a call is in its trace, beside OpenTelemetry's propagator.
//!
//! Both get their texts from a struct and hand them to one, without a map in between: what is measured is the propagator.

use std::fmt::Write as _;
use std::hint::black_box;

use cnv::trace::{Boundary, Headers, IdGenerator, Incoming, TraceContext, TraceParent, TraceState};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;

use super::goal;
use crate::allocations;
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Measured, Ratio, Settings, measure};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const STATE: &str = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
const BOUNDARY: Boundary<'_> = Boundary::new(Incoming::Continue);

const PARSE: &str = "parse";
const TEXTS: &str = "texts";
const PRINT: &str = "print";
const WHOLE: &str = "context";
const PEER: &str = "opentelemetry";

/// What carries the texts of the peer.
#[derive(Default)]
struct Carrier {
    parent: String,
    state: String,
}

impl Extractor for Carrier {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => Some(&self.parent),
            "tracestate" if !self.state.is_empty() => Some(&self.state),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

impl Injector for Carrier {
    fn set(&mut self, key: &str, value: String) {
        match key {
            "traceparent" => self.parent = value,
            "tracestate" => self.state = value,
            _ => {}
        }
    }
}

/// Measures them.
pub fn run(settings: Settings) -> std::io::Result<(Vec<Group>, Vec<Goal>)> {
    let ids = IdGenerator::new()?;
    let (read, written) = both(&ids, "traceparent", "", settings);
    let (read_state, written_state) = both(&ids, "traceparent and tracestate", STATE, settings);
    let (ns, times) = (
        "a traceparent, ns",
        "times as fast as OpenTelemetry's propagator",
    );
    let (at_least, information) = (Wanted::AtLeast(7.0), Wanted::ForInformation);
    let speed = |part, wanted, of: &Measured, name| {
        goal(3, times, part, wanted, of.speed_over(name, &[PEER]))
    };
    let goals = vec![
        goal(1, ns, "parse", Wanted::AtMost(60.0), read.ns(PARSE)),
        goal(2, ns, "print", Wanted::AtMost(15.0), written.ns(PRINT)),
        speed("read a traceparent", at_least, &read, TEXTS),
        speed("and a span in it", information, &read, WHOLE),
        speed("read two members, too", at_least, &read_state, TEXTS),
        speed("and a span in it, too", information, &read_state, WHOLE),
        speed("write a traceparent", at_least, &written, WHOLE),
        speed("write two members, too", at_least, &written_state, WHOLE),
        goal(
            4,
            "allocations",
            "extract, child and print, both texts",
            Wanted::AtMost(0.0),
            Ratio::exact(allocated(&ids) as f64),
        ),
    ];
    let groups = [read, written, read_state, written_state];
    Ok((groups.iter().map(Group::from).collect(), goals))
}

/// Reading and writing of these texts.
fn both(ids: &IdGenerator, name: &str, state: &str, settings: Settings) -> (Measured, Measured) {
    let propagator = TraceContextPropagator::new();
    let root = Context::new();
    let carrier = Carrier {
        parent: PARENT.into(),
        state: state.into(),
    };
    let has_state = !state.is_empty();
    let contenders = vec![
        Contender::new(PARSE, || TraceParent::parse(black_box(PARENT))),
        Contender::new(TEXTS, || {
            let state = has_state.then(|| TraceState::parse(black_box(state)));
            (TraceParent::parse(black_box(PARENT)), state)
        }),
        Contender::new(WHOLE, || extract(ids, black_box(PARENT), black_box(state))),
        Contender::new(PEER, || {
            propagator.extract_with_context(black_box(&root), black_box(&carrier))
        }),
    ];
    let read = measure(format!("read {name}"), 1, settings, contenders);

    let context = extract(ids, PARENT, state);
    let theirs = propagator.extract_with_context(&root, &carrier);
    let mut sent = (String::new(), String::new());
    let mut filled = Carrier::default();
    let contenders = vec![
        Contender::new(PRINT, || black_box(&context).traceparent().to_text()),
        Contender::new(WHOLE, || print(black_box(&context), &mut sent)),
        Contender::new(PEER, || {
            propagator.inject_context(black_box(&theirs), &mut filled);
            filled.parent.len() + filled.state.len()
        }),
    ];
    let written = measure(format!("write {name}"), 1, settings, contenders);
    (read, written)
}

fn extract<'a>(ids: &IdGenerator, parent: &'a str, state: &'a str) -> TraceContext<'a> {
    let headers = Headers {
        traceparent: Some(parent.as_bytes()),
        tracestate: (!state.is_empty()).then_some(state.as_bytes()),
        baggage: None,
    };
    TraceContext::extract(headers, BOUNDARY, ids)
}

/// Prints into texts that are there already.
fn print(context: &TraceContext<'_>, (parent, state): &mut (String, String)) -> usize {
    parent.clear();
    parent.push_str(context.traceparent().to_text().as_str());
    state.clear();
    let others = context.tracestate();
    if !others.is_empty() {
        write!(state, "{others}").expect("a text takes everything");
    }
    parent.len() + state.len()
}

/// What a call through this process allocates.
fn allocated(ids: &IdGenerator) -> u64 {
    let mut sent = (String::with_capacity(64), String::with_capacity(512));
    allocations::count(|| {
        let context = extract(ids, black_box(PARENT), black_box(STATE)).child(ids);
        black_box(print(&context, &mut sent));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_say_the_same() {
        let ids = IdGenerator::from_seed([1; 24]);
        let context = extract(&ids, PARENT, STATE);
        let mut sent = (String::new(), String::new());
        print(&context, &mut sent);
        let propagator = TraceContextPropagator::new();
        let carrier = Carrier {
            parent: PARENT.into(),
            state: STATE.into(),
        };
        let theirs = propagator.extract_with_context(&Context::new(), &carrier);
        let mut filled = Carrier::default();
        propagator.inject_context(&theirs, &mut filled);
        assert_eq!((sent.0.len(), &sent.0[..35]), (55, &filled.parent[..35]));
        assert_eq!(
            (sent.1, context.parent().map(|id| id.to_string())),
            (filled.state, Some(filled.parent[36..52].to_owned()),)
        );
    }
}
