//! One end of a session, as its connection and its calls share it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::client_core::ClientCore;
use super::close::Close;
use super::link::Link;
use super::server_core::ServerCore;
use super::wire::Frame;

/// An end of a session, as the connection sees it.
pub(super) trait Core {
    /// Takes a frame. `Some` where it ends the session.
    fn receive(&mut self, frame: Frame, now: Instant) -> Result<Option<Close>, Close>;

    /// Whether its owner has to act on what arrived.
    fn has_events(&self) -> bool;

    /// Turns what waits into frames.
    fn fill(&mut self);

    fn link(&mut self) -> &mut Link;

    /// Whether there is a call.
    fn is_busy(&self) -> bool;

    /// Why the session is over, once all is written.
    fn farewell(&self) -> Option<Close>;
}

impl Core for ServerCore {
    fn receive(&mut self, frame: Frame, now: Instant) -> Result<Option<Close>, Close> {
        self.receive(frame, now)
    }

    fn has_events(&self) -> bool {
        self.has_events()
    }

    fn fill(&mut self) {
        self.fill();
    }

    fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    fn is_busy(&self) -> bool {
        !self.is_done()
    }

    fn farewell(&self) -> Option<Close> {
        (self.is_draining() && self.is_done()).then(Close::drain)
    }
}

impl Core for ClientCore {
    fn receive(&mut self, frame: Frame, now: Instant) -> Result<Option<Close>, Close> {
        self.receive(frame, now)
    }

    fn has_events(&self) -> bool {
        false
    }

    fn fill(&mut self) {}

    fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    fn is_busy(&self) -> bool {
        self.has_calls()
    }

    fn farewell(&self) -> Option<Close> {
        None
    }
}

/// The end of a session that its connection and its calls share.
#[derive(Debug)]
pub(super) struct Shared<C> {
    state: Mutex<State<C>>,
}

/// What is behind the lock.
#[derive(Debug)]
pub(super) struct State<C> {
    pub(super) core: C,
    /// Who carries the frames, while it waits.
    pub(super) driver: Option<Waker>,
    /// Counts connections: an older one ends when a newer one has taken the session over.
    pub(super) connection: u64,
    /// Why the session is to end, once all is written.
    pub(super) closing: Option<Close>,
    /// Whether the driver is to be woken, for how many bytes, and when it was.
    is_unsettled: bool,
    /// Handlers that are being polled, after which it is woken.
    deferring: usize,
    unsettled_bytes: usize,
    settled: Instant,
}

/// The driver is woken for so many bytes, or so long after it was.
const SETTLED_BYTES: usize = 64 << 10;
const SETTLED_AFTER: Duration = Duration::from_micros(200);

impl<C> State<C> {
    /// The number of the newest connection.
    pub(super) const fn connection(&self) -> u64 {
        self.connection
    }

    fn settle(&mut self, now: Instant) {
        self.is_unsettled = false;
        self.unsettled_bytes = 0;
        self.settled = now;
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// As [`Shared::attach`], where something else has to change with it: between the two, the older connection would
    /// carry off what is meant for this one.
    pub(super) fn attach(&mut self) -> u64 {
        self.connection += 1;
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
        self.connection
    }
}

impl<C: Core> Shared<C> {
    pub(super) fn new(core: C) -> Self {
        Self {
            state: Mutex::new(State {
                core,
                driver: None,
                connection: 0,
                closing: None,
                is_unsettled: false,
                deferring: 0,
                unsettled_bytes: 0,
                settled: Instant::now(),
            }),
        }
    }

    /// A panic elsewhere cannot leave the core half changed: nothing in it calls out.
    pub(super) fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the core, and has what follows from it written.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut C) -> T) -> T {
        let mut state = self.lock();
        let changed = change(&mut state.core);
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        changed
    }

    /// Changes the core, and has what follows from it written where that is anything.
    #[inline]
    pub(super) fn take<T>(&self, change: impl FnOnce(&mut C) -> T) -> T {
        let mut state = self.lock();
        let changed = change(&mut state.core);
        let driver = match state.core.link().has_frames() {
            true => state.driver.take(),
            false => None,
        };
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        changed
    }

    /// Changes the core, and has what follows from it written soon: at the latest with [`settle`](Self::settle). To wake
    /// the driver takes as long as to queue twenty items, so that a handler which sends many at once would spend its time
    /// with that.
    #[inline]
    pub(super) fn with_later(&self, change: impl FnOnce(&mut C) -> usize) {
        let mut state = self.lock();
        state.unsettled_bytes += change(&mut state.core);
        if state.driver.is_none() {
            return;
        }
        let now = Instant::now();
        let is_due = state.deferring == 0
            || state.unsettled_bytes >= SETTLED_BYTES
            || now.saturating_duration_since(state.settled) >= SETTLED_AFTER;
        if is_due {
            state.settle(now);
        } else {
            state.is_unsettled = true;
        }
    }

    /// Lets [`with_later`](Self::with_later) leave things to [`settle`](Self::settle), which has to follow.
    pub(super) fn defer(&self) {
        self.lock().deferring += 1;
    }

    /// Has written what [`with_later`](Self::with_later) left to be.
    pub(super) fn settle(&self) {
        let mut state = self.lock();
        state.deferring -= 1;
        if state.is_unsettled {
            state.settle(Instant::now());
        }
    }

    /// Ends the session once all is written.
    pub(super) fn close(&self, close: Close) {
        let mut state = self.lock();
        state.closing.get_or_insert(close);
        if let Some(driver) = state.driver.take() {
            driver.wake();
        }
    }

    /// Begins another connection. One that still seems to be there ends.
    pub(super) fn attach(&self) -> u64 {
        self.lock().attach()
    }
}
