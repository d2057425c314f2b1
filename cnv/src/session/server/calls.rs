//! The calls of a session: each handler is a task, which its client is told the end of however it ends.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::task::AbortHandle;

use super::clients::CallPlace;
use super::ending::{encode_ending, failed};
use super::registry::Session;
use super::{Begun, Service, Sessions, Stop};
use crate::session::error::ItemTooLarge;
use crate::session::message::{CLIENT_CALLS, DRAINING, Ending, Request, decode};
use crate::session::server_core::{Event, Offer, ServerCore};
use crate::session::wire::Channel;

pub(super) struct Running {
    abort: AbortHandle,
    ask: Arc<dyn Fn(Stop) + Send + Sync>,
}

impl<A> Session<A> {
    pub(super) fn running(&self) -> MutexGuard<'_, BTreeMap<u32, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends every call: asks the handlers to stop, and drops them.
    pub(super) fn abandon(&self) {
        let running = std::mem::take(&mut *self.running());
        for call in running.into_values() {
            (call.ask)(Stop::Cancel);
            call.abort.abort();
        }
        self.shared.with(ServerCore::abandon);
    }

    /// Asks every handler, and leaves them the time to stop.
    pub(super) fn ask_all(&self, stop: Stop) {
        for call in self.running().values() {
            (call.ask)(stop);
        }
    }
}

/// The client of a call, as its handler knows it.
#[derive(Clone)]
pub(crate) struct Caller {
    end: Arc<dyn CallEnd>,
    call: u32,
}

/// A session without the type of its authority.
trait CallEnd: Send + Sync {
    fn offer(
        &self,
        call: u32,
        channel: Channel,
        item: &mut dyn FnMut() -> Bytes,
        waker: Option<&Waker>,
    ) -> Offer;
}

impl<A: Send + Sync> CallEnd for Session<A> {
    fn offer(
        &self,
        call: u32,
        channel: Channel,
        item: &mut dyn FnMut() -> Bytes,
        waker: Option<&Waker>,
    ) -> Offer {
        let mut offer = Offer::Gone;
        self.shared.with_later(|core| {
            let mut bytes = 0;
            let mut counted = || {
                let item = item();
                bytes = item.len();
                item
            };
            offer = core.offer(call, channel, &mut counted, waker);
            bytes
        });
        offer
    }
}

/// Why an item is not sent.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// The client is gone, or not interested any more.
    Gone,
    TooLarge(ItemTooLarge),
}

impl Caller {
    /// Sends an item, which is made once there is room for it.
    pub(crate) fn poll_send(
        &self,
        channel: Channel,
        item: &mut dyn FnMut() -> Bytes,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Unsent>> {
        match self.end.offer(self.call, channel, item, Some(cx.waker())) {
            Offer::Taken => Poll::Ready(Ok(())),
            Offer::Gone => Poll::Ready(Err(Unsent::Gone)),
            Offer::TooLarge { len, max } => {
                Poll::Ready(Err(Unsent::TooLarge(ItemTooLarge { len, max })))
            }
            Offer::Full => Poll::Pending,
        }
    }

    /// Sends an item if there is room for it now. `false` where it has none.
    pub(crate) fn try_send(&self, channel: Channel, item: Bytes) -> bool {
        let mut item = Some(item);
        let mut make = || item.take().unwrap_or_default();
        let offer = self.end.offer(self.call, channel, &mut make, None);
        matches!(offer, Offer::Taken | Offer::Gone)
    }
}

impl<S: Service> Sessions<S> {
    /// Acts on what the client did, in the order in which it did it: where the session is going on over another connection,
    /// that one waits for this one's.
    pub(super) fn act(&self, session: &Arc<Session<S::Authority>>) {
        if !session.shared.lock().core.begin_acting() {
            return;
        }
        loop {
            let event = session.shared.lock().core.next_event();
            match event {
                Some(event) => self.on_event(session, event),
                None => return,
            }
        }
    }

    fn on_event(&self, session: &Arc<Session<S::Authority>>, event: Event) {
        match event {
            Event::Open { call, request } => self.start(session, call, &request),
            Event::Cancel { call } => cancel(session, call),
            Event::Reset { call } => {
                // Not within the condition, where the lock would still be held.
                let running = session.running().remove(&call);
                if let Some(running) = running {
                    (running.ask)(Stop::Cancel);
                    running.abort.abort();
                }
            }
        }
    }

    fn start(&self, session: &Arc<Session<S::Authority>>, call: u32, request: &Bytes) {
        let mut ender = Ender {
            session: Arc::clone(session),
            call,
            ending: None,
            has_ended: Arc::new(AtomicBool::new(false)),
            place: None,
        };
        let (is_draining, is_abandoned) = {
            let core = &session.shared.lock().core;
            (core.is_draining(), core.is_abandoned())
        };
        if is_abandoned {
            return;
        }
        if is_draining {
            let message = "the server takes no new calls, because it ends";
            self.counts.calls_refused.add();
            ender.ending = Some(failed(DRAINING, 1, message.to_owned()));
            return;
        }
        let request = match decode::<Request>("the request", request) {
            Ok(request) => request,
            Err(close) => {
                self.counts.calls_refused.add();
                ender.ending = Some(failed("usage", 2, close.to_string()));
                return;
            }
        };
        let max = self.limits.max_client_calls;
        ender.place = session.client.enter(max);
        if ender.place.is_none() {
            let message = format!(
                "the client has {max} calls in all of its sessions, which is as many as the server takes"
            );
            self.counts.calls_refused.add();
            ender.ending = Some(failed(CLIENT_CALLS, 1, message));
            return;
        }
        let caller = Caller {
            end: Arc::clone(session) as Arc<dyn CallEnd>,
            call,
        };
        let Begun { ending, ask } = self.service.call(&session.authority, request, caller);
        let ask: Arc<dyn Fn(Stop) + Send + Sync> = ask.into();
        let has_ended = Arc::clone(&ender.has_ended);
        let task = tokio::spawn(async move {
            let isolated = Isolated {
                future: ending,
                session: Arc::clone(&ender.session),
            };
            ender.ending = Some(match isolated.await {
                Ok(ending) => ending,
                Err(message) => failed("failed", 1, message),
            });
            drop(ender);
        });
        let abort = task.abort_handle();
        let mut running = session.running();
        // It may be over by now, or never have begun where the process ends.
        if !has_ended.load(Ordering::Relaxed) {
            let abort = abort.clone();
            let ask = Arc::clone(&ask);
            running.insert(call, Running { abort, ask });
        }
        drop(running);
        // All that were running when the session was given up are dropped, and all when the server was to end were told:
        // this one may have come after them.
        let (is_draining, is_abandoned) = {
            let core = &session.shared.lock().core;
            (core.is_draining(), core.is_abandoned())
        };
        if is_draining {
            ask(Stop::WindUp);
        }
        if is_abandoned {
            abort.abort();
        }
    }
}

/// Asks a handler to stop, and drops it if it does not.
fn cancel<A: Send + Sync + 'static>(session: &Arc<Session<A>>, call: u32) {
    let Some((ask, abort)) = session
        .running()
        .get(&call)
        .map(|running| (Arc::clone(&running.ask), running.abort.clone()))
    else {
        return;
    };
    ask(Stop::Cancel);
    let grace = session.limits.cancel_grace;
    tokio::spawn(async move {
        tokio::time::sleep(grace).await;
        abort.abort();
    });
}

/// Tells the client how a call ended, however it did.
struct Ender<A> {
    session: Arc<Session<A>>,
    call: u32,
    ending: Option<Ending>,
    /// Changed while the list of running calls is held.
    has_ended: Arc<AtomicBool>,
    place: Option<CallPlace>,
}

impl<A> Drop for Ender<A> {
    fn drop(&mut self) {
        let ending = self.ending.take();
        // A handler that is dropped before its end was told to stop.
        let ending =
            ending.unwrap_or_else(|| failed("cancelled", 130, "the call was cancelled".to_owned()));
        drop(self.place.take());
        let mut running = self.session.running();
        self.has_ended.store(true, Ordering::Relaxed);
        running.remove(&self.call);
        drop(running);
        self.session
            .shared
            .with(|core| core.end(self.call, encode_ending(ending)));
    }
}

/// A handler whose panic is a message. What it has sent is on its way whenever it waits.
struct Isolated<A, T> {
    future: Pin<Box<dyn Future<Output = T> + Send>>,
    session: Arc<Session<A>>,
}

impl<A, T> Future for Isolated<A, T> {
    type Output = Result<T, String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.session.shared.defer();
        // The future is not polled again after a panic.
        let polled = catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(cx)));
        self.session.shared.settle();
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(_) => Poll::Ready(Err("the handler panicked".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::Peer;
    use super::super::nothing::Nothing;
    use super::*;
    use crate::session::limits::SessionLimits;
    use crate::session::wire::{Frame, Head, Kind};

    type Sessions = super::Sessions<Nothing>;

    fn run(test: impl FnOnce(&Arc<Sessions>, &Arc<Session<()>>)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let limits = SessionLimits::default();
            let sessions = Sessions::new(Nothing, limits.clone());
            let session = sessions.open(&limits, Peer::Parent, None, (), true);
            test(&sessions, &session.unwrap().0);
        });
    }

    /// A frame arrives, and nobody has acted on it yet.
    fn arrives(session: &Session<()>, kind: Kind, call: u32, number: u64) {
        let payload = match kind {
            Kind::Open => Bytes::from_static(br#"{"arguments":["job","hang"]}"#),
            _ => Bytes::new(),
        };
        let head = Head::of_call(kind, call, number);
        let mut state = session.shared.lock();
        let received = state.core.receive(Frame { head, payload }, Instant::now());
        assert_eq!(received, Ok(None));
    }

    #[test]
    fn a_newer_connection_acts_after_what_an_older_one_left() {
        run(|sessions, session| {
            arrives(session, Kind::Open, 1, 1);
            arrives(session, Kind::Open, 2, 2);
            // The older connection has taken this much, and not acted on it.
            assert!(session.shared.lock().core.begin_acting());
            let open = session.shared.lock().core.next_event().unwrap();
            arrives(session, Kind::Reset, 1, 3);
            sessions.act(session);
            assert!(session.running().is_empty());
            sessions.on_event(session, open);
            while let Some(event) = {
                let mut state = session.shared.lock();
                state.core.next_event()
            } {
                sessions.on_event(session, event);
            }
            let running = session.running().keys().copied().collect::<Vec<_>>();
            assert_eq!(running, [2]);
            // Whoever comes next has its turn.
            arrives(session, Kind::Reset, 2, 4);
            sessions.act(session);
            assert!(session.running().is_empty());
        });
    }

    #[test]
    fn a_call_that_comes_after_the_end_of_its_session_does_not_begin() {
        run(|sessions, session| {
            arrives(session, Kind::Open, 1, 1);
            session.abandon();
            sessions.act(session);
            assert!(session.running().is_empty());
            assert!(!session.shared.lock().core.is_busy());
        });
    }
}
