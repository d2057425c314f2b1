//! The server's end of a session, without sockets and clocks: what a frame changes, and which frames follow.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;
use std::time::Instant;

use bytes::Bytes;

use super::close::{Close, CloseCode};
use super::limits::SessionLimits;
use super::link::{Credit, Link, cost};
use super::wire::{Channel, Frame, Head, Kind, LINE_BYTES};

/// A call that has nothing shorter than this to send waits for credit, rather than to send less.
const SHORTEST_PART_BYTES: u64 = 1024;

/// Bytes that wait for credit, of one call, before its handler has to wait.
const PENDING_BYTES: usize = 128 << 10;

/// What a client does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It begins a call.
    Open { call: u32, request: Bytes },
    /// It asks a call to stop.
    Cancel { call: u32 },
    /// It is not interested in a call any more.
    Reset { call: u32 },
}

/// Frames of a call that may come after its end.
const CROSSING_FRAMES: u32 = 4;

/// Frames beside the calls' credit that a connection begins with and that may change nothing.
const EXCUSED_FRAMES: usize = 8;

/// What became of an item.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    Taken,
    /// There is no room now. The waker that was given is woken once there is.
    Full,
    /// Nobody is interested any more.
    Gone,
    /// It is larger than the client takes.
    TooLarge {
        len: usize,
        max: usize,
    },
}

/// The server's end of a session.
#[derive(Debug)]
pub(super) struct ServerCore {
    pub(super) link: Link,
    calls: BTreeMap<u32, Sending>,
    /// Calls that have something to send and the credit for it, in turn.
    ready: VecDeque<u32>,
    credit: Credit,
    call_window: u64,
    max_part: u64,
    max_item: usize,
    max_calls: u64,
    max_request: usize,
    opened: u32,
    /// Calls whose handlers have ended.
    ended: u64,
    /// Those of them that hold nothing here any more, and how many of these the client was told of.
    released: u64,
    told_released: u64,
    /// Calls that were taken back.
    taken_back: u64,
    is_draining: bool,
    /// What is to be acted on, in the order in which it arrived, over whichever connection.
    events: VecDeque<Event>,
    /// Whether somebody acts on one of them.
    is_acting: bool,
    is_abandoned: bool,
}

/// A call's frames on their way to the client.
#[derive(Debug)]
struct Sending {
    pending: VecDeque<Piece>,
    pending_bytes: usize,
    credit: Credit,
    is_ready: bool,
    is_cancelled: bool,
    has_ended: bool,
    /// Those who wait for room: a handler may send from several tasks.
    room: Vec<Waker>,
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.room.drain(..).for_each(Waker::wake);
    }
}

#[derive(Debug)]
enum Piece {
    Item { channel: Channel, payload: Bytes },
    End(Bytes),
}

impl ServerCore {
    /// A session with a client that has room for this much.
    pub(super) fn new(limits: &SessionLimits, is_resumable: bool, now: Instant) -> Self {
        Self {
            link: Link::new(is_resumable, limits.window_bytes, now),
            calls: BTreeMap::new(),
            ready: VecDeque::new(),
            credit: Credit::new(limits.window_bytes),
            call_window: limits.call_window_bytes,
            max_part: limits.max_frame_bytes as u64,
            max_item: limits.max_item_bytes,
            max_calls: limits.max_calls.into(),
            max_request: limits.max_request_bytes,
            opened: 0,
            ended: 0,
            released: 0,
            told_released: 0,
            taken_back: 0,
            is_draining: false,
            events: VecDeque::new(),
            is_acting: false,
            is_abandoned: false,
        }
    }

    /// How many calls may have been opened.
    pub(super) const fn allowed(&self) -> u64 {
        self.released + self.max_calls
    }

    /// Whether handlers run.
    pub(super) fn is_busy(&self) -> bool {
        u64::from(self.opened) > self.ended
    }

    /// Whether there is something to act on.
    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Begins to act on what arrived. `false` where somebody does already, and acts on the rest as well: what arrives over a
    /// newer connection has to wait for what an older one left.
    pub(super) fn begin_acting(&mut self) -> bool {
        !std::mem::replace(&mut self.is_acting, true)
    }

    /// What is to be acted on next; `None` where nothing is left, and acting has ended.
    pub(super) fn next_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        self.is_acting = event.is_some();
        event
    }

    /// Whether all calls were ended, and those that begin are not to.
    pub(super) const fn is_abandoned(&self) -> bool {
        self.is_abandoned
    }

    /// What a frame from the client changes. `Some` where it ends the session.
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
            Kind::Open => self.open(call, frame.payload)?,
            Kind::Cancel => self.cancel(call, now)?,
            Kind::Reset => self.reset(call, now)?,
            Kind::Credit => {
                if !self.raise(call, number) {
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
            Kind::Close => {
                let close = super::message::decode("the reason of its end", &frame.payload)?;
                return Ok(Some(close));
            }
            Kind::Hello
            | Kind::Auth
            | Kind::Ready
            | Kind::Data
            | Kind::End
            | Kind::Calls
            | Kind::Drain => {
                return Err(Close::protocol(format!("a client sends no {kind:?} here")));
            }
        }
        Ok(None)
    }

    fn open(&mut self, call: u32, request: Bytes) -> Result<(), Close> {
        let Some(next) = self.opened.checked_add(1) else {
            let message = format!("there is no number after that of call {}", self.opened);
            return Err(Close::new(CloseCode::NoNumber, message));
        };
        if call != next {
            let after = self.opened;
            return Err(Close::protocol(format!("call {call} follows call {after}")));
        }
        if u64::from(call) > self.allowed() {
            let max = self.max_calls;
            let message =
                format!("call {call} is one more than the {max} that a session may have at a time");
            return Err(Close::new(CloseCode::Calls, message));
        }
        if request.len() > self.max_request {
            let (len, max) = (request.len(), self.max_request);
            let message = format!("a request of {len} bytes is over the limit of {max}");
            return Err(Close::new(CloseCode::Request, message));
        }
        self.opened = call;
        // Its credit, and a wish to stop it, may cross its end.
        self.link.excuse(CROSSING_FRAMES);
        self.calls.insert(
            call,
            Sending {
                pending: VecDeque::new(),
                pending_bytes: 0,
                credit: Credit::new(self.call_window),
                is_ready: false,
                is_cancelled: false,
                has_ended: false,
                room: Vec::new(),
            },
        );
        self.events.push_back(Event::Open { call, request });
        Ok(())
    }

    fn cancel(&mut self, call: u32, now: Instant) -> Result<(), Close> {
        self.check_made(call)?;
        match self.calls.get_mut(&call) {
            Some(sending) if !sending.is_cancelled => {
                sending.is_cancelled = true;
                self.events.push_back(Event::Cancel { call });
                Ok(())
            }
            _ => self.link.charge(now),
        }
    }

    fn reset(&mut self, call: u32, now: Instant) -> Result<(), Close> {
        self.check_made(call)?;
        // Each call is taken back once, also where its end is on the way.
        self.taken_back += 1;
        if self.taken_back > self.opened.into() {
            self.link.charge(now)?;
        }
        if let Some(sending) = self.calls.remove(&call) {
            self.released += u64::from(sending.has_ended);
            self.events.push_back(Event::Reset { call });
        }
        Ok(())
    }

    fn check_made(&self, call: u32) -> Result<(), Close> {
        if call == 0 || call > self.opened {
            let message = format!("call {call} is taken back, and was never made");
            return Err(Close::protocol(message));
        }
        Ok(())
    }

    /// Raises what may have been sent. `false` where that changes nothing.
    fn raise(&mut self, call: u32, limit: u64) -> bool {
        if call == 0 {
            return self.credit.raise(limit);
        }
        let Some(sending) = self.calls.get_mut(&call) else {
            return false;
        };
        let is_progress = sending.credit.raise(limit);
        if is_progress && !sending.is_ready && !sending.pending.is_empty() {
            sending.is_ready = true;
            self.ready.push_back(call);
        }
        is_progress
    }

    /// Takes an item for the client, which is made once there is room for it. Without a waker it has some more room, so
    /// that what cannot wait has a place behind what does.
    pub(super) fn offer(
        &mut self,
        call: u32,
        channel: Channel,
        item: &mut dyn FnMut() -> Bytes,
        waker: Option<&Waker>,
    ) -> Offer {
        let Some(sending) = self.calls.get_mut(&call) else {
            return Offer::Gone;
        };
        let room = match waker {
            Some(_) => PENDING_BYTES,
            None => 2 * PENDING_BYTES,
        };
        if sending.pending_bytes >= room {
            if let Some(waker) = waker
                && !sending.room.iter().any(|other| other.will_wake(waker))
            {
                sending.room.push(waker.clone());
            }
            return Offer::Full;
        }
        let payload = item();
        let (len, max) = (payload.len(), self.max_item);
        if len > max {
            return Offer::TooLarge { len, max };
        }
        sending.pending_bytes += payload.len() + LINE_BYTES;
        self.push(call, Piece::Item { channel, payload });
        Offer::Taken
    }

    /// Takes how a call ended: after what it has sent.
    pub(super) fn end(&mut self, call: u32, ending: Bytes) {
        self.ended += 1;
        match self.calls.get_mut(&call) {
            Some(sending) => sending.has_ended = true,
            None => self.released += 1,
        }
        self.push(call, Piece::End(ending));
    }

    fn push(&mut self, call: u32, piece: Piece) {
        let Some(sending) = self.calls.get_mut(&call) else {
            return;
        };
        sending.pending.push_back(piece);
        if !sending.is_ready {
            sending.is_ready = true;
            self.ready.push_back(call);
        }
    }

    /// Turns what waits into frames, a frame of each call at a time, as far as there is credit for it and room.
    pub(super) fn fill(&mut self) {
        let mut without_credit = VecDeque::new();
        while self.link.has_room() {
            let Some(call) = self.ready.pop_front() else {
                break;
            };
            // A call that was reset is in turn once more.
            let Some(sending) = self.calls.get_mut(&call) else {
                continue;
            };
            sending.is_ready = false;
            let left = sending.credit.left().min(self.credit.left());
            match sending.pending.front_mut() {
                None => continue,
                Some(Piece::End(_)) => {
                    if let Some(Piece::End(ending)) = sending.pending.pop_front() {
                        self.link.put(Head::of_call(Kind::End, call, 0), &ending);
                    }
                    // What waits is bounded by the calls that there may be, so a call is one until nothing does.
                    self.calls.remove(&call);
                    self.released += 1;
                    continue;
                }
                Some(Piece::Item { channel, payload }) => {
                    let needed = cost(payload.len()).min(SHORTEST_PART_BYTES);
                    if left < needed {
                        if sending.credit.left() >= needed {
                            // It is the session that has no credit: once it has, it is this call's turn.
                            sending.is_ready = true;
                            without_credit.push_back(call);
                        }
                        continue;
                    }
                    let room = (left - LINE_BYTES as u64).min(self.max_part);
                    let room = usize::try_from(room).unwrap_or(usize::MAX);
                    let has_more = payload.len() > room;
                    let part = payload.split_to(room.min(payload.len()));
                    let head = Head {
                        channel: *channel,
                        has_more,
                        ..Head::of_call(Kind::Data, call, 0)
                    };
                    if !has_more {
                        sending.pending.pop_front();
                        sending.pending_bytes -= LINE_BYTES;
                    }
                    sending.pending_bytes -= part.len();
                    sending.credit.used += cost(part.len());
                    self.credit.used += cost(part.len());
                    self.link.put(head, &part);
                }
            }
            if sending.pending_bytes < PENDING_BYTES / 2 {
                sending.room.drain(..).for_each(Waker::wake);
            }
            if !sending.pending.is_empty() {
                sending.is_ready = true;
                self.ready.push_back(call);
            }
        }
        without_credit.append(&mut self.ready);
        self.ready = without_credit;
        // A client learns of room for new calls before it has used up the second half of it.
        let room = (self.told_released + self.max_calls).saturating_sub(self.opened.into());
        if self.released > self.told_released && room <= self.max_calls / 2 {
            self.told_released = self.released;
            self.link.tell(Kind::Calls, 0, self.allowed());
        }
    }

    /// Tells the client that no new call is taken.
    pub(super) fn drain(&mut self) {
        if !self.is_draining {
            self.is_draining = true;
            self.link.tell(Kind::Drain, 0, self.opened.into());
        }
    }

    pub(super) const fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// Whether all that was to be said has been handed to the socket.
    pub(super) fn is_done(&self) -> bool {
        !self.is_busy() && self.calls.is_empty()
    }

    /// Goes on over a new connection.
    ///
    /// # Errors
    ///
    /// Where its client claims what was never sent.
    pub(super) fn reattach(&mut self, received: u64) -> Result<(), Close> {
        // The client tells its credit anew: the session's, and each call's.
        self.link
            .reattach(received, self.calls.len() + EXCUSED_FRAMES, &mut |_, _| {
                None
            })?;
        self.told_released = self.released;
        self.link.tell(Kind::Calls, 0, self.allowed());
        if self.is_draining {
            self.link.tell(Kind::Drain, 0, self.opened.into());
        }
        Ok(())
    }

    /// Ends all calls, as if the client had reset them. Handlers that wait for room are woken.
    pub(super) fn abandon(&mut self) {
        let calls = std::mem::take(&mut self.calls);
        let ended = calls.values().filter(|sending| sending.has_ended).count();
        self.released += ended as u64;
        self.is_abandoned = true;
    }

    /// Goes on as after this many calls, none of which is there any more.
    #[cfg(test)]
    pub(super) fn skip_to(&mut self, opened: u32) {
        self.opened = opened;
        (self.ended, self.released) = (opened.into(), opened.into());
    }

    /// Bytes that wait for credit.
    #[cfg(test)]
    pub(super) fn pending_bytes(&self) -> usize {
        self.calls.values().map(|call| call.pending_bytes).sum()
    }
}
