//! Connections, clients and calls that are dropped after each number of polls: nothing that they held stays behind.
//!
//! What is dropped is polled by hand, so often, while the other end and the handlers are tasks that go on as far as they get
//! in between. Windows are small and the pipe is narrow, so that there is an await point for nearly every byte.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::DuplexStream;

use super::{Begun, Caller, Identity, Peer, Presented, Service, Sessions};
use crate::session::client::{CallError, Client, ClientOptions};
use crate::session::close::Close;
use crate::session::limits::SessionLimits;
use crate::session::message::{Ending, Request};
use crate::session::wire::Channel;

/// More than the windows of a call and of a session hold.
const ITEMS: usize = 3;
const ITEM_BYTES: usize = 12_000;

/// Serves calls that send some items and end, and counts the handlers that there are.
#[derive(Default)]
struct Steps {
    alive: Arc<AtomicUsize>,
}

struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Service for Steps {
    type Authority = ();

    fn application(&self) -> &str {
        "steps"
    }

    fn version(&self) -> Option<&str> {
        None
    }

    fn grammar(&self) -> String {
        String::new()
    }

    fn understands(&self, _: &str) -> bool {
        true
    }

    async fn authenticate(&self, _: Peer, _: Option<Presented>) -> Result<(), Close> {
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn not_theirs(&self, _: Peer, _: Option<&str>) {}

    fn identity(&self, _: Peer, (): &()) -> Identity {
        Identity::Parent
    }

    fn call(&self, (): &(), _: Request, caller: Caller) -> Begun {
        self.alive.fetch_add(1, Ordering::SeqCst);
        let alive = Alive(Arc::clone(&self.alive));
        let ending = async move {
            let _alive = alive;
            let items = std::iter::repeat_n((Channel::Stdout, ITEM_BYTES), ITEMS);
            for (channel, len) in items.chain([(Channel::Result, 1)]) {
                tokio::task::yield_now().await;
                let mut item = || Bytes::from(vec![b'1'; len]);
                // Whoever is not there any more drops the handler.
                let _ = poll_fn(|cx| caller.poll_send(channel, &mut item, cx)).await;
            }
            Ending {
                failure: None,
                receipt: None,
                left_out_receipt_bytes: None,
                dropped_notes: 0,
            }
        };
        Begun {
            ending: Box::pin(ending),
            ask: Box::new(|_| ()),
        }
    }
}

fn limits() -> SessionLimits {
    SessionLimits {
        window_bytes: 32 << 10,
        call_window_bytes: 16 << 10,
        max_frame_bytes: 16 << 10,
        // The second call of a session waits for the first, and a client has no places to lose.
        max_calls: 1,
        max_client_calls: 2,
        max_connections: 2,
        cancel_grace: Duration::from_millis(1),
        ..SessionLimits::default()
    }
}

type Steady = Arc<Sessions<Steps>>;

fn pipe() -> (DuplexStream, DuplexStream) {
    tokio::io::duplex(1000)
}

async fn connect(here: DuplexStream) -> Client {
    let options = ClientOptions::new().limits(limits());
    Client::over(here, options).await.unwrap()
}

/// Makes a call and takes all that comes of it.
async fn call(client: &Client) -> Result<(), CallError> {
    let collected = client.call(["a", "call"]).await?.collect().await?;
    let bytes = collected.items.iter().map(|item| item.bytes().len());
    assert_eq!(bytes.sum::<usize>(), ITEMS * ITEM_BYTES);
    Ok(())
}

/// A session from its beginning to its end, with two calls at a time.
async fn whole_session(here: DuplexStream) {
    let client = connect(here).await;
    let (first, second) = two_calls(&client).await;
    first.and(second).unwrap();
}

async fn two_calls(client: &Client) -> (Result<(), CallError>, Result<(), CallError>) {
    let (mut first, mut second) = (pin!(call(client)), pin!(call(client)));
    let mut ended = (None, None);
    poll_fn(|cx| {
        for (call, ended) in [(&mut first, &mut ended.0), (&mut second, &mut ended.1)] {
            if ended.is_none()
                && let Poll::Ready(result) = call.as_mut().poll(cx)
            {
                *ended = Some(result);
            }
        }
        match (ended.0.take(), ended.1.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            (first, second) => {
                ended = (first, second);
                Poll::Pending
            }
        }
    })
    .await
}

/// Polls so often, with turns for all others in between, and drops the future. Says whether it was over by then.
async fn poll_and_drop(polls: usize, future: impl Future) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready()));
        if polled.await {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// Waits until there is nothing any more of what was dropped.
async fn until(what: &str, polls: usize, is_so: impl Fn() -> bool) {
    for _ in 0..2000 {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{what} after {polls} polls");
}

/// One task is polled at a time, so that others have their turns after each.
fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.event_interval(1).enable_all().build().unwrap()
}

fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

/// Whether a server without connections holds nothing: no handler, no session, no place, no call of a client.
async fn is_as_new(sessions: &Steady, polls: usize) {
    let handlers = || sessions.service().alive.load(Ordering::SeqCst) == 0;
    until("a handler is left", polls, handlers).await;
    let registered = || {
        let registry = sessions.registry();
        registry.sessions.is_empty() && registry.detached.is_empty() && registry.has_no_client()
    };
    until("a session is left", polls, registered).await;
    until("a connection's place is left", polls, || {
        sessions.places.is_empty()
    })
    .await;
    until("a task is left", polls, || tasks() == 0).await;
}

/// Drops what `scenario` makes after 0, 1, 2.. polls, until it is over before. After each the next session works.
fn at_every_poll<F: Future>(scenario: impl Fn(&Steady) -> F) {
    let runtime = runtime();
    runtime.block_on(async {
        let sessions = Sessions::new(Steps::default(), limits());
        for polls in 0..10_000 {
            let is_over = poll_and_drop(polls, scenario(&sessions)).await;
            is_as_new(&sessions, polls).await;
            let (here, there) = pipe();
            tokio::spawn(Arc::clone(&sessions).serve(there, Peer::Parent, true));
            whole_session(here).await;
            is_as_new(&sessions, polls).await;
            if is_over {
                assert!(polls > 50, "it was over after {polls} polls");
                return;
            }
        }
        panic!("it is never over");
    });
}

#[test]
fn a_connection_of_the_server_is_dropped() {
    at_every_poll(|sessions| {
        let (here, there) = pipe();
        let client = async {
            // It goes wrong with the connection, wherever it is.
            if let Ok(client) = Client::over(here, ClientOptions::new().limits(limits())).await {
                let _ = two_calls(&client).await;
            }
        };
        let sessions = Arc::clone(sessions);
        async move {
            tokio::spawn(client);
            sessions.serve(there, Peer::Parent, true).await;
        }
    });
}

#[test]
fn a_client_is_dropped() {
    at_every_poll(|sessions| {
        let (here, there) = pipe();
        let serve = Arc::clone(sessions).serve(there, Peer::Parent, true);
        async move {
            tokio::spawn(serve);
            whole_session(here).await;
        }
    });
}

/// All on one session, whose windows would be used up soon if a call took any credit with it.
#[test]
fn calls_are_dropped() {
    let runtime = runtime();
    runtime.block_on(async {
        let sessions = Sessions::new(Steps::default(), limits());
        let (here, there) = pipe();
        tokio::spawn(Arc::clone(&sessions).serve(there, Peer::Parent, true));
        let client = connect(here).await;
        let own = tasks();
        for polls in 0..10_000 {
            let is_over = poll_and_drop(polls, two_calls(&client)).await;
            let handlers = || sessions.service().alive.load(Ordering::SeqCst) == 0;
            until("a handler is left", polls, handlers).await;
            until("a task is left", polls, || tasks() == own).await;
            until("the client has a call", polls, || client.holds_nothing()).await;
            let session = sessions.registry().sessions.values().next().cloned();
            let session = session.and_then(|session| session.upgrade()).unwrap();
            assert!(session.running().is_empty(), "after {polls} polls");
            drop(session);
            // A credit, or a place, that was lost would have it wait for ever.
            let next = tokio::time::timeout(Duration::from_secs(30), call(&client)).await;
            let next = next.unwrap_or_else(|_| panic!("no call after {polls} polls"));
            next.unwrap();
            if is_over {
                assert!(polls > 50, "it was over after {polls} polls");
                drop(client);
                return is_as_new(&sessions, polls).await;
            }
        }
        panic!("it is never over");
    });
}
