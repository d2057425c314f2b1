//! Deadlines, retries, circuit breakers and bulkheads for calls that may fail.
//!
//! A dependency that fails takes its callers with it: they wait for it, they call it again and again, and while they do they
//! have no room for others. The four remedies know of each other here, because apart they do harm: a retry without a
//! budget makes an outage worse, a timeout that does not cover the queue is none, a breaker behind a queue fills it. So one
//! [`Policy`] has all of them, and decides on a call at one moment. A stack of layers, one for each, was the other way: each
//! has its own errors and clocks, and none knows how much time is left.
//!
//! Start with [`Settings`], and [`Policy::call`] or [`Policy::call_blocking`]. [`Verdict`] says what an error means,
//! [`Refused`] why there was no answer, [`Deadline`] how long there is.
//!
//! ```
//! use std::time::Duration;
//! use cnv::recovery::{
//!     Bulkhead, Call, CallError, CircuitBreaker, Deadline, Policy, Retry, Settings, Trace, Verdict,
//! };
//!
//! static GEO: Policy = Policy::new(
//!     "geo",
//!     Settings::new()
//!         .timeout(Duration::from_secs(1))
//!         .retry(Retry::new())
//!         .circuit_breaker(CircuitBreaker::new())
//!         .bulkhead(Bulkhead::new(16).queue(32)),
//! );
//!
//! #[derive(Debug, PartialEq)]
//! struct Busy(Duration);
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let mut trace = Trace::new();
//! let call = Call::new().deadline(Deadline::after(Duration::from_millis(500))).trace(&mut trace);
//! let place = GEO
//!     .call(call, |busy: &Busy| Verdict::RetryAfter(busy.0), |attempt| async move {
//!         match attempt.number() {
//!             1 => Err(Busy(Duration::from_millis(2))),
//!             _ => Ok("35.0 N"),
//!         }
//!     })
//!     .await;
//! assert_eq!(place, Ok("35.0 N"));
//! assert_eq!(trace.to_string(), "failed, backed_off 2 ms");
//! # });
//! ```
//!
//! # What follows on what
//!
//! 1. The *deadline*: an absolute moment, the earlier of the caller's and of the policy's timeout. It covers all that
//!    follows. What is sent on is what remains of it ([`Deadline::remaining_ms`]).
//! 2. The *bulkhead*: one permit for the call, which it keeps while it backs off, so that all calls together are bounded.
//!    The next call is refused, or waits in a queue that is first in, first out, and bounded.
//! 3. For each attempt after the first the *retry budget*, when the backoff begins. A backoff that would end after the
//!    deadline is not begun.
//! 4. For each attempt the *circuit breaker*, then the attempt's own timeout, then the body.
//!
//! An attempt that fails or takes longer than the policy lets it counts as a failure; one whose error is
//! [ignored](Verdict::Ignore), whose caller went away, or whose caller's deadline passed before, counts as nothing, and its
//! probe is there for others. So a dependency that hangs opens a breaker only where the policy, or the call's own settings,
//! have a timeout. A panic counts as a failure and goes on. What took as long as [`CircuitBreaker::slow`] and came back is
//! slow, whether it failed or not.
//!
//! # The circuit breaker
//!
//! [`Closed`](BreakerState::Closed), it counts in ten buckets that slide with the clock, and opens by the part of calls
//! that fail, the part that is slow, or failures one after the other. [`Open`](BreakerState::Open), it refuses, for a time
//! that doubles whenever it opens again before it was closed for a window, with up to a quarter more at random.
//! [`HalfOpen`](BreakerState::HalfOpen), it lets exactly so many probes through. All have to succeed; one that fails, and
//! those that are out for longer than [`CircuitBreaker::half_open`], open it again. [`Policy::set_mode`] forces it.
//!
//! # Costs and limits
//!
//! A call that finds a closed breaker and a free permit, and succeeds at once, reads a coarse clock, exchanges one word and
//! adds one to a number of its thread. It takes no lock, sets no timer and allocates nothing; neither does a refusal
//! allocate. Failures, probes and waits take a lock. A policy is 2 KB. Times below 100 ms (a window below 1 s) make it read
//! the exact clock, which takes four times as long as the coarse one.
//!
//! A bulkhead has up to [`BULKHEAD_MAX`] permits, and a queue of as many places. Settings are checked
//! ([`SettingsFault`]); in a `static` a fault is a compile error. Clocks that jump, back or far ahead, make nothing last
//! longer than it was set to.
//!
//! Needs the feature `recovery`; the feature `tower` adds `RecoveryLayer`.
//!
//! Sources: Nygard, "Release It!" (circuit breaker, bulkhead); Brooker, "Exponential Backoff And Jitter" (2015); Finagle's
//! `RetryBudget`; Resilience4j (states, slow calls); the documentation of Polly's circuit breaker; "Site Reliability
//! Engineering", chapter 22 (retry budgets, deadlines).
#![cfg_attr(
    all(loom, test),
    allow(dead_code, reason = "the models need a part of it")
)]

mod backoff;
mod breaker;
mod counters;
mod deadline;
mod fault;
mod gate;
#[cfg(all(loom, test))]
mod models;
mod queue;
mod random;
mod refused;
mod retry_budget;
mod settings;
mod slots;
mod trace;
mod verdict;
mod window;

// What has timers needs tokio, which has other ideas of loom.
#[cfg(not(all(loom, test)))]
mod admission;
#[cfg(not(all(loom, test)))]
mod blocking;
#[cfg(not(all(loom, test)))]
mod course;
#[cfg(not(all(loom, test)))]
#[doc(hidden)]
pub mod expansion;
#[cfg(not(all(loom, test)))]
mod future;
#[cfg(not(all(loom, test)))]
mod policy;
#[cfg(all(feature = "tower", not(all(loom, test))))]
mod reservation;
#[cfg(all(feature = "tower", not(all(loom, test))))]
mod service;

#[cfg(all(feature = "command", not(all(loom, test))))]
#[doc = include_str!("../../docs/recovery.md")]
pub mod walk_through {}

use crate::clock;

#[cfg(not(all(loom, test)))]
pub use admission::Admission;
pub use breaker::{BreakerState, Mode};
pub use clock::{Clock, Moment, Monotonic};
pub use counters::Counters;
#[cfg(not(all(loom, test)))]
pub use course::Attempt;
pub use deadline::Deadline;
pub use fault::SettingsFault;
#[cfg(not(all(loom, test)))]
pub use policy::{Call, Policy, PolicyHandle};
pub use refused::{CallError, Cause, Refused, Stage};
#[cfg(all(feature = "tower", not(all(loom, test))))]
pub use service::{
    CloneRequest, DeadlineOf, NoDeadline, RecoveryFuture, RecoveryLayer, RecoveryService, SentOnce,
};
pub use settings::{BULKHEAD_MAX, Bulkhead, CircuitBreaker, Jitter, Retry, Settings};
pub use trace::{Decision, Trace};
pub use verdict::Verdict;

/// A `const fn`, but for loom, whose atomics are not made in const evaluation.
macro_rules! const_fn {
    ($(#[$attribute:meta])* $visibility:vis const fn $($function:tt)*) => {
        #[cfg(not(all(loom, test)))]
        $(#[$attribute])*
        $visibility const fn $($function)*

        #[cfg(all(loom, test))]
        $(#[$attribute])*
        $visibility fn $($function)*
    };
}
use const_fn;
