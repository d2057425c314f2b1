//! Calls and the policies that functions within them run under: deadlines go in, decisions come out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::context::Context;
use crate::recovery::{Deadline, Policy, Trace};

/// The most policies of one call whose decisions are kept.
const KEPT: usize = 16;

/// What a policy decided in a call, in its receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decided {
    /// The name of the policy.
    pub policy: &'static str,
    /// How often the function ran, and what was decided before, between and after.
    pub trace: Trace,
}

impl Serialize for Decided {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut decided = serializer.serialize_struct("Decided", 4)?;
        decided.serialize_field("policy", &self.policy)?;
        decided.serialize_field("attempts", &self.trace.attempts())?;
        let decisions = self.trace.decisions().map(|decision| decision.to_string());
        decided.serialize_field("decisions", &decisions.collect::<Vec<_>>())?;
        decided.serialize_field("dropped", &self.trace.dropped())?;
        decided.end()
    }
}

/// What the policies of one call decided.
#[derive(Debug, Clone, Default)]
pub struct Decisions {
    kept: Arc<Mutex<Vec<Decided>>>,
}

impl Decisions {
    /// Takes them, in the order in which the calls under the policies ended.
    pub(super) fn take(&self) -> Vec<Decided> {
        std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is left to a function of the call that it is part of.
#[must_use]
pub fn deadline(cx: &Context) -> Option<Deadline> {
    cx.remaining().map(Deadline::after)
}

/// The context of an attempt, which has to be over by then.
#[must_use]
pub fn within(cx: &Context, deadline: Option<Deadline>) -> Context {
    let ends = deadline.and_then(|deadline| Instant::now().checked_add(deadline.remaining()));
    cx.until(ends)
}

/// Where to note what is decided. An attempt may take the context along.
#[must_use]
pub fn kept(cx: &Context) -> Decisions {
    cx.decisions().clone()
}

/// Notes what a policy decided; nothing where it only let the call through.
pub fn note(decisions: &Decisions, policy: &Policy, trace: &Trace) {
    if trace.decisions().next().is_none() {
        return;
    }
    let mut kept = decisions
        .kept
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if kept.len() < KEPT {
        kept.push(Decided {
            policy: policy.name(),
            trace: *trace,
        });
    }
}
