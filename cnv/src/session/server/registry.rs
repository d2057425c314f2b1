//! The sessions of a server, from one connection to the next.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::calls::Running;
use super::clients::{Client, Clients};
use super::{Peer, Service, Sessions, without_randomness};
use crate::attestation::{hex, random};
use crate::session::close::{Close, CloseCode};
use crate::session::driver::Broken;
use crate::session::limits::SessionLimits;
use crate::session::message::Resume;
use crate::session::server_core::ServerCore;
use crate::session::shared::Shared;

pub(super) struct Registry<A> {
    pub(super) sessions: HashMap<SessionNumber, Weak<Session<A>>>,
    /// Those whose connection broke, from the oldest on.
    pub(super) detached: VecDeque<Arc<Session<A>>>,
    pub(super) is_draining: bool,
    clients: Clients,
}

#[cfg(test)]
impl<A> Registry<A> {
    /// Whether nobody has a session or a call.
    pub(super) fn has_no_client(&self) -> bool {
        self.clients.are_gone()
    }
}

pub(super) type SessionNumber = [u8; 16];

impl<A> Default for Registry<A> {
    fn default() -> Self {
        Self {
            sessions: HashMap::new(),
            detached: VecDeque::new(),
            is_draining: false,
            clients: Clients::default(),
        }
    }
}

/// One session, over however many connections.
pub(super) struct Session<A> {
    pub(super) number: SessionNumber,
    /// The digest of what a client shows when it comes again; `None` where it cannot. Digests are compared, so that the time
    /// it takes tells nothing of the secret.
    secret: Option<[u8; 32]>,
    peer: Peer,
    /// Whose session it is: that which was presented, to be presented again.
    token: Option<String>,
    pub(super) authority: A,
    pub(super) client: Arc<Client>,
    pub(super) limits: SessionLimits,
    pub(super) shared: Shared<ServerCore>,
    pub(super) running: Mutex<BTreeMap<u32, Running>>,
}

/// Why a session is not gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotFound {
    Unknown,
    /// It is there, and the secret, the user or the token is another.
    NotTheirs,
}

impl From<NotFound> for Close {
    /// The same for both: whoever asks does not hear which sessions there are.
    fn from(_: NotFound) -> Self {
        Self::new(CloseCode::Resume, "there is no such session any more")
    }
}

/// A session that has begun, with what its client shows when it comes again.
type Opened<A> = (Arc<Session<A>>, Option<String>);

impl<S: Service> Sessions<S> {
    pub(super) fn registry(&self) -> MutexGuard<'_, Registry<S::Authority>> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(
        &self,
        agreed: &SessionLimits,
        peer: Peer,
        token: Option<String>,
        authority: S::Authority,
        is_resumable: bool,
    ) -> Result<Opened<S::Authority>, Close> {
        let mut number = [0; 16];
        let mut secret = [0; 32];
        let filled = random::fill(&mut number).and_then(|()| random::fill(&mut secret));
        filled.map_err(|_| without_randomness())?;
        let identity = self.service.identity(peer, &authority);
        let mut registry = self.registry();
        if registry.is_draining {
            return Err(Close::drain());
        }
        let session = Arc::new(Session {
            number,
            secret: is_resumable.then(|| Sha256::digest(secret).into()),
            peer,
            token,
            authority,
            client: registry.clients.of(identity),
            shared: Shared::new(ServerCore::new(agreed, is_resumable, Instant::now())),
            limits: self.limits.clone(),
            running: Mutex::new(BTreeMap::new()),
        });
        registry.sessions.insert(number, Arc::downgrade(&session));
        self.counts.opened.add();
        let secret = is_resumable.then(|| hex::text(&secret));
        Ok((session, secret))
    }

    /// The session that a client comes again with.
    pub(super) fn find(
        &self,
        resume: &Resume,
        peer: Peer,
        token: Option<&str>,
    ) -> Result<Arc<Session<S::Authority>>, NotFound> {
        let number = hex::read(&resume.session).map_err(|_| NotFound::Unknown)?;
        let registry = self.registry();
        let session = registry.sessions.get(&number).and_then(Weak::upgrade);
        drop(registry);
        let session = session.ok_or(NotFound::Unknown)?;
        let shown: [u8; 32] = hex::read(&resume.secret).map_err(|_| NotFound::NotTheirs)?;
        let is_it = session.secret == Some(Sha256::digest(shown).into());
        if !is_it || session.peer != peer || session.token.as_deref() != token {
            return Err(NotFound::NotTheirs);
        }
        Ok(session)
    }

    /// Goes on with a session over a new connection. Says which it is, and the last sequence that the server has.
    pub(super) fn go_on(
        &self,
        session: &Arc<Session<S::Authority>>,
        resume: &Resume,
    ) -> Result<(u64, u64), Close> {
        let mut registry = self.registry();
        if !registry.sessions.contains_key(&session.number) {
            return Err(NotFound::Unknown.into());
        }
        registry
            .detached
            .retain(|other| !Arc::ptr_eq(other, session));
        let mut state = session.shared.lock();
        if let Err(close) = state.core.reattach(resume.received) {
            drop(state);
            registry.sessions.remove(&session.number);
            drop(registry);
            session.shared.close(close.clone());
            session.abandon();
            return Err(close);
        }
        let connection = state.attach();
        self.counts.resumed.add();
        Ok((connection, state.core.link.received()))
    }

    /// What becomes of a session without this connection.
    fn broke(
        self: &Arc<Self>,
        session: &Arc<Session<S::Authority>>,
        connection: u64,
        broken: &Broken,
    ) {
        let goes_on = match broken {
            Broken::TakenOver => return,
            Broken::Lost(_) => true,
            Broken::Closed(close) | Broken::Refused(close) => close.code().is_resumable(),
        };
        let mut registry = self.registry();
        if session.shared.lock().connection() != connection {
            // It broke just when a newer one took over.
            return;
        }
        let goes_on = goes_on && session.secret.is_some();
        if goes_on && registry.is_draining {
            // Its calls have the time that all have.
            return;
        }
        let runtime = tokio::runtime::Handle::try_current().ok();
        let (true, Some(runtime)) = (goes_on, runtime) else {
            registry.sessions.remove(&session.number);
            drop(registry);
            session.abandon();
            return;
        };
        registry.detached.push_back(Arc::clone(session));
        let one_too_many = self.one_too_many(&mut registry, session);
        if let Some(session) = &one_too_many {
            registry.sessions.remove(&session.number);
        }
        drop(registry);
        if let Some(session) = one_too_many {
            session.abandon();
        }
        let (sessions, session) = (Arc::downgrade(self), Arc::downgrade(session));
        let window = self.limits.resume_window;
        runtime.spawn(async move {
            tokio::time::sleep(window).await;
            if let (Some(sessions), Some(session)) = (sessions.upgrade(), session.upgrade()) {
                sessions.forget(&session, connection);
            }
        });
    }

    /// The session that is not waited for any longer, now that `newest` is waited for: the oldest one of the same client,
    /// so that nobody pushes out another's.
    fn one_too_many(
        &self,
        registry: &mut Registry<S::Authority>,
        newest: &Session<S::Authority>,
    ) -> Option<Arc<Session<S::Authority>>> {
        let is_own = |other: &Arc<Session<_>>| Arc::ptr_eq(&other.client, &newest.client);
        let own = registry.detached.iter().filter(|&other| is_own(other));
        let is_over = registry.detached.len() > self.limits.max_detached
            || own.count() > self.limits.max_client_detached;
        let oldest = registry.detached.iter().position(is_own);
        oldest
            .filter(|_| is_over)
            .and_then(|at| registry.detached.remove(at))
    }

    /// Ends a session that nobody came again for.
    fn forget(&self, session: &Arc<Session<S::Authority>>, connection: u64) {
        let mut registry = self.registry();
        let is_detached = registry
            .detached
            .iter()
            .any(|other| Arc::ptr_eq(other, session));
        if !is_detached || session.shared.lock().connection() != connection {
            return;
        }
        registry
            .detached
            .retain(|other| !Arc::ptr_eq(other, session));
        registry.sessions.remove(&session.number);
        drop(registry);
        session.abandon();
    }
}

/// A connection of a session. However it ends, the session is told.
pub(super) struct Attached<S: Service> {
    pub(super) sessions: Arc<Sessions<S>>,
    pub(super) session: Arc<Session<S::Authority>>,
    pub(super) connection: u64,
    pub(super) broken: Broken,
}

impl<S: Service> Drop for Attached<S> {
    fn drop(&mut self) {
        self.sessions
            .broke(&self.session, self.connection, &self.broken);
    }
}

#[cfg(test)]
mod tests {
    use super::super::nothing::Nothing;
    use super::*;

    fn lost() -> Broken {
        Broken::Lost(std::io::ErrorKind::UnexpectedEof.into())
    }

    fn limits() -> SessionLimits {
        SessionLimits {
            max_detached: 3,
            max_client_detached: 1,
            ..SessionLimits::default()
        }
    }

    fn open_of(sessions: &Sessions<Nothing>, peer: Peer) -> Arc<Session<()>> {
        let opened = sessions.open(&limits(), peer, None, (), true);
        opened.unwrap().0
    }

    fn open(sessions: &Sessions<Nothing>) -> Arc<Session<()>> {
        open_of(sessions, Peer::Parent)
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test);
    }

    #[test]
    fn a_connection_that_breaks_as_another_takes_over_detaches_nothing() {
        run(async {
            let sessions = Sessions::new(Nothing, limits());
            let session = open(&sessions);
            let older = session.shared.attach();
            let newer = session.shared.attach();
            sessions.broke(&session, older, &lost());
            assert!(sessions.registry().detached.is_empty());
            sessions.broke(&session, newer, &lost());
            assert_eq!(sessions.registry().detached.len(), 1);
        });
    }

    #[test]
    fn the_session_that_waited_longest_makes_room() {
        run(async {
            let sessions = Sessions::new(Nothing, limits());
            let (first, second) = (open(&sessions), open(&sessions));
            for session in [&first, &second] {
                let connection = session.shared.attach();
                sessions.broke(session, connection, &lost());
            }
            let registry = sessions.registry();
            assert!(Arc::ptr_eq(&registry.detached[0], &second));
            assert_eq!(registry.detached.len(), 1);
            assert!(!registry.sessions.contains_key(&first.number));
        });
    }

    #[test]
    fn nobody_pushes_out_the_session_of_another() {
        run(async {
            let limits = SessionLimits {
                max_detached: 3,
                max_client_detached: 2,
                ..SessionLimits::default()
            };
            let sessions = Sessions::new(Nothing, limits);
            let first = open_of(&sessions, Peer::User(1));
            let of_others = [2; 9].map(|user| open_of(&sessions, Peer::User(user)));
            let last = open_of(&sessions, Peer::User(3));
            let late = open_of(&sessions, Peer::User(4));
            let broke = |session: &Arc<Session<()>>| {
                sessions.broke(session, session.shared.attach(), &lost());
            };
            broke(&first);
            of_others.iter().for_each(broke);
            let kept = |session: &Arc<Session<()>>| {
                sessions.registry().sessions.contains_key(&session.number)
            };
            assert!(kept(&first) && !kept(&of_others[6]));
            assert!(kept(&of_others[7]) && kept(&of_others[8]));
            // There is no room, and none of its own to make some.
            for session in [&last, &late] {
                broke(session);
                assert!(!kept(session));
            }
            assert!(kept(&first) && kept(&of_others[7]));
            assert_eq!(sessions.registry().detached.len(), 3);
        });
    }

    /// Not even where there is no runtime any more to wait on.
    #[test]
    fn a_connection_that_is_dropped_leaves_no_session_behind() {
        let sessions = Sessions::new(Nothing, limits());
        let session = open(&sessions);
        let connection = session.shared.attach();
        drop(Attached {
            sessions: Arc::clone(&sessions),
            session,
            connection,
            broken: lost(),
        });
        assert!(sessions.registry().sessions.is_empty());
    }
}
