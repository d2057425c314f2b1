//! The span of a call: its stages, what it was allowed and used, and how it ended. Nothing of its arguments, unless the
//! verb names them.

use std::borrow::Cow;

use clap::ArgMatches;

use super::app::App;
use super::context::CallId;
use super::failure::{Failure, FailureCode};
use super::pipeline::{Arrival, Reply};
use super::receipt::Receipt;
use super::version::LiveVerb;
use crate::quota::Resource;
use crate::trace::{Current, EntrySpan, TraceId, TraceParent, Value};
use crate::transaction::TransactionId;

/// The span of one call, where the application has a tracer. Dropped before its end, the call was cancelled.
pub(super) struct Traced<'t> {
    span: Option<EntrySpan<'t>>,
    transaction: Option<TransactionId>,
    /// `None` where it never began.
    call_id: Option<CallId>,
    verb: &'t LiveVerb,
}

impl<'t> Traced<'t> {
    /// Begins it once a call has been understood, from when it came on. A call that came without a transaction begins one.
    pub(super) fn begin(
        app: &'t App,
        verb: &'t LiveVerb,
        arrival: &Arrival,
        call_id: Option<CallId>,
    ) -> Self {
        let Some(tracer) = &app.tracer else {
            return Self {
                span: None,
                transaction: arrival.transaction,
                call_id,
                verb,
            };
        };
        let boundary = tracer.boundary(arrival.is_own);
        let context = arrival.carried.extract(boundary, tracer.ids());
        let transaction = arrival
            .transaction
            .unwrap_or_else(|| tracer.ids().transaction());
        let mut span = tracer.entry(verb.name(), &context, Some(transaction));
        span.began(arrival.since, arrival.is_queued.then_some("queue"));
        Self {
            span: Some(span),
            transaction: Some(transaction),
            call_id,
            verb,
        }
    }

    pub(super) const fn transaction(&self) -> Option<TransactionId> {
        self.transaction
    }

    pub(super) fn trace_id(&self) -> Option<TraceId> {
        let here = self.span.as_ref()?.current().traceparent();
        here.map(TraceParent::trace_id)
    }

    /// Where in its trace the call is.
    pub(super) fn current(&self) -> Current {
        let current = self.span.as_ref().map(|span| span.current().clone());
        current.unwrap_or(Current::NONE)
    }

    pub(super) fn stage(&mut self, name: &'static str) {
        if let Some(span) = &mut self.span {
            span.stage(name);
        }
    }

    /// Sets those of the arguments that the verb names.
    pub(super) fn fields(&mut self, matches: &ArgMatches) {
        let Some(span) = (self.span.as_mut()).filter(|span| span.is_recorded()) else {
            return;
        };
        for name in self.verb.spec().traced_fields() {
            let values = matches.try_get_raw(name).ok().flatten();
            let values: Vec<Cow<'_, str>> = values
                .into_iter()
                .flatten()
                .map(|value| value.to_string_lossy())
                .collect();
            if !values.is_empty() {
                span.set_named(format!("cnv.argument.{name}"), values.join(" ").into());
            }
        }
    }

    /// Ends it with what became of the call.
    pub(super) fn end(mut self, reply: &Reply) {
        let code = reply.result.as_ref().err().map(Failure::code);
        self.end_with(code, reply.receipt.as_ref());
    }

    fn end_with(&mut self, code: Option<FailureCode>, receipt: Option<&Receipt>) {
        let Some(mut span) = self.span.take() else {
            return;
        };
        // What a message says may be of the arguments; a code is not.
        span.ended(code.map(|code| Cow::Borrowed(code.as_str())));
        if !span.is_recorded() {
            return;
        }
        if let Some(id) = self.call_id {
            span.set("cnv.call.id", id.to_string());
        }
        span.set("cnv.verb.effect", self.verb.spec().effect().as_str());
        span.set("cnv.outcome", code.map_or("ok", FailureCode::as_str));
        if let Some(code) = code {
            span.set("error.type", code.as_str());
        }
        if let Some(receipt) = receipt {
            facts(&mut span, receipt);
        }
    }
}

impl Drop for Traced<'_> {
    fn drop(&mut self) {
        self.end_with(Some(FailureCode::Cancelled), None);
    }
}

fn facts(span: &mut EntrySpan<'_>, receipt: &Receipt) {
    span.set("cnv.call.ran", receipt.is_run);
    for (resource, used, limit) in [
        (
            Resource::Memory,
            "cnv.budget.memory.used",
            "cnv.budget.memory.limit",
        ),
        (Resource::Cpu, "cnv.budget.cpu.used", "cnv.budget.cpu.limit"),
        (Resource::Io, "cnv.budget.io.used", "cnv.budget.io.limit"),
        (
            Resource::Network,
            "cnv.budget.network.used",
            "cnv.budget.network.limit",
        ),
    ] {
        if let Some(amount) = receipt.usage.used(resource) {
            span.set(used, amount);
        }
        match receipt.allowed().map(|limits| limits.limit(resource)) {
            Some(allowed) if allowed < u64::MAX => span.set(limit, allowed),
            _ => {}
        }
    }
    if let Some(resource) = receipt.over() {
        span.set("cnv.budget.over", resource.to_string());
    }
    if let Some(by) = &receipt.attestation {
        span.set("cnv.attestation.subject", by.subject.clone());
        span.set("cnv.attestation.issuer", by.issuer.to_string());
        span.set("cnv.attestation.class", by.contract.class().to_string());
        span.set("cnv.attestation.development", by.development);
    }
    if let Some(call) = receipt.repeats {
        span.set("cnv.call.repeats", call.to_string());
    }
    for decided in &receipt.decided {
        let decisions = [
            ("cnv.policy", Value::from(decided.policy)),
            ("cnv.attempts", decided.trace.attempts().into()),
            ("cnv.decisions", decided.trace.to_string().into()),
        ];
        span.event("recovery", decisions);
    }
}
