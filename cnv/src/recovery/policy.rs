//! A policy: settings and the state that its calls share.

use core::fmt;
use core::ops::Deref;
use core::pin::Pin;
use core::time::Duration;
use std::sync::Arc;

use super::admission::Admission;
use super::blocking;
use super::breaker::{BreakerState, Mode};
use super::clock::{Clock, Moment, Monotonic};
use super::const_fn;
use super::counters::Counters;
use super::course::{Attempt, Course};
use super::deadline::Deadline;
use super::fault::SettingsFault;
use super::future::Calling;
use super::gate::Gate;
use super::refused::{CallError, Refused};
use super::settings::{Settings, ns};
use super::trace::Trace;
use super::verdict::Verdict;

/// How to call something that may fail, and what is known about it: its circuit breaker, its bulkhead, its retry budget.
///
/// Whoever calls the same dependency shares one, in a `static` or an [`Arc`]. It is 2 KB and has no threads.
///
/// ```
/// use std::time::Duration;
/// use cnv::recovery::{BreakerState, Call, CircuitBreaker, Policy, Settings, Verdict};
///
/// static STORE: Policy = Policy::new(
///     "store",
///     Settings::new().circuit_breaker(CircuitBreaker::new().consecutive(2)),
/// );
///
/// let down = |_| Err::<(), _>("down");
/// for _ in 0..2 {
///     let error = STORE.call_blocking(Call::new(), |_| Verdict::Fail, down);
///     assert!(error.unwrap_err().refused().is_none());
/// }
/// assert_eq!(STORE.state(), BreakerState::Open);
/// let error = STORE.call_blocking(Call::new(), |_| Verdict::Fail, down);
/// let refused = *error.unwrap_err().refused().unwrap();
/// assert!(refused.retry_after().unwrap() <= Duration::from_millis(6250));
/// ```
pub struct Policy<C = Monotonic> {
    name: &'static str,
    settings: Settings,
    clock: C,
    pub(super) gate: Gate,
    /// What each call asks for, out of the settings and in nanoseconds; all ones where there is none.
    timeout_ns: u64,
    attempt_timeout_ns: u64,
    slow_ns: u64,
    is_fine: bool,
}

const_fn! {
    #[track_caller]
    const fn checked(settings: &Settings) {
        if let Err(fault) = settings.check() {
            panic!("{}", fault.as_str());
        }
    }
}

const fn ns_or_never(duration: Option<Duration>) -> u64 {
    match duration {
        Some(duration) => ns(duration),
        None => u64::MAX,
    }
}

impl Policy {
    const_fn! {
        /// A policy on the system's clock, for a `static`, where settings that it cannot do are a compile error.
        ///
        /// # Panics
        ///
        /// If the settings have a fault. [`try_new`](Self::try_new) returns it.
        #[must_use]
        #[track_caller]
        pub const fn new(name: &'static str, settings: Settings) -> Self {
            Self::with_clock(name, settings, Monotonic)
        }
    }

    const_fn! {
        /// A policy on the system's clock.
        ///
        /// # Errors
        ///
        /// What is wrong with the settings.
        pub const fn try_new(
            name: &'static str,
            settings: Settings,
        ) -> Result<Self, SettingsFault> {
            match settings.check() {
                Ok(()) => Ok(Self::new(name, settings)),
                Err(fault) => Err(fault),
            }
        }
    }
}

impl<C> Policy<C> {
    const_fn! {
        /// A policy on another clock, such as one that a test sets.
        ///
        /// Deadlines of its calls are moments of that clock. Timers are tokio's: a test that sets a clock pauses tokio's time
        /// or waits for nothing.
        ///
        /// # Panics
        ///
        /// If the settings have a fault.
        #[must_use]
        #[track_caller]
        pub const fn with_clock(name: &'static str, settings: Settings, clock: C) -> Self {
            checked(&settings);
            let slow = match &settings.circuit_breaker {
                Some(circuit_breaker) => circuit_breaker.slow,
                None => None,
            };
            Self {
                name,
                gate: Gate::new(&settings),
                timeout_ns: ns_or_never(settings.timeout),
                attempt_timeout_ns: ns_or_never(settings.attempt_timeout),
                slow_ns: ns_or_never(slow),
                is_fine: settings.is_fine(),
                settings,
                clock,
            }
        }
    }

    /// Its name, for errors, logs and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it was made of.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its clock.
    #[must_use]
    pub const fn clock(&self) -> &C {
        &self.clock
    }

    /// The state of its circuit breaker; [`Closed`](BreakerState::Closed) where it has none.
    ///
    /// A breaker that was open long enough is [`Open`](BreakerState::Open) until somebody calls.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.gate.state()
    }

    /// What was counted since it was made.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.gate
            .counters(self.settings.bulkhead.map_or(0, |bulkhead| bulkhead.max))
    }

    pub(super) const fn timeout_ns(&self) -> u64 {
        self.timeout_ns
    }

    pub(super) const fn attempt_timeout_ns(&self) -> u64 {
        self.attempt_timeout_ns
    }

    /// From how long on a call is slow.
    pub(super) const fn slow_ns(&self) -> u64 {
        self.slow_ns
    }
}

impl<C: Clock> Policy<C> {
    /// Forces the circuit breaker open, lets everything through, or goes back to its rules. Calls that are under way are
    /// not touched, and what was counted before says nothing any more. Without a circuit breaker it does nothing.
    pub fn set_mode(&self, mode: Mode) {
        if self.settings.circuit_breaker.is_some() {
            self.gate.set_mode(mode, self.now().as_ns());
        }
    }

    /// When a call that begins now has to be over: by the policy's timeout, and not after `parent`.
    #[must_use]
    pub fn deadline(&self, parent: Option<Deadline>) -> Option<Deadline> {
        let own = self
            .settings
            .timeout
            .map(|timeout| Deadline::at(self.now().after(timeout)));
        match own {
            Some(own) => Some(own.earlier(parent)),
            None => parent,
        }
    }

    /// Calls `body`, as often as the policy says, and waits as a task does.
    ///
    /// The order is fixed: the deadline, then the bulkhead, whose permit the call keeps while it backs off, and for each
    /// attempt the retry budget, the circuit breaker, the attempt's timeout and the body. `classify` says what an error
    /// means; it returns a [`Verdict`] or whether to try again. A retry is made where the policy has any and the error is
    /// one to try again, or where the attempt took too long.
    ///
    /// Nothing happens before the first poll. Whoever drops the future ends the call: its permit and its probe go back.
    /// A call that does not wait sets no timer and allocates nothing; one that does needs tokio's time driver.
    ///
    /// # Errors
    ///
    /// [`CallError::Failed`] with the error of the last attempt, and [`CallError::Refused`] where there was none or it was
    /// cut off.
    ///
    /// # Panics
    ///
    /// If the body panics: it is counted, and goes on. If a timer is needed outside of a runtime of tokio with time.
    pub fn call<T, E, V, F, B, Fut>(
        &self,
        call: Call<'_>,
        classify: F,
        body: B,
    ) -> impl Future<Output = Result<T, CallError<E>>>
    where
        F: Fn(&E) -> V,
        V: Into<Verdict>,
        B: FnMut(Attempt) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let course = Course::new(self, call);
        Calling::new(course, move |error: &E| classify(error).into(), body)
    }

    /// Calls `body`, as often as the policy says, and blocks the thread while it waits.
    ///
    /// As [`call`](Self::call), but for the timeouts: a body that blocks is not interrupted. What it returns is returned,
    /// however late, and counts as too late for the circuit breaker. The deadline is looked at before each attempt.
    ///
    /// A thread that waits for its turn or backs off stops at once when the call is [cancelled](Call::cancelled). Its turn may
    /// never come where there is neither that nor a deadline, a timeout or [`Bulkhead::wait`](super::Bulkhead::wait).
    ///
    /// # Errors
    ///
    /// As of [`call`](Self::call).
    ///
    /// # Panics
    ///
    /// If the body panics: it is counted, and goes on.
    pub fn call_blocking<T, E, V>(
        &self,
        call: Call<'_>,
        classify: impl Fn(&E) -> V,
        body: impl FnMut(Attempt) -> Result<T, E>,
    ) -> Result<T, CallError<E>>
    where
        V: Into<Verdict>,
    {
        blocking::call(
            Course::new(self, call),
            |error| classify(error).into(),
            body,
        )
    }

    /// Admits one attempt, for who runs it by other means: a permit of the bulkhead and one of the circuit breaker, in one.
    /// Nothing waits and nothing is tried again.
    ///
    /// `now` is a moment of the policy's clock; whoever has read it already saves the reading.
    ///
    /// # Errors
    ///
    /// [`Refused`] where the bulkhead is full or the circuit breaker open.
    #[inline]
    pub fn try_enter(&self, now: Moment) -> Result<Admission<'_, C>, Refused> {
        Admission::enter(self, now)
    }

    /// The moment now, as exact as the settings need it.
    #[inline]
    pub fn now(&self) -> Moment {
        if self.is_fine {
            self.clock.fine_now()
        } else {
            self.clock.now()
        }
    }

    /// The moment now, as exact as a timer needs it.
    pub(super) fn fine_now(&self) -> Moment {
        self.clock.fine_now()
    }
}

impl<C> fmt::Debug for Policy<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// What holds a policy: a reference or an [`Arc`].
pub trait PolicyHandle: Deref<Target = Policy<Self::Clock>> {
    /// The clock of the policy.
    type Clock: Clock;
}

impl<C: Clock> PolicyHandle for &Policy<C> {
    type Clock = C;
}

impl<C: Clock> PolicyHandle for Arc<Policy<C>> {
    type Clock = C;
}

/// What one call brings along.
#[derive(Default)]
pub struct Call<'a> {
    pub(super) deadline: Option<Deadline>,
    pub(super) trace: Option<&'a mut Trace>,
    pub(super) settings: Option<&'a Settings>,
    pub(super) cancelled: Option<Cancelled<'a>>,
}

/// Completes when a call is cancelled.
pub(super) type Cancelled<'a> = Pin<&'a mut (dyn Future<Output = ()> + Send)>;

impl<'a> Call<'a> {
    /// A call without a deadline but the policy's, which nobody traces.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            deadline: None,
            trace: None,
            settings: None,
            cancelled: None,
        }
    }

    /// When the call has to be over: the deadline of who makes it. The policy's timeout may end it before.
    #[must_use]
    pub fn deadline(mut self, deadline: impl Into<Option<Deadline>>) -> Self {
        self.deadline = deadline.into();
        self
    }

    /// The call's own timeouts and retries. Of its timeouts and the policy's the shorter ones hold; its retries take the
    /// place of the policy's, and there are none where these settings have none. The circuit breaker, the bulkhead and the
    /// retry budget are the policy's.
    #[must_use]
    pub const fn settings(mut self, settings: &'a Settings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// Where to note what is decided.
    #[must_use]
    pub const fn trace(mut self, trace: &'a mut Trace) -> Self {
        self.trace = Some(trace);
        self
    }

    /// Completes when whoever made the call takes it back. A call that waits for its turn or backs off is then refused, with
    /// [`Cause::Cancelled`](super::Cause::Cancelled); an attempt goes on, and has to hear of it by other means. It is polled
    /// while the call waits, and not again once it is ready.
    #[must_use]
    pub const fn cancelled(
        mut self,
        cancelled: Pin<&'a mut (dyn Future<Output = ()> + Send)>,
    ) -> Self {
        self.cancelled = Some(cancelled);
        self
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("deadline", &self.deadline)
            .field("trace", &self.trace)
            .field("settings", &self.settings)
            .field("cancelled", &self.cancelled.is_some())
            .finish()
    }
}
