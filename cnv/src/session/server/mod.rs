//! The server: who connects, and how a session begins.
//!
//! `registry` has the sessions that go on over these connections, `calls` the calls of each, and `ending` what is told of
//! one's end; `drain` ends them all.

mod calls;
#[cfg(test)]
mod cancel_tests;
mod clients;
#[cfg(feature = "trace")]
mod counts;
#[cfg(not(feature = "trace"))]
#[path = "uncounted.rs"]
mod counts;
mod drain;
mod ending;
#[cfg(test)]
mod nothing;
mod places;
mod registry;

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::close::{Close, CloseCode};
use super::driver::{Broken, Driver, GOODBYE, say_goodbye};
use super::error::SessionError;
use super::handshake::{Handshake, common_version, request_digest};
use super::limits::SessionLimits;
use super::message::{Auth, ClientHello, Ending, Ready, Request, ServerHello, decode, encode};
use super::wire::Kind;
use crate::attestation::{Nonce, ProofError, ProofOfPossession, RequestDigest, hex};
pub(crate) use calls::{Caller, Unsent};
pub(crate) use clients::Identity;
use counts::Counts;
use places::{Place, Places};
use registry::{Attached, NotFound, Registry};

/// Who is at the other end of a connection, as far as the operating system knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Who started this process, over its standard input and output.
    Parent,
    /// A user of this machine.
    User(u32),
    /// Anybody.
    Anyone,
}

/// What a client presents.
pub(crate) struct Presented {
    pub(crate) token: String,
    pub(crate) proof: Result<Option<ProofOfPossession>, ProofError>,
    /// What the proof is to be about.
    pub(crate) request: RequestDigest,
    /// The number that it is to answer, which this connection alone was given.
    pub(crate) nonce: Nonce,
}

/// A call that has begun.
pub(crate) struct Begun {
    pub(crate) ending: Pin<Box<dyn Future<Output = Ending> + Send>>,
    /// Asks the handler to stop.
    pub(crate) ask: Box<dyn Fn(Stop) + Send + Sync>,
}

/// What a handler is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The server ends: a handler that follows something without end is to return what it has.
    WindUp,
    /// Any handler is.
    Cancel,
}

/// What a server serves.
pub(crate) trait Service: Send + Sync + 'static {
    /// What a session may do, once that is decided.
    type Authority: Clone + Send + Sync + 'static;

    fn application(&self) -> &str;

    fn version(&self) -> Option<&str>;

    /// The digest of the grammar in force.
    fn grammar(&self) -> String;

    /// Whether a client that was written for this grammar is understood.
    fn understands(&self, grammar: &str) -> bool;

    /// Decides whether the session may begin.
    fn authenticate(
        &self,
        peer: Peer,
        presented: Option<Presented>,
    ) -> impl Future<Output = Result<Self::Authority, Close>> + Send;

    /// Somebody came again for a session that is there, and is not whose it is.
    fn not_theirs(&self, peer: Peer, token: Option<&str>) -> impl Future<Output = ()> + Send;

    /// Whom this authority was given to.
    fn identity(&self, peer: Peer, authority: &Self::Authority) -> Identity;

    fn call(&self, authority: &Self::Authority, request: Request, caller: Caller) -> Begun;
}

/// All sessions of a server.
pub(crate) struct Sessions<S: Service> {
    service: S,
    limits: SessionLimits,
    places: Places,
    registry: Mutex<Registry<S::Authority>>,
    counts: Counts,
}

impl<S: Service> Sessions<S> {
    pub(crate) fn new(service: S, limits: SessionLimits) -> Arc<Self> {
        let limits = limits.in_range();
        Arc::new(Self {
            service,
            places: Places::new(&limits),
            limits,
            registry: Mutex::default(),
            counts: Counts::default(),
        })
    }

    pub(crate) const fn service(&self) -> &S {
        &self.service
    }

    /// Serves one connection to its end.
    pub(crate) async fn serve<T>(self: Arc<Self>, mut stream: T, peer: Peer, is_resumable: bool)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut place = match self.places.enter(peer) {
            Ok(place) => place,
            Err(close) => {
                self.counts.refused.add();
                if let Some(_place) = self.places.enter_refused() {
                    goodbye(&mut stream, &close).await;
                }
                return;
            }
        };
        let mut handshake = Handshake::new(stream);
        let time = self.limits.handshake_timeout;
        let until = tokio::time::Instant::now() + time;
        let begun = self.begin(&mut handshake, peer, is_resumable, &mut place);
        let begun = match tokio::time::timeout_at(until, begun).await {
            Ok(begun) => begun,
            Err(_) => Err(SessionError::Refused(Close::new(
                CloseCode::Handshake,
                format!("the session did not begin within {time:?}"),
            ))),
        };
        let (mut attached, ready) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                self.counts.refused.add();
                if let SessionError::Refused(close) = error {
                    goodbye(&mut handshake.stream, &close).await;
                }
                return;
            }
        };
        let sent = handshake.send(Kind::Ready, &ready);
        if !matches!(tokio::time::timeout_at(until, sent).await, Ok(Ok(()))) {
            return;
        }
        let Handshake { stream, arrived } = handshake;
        let session = Arc::clone(&attached.session);
        let driver = Driver::new(
            stream,
            &session.shared,
            &session.limits,
            attached.connection,
            arrived,
            true,
        );
        attached.broken = driver.run(|| self.act(&session)).await;
    }

    /// The server's part of the handshake.
    async fn begin<'p, T: AsyncRead + AsyncWrite + Unpin>(
        self: &'p Arc<Self>,
        handshake: &mut Handshake<T>,
        peer: Peer,
        is_resumable: bool,
        place: &mut Place<'p>,
    ) -> Result<(Attached<S>, Bytes), SessionError> {
        let hello = handshake.expect(Kind::Hello).await?;
        let client: ClientHello = decode("the client's hello", &hello)?;
        let protocol = common_version(&client)?;
        let agreed = self.limits.agreed(
            client.window_bytes,
            client.call_window_bytes,
            client.max_frame_bytes,
            client.max_item_bytes,
        )?;
        self.check_wishes(&client)?;
        // It is kept here, with the connection: strangers who ask for many take none from anybody.
        let nonce = client.attests.then(Nonce::of_connection).transpose();
        let nonce = nonce.map_err(|_| without_randomness())?;
        let answer = encode(&ServerHello {
            protocol,
            application: self.service.application().to_owned(),
            version: self.service.version().map(str::to_owned),
            grammar: self.service.grammar(),
            nonce: nonce.map(|nonce| nonce.to_string()),
            max_request_bytes: self.limits.max_request_bytes,
            window_bytes: self.limits.window_bytes,
            call_window_bytes: self.limits.call_window_bytes,
            max_frame_bytes: self.limits.max_frame_bytes,
            max_item_bytes: self.limits.max_item_bytes,
        });
        handshake.send(Kind::Hello, &answer).await?;
        let presented = if let Some(nonce) = nonce {
            let auth = handshake.expect(Kind::Auth).await?;
            let auth: Auth = decode("what the client presents", &auth)?;
            Some(Presented {
                token: auth.token,
                proof: auth.proof.map(|proof| proof.parse()).transpose(),
                request: request_digest(&hello, &answer),
                nonce,
            })
        } else {
            None
        };
        let token = presented.as_ref().map(|presented| presented.token.clone());
        let authority = self.service.authenticate(peer, presented).await?;
        if peer == Peer::Anyone {
            *place = self.places.enter_known()?;
        }
        let is_resumable = is_resumable && client.is_resumable;
        let (session, secret, connection, received) =
            match client.resume.as_ref().filter(|_| is_resumable) {
                Some(resume) => {
                    let found = self.find(resume, peer, token.as_deref());
                    if matches!(found, Err(NotFound::NotTheirs)) {
                        self.service.not_theirs(peer, token.as_deref()).await;
                    }
                    let session = found.map_err(Close::from)?;
                    let (connection, received) = self.go_on(&session, resume)?;
                    (
                        session,
                        Some(resume.secret.clone()),
                        connection,
                        Some(received),
                    )
                }
                None => {
                    let (session, secret) =
                        self.open(&agreed, peer, token, authority, is_resumable)?;
                    let connection = session.shared.attach();
                    (session, secret, connection, None)
                }
            };
        let ready = encode(&Ready {
            session: hex::text(&session.number),
            secret,
            received,
            calls: session.shared.lock().core.allowed(),
        });
        let attached = Attached {
            sessions: Arc::clone(self),
            session,
            connection,
            broken: Broken::Lost(std::io::ErrorKind::ConnectionAborted.into()),
        };
        Ok((attached, ready))
    }

    /// What a client insists on.
    fn check_wishes(&self, client: &ClientHello) -> Result<(), Close> {
        let own = self.service.application();
        if let Some(wanted) = &client.application
            && wanted != own
        {
            return Err(Close::new(
                CloseCode::Application,
                format!("this is the server of `{own}`, and not of `{wanted}`"),
            ));
        }
        if let Some(wanted) = &client.grammar
            && !self.service.understands(wanted)
        {
            let own = self.service.grammar();
            return Err(Close::new(
                CloseCode::Grammar,
                format!(
                    "the grammar {wanted} is not served any more; the one in force is {own}: read it with `--grammar`"
                ),
            ));
        }
        if self.registry().is_draining {
            return Err(Close::drain());
        }
        Ok(())
    }
}

fn without_randomness() -> Close {
    Close::protocol("the server has no randomness for a session")
}

async fn goodbye<T: AsyncRead + AsyncWrite + Unpin>(stream: &mut T, close: &Close) {
    // It is told if that works; the connection ends either way.
    let _ = tokio::time::timeout(GOODBYE, say_goodbye(stream, close)).await;
}
