//! Calls and the policies that functions within them run under: deadlines go in, decisions come out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::context::Context;
use super::failure::Failure;
use super::verb::Registration;
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
    noted: Arc<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    kept: Mutex<Vec<Decided>>,
    /// Whether a function that has the context was let through by its policy.
    is_attempted: AtomicBool,
}

impl Decisions {
    /// Whether `failure` is the word of the verb's own policy from before the handler's first attempt. A verb with a policy
    /// has its context, or it does not compile.
    pub(super) fn refused_at_first(&self, verb: &Registration, failure: &Failure) -> bool {
        let (Some(policy), Some(refused)) = ((verb.policy)(), failure.refusal()) else {
            return false;
        };
        if refused.policy() != policy.name() || refused.attempts() > 0 {
            return false;
        }
        // Further in, another function may have been refused by a policy that the two share.
        !self.noted.is_attempted.load(Ordering::Relaxed)
    }

    /// Takes them, in the order in which the calls under the policies ended.
    pub(super) fn take(&self) -> Vec<Decided> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Decided>> {
        let kept = self.noted.kept.lock();
        kept.unwrap_or_else(PoisonError::into_inner)
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
    cx.decisions()
        .noted
        .is_attempted
        .store(true, Ordering::Relaxed);
    let ends = deadline.and_then(|deadline| Instant::now().checked_add(deadline.remaining()));
    cx.until(ends)
}

/// Completes when the call is cancelled. The body may take the context along.
pub fn cancelled(cx: &Context) -> impl Future<Output = ()> + Send + use<> {
    let cancellation = cx.cancellation();
    async move { cancellation.cancelled().await }
}

/// Notes what a policy decides in a call, whose attempts may take the context along.
#[must_use]
pub fn noting(cx: &Context, policy: &Policy) -> Noting {
    Noting {
        decisions: cx.decisions().clone(),
        policy: policy.name(),
        trace: Trace::new(),
    }
}

/// What a policy decides in one call. However that ends, what was decided by then is in the receipt.
#[derive(Debug)]
pub struct Noting {
    decisions: Decisions,
    policy: &'static str,
    trace: Trace,
}

impl Noting {
    /// Where the policy notes it.
    pub const fn trace(&mut self) -> &mut Trace {
        &mut self.trace
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        // A policy that only let the call through decided nothing.
        if self.trace.decisions().next().is_none() {
            return;
        }
        let mut kept = self.decisions.lock();
        if kept.len() < KEPT {
            kept.push(Decided {
                policy: self.policy,
                trace: self.trace,
            });
        }
    }
}
