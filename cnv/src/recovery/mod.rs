//! Deadlines, retries, circuit breakers and bulkheads for calls that may fail.
#![cfg_attr(
    all(loom, test),
    allow(dead_code, reason = "the models need a part of it")
)]

mod backoff;
mod breaker;
mod clock;
mod counters;
mod deadline;
#[doc(hidden)]
pub mod expansion;
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
mod blocking;
#[cfg(not(all(loom, test)))]
mod course;
#[cfg(not(all(loom, test)))]
mod future;
#[cfg(not(all(loom, test)))]
mod permit;
#[cfg(not(all(loom, test)))]
mod policy;
#[cfg(all(feature = "tower", not(all(loom, test))))]
mod reservation;
#[cfg(all(feature = "tower", not(all(loom, test))))]
mod service;

#[cfg(all(feature = "command", not(all(loom, test))))]
#[doc = include_str!("../../docs/recovery.md")]
pub mod walk_through {}

pub use breaker::{BreakerState, Mode};
pub use clock::{Clock, Moment, Monotonic};
pub use counters::Counters;
#[cfg(not(all(loom, test)))]
pub use course::Attempt;
pub use deadline::Deadline;
pub use fault::SettingsFault;
#[cfg(not(all(loom, test)))]
pub use permit::Permit;
#[cfg(not(all(loom, test)))]
pub use policy::{Call, Policy, PolicyHandle};
pub use refused::{CallError, Cause, Refused, Stage};
#[cfg(all(feature = "tower", not(all(loom, test))))]
pub use service::{DeadlineOf, NoDeadline, RecoveryFuture, RecoveryLayer, RecoveryService};
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
