//! How many connections there may be, so that strangers use up neither the memory nor the places of those who are known.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Peer;
use crate::session::close::{Close, CloseCode};
use crate::session::limits::SessionLimits;

/// Refused connections at a time that are told why. Those beyond are closed at once.
const MAX_REFUSALS: usize = 64;

/// The connections of a server.
#[derive(Debug)]
pub(super) struct Places {
    /// Those of the machine's users, and of whoever has attested.
    known: Count,
    /// Those of anybody.
    strangers: Count,
    /// Those that are refused.
    refused: Count,
}

#[derive(Debug)]
struct Count {
    present: AtomicUsize,
    max: usize,
}

impl Count {
    const fn new(max: usize) -> Self {
        Self {
            present: AtomicUsize::new(0),
            max,
        }
    }

    fn enter(&self) -> Option<Place<'_>> {
        let another = |present| (present < self.max).then_some(present + 1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        let entered = self.present.fetch_update(set, fetch, another);
        entered.is_ok().then(|| Place(self))
    }

    fn is_empty(&self) -> bool {
        self.present.load(Ordering::Relaxed) == 0
    }
}

/// A connection's place, for as long as it is there.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a Count);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.present.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Places {
    pub(super) const fn new(limits: &SessionLimits) -> Self {
        Self {
            known: Count::new(limits.max_connections),
            strangers: Count::new(limits.max_handshakes),
            refused: Count::new(MAX_REFUSALS),
        }
    }

    /// A place for a connection that was just made.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub(super) fn enter(&self, peer: Peer) -> Result<Place<'_>, Close> {
        match peer {
            Peer::Parent | Peer::User(_) => self.enter_known(),
            Peer::Anyone => self.strangers.enter().ok_or_else(|| {
                let max = self.strangers.max;
                none_left(format!(
                    "the server has {max} connections of clients that have not attested, which is as many as it takes"
                ))
            }),
        }
    }

    /// A place for a stranger who has attested.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub(super) fn enter_known(&self) -> Result<Place<'_>, Close> {
        self.known.enter().ok_or_else(|| {
            let max = self.known.max;
            none_left(format!(
                "the server has {max} connections, which is as many as it takes"
            ))
        })
    }

    /// A place to be told why there is none.
    pub(super) fn enter_refused(&self) -> Option<Place<'_>> {
        self.refused.enter()
    }

    /// How many connections of each kind there are.
    #[cfg(feature = "trace")]
    pub(super) fn present(&self) -> [(&'static str, u64); 3] {
        let present = |count: &Count| count.present.load(Ordering::Relaxed) as u64;
        [
            ("known", present(&self.known)),
            ("stranger", present(&self.strangers)),
            ("refused", present(&self.refused)),
        ]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.strangers.is_empty() && self.refused.is_empty()
    }
}

fn none_left(message: String) -> Close {
    Close::new(CloseCode::Connections, message)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Waker};

    use super::super::Sessions;
    use super::super::nothing::Nothing;
    use super::*;

    #[test]
    fn strangers_and_those_who_are_known_have_places_of_their_own() {
        let limits = SessionLimits {
            max_connections: 2,
            max_handshakes: 2,
            ..SessionLimits::default()
        };
        let places = Places::new(&limits);
        let strangers = [Peer::Anyone; 2].map(|peer| places.enter(peer).unwrap());
        assert_eq!(
            places.enter(Peer::Anyone).unwrap_err().code(),
            CloseCode::Connections
        );
        let user = places.enter(Peer::User(1)).unwrap();
        let attested = places.enter_known().unwrap();
        for peer in [Peer::User(2), Peer::Parent] {
            let close = places.enter(peer).unwrap_err();
            assert_eq!(close.code(), CloseCode::Connections);
        }
        drop(user);
        assert!(places.enter_known().is_ok());
        drop((strangers, attested));
        assert!(places.is_empty());
    }

    /// Those who are refused and do not go keep a task and a buffer each until they are given up on.
    #[test]
    fn so_many_are_told_why_they_are_refused_and_the_others_are_gone_at_once() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let _entered = runtime.enter();
        let limits = SessionLimits {
            max_connections: 0,
            ..SessionLimits::default()
        };
        let sessions = Sessions::new(Nothing, limits);
        let mut cx = Context::from_waker(Waker::noop());
        let mut kept = Vec::new();
        for number in 0..MAX_REFUSALS + 5 {
            let (here, there) = tokio::io::duplex(1024);
            let serve = Arc::clone(&sessions).serve(there, Peer::Parent, false);
            let mut serve: Pin<Box<dyn Future<Output = ()>>> = Box::pin(serve);
            let is_over = serve.as_mut().poll(&mut cx).is_ready();
            assert_eq!(is_over, number >= MAX_REFUSALS, "connection {number}");
            kept.push((here, serve));
        }
        kept.pop();
        assert!(!sessions.places.is_empty());
        kept.clear();
        assert!(sessions.places.is_empty());
    }
}
