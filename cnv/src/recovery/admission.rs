//! A permit for one attempt that the caller runs by other means.

use core::fmt;

use super::breaker::{Outcome, Pass};
use super::clock::{Clock, Moment};
use super::counters::Event;
use super::gate::{Entry, Refusal};
use super::policy::Policy;
use super::refused::{Refused, UNKNOWN};

/// One attempt was admitted, by the bulkhead and by the circuit breaker.
///
/// Whoever has it says how it ended. Dropped without that, it is given back, and the attempt says nothing about the
/// dependency.
///
/// ```
/// use cnv::recovery::{Bulkhead, CircuitBreaker, Policy, Settings};
///
/// let settings = Settings::new().bulkhead(Bulkhead::new(1)).circuit_breaker(CircuitBreaker::new());
/// let policy = Policy::new("printer", settings);
/// let permit = policy.try_enter(policy.now())?;
/// assert!(policy.try_enter(policy.now()).is_err());
/// permit.succeed(policy.now());
/// assert!(policy.try_enter(policy.now()).is_ok());
/// # Ok::<(), cnv::recovery::Refused>(())
/// ```
#[must_use = "dropped at once, it admits nothing"]
pub struct Admission<'p, C: Clock> {
    policy: &'p Policy<C>,
    pass: Pass,
    began_ns: u64,
}

impl<'p, C: Clock> Admission<'p, C> {
    #[inline]
    pub(super) fn enter(policy: &'p Policy<C>, now: Moment) -> Result<Self, Refused> {
        let now_ns = now.as_ns();
        let pass = match policy.gate.enter(now_ns) {
            Some(pass) => pass,
            None => Self::enter_slow(policy, now_ns)?,
        };
        Ok(Self {
            policy,
            pass,
            began_ns: now_ns,
        })
    }

    #[cold]
    fn enter_slow(policy: &Policy<C>, now_ns: u64) -> Result<Pass, Refused> {
        match policy.gate.enter_slow(policy.settings(), now_ns, None) {
            Entry::Admitted(pass) => Ok(pass),
            Entry::Refused(refusal) => Err(refusal.into_refused(policy.name(), 0, UNKNOWN, None)),
            // Without a waker nobody is queued.
            Entry::Queued(ticket) => {
                policy.gate.cancel(ticket, false);
                Err(Refusal::FULL.into_refused(policy.name(), 0, UNKNOWN, None))
            }
        }
    }

    /// It succeeded, at this moment of the policy's clock.
    #[inline]
    pub fn succeed(self, now: Moment) {
        let now_ns = now.as_ns();
        self.policy.gate.succeed(
            self.pass,
            self.is_slow(now_ns),
            self.policy.settings(),
            now_ns,
            || now_ns,
        );
        core::mem::forget(self);
    }

    /// It failed, at this moment of the policy's clock.
    pub fn fail(self, now: Moment) {
        self.end(Outcome::Failure, Event::Failure, now.as_ns());
        core::mem::forget(self);
    }

    fn end(&self, outcome: Outcome, event: Event, now_ns: u64) {
        let settings = self.policy.settings();
        let is_slow = self.is_slow(now_ns);
        self.policy
            .gate
            .fail(self.pass, outcome, is_slow, settings, now_ns, event);
        self.policy.gate.leave();
    }

    #[inline]
    fn is_slow(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.began_ns) >= self.policy.slow_ns()
    }
}

impl<C: Clock> Drop for Admission<'_, C> {
    fn drop(&mut self) {
        self.end(
            Outcome::Nothing,
            Event::Abandoned,
            self.policy.now().as_ns(),
        );
    }
}

impl<C: Clock> fmt::Debug for Admission<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("policy", &self.policy.name())
            .finish_non_exhaustive()
    }
}
