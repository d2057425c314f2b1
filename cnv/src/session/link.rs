//! What both ends of a session do alike: frames are numbered, kept until they are acknowledged, and counted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};

use super::close::{Close, CloseCode};
use super::wire::{self, Frame, Head, Kind, LINE_BYTES};

/// A payload of at least this many bytes is written from where it is, and not copied.
const BORROWED_FROM_BYTES: usize = 8192;

/// A buffer of frames is handed to the socket at this size, in bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// No more is prepared while this much waits for the socket.
const WAITING_BYTES: usize = 256 << 10;

/// No more is handed to the socket at a time, up to the end of a frame: what is urgent goes ahead of the rest.
const HANDED_BYTES: usize = 64 << 10;

/// Control frames that carry nothing forward and are free, and how many more are each second.
const FREE_FRAMES: u32 = 1024;
const FREE_FRAMES_PER_SECOND: u32 = 128;

/// What one end has sent and received.
#[derive(Debug)]
pub(super) struct Link {
    /// Frames that are being put together.
    open: BytesMut,
    /// Frames without a number, which go ahead of what waits.
    urgent: BytesMut,
    /// What waits for the socket.
    waiting: VecDeque<Chunk>,
    waiting_bytes: usize,
    /// What was sent and is not acknowledged, with the last sequence in it; empty where the session is not resumable.
    kept: VecDeque<(u64, Bytes)>,
    kept_bytes: u64,
    is_resumable: bool,
    /// Bytes that are in flight at most.
    window: u64,
    /// The last sequence that was given to a frame.
    sent: u64,
    /// The last that the other end has.
    acknowledged: u64,
    /// The last that arrived, and the last of which the other end was told.
    received: u64,
    told: u64,
    untold_bytes: u64,
    /// Whether an acknowledgement does not wait for another frame.
    is_due: bool,
    free_frames: u32,
    refilled: Instant,
}

/// Bytes for the socket.
#[derive(Debug)]
struct Chunk {
    bytes: Bytes,
    /// Whether a frame's payload follows in the next one, so that nothing may come in between.
    is_cut: bool,
}

impl Link {
    pub(super) fn new(is_resumable: bool, window: u64, now: Instant) -> Self {
        Self {
            open: BytesMut::new(),
            urgent: BytesMut::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            kept: VecDeque::new(),
            kept_bytes: 0,
            is_resumable,
            window,
            sent: 0,
            acknowledged: 0,
            received: 0,
            told: 0,
            untold_bytes: 0,
            is_due: false,
            free_frames: FREE_FRAMES,
            refilled: now,
        }
    }

    /// Queues a frame of a sequenced kind, which gets its number here.
    #[inline]
    pub(super) fn put(&mut self, mut head: Head, payload: &Bytes) {
        self.sent += 1;
        head.number = self.sent;
        head.put(payload, &mut self.open);
        if payload.len() >= BORROWED_FROM_BYTES {
            self.seal(true);
            self.enqueue(payload.clone(), false);
        } else {
            self.open.put_slice(payload);
            if self.open.len() >= CHUNK_BYTES {
                self.seal(false);
            }
        }
    }

    /// Queues a frame that is only a number. One that is not in sequence goes ahead of those that are: credit, an answer to
    /// a ping or an acknowledgement do not wait until a slow socket has taken all that was said before. One that is in
    /// sequence comes after the call that it is about.
    pub(super) fn tell(&mut self, kind: Kind, call: u32, number: u64) {
        let head = Head::of_call(kind, call, number);
        if kind.is_sequenced() {
            self.put(head, &Bytes::new());
        } else {
            head.put(&[], &mut self.urgent);
        }
    }

    /// Hands what was put together to the socket.
    fn seal(&mut self, is_cut: bool) {
        if !self.open.is_empty() {
            let chunk = self.open.split().freeze();
            self.enqueue(chunk, is_cut);
        }
    }

    fn enqueue(&mut self, bytes: Bytes, is_cut: bool) {
        if self.is_resumable {
            self.keep(self.sent, bytes, is_cut);
            return;
        }
        self.wait(bytes, is_cut);
    }

    fn wait(&mut self, bytes: Bytes, is_cut: bool) {
        self.waiting_bytes += bytes.len();
        self.waiting.push_back(Chunk { bytes, is_cut });
    }

    /// Whether more may be prepared: not where the socket is behind, or the other end with its acknowledgements.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.waiting_bytes + self.open.len() < WAITING_BYTES && self.kept_bytes < 2 * self.window
    }

    /// Whether there is anything for the socket.
    pub(super) fn has_frames(&self) -> bool {
        let is_due = self.is_due && self.owes_acknowledgement();
        is_due || !(self.urgent.is_empty() && self.open.is_empty() && self.waiting.is_empty())
    }

    /// Hands frames to the socket: those that are urgent with an acknowledgement that is due, and then so much of the rest.
    pub(super) fn flush(&mut self, into: &mut VecDeque<Bytes>) {
        if self.has_frames() && self.owes_acknowledgement() {
            self.acknowledge();
        }
        // An idle session has no buffer.
        let urgent = std::mem::take(&mut self.urgent);
        if !urgent.is_empty() {
            into.push_back(urgent.freeze());
        }
        self.seal(false);
        self.open = BytesMut::new();
        let (mut handed, mut is_cut) = (0, false);
        while (handed < HANDED_BYTES || is_cut)
            && let Some(chunk) = self.waiting.pop_front()
        {
            handed += chunk.bytes.len();
            is_cut = chunk.is_cut;
            into.push_back(chunk.bytes);
        }
        self.waiting_bytes -= handed;
    }

    /// Tells the other end what has arrived.
    pub(super) fn acknowledge(&mut self) {
        if self.received > self.told {
            self.told = self.received;
            self.untold_bytes = 0;
            self.is_due = false;
            self.tell(Kind::Ack, 0, self.received);
        }
    }

    pub(super) fn owes_acknowledgement(&self) -> bool {
        self.is_resumable && self.received > self.told
    }

    /// Looks at the number of a frame. `false` for one that has been here before.
    ///
    /// # Errors
    ///
    /// Where a frame is missing.
    #[inline]
    pub(super) fn is_news(&mut self, frame: &Frame) -> Result<bool, Close> {
        if !frame.head.kind.is_sequenced() {
            return Ok(true);
        }
        let number = frame.head.number;
        if number <= self.received {
            return Ok(false);
        }
        if number != self.received + 1 {
            return Err(Close::protocol(format!(
                "frame {number} follows frame {}",
                self.received
            )));
        }
        self.received = number;
        self.untold_bytes += cost(frame.payload.len());
        // One is written for however many are due.
        self.is_due |= self.untold_bytes >= self.window / 4;
        Ok(true)
    }

    /// What the other end has arrived at.
    ///
    /// # Errors
    ///
    /// Where it acknowledges what was never sent.
    pub(super) fn acknowledged(&mut self, number: u64) -> Result<bool, Close> {
        if number > self.sent {
            return Err(Close::protocol(format!(
                "frame {number} is acknowledged, and {} were sent",
                self.sent
            )));
        }
        let is_progress = number > self.acknowledged;
        self.acknowledged = self.acknowledged.max(number);
        while let Some((last, chunk)) = self.kept.front()
            && *last <= self.acknowledged
        {
            self.kept_bytes -= chunk.len() as u64;
            self.kept.pop_front();
        }
        Ok(is_progress)
    }

    /// Goes on over a new connection, whose other end has everything up to `received`, and knows what this one has. Exactly
    /// what it lacks is sent again; what has no number was of its moment, and the caller says it anew, in at most `frames`
    /// frames that change nothing. `renewed` gives what the request of a call says now, where that is something else.
    ///
    /// # Errors
    ///
    /// Where it claims what was never sent.
    pub(super) fn reattach(
        &mut self,
        received: u64,
        frames: usize,
        renewed: &mut Renewed<'_>,
    ) -> Result<(), Close> {
        self.seal(false);
        self.acknowledged(received)?;
        let mut kept = std::mem::take(&mut self.kept);
        self.kept_bytes = 0;
        self.urgent = BytesMut::new();
        self.waiting.clear();
        self.waiting_bytes = 0;
        let mut payload_is_lacking = None;
        while let Some((last, chunk)) = kept.pop_front() {
            match payload_is_lacking.take() {
                Some(true) => self.keep(last, chunk, false),
                Some(false) => {}
                None => {
                    let next = kept.front().map(|(_, chunk)| chunk);
                    payload_is_lacking = self.keep_lacking(last, &chunk, next, received, renewed);
                }
            }
        }
        self.told = self.received;
        self.untold_bytes = 0;
        let excused = u32::try_from(frames).unwrap_or(u32::MAX);
        self.free_frames = self.free_frames.saturating_add(excused);
        Ok(())
    }

    /// Sends again what the other end lacks of a chunk. Says of the payload that follows in a chunk of its own, where one
    /// does, whether it is lacking.
    fn keep_lacking(
        &mut self,
        last: u64,
        chunk: &Bytes,
        next: Option<&Bytes>,
        received: u64,
        renewed: &mut Renewed<'_>,
    ) -> Option<bool> {
        // Where the run of lacking frames began that the walk is in.
        let (mut at, mut run) = (0, None);
        let mut follows = None;
        while let Some(head) = chunk.get(at..).and_then(wire::peek) {
            let mut is_lacking = head.kind.is_sequenced() && head.number > received;
            let payload = at + LINE_BYTES;
            if is_lacking
                && head.kind == Kind::Open
                && let Some(request) = chunk
                    .get(payload..payload + head.payload_len)
                    .or(next.map(|next| &**next))
                && let Some(request) = renewed(head.call, request)
            {
                if let Some(from) = run.take() {
                    self.keep(last, chunk.slice(from..at), false);
                }
                let mut frame = BytesMut::new();
                Head::of_call(Kind::Open, head.call, head.number).put(&request, &mut frame);
                frame.put_slice(&request);
                self.keep(last, frame.freeze(), false);
                // The one that it had is not.
                is_lacking = false;
            }
            match (is_lacking, run) {
                (true, None) => run = Some(at),
                (false, Some(from)) => {
                    self.keep(last, chunk.slice(from..at), false);
                    run = None;
                }
                _ => {}
            }
            at += LINE_BYTES + head.payload_len;
            if at > chunk.len() {
                follows = Some(is_lacking);
            }
        }
        if let Some(from) = run {
            self.keep(last, chunk.slice(from..), follows == Some(true));
        }
        follows
    }

    fn keep(&mut self, last: u64, chunk: Bytes, is_cut: bool) {
        self.kept_bytes += chunk.len() as u64;
        self.kept.push_back((last, chunk.clone()));
        self.wait(chunk, is_cut);
    }

    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    pub(super) const fn last_acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Bytes that are kept until they are acknowledged.
    #[cfg(test)]
    pub(super) const fn kept_bytes(&self) -> u64 {
        self.kept_bytes
    }

    /// Lets so many control frames carry nothing forward: those that may cross something on its way.
    pub(super) fn excuse(&mut self, frames: u32) {
        let excused = self.free_frames.saturating_add(frames);
        self.free_frames = self.free_frames.max(excused.min(4 * FREE_FRAMES));
    }

    /// Counts a control frame that carries nothing forward.
    ///
    /// # Errors
    ///
    /// Where there are more of them than any use of the protocol needs.
    pub(super) fn charge(&mut self, now: Instant) -> Result<(), Close> {
        let since = now.saturating_duration_since(self.refilled);
        let earned = since.as_millis() * u128::from(FREE_FRAMES_PER_SECOND) / 1000;
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            let earned = self.free_frames.saturating_add(earned).min(FREE_FRAMES);
            self.free_frames = self.free_frames.max(earned);
            self.refilled = now;
        }
        match self.free_frames.checked_sub(1) {
            Some(left) => {
                self.free_frames = left;
                Ok(())
            }
            None => Err(Close::new(
                CloseCode::Flood,
                "more control frames than any use of the protocol needs",
            )),
        }
    }
}

/// What the request of a call says now, where that is something else than it did.
pub(super) type Renewed<'a> = dyn FnMut(u32, &[u8]) -> Option<Bytes> + 'a;

/// Credit as an absolute offset: what may have been sent, and what has been.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Credit {
    pub(super) limit: u64,
    pub(super) used: u64,
}

impl Credit {
    pub(super) const fn new(limit: u64) -> Self {
        Self { limit, used: 0 }
    }

    pub(super) const fn left(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// Raises the limit. `false` where that changes nothing.
    pub(super) fn raise(&mut self, limit: u64) -> bool {
        let is_progress = limit > self.limit;
        self.limit = self.limit.max(limit);
        is_progress
    }
}

/// What a payload costs in credit.
pub(super) const fn cost(payload_len: usize) -> u64 {
    (payload_len + LINE_BYTES) as u64
}

/// The earlier one of two moments, where there are any.
pub(super) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// How long an acknowledgement waits for a frame that it can go along with.
pub(super) const ACK_DELAY: Duration = Duration::from_millis(50);
