//! The client's end of a session, without sockets and clocks.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::close::{Close, CloseCode};
use super::limits::SessionLimits;
use super::link::{Credit, Link, cost};
use super::wire::{Channel, Frame, Head, Kind};

/// One item of a call's streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) channel: Channel,
    pub(super) payload: Bytes,
    /// What the caller's taking it gives back to the call's credit, and to the session's.
    cost: u64,
    session_cost: u64,
}

/// What a call has next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Item(Arrived),
    End(Bytes),
    /// Nothing yet. The waker that was given is woken.
    Nothing,
    /// There is no such call, or its end was taken.
    Gone,
}

/// What came of the wish to open a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    Call(u32),
    /// The server has as many calls as it takes. The waker that was given is woken once that may be otherwise.
    NoRoom,
    /// All numbers of calls are used up.
    NoNumber,
}

/// Whoever waits to open a call, until it [leaves](ClientCore::leave).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// The client's end of a session.
#[derive(Debug)]
pub(super) struct ClientCore {
    pub(super) link: Link,
    calls: BTreeMap<u32, Receiving>,
    opened: u32,
    allowed: u64,
    /// Who waits to open a call, under the numbers of their tickets.
    openers: BTreeMap<u64, Waker>,
    tickets: u64,
    /// What the server may have sent, and what has been taken of it.
    granted: Credit,
    taken: u64,
    window: u64,
    call_window: u64,
    max_item: usize,
    is_draining: bool,
}

/// A call's frames, as far as the caller has not taken them.
#[derive(Debug, Default)]
struct Receiving {
    queue: VecDeque<Arrived>,
    granted: Credit,
    taken: u64,
    partial: Option<Partial>,
    is_cancelled: bool,
    /// When it is over, whatever it has come to.
    deadline: Option<Instant>,
    end: Option<Bytes>,
    waker: Option<Waker>,
}

fn over_limit(call: u32, max: usize) -> Close {
    let message = format!("an item of call {call} is over the limit of {max} bytes");
    Close::new(CloseCode::Item, message)
}

/// Frames that a connection begins with and that may change nothing.
const EXCUSED_FRAMES: usize = 8;

/// An item of which frames are still to come.
#[derive(Debug)]
struct Partial {
    channel: Channel,
    bytes: BytesMut,
    /// What its frames cost, and how much of that was given back before anybody could take it.
    cost: u64,
    advanced: u64,
}

impl Receiving {
    /// Gives back what the frames of an item cost that its caller waits for, or the rest of it could not come. While
    /// there is something else to take, it has to be taken first.
    fn advance(&mut self) -> u64 {
        let Some(partial) = self.partial.as_mut().filter(|_| self.queue.is_empty()) else {
            return 0;
        };
        let due = partial.cost - partial.advanced;
        partial.advanced = partial.cost;
        self.taken += due;
        due
    }

    /// The new limit, once half of the window was taken.
    fn due_limit(&mut self, window: u64) -> Option<u64> {
        let is_due =
            self.end.is_none() && self.granted.limit.saturating_sub(self.taken) < window / 2;
        is_due.then(|| {
            self.granted.limit = self.taken + window;
            self.granted.limit
        })
    }
}

impl ClientCore {
    pub(super) fn new(
        limits: &SessionLimits,
        is_resumable: bool,
        calls: u64,
        now: Instant,
    ) -> Self {
        Self {
            link: Link::new(is_resumable, limits.window_bytes, now),
            calls: BTreeMap::new(),
            opened: 0,
            allowed: calls,
            openers: BTreeMap::new(),
            tickets: 0,
            granted: Credit::new(limits.window_bytes),
            taken: 0,
            window: limits.window_bytes,
            call_window: limits.call_window_bytes,
            max_item: limits.max_item_bytes,
            is_draining: false,
        }
    }

    /// Begins a call, where the server has room for one. Its request is made then, because it says what is left until its
    /// deadline.
    pub(super) fn open(
        &mut self,
        request: impl FnOnce() -> Bytes,
        deadline: Option<Instant>,
        ticket: &mut Option<Ticket>,
        waker: &Waker,
    ) -> Opened {
        let Some(call) = self.opened.checked_add(1) else {
            return Opened::NoNumber;
        };
        if u64::from(call) > self.allowed {
            let ticket = ticket.get_or_insert_with(|| {
                self.tickets += 1;
                Ticket(self.tickets)
            });
            self.openers.insert(ticket.0, waker.clone());
            return Opened::NoRoom;
        }
        self.opened = call;
        self.calls.insert(
            call,
            Receiving {
                granted: Credit::new(self.call_window),
                deadline,
                ..Receiving::default()
            },
        );
        self.link
            .put(Head::of_call(Kind::Open, call, 0), &request());
        Opened::Call(call)
    }

    /// Forgets somebody who waits no longer to open a call.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.openers.remove(&ticket.0);
    }

    /// Everybody who waits looks again.
    fn wake_openers(&mut self) {
        let openers = std::mem::take(&mut self.openers);
        openers.into_values().for_each(Waker::wake);
    }

    /// Asks a call to stop. Its end still comes.
    pub(super) fn cancel(&mut self, call: u32) {
        if let Some(receiving) = self.calls.get_mut(&call)
            && receiving.end.is_none()
            && !receiving.is_cancelled
        {
            receiving.is_cancelled = true;
            self.link.tell(Kind::Cancel, call, 0);
        }
    }

    /// Forgets a call.
    pub(super) fn reset(&mut self, call: u32) {
        let Some(receiving) = self.calls.remove(&call) else {
            return;
        };
        if receiving.end.is_none() {
            self.link.tell(Kind::Reset, call, 0);
        }
        let queue = receiving.queue.iter().map(|item| item.session_cost);
        let partial = receiving
            .partial
            .iter()
            .map(|part| part.cost - part.advanced);
        let untaken = queue.chain(partial).sum();
        self.give_back(untaken);
    }

    /// What the call has next.
    #[inline]
    pub(super) fn next(&mut self, call: u32, waker: &Waker) -> Next {
        let Some(receiving) = self.calls.get_mut(&call) else {
            return Next::Gone;
        };
        if let Some(item) = receiving.queue.pop_front() {
            receiving.taken += item.cost;
            let advanced = receiving.advance();
            if let Some(limit) = receiving.due_limit(self.call_window) {
                self.link.tell(Kind::Credit, call, limit);
            }
            self.give_back(item.session_cost + advanced);
            return Next::Item(item);
        }
        if let Some(end) = receiving.end.take() {
            self.calls.remove(&call);
            return Next::End(end);
        }
        match &mut receiving.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        Next::Nothing
    }

    /// Returns what was taken to the session's credit.
    fn give_back(&mut self, cost: u64) {
        self.taken += cost;
        self.tell_credit();
    }

    /// Tells the server of its credit once half of the window was taken. Where the other half is with callers that take
    /// nothing, it is told of less, or they would hold up all others.
    #[inline]
    fn tell_credit(&mut self) {
        let due = (self.taken + self.window).saturating_sub(self.granted.limit);
        let is_short = self.granted.left() < self.window / 4;
        if due > self.window / 2 || (is_short && due >= self.window / 16) {
            self.granted.limit += due;
            self.link.tell(Kind::Credit, 0, self.granted.limit);
        }
    }

    /// What a frame from the server changes. `Some` where it ends the session.
    ///
    /// # Errors
    ///
    /// Where it is not allowed: the session is over.
    pub(super) fn receive(&mut self, frame: Frame, now: Instant) -> Result<Option<Close>, Close> {
        if !self.link.is_news(&frame)? {
            self.link.charge(now)?;
            return Ok(None);
        }
        let Head {
            kind, call, number, ..
        } = frame.head;
        match kind {
            Kind::Data => self.item(frame)?,
            Kind::End => self.end(call, frame.payload)?,
            Kind::Calls => {
                if number > self.allowed {
                    self.allowed = number;
                    self.wake_openers();
                } else {
                    self.link.charge(now)?;
                }
            }
            Kind::Ack => {
                if !self.link.acknowledged(number)? {
                    self.link.charge(now)?;
                }
            }
            Kind::Ping => {
                self.link.charge(now)?;
                self.link.tell(Kind::Pong, 0, number);
            }
            Kind::Pong => self.link.charge(now)?,
            Kind::Drain => {
                self.is_draining = true;
                self.wake_openers();
            }
            Kind::Close => {
                let close = super::message::decode("the reason of its end", &frame.payload)?;
                return Ok(Some(close));
            }
            Kind::Hello
            | Kind::Auth
            | Kind::Ready
            | Kind::Open
            | Kind::Cancel
            | Kind::Reset
            | Kind::Credit => {
                return Err(Close::protocol(format!("a server sends no {kind:?} here")));
            }
        }
        Ok(None)
    }

    #[inline]
    fn item(&mut self, frame: Frame) -> Result<(), Close> {
        let Frame { head, payload } = frame;
        let cost = cost(payload.len());
        self.granted.used += cost;
        if self.granted.left() == 0 && self.granted.used > self.granted.limit {
            return Err(Close::new(
                CloseCode::Window,
                "more bytes are in flight than were granted",
            ));
        }
        self.tell_credit();
        let Some(receiving) = self.calls.get_mut(&head.call) else {
            if head.call == 0 || head.call > self.opened {
                let message = format!("an item of call {}, which was never made", head.call);
                return Err(Close::protocol(message));
            }
            // It was reset, and the server does not know yet.
            self.give_back(cost);
            return Ok(());
        };
        receiving.granted.used += cost;
        if receiving.granted.used > receiving.granted.limit {
            let message = format!("call {} has more bytes in flight than granted", head.call);
            return Err(Close::new(CloseCode::Window, message));
        }
        if receiving.end.is_some() {
            let message = format!("an item of call {}, which has ended", head.call);
            return Err(Close::protocol(message));
        }
        if head.has_more || receiving.partial.is_some() {
            return self.part(head, &payload, cost);
        }
        if payload.len() > self.max_item {
            return Err(over_limit(head.call, self.max_item));
        }
        receiving.queue.push_back(Arrived {
            channel: head.channel,
            payload,
            cost,
            session_cost: cost,
        });
        if let Some(waker) = receiving.waker.take() {
            waker.wake();
        }
        Ok(())
    }

    /// One of several frames of an item, whose limit bounds it.
    fn part(&mut self, head: Head, payload: &Bytes, cost: u64) -> Result<(), Close> {
        let max = self.max_item;
        let Some(receiving) = self.calls.get_mut(&head.call) else {
            return Ok(());
        };
        let partial = receiving.partial.get_or_insert_with(|| Partial {
            channel: head.channel,
            bytes: BytesMut::new(),
            cost: 0,
            advanced: 0,
        });
        if partial.channel != head.channel {
            return Err(Close::protocol("two items' frames are mixed"));
        }
        let len = partial.bytes.len() + payload.len();
        if len > max {
            return Err(over_limit(head.call, max));
        }
        partial.bytes.extend_from_slice(payload);
        partial.cost += cost;
        if head.has_more {
            let advanced = receiving.advance();
            if let Some(limit) = receiving.due_limit(self.call_window) {
                self.link.tell(Kind::Credit, head.call, limit);
            }
            self.give_back(advanced);
            return Ok(());
        }
        if let Some(partial) = receiving.partial.take() {
            // The call has no more credit until this is taken. The session has, for its other calls.
            receiving.taken -= partial.advanced;
            receiving.queue.push_back(Arrived {
                channel: partial.channel,
                payload: partial.bytes.freeze(),
                cost: partial.cost,
                session_cost: partial.cost - partial.advanced,
            });
            if let Some(waker) = receiving.waker.take() {
                waker.wake();
            }
        }
        Ok(())
    }

    fn end(&mut self, call: u32, ending: Bytes) -> Result<(), Close> {
        if call == 0 || call > self.opened {
            let message = format!("the end of call {call}, which was never made");
            return Err(Close::protocol(message));
        }
        let Some(receiving) = self.calls.get_mut(&call) else {
            return Ok(());
        };
        if receiving.end.is_some() || receiving.partial.is_some() {
            let message = format!("call {call} ends within an item, or twice");
            return Err(Close::protocol(message));
        }
        receiving.end = Some(ending);
        if let Some(waker) = receiving.waker.take() {
            waker.wake();
        }
        Ok(())
    }

    /// Goes on over a new connection. `renewed` gives the request of a call that has a deadline, with what is left until
    /// then.
    ///
    /// # Errors
    ///
    /// Where the server claims what was never sent.
    pub(super) fn reattach(
        &mut self,
        received: u64,
        calls: u64,
        renewed: impl Fn(&[u8], Instant) -> Option<Bytes>,
    ) -> Result<(), Close> {
        let known = &self.calls;
        let mut renewed = |call: u32, request: &[u8]| {
            let deadline = known.get(&call)?.deadline?;
            renewed(request, deadline)
        };
        self.link.reattach(received, EXCUSED_FRAMES, &mut renewed)?;
        self.allowed = self.allowed.max(calls);
        self.link.tell(Kind::Credit, 0, self.granted.limit);
        for (&call, receiving) in &self.calls {
            // What a call begins with the server knows, once it knows of the call.
            let is_raised = receiving.granted.limit > self.call_window;
            if receiving.end.is_none() && is_raised {
                self.link.tell(Kind::Credit, call, receiving.granted.limit);
            }
        }
        Ok(())
    }

    /// Wakes everyone who waits for something that does not come any more.
    pub(super) fn wake_all(&mut self) {
        self.wake_openers();
        for receiving in self.calls.values_mut() {
            if let Some(waker) = receiving.waker.take() {
                waker.wake();
            }
        }
    }

    pub(super) const fn is_draining(&self) -> bool {
        self.is_draining
    }

    pub(super) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// How many wait to open a call.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.openers.len()
    }

    /// Goes on as after this many calls.
    #[cfg(test)]
    pub(super) fn skip_to(&mut self, opened: u32) {
        self.opened = opened;
        self.allowed = u64::MAX;
    }

    /// Bytes that arrived and were not taken.
    #[cfg(test)]
    pub(super) fn untaken_bytes(&self) -> u64 {
        let queues = self.calls.values().flat_map(|call| &call.queue);
        let partials = self.calls.values().filter_map(|call| call.partial.as_ref());
        let queued: u64 = queues.map(|item| cost(item.payload.len())).sum();
        queued + partials.map(|part| part.bytes.len() as u64).sum::<u64>()
    }
}
