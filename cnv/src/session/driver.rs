//! One connection: bytes in, frames to the core, frames out, and the moments at which something is due.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Sleep;

use super::close::{Close, CloseCode};
use super::limits::SessionLimits;
use super::link::{ACK_DELAY, earlier};
use super::message::encode;
use super::shared::{Core, Shared};
use super::wire::{self, Head, Kind};

/// Where the first bytes after a pause are read: a session that waits has no buffer of its own.
const SCRATCH_BYTES: usize = 4096;

/// Room for what follows them.
const READ_BYTES: usize = 256 << 10;

/// Less room than this is not worth a read.
const LEAST_READ_BYTES: usize = 16 << 10;

/// Chunks that one write hands over.
const SLICES: usize = 32;

/// Rounds of reading and writing before others have their turn.
const ROUNDS: usize = 32;

/// How long the reason of an end may take to be written.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Broken {
    /// The other end said why.
    Closed(Close),
    /// This end did.
    Refused(Close),
    /// Nobody said anything.
    Lost(io::Error),
    /// The session goes on over a newer connection.
    TakenOver,
}

/// When something is due.
struct Timing {
    heard: Instant,
    pinged: Option<Instant>,
    stalled: Option<Instant>,
    acknowledge: Option<Instant>,
    /// The last moment at which there was a call.
    idle: Instant,
}

/// Carries the frames of one connection.
pub(super) struct Driver<'a, S, C: Core> {
    stream: S,
    shared: &'a Shared<C>,
    limits: &'a SessionLimits,
    connection: u64,
    arrived: BytesMut,
    has_leftover: bool,
    /// Whether what was written may still be on this side of the socket.
    needs_flush: bool,
    outgoing: VecDeque<Bytes>,
    timing: Timing,
    sleep: Pin<Box<Sleep>>,
    /// Only a server ends a session that nobody uses.
    ends_idle: bool,
}

impl<'a, S, C> Driver<'a, S, C>
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: Core,
{
    /// A connection after its handshake, with what has arrived since.
    pub(super) fn new(
        stream: S,
        shared: &'a Shared<C>,
        limits: &'a SessionLimits,
        connection: u64,
        arrived: BytesMut,
        ends_idle: bool,
    ) -> Self {
        let now = Instant::now();
        let has_leftover = !arrived.is_empty();
        Self {
            stream,
            shared,
            limits,
            connection,
            arrived,
            has_leftover,
            needs_flush: false,
            outgoing: VecDeque::new(),
            timing: Timing {
                heard: now,
                pinged: None,
                stalled: None,
                acknowledge: None,
                idle: now,
            },
            sleep: Box::pin(tokio::time::sleep_until(
                (now + limits.ping_interval).into(),
            )),
            ends_idle,
        }
    }

    /// Carries frames until the connection ends. `on_events` acts on what the core has for its owner.
    pub(super) async fn run(mut self, mut on_events: impl FnMut()) -> Broken {
        let broken = poll_fn(|cx| self.poll(cx, &mut on_events)).await;
        if let Broken::Refused(close) = &broken {
            let goodbye = async {
                // A reason within a frame would be understood as part of it.
                for chunk in &self.outgoing {
                    self.stream.write_all(chunk).await?;
                }
                say_goodbye(&mut self.stream, close).await
            };
            // Whoever takes nothing does not take the reason either.
            let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        }
        broken
    }

    fn poll(&mut self, cx: &mut Context<'_>, on_events: &mut impl FnMut()) -> Poll<Broken> {
        let now = Instant::now();
        for _ in 0..ROUNDS {
            let has_read = match self.poll_read(cx, now, on_events) {
                Poll::Ready(Err(broken)) => return Poll::Ready(broken),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            let has_written = match self.poll_write(cx, now) {
                Poll::Ready(Err(broken)) => return Poll::Ready(broken),
                Poll::Ready(Ok(())) => true,
                Poll::Pending => false,
            };
            if !has_read && !has_written {
                return self.poll_time(cx, now);
            }
        }
        // Whoever always has something to say is held to the deadlines all the same.
        cx.waker().wake_by_ref();
        self.poll_time(cx, now)
    }

    /// Reads once, and hands over the frames that are whole.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        on_events: &mut impl FnMut(),
    ) -> Poll<Result<(), Broken>> {
        // What came along with the handshake is looked at before the first byte is read.
        if !std::mem::take(&mut self.has_leftover) {
            match ready!(self.poll_bytes(cx)) {
                Ok(0) => {
                    let eof = io::Error::from(io::ErrorKind::UnexpectedEof);
                    return Poll::Ready(Err(Broken::Lost(eof)));
                }
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(Broken::Lost(error))),
            }
        }
        self.timing.heard = now;
        self.timing.pinged = None;
        let mut received = Ok(None);
        let mut state = self.shared.lock();
        if state.connection != self.connection {
            return Poll::Ready(Err(Broken::TakenOver));
        }
        while matches!(received, Ok(None)) {
            received = match wire::take(&mut self.arrived, self.limits.max_frame_bytes) {
                Ok(Some(frame)) => state.core.receive(frame, now),
                Ok(None) => break,
                Err(error) => Err(error.into()),
            };
        }
        let has_events = state.core.has_events();
        drop(state);
        if has_events {
            on_events();
        }
        Poll::Ready(match received {
            Ok(None) => Ok(()),
            Ok(Some(close)) => Err(Broken::Closed(close)),
            Err(close) => Err(Broken::Refused(close)),
        })
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.arrived.is_empty() {
            self.arrived = BytesMut::new();
            let mut scratch = [const { MaybeUninit::uninit() }; SCRATCH_BYTES];
            let mut buffer = ReadBuf::uninit(&mut scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            let bytes = buffer.filled();
            if bytes.len() == SCRATCH_BYTES {
                self.arrived.reserve(READ_BYTES);
            }
            self.arrived.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        // What is there of a frame is moved with the buffer, so that this is rare.
        if self.arrived.capacity() - self.arrived.len() < LEAST_READ_BYTES {
            self.arrived.reserve(READ_BYTES);
        }
        pin!(self.stream.read_buf(&mut self.arrived)).poll(cx)
    }

    /// Writes once, if there is anything to write.
    fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<(), Broken>> {
        if self.outgoing.is_empty() && self.needs_flush {
            // Standard output keeps what it was given until it is flushed, and only then takes more.
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.needs_flush = false,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Broken::Lost(error))),
                Poll::Pending => {
                    self.timing.stalled.get_or_insert(now);
                    return Poll::Pending;
                }
            }
            self.timing.stalled = None;
        }
        if self.outgoing.is_empty() {
            let mut state = self.shared.lock();
            if state.connection != self.connection {
                return Poll::Ready(Err(Broken::TakenOver));
            }
            state.core.fill();
            state.core.link().flush(&mut self.outgoing);
            if self.outgoing.is_empty() {
                if let Some(close) = state.closing.take().or_else(|| state.core.farewell()) {
                    return Poll::Ready(Err(Broken::Refused(close)));
                }
                match &mut state.driver {
                    Some(known) => known.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                let owes = state.core.link().owes_acknowledgement();
                if owes && self.timing.acknowledge.is_none() {
                    self.timing.acknowledge = Some(now + ACK_DELAY);
                } else if !owes {
                    self.timing.acknowledge = None;
                }
                return Poll::Pending;
            }
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = self.outgoing.len().min(SLICES);
        for (slice, chunk) in slices.iter_mut().zip(&self.outgoing) {
            *slice = IoSlice::new(chunk);
        }
        let written = match Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..count]) {
            Poll::Ready(Ok(0)) => {
                let error = io::Error::from(io::ErrorKind::WriteZero);
                return Poll::Ready(Err(Broken::Lost(error)));
            }
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(Broken::Lost(error))),
            Poll::Pending => {
                self.timing.stalled.get_or_insert(now);
                return Poll::Pending;
            }
        };
        self.timing.stalled = None;
        self.take_written(written);
        self.needs_flush = true;
        Poll::Ready(Ok(()))
    }

    fn take_written(&mut self, mut written: usize) {
        while let Some(chunk) = self.outgoing.front_mut() {
            if written < chunk.len() {
                chunk.advance(written);
                return;
            }
            written -= chunk.len();
            self.outgoing.pop_front();
        }
    }

    /// Does what is due, and waits for what is next.
    fn poll_time(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Broken> {
        let limits = self.limits;
        let is_busy = {
            let mut state = self.shared.lock();
            if self.timing.acknowledge.is_some_and(|due| due <= now) {
                self.timing.acknowledge = None;
                state.core.link().acknowledge();
                if let Some(driver) = state.driver.take() {
                    driver.wake();
                }
            }
            state.core.is_busy()
        };
        if is_busy {
            self.timing.idle = now;
        }
        let due_stall = self
            .timing
            .stalled
            .map(|since| since + limits.write_timeout);
        if due_stall.is_some_and(|due| due <= now) {
            let last = self.shared.lock().core.link().last_acknowledged();
            return Poll::Ready(Broken::Refused(Close::new(
                CloseCode::SlowConsumer,
                format!(
                    "nothing was taken for {:?}; the last acknowledged frame is {last}",
                    limits.write_timeout
                ),
            )));
        }
        let due_heard = match self.timing.pinged {
            Some(pinged) if pinged + limits.ping_timeout <= now => {
                return Poll::Ready(Broken::Refused(Close::new(
                    CloseCode::Unresponsive,
                    format!("no answer to a ping for {:?}", limits.ping_timeout),
                )));
            }
            Some(pinged) => pinged + limits.ping_timeout,
            None if self.timing.heard + limits.ping_interval <= now => {
                self.timing.pinged = Some(now);
                let mut state = self.shared.lock();
                state.core.link().tell(Kind::Ping, 0, 0);
                if let Some(driver) = state.driver.take() {
                    driver.wake();
                }
                now + limits.ping_timeout
            }
            None => self.timing.heard + limits.ping_interval,
        };
        let due_idle = (self.ends_idle && !is_busy).then(|| self.timing.idle + limits.idle_timeout);
        if due_idle.is_some_and(|due| due <= now) {
            let message = format!("no call for {:?}", limits.idle_timeout);
            return Poll::Ready(Broken::Refused(Close::new(CloseCode::Idle, message)));
        }
        let due = earlier(
            earlier(Some(due_heard), due_stall),
            earlier(due_idle, self.timing.acknowledge),
        );
        if let Some(due) = due
            && (self.sleep.deadline() > due.into() || self.sleep.is_elapsed())
        {
            self.sleep.as_mut().reset(due.into());
        }
        if self.sleep.as_mut().poll(cx).is_ready() {
            // It is due by now; what it is for is looked at again.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// Tells the other end why the session is over, and waits for it to go: where a socket is closed with something unread in
/// it, the reason may be lost on the way. The caller sets a time for all of it.
pub(super) async fn say_goodbye<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    close: &Close,
) -> io::Result<()> {
    let payload = encode(close);
    let mut out = BytesMut::new();
    Head::of(Kind::Close, 0).put(&payload, &mut out);
    out.extend_from_slice(&payload);
    stream.write_all(&out).await?;
    stream.flush().await?;
    stream.shutdown().await?;
    // An end that did not answer is not waited for: the session goes on without it.
    if !close.code().is_resumable() {
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::server_core::{Offer, ServerCore};
    use crate::session::wire::{Channel, Frame};

    /// A connection that always has something to read, and never room for anything.
    struct Talker {
        limit: u64,
        unread: BytesMut,
    }

    impl AsyncRead for Talker {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            while self.unread.len() < buffer.remaining() {
                // Each raises the credit, so that none of them is one too many.
                self.limit += 1;
                let limit = self.limit;
                Head::of(Kind::Credit, limit).put(&[], &mut self.unread);
            }
            let bytes = self.unread.split_to(buffer.remaining());
            buffer.put_slice(&bytes);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Talker {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn whoever_always_writes_and_never_reads_is_cut_off() {
        let limits = SessionLimits {
            write_timeout: Duration::ZERO,
            ..SessionLimits::default()
        };
        let now = Instant::now();
        let mut core = ServerCore::new(&limits, true, now);
        let head = Head::of_call(Kind::Open, 1, 1);
        let payload = Bytes::new();
        core.receive(Frame { head, payload }, now).unwrap();
        let mut item = || Bytes::from_static(b"item");
        let offer = core.offer(1, Channel::Stdout, &mut item, None);
        assert_eq!(offer, Offer::Taken);
        let shared = Shared::new(core);
        let connection = shared.attach();
        let stream = Talker {
            limit: limits.window_bytes,
            unread: BytesMut::new(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let broken = runtime.block_on(async {
            let driver = Driver::new(stream, &shared, &limits, connection, BytesMut::new(), true);
            tokio::time::timeout(Duration::from_secs(60), driver.run(|| ())).await
        });
        let Ok(Broken::Refused(close)) = broken else {
            panic!("{broken:?}");
        };
        assert_eq!(close.code(), CloseCode::SlowConsumer);
    }
}
