//! The permits of the bulkhead: those in the pot, those that come back, and who waits for one.

#[cfg(not(all(loom, test)))]
use core::sync::atomic::Ordering;
#[cfg(all(loom, test))]
use loom::sync::atomic::Ordering;
use std::task::Waker;

use super::super::counters::Event;
use super::super::queue::Ticket;
use super::super::settings::Settings;
use super::{Entry, Gate, Machine, ROOM, Refusal, WAITING};

/// What became of who asked for a permit alone.
#[cfg(feature = "tower")]
pub(in crate::recovery) enum Reserved {
    Taken,
    Queued(Ticket),
    Full,
}

impl Gate {
    /// Queues a call for which there is no permit, or refuses it.
    pub(super) fn wait(
        &self,
        machine: &mut Machine,
        settings: &Settings,
        now_ns: u64,
        waker: Option<Waker>,
    ) -> Entry {
        // A breaker that refuses now is not waited for: the queue would fill with calls that fail at its end.
        if let Some(circuit_breaker) = &settings.circuit_breaker
            && let Some(closed) = machine.breaker.refusal(now_ns, circuit_breaker)
        {
            machine.tally.add(Event::RefusedByBreaker);
            return Entry::Refused(Refusal::of_breaker(closed));
        }
        let places = settings
            .bulkhead
            .map_or(0, |bulkhead| bulkhead.queue as usize);
        match waker {
            Some(waker) if machine.queue.waiting() < places => {
                let ticket = machine.queue.push(waker);
                machine.tally.add(Event::Queued);
                self.publish(machine);
                Entry::Queued(ticket)
            }
            _ => {
                machine.tally.add(Event::RefusedByBulkhead);
                Entry::Refused(Refusal::FULL)
            }
        }
    }

    /// Takes a permit for a call that is not known yet, or queues it.
    #[cfg(feature = "tower")]
    pub(in crate::recovery) fn reserve(&self, settings: &Settings, waker: &Waker) -> Reserved {
        let mut machine = self.lock();
        if self.take_permit(&mut machine) {
            return Reserved::Taken;
        }
        let places = settings
            .bulkhead
            .map_or(0, |bulkhead| bulkhead.queue as usize);
        if machine.queue.waiting() >= places {
            return Reserved::Full;
        }
        let ticket = machine.queue.push(waker.clone());
        machine.tally.add(Event::Queued);
        self.publish(&machine);
        drop(machine);
        self.settle();
        Reserved::Queued(ticket)
    }

    /// Whether the turn of a call that waits has come. Its permit is then its own.
    pub(in crate::recovery) fn poll_queue(&self, ticket: Ticket, waker: &Waker) -> bool {
        self.lock().queue.poll(ticket, waker)
    }

    /// Ends a wait, and passes a permit on that had been granted.
    pub(in crate::recovery) fn cancel(&self, ticket: Ticket, is_timeout: bool) {
        let mut machine = self.lock();
        if is_timeout {
            machine.tally.add(Event::WaitTimedOut);
        }
        let is_granted = machine.queue.remove(ticket);
        self.publish(&machine);
        drop(machine);
        if is_granted {
            self.leave();
        }
    }

    /// A call is over that did not succeed: its permit is given back.
    pub(in crate::recovery) fn leave(&self) {
        if !self.has_bulkhead {
            return;
        }
        self.slots.add_other(self.is_queueing);
        if self.is_queueing && self.word.load(Ordering::SeqCst) & WAITING != 0 {
            self.settle();
        }
    }

    /// Grants permits to those who wait, one after the other. They are woken without the lock: a waker may do anything.
    pub(super) fn settle(&self) {
        if !self.is_queueing {
            return;
        }
        loop {
            let mut machine = self.lock();
            if machine.queue.waiting() == 0 || !self.take_from_pot(&mut machine) {
                return;
            }
            let waker = machine.queue.grant();
            self.publish(&machine);
            drop(machine);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Takes a permit, unless others wait for one.
    pub(super) fn take_permit(&self, machine: &mut Machine) -> bool {
        machine.queue.waiting() == 0 && self.take_from_pot(machine)
    }

    /// Takes a permit out of the pot, and collects what has come back where that is empty.
    fn take_from_pot(&self, machine: &mut Machine) -> bool {
        let mut word = self.word.load(Ordering::SeqCst);
        loop {
            let next = if word & ROOM > 0 {
                word - 1
            } else {
                // At most as many as the bulkhead has: the sum fits.
                match self.slots.over().wrapping_sub(machine.collected) {
                    0 => return false,
                    back => word + back - 1,
                }
            };
            let exchanged =
                self.word
                    .compare_exchange(word, next, Ordering::SeqCst, Ordering::SeqCst);
            match exchanged {
                Ok(_) => {
                    if word & ROOM == 0 {
                        machine.collected = machine
                            .collected
                            .wrapping_add((next - word).wrapping_add(1));
                    }
                    return true;
                }
                Err(now) => word = now,
            }
        }
    }

    /// How many calls have a permit, of `max`.
    pub(super) fn running(&self, machine: &Machine, max: u32) -> u64 {
        // What came back is read first: what is taken meanwhile then makes it too few and not less than none.
        let back = self.slots.over().wrapping_sub(machine.collected);
        let pot = self.word.load(Ordering::SeqCst) & ROOM;
        u64::from(max).saturating_sub(pot).saturating_sub(back)
    }
}
