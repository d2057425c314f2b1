//! A context in a process's environment.

use std::ffi::OsString;
use std::process::Command;

use super::context::{Headers, TraceContext};

const TRACEPARENT: &str = "TRACEPARENT";
const TRACESTATE: &str = "TRACESTATE";
const BAGGAGE: &str = "BAGGAGE";

/// What an environment says in `TRACEPARENT`, `TRACESTATE` and `BAGGAGE`: it owns the texts that a context borrows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    traceparent: Option<OsString>,
    tracestate: Option<OsString>,
    baggage: Option<OsString>,
}

impl Environment {
    /// What this process was started with.
    #[must_use]
    pub fn of_process() -> Self {
        Self::from_fn(|name| std::env::var_os(name))
    }

    /// What `variable` says of each of the three names.
    pub fn from_fn(mut variable: impl FnMut(&str) -> Option<OsString>) -> Self {
        Self {
            traceparent: variable(TRACEPARENT),
            tracestate: variable(TRACESTATE),
            baggage: variable(BAGGAGE),
        }
    }

    /// The texts, for [`TraceContext::extract`].
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        fn bytes(text: Option<&OsString>) -> Option<&[u8]> {
            text.map(|text| text.as_encoded_bytes())
        }
        Headers {
            traceparent: bytes(self.traceparent.as_ref()),
            tracestate: bytes(self.tracestate.as_ref()),
            baggage: bytes(self.baggage.as_ref()),
        }
    }
}

/// Leaves no trace of a trace in what a process is started with.
pub(super) fn remove_from(command: &mut Command) {
    for name in [TRACEPARENT, TRACESTATE, BAGGAGE] {
        command.env_remove(name);
    }
}

impl TraceContext<'_> {
    /// Tells a process that is about to be started where in the trace it is.
    ///
    /// All three variables are set or taken away: none is left as this process has it, which may be of another trace, or
    /// baggage that was not let in.
    pub fn write_to(&self, command: &mut Command) {
        command.env(TRACEPARENT, self.traceparent().to_text().as_str());
        let state = self.tracestate().to_string();
        let baggage = self.baggage().to_string();
        for (name, text) in [(TRACESTATE, state), (BAGGAGE, baggage)] {
            if text.is_empty() {
                command.env_remove(name);
            } else {
                command.env(name, text);
            }
        }
    }
}
