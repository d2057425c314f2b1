//! The end of a server: no new calls, and time for those that are there.

use std::sync::{Arc, Weak};
use std::time::Instant;

use super::registry::Session;
use super::{Service, Sessions, Stop};
use crate::session::driver::GOODBYE;
use crate::session::server_core::ServerCore;

/// How often it is looked whether all calls have ended.
const DRAIN_POLL: std::time::Duration = std::time::Duration::from_millis(10);

impl<S: Service> Sessions<S> {
    /// Takes no new sessions and calls, and returns once those that are there have ended, or their time is up. Those that
    /// follow something without end are told at once. Says how many calls were cut off.
    pub(crate) async fn drain(self: &Arc<Self>) -> usize {
        // Those whose connection broke have the same time to end.
        let sessions = {
            let mut registry = self.registry();
            registry.is_draining = true;
            let sessions = registry.sessions.values();
            let sessions = sessions.filter_map(Weak::upgrade).collect::<Vec<_>>();
            registry.detached.clear();
            sessions
        };
        for session in &sessions {
            session.shared.with(ServerCore::drain);
            session.ask_all(Stop::WindUp);
        }
        let until = Instant::now() + self.limits.drain_timeout;
        let is_over = |sessions: &[Arc<Session<S::Authority>>]| {
            sessions.iter().all(|session| session.running().is_empty()) && self.places.is_empty()
        };
        while !is_over(&sessions) && Instant::now() < until {
            tokio::time::sleep(DRAIN_POLL).await;
        }
        let mut cut = 0;
        for session in &sessions {
            cut += session.running().len();
            session.ask_all(Stop::Cancel);
        }
        if cut > 0 {
            tokio::time::sleep(self.limits.cancel_grace).await;
        }
        for session in &sessions {
            session.abandon();
        }
        let until = Instant::now() + GOODBYE;
        while !self.places.is_empty() && Instant::now() < until {
            tokio::time::sleep(DRAIN_POLL).await;
        }
        cut
    }
}
