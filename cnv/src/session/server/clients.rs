//! The clients of a server, over all of their sessions: what one of them does is never at the cost of the others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// Who a client is, as far as its sessions are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    /// Who started this process.
    Parent,
    /// A user of this machine.
    User(u32),
    /// The digest of whom a root has vouched for. Whoever that one delegates to counts as the same, because it can make as
    /// many of them as it likes.
    Attested([u8; 32]),
}

/// A client with sessions.
#[derive(Debug, Default)]
pub(super) struct Client {
    calls: AtomicUsize,
}

/// A call's place among those of its client, for as long as its handler runs.
#[derive(Debug)]
pub(super) struct CallPlace(Arc<Client>);

impl Client {
    /// A place for one more call, where there is one.
    pub(super) fn enter(self: &Arc<Self>, max: usize) -> Option<CallPlace> {
        let another = |calls| (calls < max).then_some(calls + 1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        let entered = self.calls.fetch_update(set, fetch, another);
        entered.is_ok().then(|| CallPlace(Arc::clone(self)))
    }
}

impl Drop for CallPlace {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All that have sessions.
#[derive(Debug, Default)]
pub(super) struct Clients {
    known: HashMap<Identity, Weak<Client>>,
    /// Once there are so many, those that are gone are forgotten.
    forget_at: usize,
}

impl Clients {
    /// The client of this identity.
    pub(super) fn of(&mut self, identity: Identity) -> Arc<Client> {
        if let Some(client) = self.known.get(&identity).and_then(Weak::upgrade) {
            return client;
        }
        if self.known.len() >= self.forget_at {
            self.known.retain(|_, client| client.strong_count() > 0);
            self.forget_at = 2 * self.known.len() + 16;
        }
        let client = Arc::default();
        self.known.insert(identity, Arc::downgrade(&client));
        client
    }

    /// Whether nobody has a session or a call.
    #[cfg(test)]
    pub(super) fn are_gone(&self) -> bool {
        self.known.values().all(|client| client.strong_count() == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_one_while_it_has_a_session_and_is_forgotten_then() {
        let mut clients = Clients::default();
        let first = clients.of(Identity::User(0));
        for user in 1..1000 {
            drop(clients.of(Identity::User(user)));
        }
        assert!(clients.known.len() < 20, "{}", clients.known.len());
        assert!(Arc::ptr_eq(&first, &clients.of(Identity::User(0))));
        assert!(!Arc::ptr_eq(&first, &clients.of(Identity::Parent)));
    }

    #[test]
    fn a_call_has_its_place_until_it_ends() {
        let client = Arc::new(Client::default());
        let one = client.enter(2).unwrap();
        let two = client.enter(2).unwrap();
        assert!(client.enter(2).is_none());
        drop(one);
        let three = client.enter(2).unwrap();
        assert!(client.enter(2).is_none());
        drop((two, three));
        assert_eq!(client.calls.load(Ordering::Relaxed), 0);
    }
}
