//! The course of one call, as both executors run it: what it holds, and what follows on what.

use core::task::{Context, Waker};
use core::time::Duration;

use super::breaker::{BreakerState, Outcome, Pass};
use super::clock::Moment;
use super::counters::Event;
use super::deadline::Deadline;
use super::gate::{Entry, Refusal};
use super::policy::{Call, Cancelled, PolicyHandle};
use super::queue::Ticket;
use super::refused::{Cause, Refused, Stage, UNKNOWN};
use super::settings::{Retry, Settings, ns};
use super::trace::{Decision, Trace};
use super::verdict::Verdict;
#[cfg(feature = "trace")]
use crate::trace::{Current, During, Span};

/// One attempt of a call, as its body hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    number: u32,
    deadline: Option<Deadline>,
}

impl Attempt {
    /// Its number; the first is 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.number
    }

    /// When it has to be over: the call's deadline, or the attempt's own where that is earlier. For what the body calls in
    /// turn, and to be sent on.
    #[must_use]
    pub const fn deadline(self) -> Option<Deadline> {
        self.deadline
    }
}

/// No moment: as a deadline, that there is none.
const NEVER: u64 = u64::MAX;

/// A call under way. Dropped in the middle, it gives back what it holds.
pub(super) struct Course<'t, P: PolicyHandle> {
    policy: P,
    trace: Option<&'t mut Trace>,
    /// The call's own timeouts, beside the policy's, and its retries, in place of the policy's.
    own: Option<&'t Settings>,
    cancelled: Option<Cancelled<'t>>,
    /// Whether they need a clock that the policy's do not.
    is_fine: bool,
    /// The caller's deadline, and from the beginning on the call's.
    deadline_ns: u64,
    /// The call's deadline, were there none of the caller.
    own_deadline_ns: u64,
    attempts: u32,
    /// When the present attempt began.
    began_ns: u64,
    /// What is held of the breaker, of the bulkhead, of its queue.
    pass: Option<Pass>,
    has_permit: bool,
    ticket: Option<Ticket>,
    /// Whether code of the caller runs just now, so that an end is a panic.
    is_in_body: bool,
    /// The span of the present attempt.
    #[cfg(feature = "trace")]
    span: Span,
}

/// A body as it runs in the span of its attempt.
#[cfg(feature = "trace")]
pub(super) type Spanned<F> = During<F>;
#[cfg(not(feature = "trace"))]
pub(super) type Spanned<F> = F;

/// What follows when a call asked for its place.
pub(super) enum Place {
    Taken,
    Queued,
}

/// What follows on an attempt that failed.
pub(super) enum Next {
    /// The next attempt, after so many nanoseconds.
    BackOff(u64),
    End,
}

impl<'t, P: PolicyHandle> Course<'t, P> {
    pub(super) fn new(policy: P, call: Call<'t>) -> Self {
        Self {
            policy,
            trace: call.trace,
            own: call.settings,
            cancelled: call.cancelled,
            is_fine: call.settings.is_some_and(Settings::is_fine),
            deadline_ns: call
                .deadline
                .map_or(NEVER, |deadline| deadline.moment().as_ns()),
            own_deadline_ns: NEVER,
            attempts: 0,
            began_ns: 0,
            pass: None,
            has_permit: false,
            ticket: None,
            is_in_body: false,
            #[cfg(feature = "trace")]
            span: Span::NONE,
        }
    }

    /// Which retries the call has.
    fn retry(&self) -> Option<&Retry> {
        let settings = self.own.unwrap_or_else(|| self.policy.settings());
        settings.retry.as_ref()
    }

    /// The moment now, as exact as the policy's settings and the call's own need it.
    #[inline]
    fn now_ns(&self) -> u64 {
        if self.is_fine {
            self.policy.fine_now().as_ns()
        } else {
            self.policy.now().as_ns()
        }
    }

    #[inline]
    fn timeout_ns(&self) -> u64 {
        let own_ns = self.own.and_then(|own| own.timeout).map_or(NEVER, ns);
        self.policy.timeout_ns().min(own_ns)
    }

    #[inline]
    fn attempt_timeout_ns(&self) -> u64 {
        let own = self.own.and_then(|own| own.attempt_timeout);
        self.policy.attempt_timeout_ns().min(own.map_or(NEVER, ns))
    }

    /// One that may have its permit already.
    #[cfg(feature = "tower")]
    pub(super) fn reserved(policy: P, call: Call<'t>, has_permit: bool) -> Self {
        let mut course = Self::new(policy, call);
        course.has_permit = has_permit;
        course
    }

    /// Asks for a place, or for one in the queue, with a waker that is made where it has to wait.
    #[inline]
    pub(super) fn enter(&mut self, waker: impl FnOnce() -> Waker) -> Result<Place, Refused> {
        let now_ns = self.now_ns();
        self.own_deadline_ns = now_ns.saturating_add(self.timeout_ns());
        self.deadline_ns = self.deadline_ns.min(self.own_deadline_ns);
        if now_ns >= self.deadline_ns {
            return Err(self.refuse_late());
        }
        if self.has_permit {
            return self.enter_attempt().map(|()| Place::Taken);
        }
        match self.policy.gate.enter(now_ns) {
            Some(pass) => {
                self.hold(pass, now_ns);
                Ok(Place::Taken)
            }
            None => self.enter_slow(waker, now_ns),
        }
    }

    #[cold]
    fn enter_slow(&mut self, waker: impl FnOnce() -> Waker, now_ns: u64) -> Result<Place, Refused> {
        let policy = &*self.policy;
        let is_queueing = policy
            .settings()
            .bulkhead
            .is_some_and(|bulkhead| bulkhead.queue > 0);
        let waker = is_queueing.then(waker);
        match policy.gate.enter_slow(policy.settings(), now_ns, waker) {
            Entry::Admitted(pass) => {
                self.hold(pass, now_ns);
                self.note_probe(pass);
                Ok(Place::Taken)
            }
            Entry::Queued(ticket) => {
                self.ticket = Some(ticket);
                self.note(Decision::Queued);
                Ok(Place::Queued)
            }
            Entry::Refused(refusal) => Err(self.refuse(refusal, now_ns)),
        }
    }

    fn hold(&mut self, pass: Pass, now_ns: u64) {
        self.pass = Some(pass);
        self.has_permit = self.policy.gate.has_bulkhead();
        self.began_ns = now_ns;
    }

    /// Whether the turn of a call in the queue has come.
    pub(super) fn poll_queue(&mut self, waker: &Waker) -> bool {
        let is_granted = self
            .ticket
            .is_some_and(|ticket| self.policy.gate.poll_queue(ticket, waker));
        if is_granted {
            self.ticket = None;
            self.has_permit = true;
            self.note(Decision::Admitted);
        }
        is_granted
    }

    /// How long a call in the queue may wait from now on; `None` where nothing ends it.
    pub(super) fn queue_limit(&self) -> Option<Duration> {
        let wait = self
            .policy
            .settings()
            .bulkhead
            .and_then(|bulkhead| bulkhead.wait);
        shorter(wait, self.until(self.deadline_ns))
    }

    /// A call in the queue waited too long.
    pub(super) fn leave_queue(&mut self) -> Refused {
        if let Some(ticket) = self.ticket.take() {
            self.policy.gate.cancel(ticket, true);
        }
        let now_ns = self.policy.fine_now().as_ns();
        let cause = if now_ns >= self.deadline_ns {
            Cause::DeadlinePassed
        } else {
            Cause::WaitTimedOut
        };
        self.refuse(Refusal::new(Stage::Queue, cause), now_ns)
    }

    /// Whether a call that waits was taken back; otherwise it is woken when it is.
    pub(super) fn poll_cancelled(&mut self, waker: &Waker) -> bool {
        let Some(cancelled) = &mut self.cancelled else {
            return false;
        };
        let is_cancelled = cancelled.as_mut().poll(&mut Context::from_waker(waker));
        is_cancelled.is_ready()
    }

    /// A call that waits was taken back.
    pub(super) fn cancel(&mut self) -> Refused {
        let stage = match self.ticket.take() {
            Some(ticket) => {
                self.policy.gate.cancel(ticket, false);
                Stage::Queue
            }
            None => Stage::Backoff,
        };
        let now_ns = self.policy.fine_now().as_ns();
        self.refuse(Refusal::new(stage, Cause::Cancelled), now_ns)
    }

    /// Asks for the next attempt of a call that has its place.
    pub(super) fn enter_attempt(&mut self) -> Result<(), Refused> {
        let policy = &*self.policy;
        let now_ns = self.now_ns();
        if now_ns >= self.deadline_ns {
            return Err(self.refuse_late());
        }
        match policy.gate.attempt(policy.settings(), now_ns) {
            Ok(pass) => {
                self.pass = Some(pass);
                self.began_ns = now_ns;
                self.note_probe(pass);
                Ok(())
            }
            Err(refusal) => Err(self.refuse(refusal, now_ns)),
        }
    }

    /// Begins the attempt that was let through. From here on code of the caller may run.
    #[inline]
    pub(super) fn begin(&mut self) -> Attempt {
        self.attempts += 1;
        if let Some(trace) = &mut self.trace {
            trace.begin_attempt();
        }
        self.is_in_body = true;
        #[cfg(feature = "trace")]
        self.begin_span();
        let deadline_ns = self.attempt_end_ns();
        Attempt {
            number: self.attempts,
            deadline: (deadline_ns != NEVER).then(|| Deadline::at(Moment::from_ns(deadline_ns))),
        }
    }

    #[cfg(feature = "trace")]
    #[inline]
    fn begin_span(&mut self) {
        self.span = crate::trace::span("attempt");
        if self.span.is_recorded() {
            self.span.set("cnv.policy", self.policy.name());
            self.span.set("cnv.attempt", self.attempts);
        }
    }

    /// The future of an attempt, in its span.
    #[inline]
    pub(super) fn spanned<F: Future>(&self, attempt: F) -> Spanned<F> {
        #[cfg(feature = "trace")]
        return self.span.during(attempt);
        #[cfg(not(feature = "trace"))]
        attempt
    }

    /// Runs an attempt in its span.
    #[inline]
    pub(super) fn in_span<T>(&self, attempt: impl FnOnce() -> T) -> T {
        #[cfg(feature = "trace")]
        return self.span.in_scope(attempt);
        #[cfg(not(feature = "trace"))]
        attempt()
    }

    /// Says whether code of the caller runs.
    #[inline]
    pub(super) fn set_in_body(&mut self, is_in_body: bool) {
        self.is_in_body = is_in_body;
    }

    /// How long an attempt may take from now on; `None` where nothing ends it.
    pub(super) fn attempt_limit(&self) -> Option<Duration> {
        self.until(self.attempt_end_ns())
    }

    /// By when the present attempt has to be over, as its body hears it.
    #[inline]
    fn attempt_end_ns(&self) -> u64 {
        let own_ns = self.began_ns.saturating_add(self.attempt_timeout_ns());
        self.deadline_ns.min(own_ns)
    }

    fn until(&self, end_ns: u64) -> Option<Duration> {
        (end_ns != NEVER).then(|| Moment::from_ns(end_ns).since(self.policy.fine_now()))
    }

    /// The attempt succeeded, and the call is over. `is_at_once` says that it never waited.
    #[inline]
    pub(super) fn succeed(&mut self, is_at_once: bool) {
        self.is_in_body = false;
        let policy = &*self.policy;
        let now_ns = if is_at_once && policy.slow_ns() == NEVER {
            self.began_ns
        } else {
            self.now_ns()
        };
        self.has_permit = false;
        if let Some(pass) = self.pass.take() {
            let is_slow = self.is_slow(now_ns);
            let changed = policy
                .gate
                .succeed(pass, is_slow, policy.settings(), now_ns, || self.now_ns());
            if let Some(state) = changed {
                self.note_breaker(state);
            }
        }
        self.end_span();
    }

    /// The attempt returned an error. `has_another` says whether there is what another one needs.
    #[cold]
    pub(super) fn fail(&mut self, verdict: Verdict, has_another: bool) -> Next {
        let (outcome, event) = match verdict {
            Verdict::Ignore => (Outcome::Nothing, Event::Ignored),
            _ => (Outcome::Failure, Event::Failure),
        };
        let now_ns = self.end_attempt(outcome, event);
        self.note(match verdict {
            Verdict::Ignore => Decision::Ignored,
            _ => Decision::Failed,
        });
        let next = match verdict {
            _ if !has_another => self.end_without_retry(),
            Verdict::Retry => self.back_off(None, now_ns),
            Verdict::RetryAfter(time) => self.back_off(Some(ns(time)), now_ns),
            Verdict::Fail | Verdict::Ignore => self.end_without_retry(),
        };
        self.end_span();
        next
    }

    /// The attempt took too long, or the call did.
    #[cold]
    pub(super) fn time_out(&mut self, has_another: bool) -> (Refused, Next) {
        let outcome = self.outcome_of_time_out(self.deadline_ns);
        let now_ns = self.end_attempt(outcome, Event::TimedOut);
        self.note(Decision::TimedOut);
        let late_ns = self.policy.fine_now().as_ns().max(now_ns);
        if late_ns >= self.deadline_ns {
            let refusal = Refusal::new(Stage::Attempt, Cause::DeadlinePassed);
            let refused = self.refuse(refusal, late_ns);
            let next = self.end_without_retry();
            self.end_span();
            return (refused, next);
        }
        let refusal = Refusal::new(Stage::Attempt, Cause::AttemptTimedOut);
        let next = if has_another {
            self.back_off(None, now_ns)
        } else {
            self.end_without_retry()
        };
        let ended = match next {
            Next::End => (self.refuse(refusal, late_ns), Next::End),
            // It is refused only if no other attempt is made after all.
            next => (self.refused(refusal, late_ns), next),
        };
        self.end_span();
        ended
    }

    /// A body that blocks returned too late; what it returned is returned.
    pub(super) fn succeed_late(&mut self) {
        let outcome = self.outcome_of_time_out(self.now_ns());
        self.end_attempt(outcome, Event::TimedOut);
        self.note(Decision::TimedOut);
        self.end_span();
        self.leave();
    }

    /// What it says about the dependency that an attempt was not over at `end_ns`: where it had time left but for its
    /// caller's deadline, nothing. Callers in a hurry would open the breaker for everybody.
    fn outcome_of_time_out(&self, end_ns: u64) -> Outcome {
        let attempt_ns = self.began_ns.saturating_add(self.attempt_timeout_ns());
        if end_ns < attempt_ns.min(self.own_deadline_ns) {
            Outcome::Nothing
        } else {
            Outcome::Failure
        }
    }

    /// Whether the present attempt is over its time.
    pub(super) fn is_late(&self) -> bool {
        let end_ns = self.attempt_end_ns();
        end_ns != NEVER && self.now_ns() >= end_ns
    }

    fn end_attempt(&mut self, outcome: Outcome, event: Event) -> u64 {
        self.is_in_body = false;
        let policy = &*self.policy;
        let now_ns = self.now_ns();
        if let Some(pass) = self.pass.take() {
            let is_slow = self.is_slow(now_ns);
            let changed =
                policy
                    .gate
                    .fail(pass, outcome, is_slow, policy.settings(), now_ns, event);
            if let Some(state) = changed {
                self.note_breaker(state);
            }
        }
        now_ns
    }

    #[inline]
    fn is_slow(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.began_ns) >= self.policy.slow_ns()
    }

    /// Decides whether another attempt follows.
    fn back_off(&mut self, pushback_ns: Option<u64>, now_ns: u64) -> Next {
        let policy = &*self.policy;
        let Some(retry) = self.retry() else {
            return Next::End;
        };
        let remaining_ns = match self.deadline_ns {
            NEVER => NEVER,
            deadline_ns => deadline_ns.saturating_sub(now_ns),
        };
        if self.attempts >= retry.attempts {
            return self.end_without_retry();
        }
        match policy.gate.back_off(
            policy.settings(),
            retry,
            self.attempts,
            pushback_ns,
            remaining_ns,
            now_ns,
        ) {
            Ok(delay_ns) => {
                self.note(Decision::BackedOff(Duration::from_nanos(delay_ns)));
                Next::BackOff(delay_ns)
            }
            Err(decision) => {
                self.note(decision);
                Next::End
            }
        }
    }

    /// A call that fails at once earns its part of a retry, too.
    fn end_without_retry(&mut self) -> Next {
        let policy = &*self.policy;
        if self.attempts == 1 && self.retry().is_some() {
            policy.gate.earn(policy.settings());
        }
        Next::End
    }

    /// Gives the permit back.
    pub(super) fn leave(&mut self) {
        if core::mem::take(&mut self.has_permit) {
            self.policy.gate.leave();
        }
    }

    fn refuse_late(&mut self) -> Refused {
        self.policy.gate.count(Event::RefusedByDeadline);
        let refusal = Refusal::new(Stage::Deadline, Cause::DeadlinePassed);
        self.refuse(refusal, self.deadline_ns)
    }

    fn refuse(&mut self, refusal: Refusal, now_ns: u64) -> Refused {
        self.note(Decision::Refused(refusal.stage, refusal.cause));
        self.refused(refusal, now_ns)
    }

    fn refused(&self, refusal: Refusal, now_ns: u64) -> Refused {
        let remaining_ns = match self.deadline_ns {
            NEVER => UNKNOWN,
            deadline_ns => deadline_ns.saturating_sub(now_ns),
        };
        let policy = &*self.policy;
        let retries_left = self
            .retry()
            .map(|_| policy.gate.retries_left(policy.settings(), now_ns));
        refusal.into_refused(policy.name(), self.attempts, remaining_ns, retries_left)
    }

    fn note_probe(&mut self, pass: Pass) {
        if pass.is_probe {
            self.note(Decision::Probe);
        }
    }

    #[inline]
    fn note(&mut self, decision: Decision) {
        #[cfg(feature = "trace")]
        self.trace_decision(decision);
        if let Some(trace) = &mut self.trace {
            trace.push(decision);
        }
    }

    /// The circuit breaker is in this state because of the attempt.
    #[cold]
    fn note_breaker(&mut self, state: BreakerState) {
        #[cfg(feature = "trace")]
        self.say(
            "breaker",
            [
                ("cnv.policy", self.policy.name().into()),
                ("cnv.breaker.state", state.as_str().into()),
            ],
        );
        #[cfg(not(feature = "trace"))]
        let _ = state;
    }

    /// Says it in the span of the attempt, or, where none runs, in the one that the call is in.
    #[cfg(feature = "trace")]
    #[cold]
    fn trace_decision(&mut self, decision: Decision) {
        if !self.span.is_recorded() && !Current::with(Current::is_recorded) {
            return;
        }
        match decision {
            Decision::Failed | Decision::TimedOut | Decision::Panicked | Decision::Abandoned => {
                self.span.fail(decision.to_string())
            }
            _ => {}
        }
        let name = match decision {
            Decision::BackedOff(_) => "retry",
            Decision::Refused(..) => "refused",
            _ => "recovery",
        };
        let facts = [
            ("cnv.policy", self.policy.name().into()),
            ("cnv.decision", decision.to_string().into()),
        ];
        self.say(name, facts);
    }

    #[cfg(feature = "trace")]
    fn say<const N: usize>(
        &mut self,
        name: &'static str,
        facts: [(&'static str, crate::trace::Value); N],
    ) {
        if self.span.is_recorded() {
            self.span.event(name, facts);
        } else {
            crate::trace::event(name, facts);
        }
    }

    /// The attempt is over, and its span is.
    #[inline]
    fn end_span(&mut self) {
        #[cfg(feature = "trace")]
        {
            self.span = Span::NONE;
        }
    }
}

impl<P: PolicyHandle> Drop for Course<'_, P> {
    #[inline]
    fn drop(&mut self) {
        if self.pass.is_some() || self.has_permit || self.ticket.is_some() {
            self.give_back();
        }
    }
}

impl<P: PolicyHandle> Course<'_, P> {
    #[cold]
    fn give_back(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.policy.gate.cancel(ticket, false);
        }
        let (outcome, event, decision) = if self.is_in_body {
            (Outcome::Failure, Event::Panic, Decision::Panicked)
        } else {
            (Outcome::Nothing, Event::Abandoned, Decision::Abandoned)
        };
        self.end_attempt(outcome, event);
        self.note(decision);
        self.leave();
    }
}

fn shorter(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
