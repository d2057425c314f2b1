//! A permit that a service takes before it knows the call.

use core::task::{Context, Poll};

use super::gate::Reserved;
use super::policy::PolicyHandle;
use super::queue::Ticket;

/// Where the policy's bulkhead is back-pressure, a permit, or a place in its queue.
pub(super) struct Reservation<P: PolicyHandle> {
    policy: P,
    ticket: Option<Ticket>,
    has_permit: bool,
}

impl<P: PolicyHandle> Reservation<P> {
    pub(super) const fn new(policy: P) -> Self {
        Self {
            policy,
            ticket: None,
            has_permit: false,
        }
    }

    pub(super) const fn policy(&self) -> &P {
        &self.policy
    }

    /// Whether there is a permit, or none is needed before the call.
    ///
    /// Where the queue is full it is ready without one, and the call asks for itself and is refused: an error here would
    /// say that the service is dead.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let policy = &*self.policy;
        let settings = policy.settings();
        if self.has_permit
            || !settings
                .bulkhead
                .is_some_and(|bulkhead| bulkhead.is_back_pressure)
        {
            return Poll::Ready(());
        }
        if self.ticket.is_none() {
            match policy.gate.reserve(settings, cx.waker()) {
                Reserved::Taken => self.has_permit = true,
                Reserved::Queued(ticket) => self.ticket = Some(ticket),
                Reserved::Full => return Poll::Ready(()),
            }
        }
        // What was queued may have had its turn meanwhile.
        if let Some(ticket) = self.ticket
            && policy.gate.poll_queue(ticket, cx.waker())
        {
            self.ticket = None;
            self.has_permit = true;
        }
        if self.has_permit {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Hands the permit to a call, if there is one.
    pub(super) fn take(&mut self) -> bool {
        core::mem::take(&mut self.has_permit)
    }
}

impl<P: PolicyHandle> Drop for Reservation<P> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.policy.gate.cancel(ticket, false);
        }
        if self.has_permit {
            self.policy.gate.leave();
        }
    }
}
