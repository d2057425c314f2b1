//! Deadlines, retries, circuit breakers and bulkheads for calls that may fail.

mod backoff;
mod blocking;
mod breaker;
mod clock;
mod counters;
mod course;
mod deadline;
#[doc(hidden)]
pub mod expansion;
mod fault;
mod future;
mod gate;
mod permit;
mod policy;
mod queue;
mod random;
mod refused;
mod retry_budget;
mod settings;
mod slots;
mod trace;
mod verdict;
mod window;

pub use breaker::{BreakerState, Mode};
pub use clock::{Clock, Moment, Monotonic};
pub use counters::Counters;
pub use course::Attempt;
pub use deadline::Deadline;
pub use fault::SettingsFault;
pub use permit::Permit;
pub use policy::{Call, Policy, PolicyHandle};
pub use refused::{CallError, Cause, Refused, Stage};
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
