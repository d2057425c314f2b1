//! Who waits for a place in the bulkhead, in order.

use std::collections::VecDeque;
use std::task::Waker;

/// A place in the queue. Whoever has one takes it out again, whatever became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

pub(super) struct Queue {
    waiters: VecDeque<Waiter>,
    next: u64,
    /// How many at the front have been granted.
    granted: usize,
}

struct Waiter {
    ticket: Ticket,
    /// `None` where it was granted.
    waker: Option<Waker>,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self {
            waiters: VecDeque::new(),
            next: 0,
            granted: 0,
        }
    }

    /// How many wait that have not been granted.
    pub(super) fn waiting(&self) -> usize {
        self.waiters.len() - self.granted
    }

    pub(super) fn push(&mut self, waker: Waker) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiters.push_back(Waiter {
            ticket,
            waker: Some(waker),
        });
        ticket
    }

    /// Grants the first who waits, and returns whom to wake.
    pub(super) fn grant(&mut self) -> Option<Waker> {
        let waker = self.waiters.get_mut(self.granted)?.waker.take();
        self.granted += 1;
        waker
    }

    /// Takes a ticket out that has been granted; otherwise keeps `waker` for when it is.
    pub(super) fn poll(&mut self, ticket: Ticket, waker: &Waker) -> bool {
        let Some(index) = self.index_of(ticket) else {
            return false;
        };
        match &mut self.waiters[index].waker {
            Some(kept) => {
                kept.clone_from(waker);
                false
            }
            None => self.remove(ticket),
        }
    }

    /// Takes a ticket out, and says whether it had been granted.
    pub(super) fn remove(&mut self, ticket: Ticket) -> bool {
        let removed = self
            .index_of(ticket)
            .and_then(|index| self.waiters.remove(index));
        let is_granted = removed.is_some_and(|waiter| waiter.waker.is_none());
        self.granted -= usize::from(is_granted);
        is_granted
    }

    fn index_of(&self, ticket: Ticket) -> Option<usize> {
        self.waiters
            .binary_search_by_key(&ticket, |waiter| waiter.ticket)
            .ok()
    }
}
