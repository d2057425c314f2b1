//! A server of an application's commands: where it listens, and how it ends.

#[cfg(unix)]
mod socket;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
#[cfg(feature = "trace")]
use std::time::SystemTime;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use super::app::{App, Faults};
use super::log::audit_log;
use super::served::Served;
use crate::session::{Address, Peer, SessionLimits, Sessions, Stream};
#[cfg(feature = "prometheus")]
use crate::trace::metrics::MetricsServer;
#[cfg(feature = "trace")]
use crate::trace::metrics::Snapshot;
#[cfg(unix)]
use socket::Socket;

/// How long no connection is accepted after one could not be, such as for want of a file descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves an application's commands over sessions.
///
/// Over a unix socket the user that runs the server needs no attestation to begin a session, and nobody else may; over TCP
/// everybody has to attest. What a call asks for is decided at each call, as at every door. Sessions over TCP are neither
/// encrypted nor protected from whoever is in between, so that an address which is not a loopback one is refused, unless
/// [`plaintext`](Self::plaintext) says that something else protects it.
///
/// ```
/// use cnv::prelude::*;
/// use cnv::command::SessionServer;
/// use cnv::session::{Client, ClientOptions};
///
/// /// Adds two numbers.
/// #[verb(noun = "sum", effect = "pure")]
/// fn add(left: i64, right: i64) -> Result<i64, Failure> {
///     Ok(left.saturating_add(right))
/// }
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let server = SessionServer::new(App::new("calc").verbs(verbs![add]))?;
/// let (here, there) = tokio::io::duplex(1 << 16);
/// let served = tokio::spawn(server.run_over(there));
///
/// let client = Client::over(here, ClientOptions::new()).await?;
/// let reply = client.call(["sum", "add", "2", "3"]).await?.collect().await?;
/// assert_eq!(reply.result.json::<i64>()?, 5);
/// # drop(client);
/// # served.await?;
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SessionServer {
    app: Arc<App>,
    limits: SessionLimits,
    listeners: Vec<Listener>,
    is_plaintext: bool,
    #[cfg(feature = "prometheus")]
    metrics: Option<MetricsServer>,
}

#[derive(Debug)]
enum Listener {
    #[cfg(unix)]
    Unix(Socket),
    Tcp(TcpListener),
}

/// Why a server does not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The application has faults.
    #[error(transparent)]
    Faults(#[from] Faults),
    /// Nothing can listen there.
    #[error("cannot listen at {address}")]
    Listen {
        /// Where.
        address: Address,
        /// What the operating system said.
        source: io::Error,
    },
    /// A server listens at this socket already.
    #[error("a server listens at `{}` already", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// There is something else than a socket at this path.
    #[error("`{}` is there already, and is no socket", path.display())]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// Others than this machine could read what is sent.
    #[error(
        "{address} can be reached from elsewhere, and what is sent over TCP is not encrypted: put something that encrypts in front of a loopback address, or say that something does"
    )]
    Plaintext {
        /// The address.
        address: SocketAddr,
    },
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Calls that were cut off, because they went on for too long after the server was asked to end.
    pub cut_off: usize,
}

impl SessionServer {
    /// A server of this application, which listens nowhere yet.
    ///
    /// # Errors
    ///
    /// [`ServeError::Faults`], which a unit test finds with [`App::check`].
    pub fn new(app: App) -> Result<Self, ServeError> {
        app.check()?;
        Ok(Self::of(Arc::new(app)))
    }

    pub(super) fn of(app: Arc<App>) -> Self {
        let limits = app.sessions.clone().unwrap_or_default();
        Self {
            app,
            limits,
            listeners: Vec::new(),
            is_plaintext: false,
            #[cfg(feature = "prometheus")]
            metrics: None,
        }
    }

    /// What the server grants its clients. Default: those of [`App::sessions`].
    #[must_use]
    pub fn limits(mut self, limits: SessionLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Listens also at TCP addresses that other machines reach, because something between protects what is sent.
    #[must_use]
    pub fn plaintext(mut self) -> Self {
        self.is_plaintext = true;
        self
    }

    /// Listens here from now on. A unix socket is for its owner alone; one that a server left behind is replaced, and a file
    /// beside it, `PATH.lock`, keeps two servers from doing so at the same time. Has to be called on tokio.
    ///
    /// # Errors
    ///
    /// All of [`ServeError`] but its faults.
    pub async fn listen(mut self, address: &Address) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Listen {
            address: address.clone(),
            source,
        };
        let listener = match address {
            #[cfg(unix)]
            Address::Unix(path) => Listener::Unix(Socket::bind(path).await?),
            #[cfg(not(unix))]
            Address::Unix(_) => return Err(failed(io::ErrorKind::Unsupported.into())),
            Address::Tcp(address) => {
                self.check_reach(*address)?;
                Listener::Tcp(TcpListener::bind(address).await.map_err(failed)?)
            }
        };
        self.listeners.push(listener);
        Ok(self)
    }

    /// Answers `GET /metrics` here while the server runs, until it has drained, with
    /// [all that the application counts](App::snapshot). See [`MetricsServer`] for who may listen where, and its limits. Has
    /// to be called on tokio.
    ///
    /// Needs the feature `prometheus`.
    ///
    /// # Errors
    ///
    /// [`ServeError::Plaintext`] and [`ServeError::Listen`].
    #[cfg(feature = "prometheus")]
    pub fn metrics(mut self, address: SocketAddr) -> Result<Self, ServeError> {
        self.check_reach(address)?;
        let listen = |source| ServeError::Listen {
            address: Address::Tcp(address),
            source,
        };
        self.metrics = Some(MetricsServer::bind(address).map_err(listen)?);
        Ok(self)
    }

    /// Where the metrics are, with the port that was chosen.
    ///
    /// Needs the feature `prometheus`.
    #[cfg(feature = "prometheus")]
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(MetricsServer::address)
    }

    /// Whether what is sent to this address stays on the machine, or is somebody else's to protect.
    fn check_reach(&self, address: SocketAddr) -> Result<(), ServeError> {
        if address.ip().is_loopback() || self.is_plaintext {
            return Ok(());
        }
        Err(ServeError::Plaintext { address })
    }

    /// Where the server listens; with the port that was chosen, where it was left to the operating system.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        let address = |listener: &Listener| match listener {
            #[cfg(unix)]
            Listener::Unix(socket) => Some(Address::Unix(socket.path().to_owned())),
            Listener::Tcp(listener) => listener.local_addr().ok().map(Address::Tcp),
        };
        self.listeners.iter().filter_map(address).collect()
    }

    /// Serves until `shutdown` completes. Then no new calls are taken, and those that are there have
    /// [`SessionLimits::drain_timeout`] to end.
    ///
    /// An application with a tracer has [all that it counts](App::snapshot) exported meanwhile, and after the end as it then
    /// was, in place of what was [measured](crate::trace::Tracer::measure) before.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Drained {
        self.open_log().await;
        let sessions = self.sessions();
        #[cfg(feature = "reload")]
        let _watch = self.watch();
        #[cfg(feature = "prometheus")]
        let _metrics = self.serve_metrics();
        #[cfg(feature = "trace")]
        let measured = Measured::begin(&sessions.service().app);
        let mut accepting = tokio::task::JoinSet::new();
        for listener in self.listeners {
            let sessions = Arc::clone(&sessions);
            accepting.spawn(async move {
                loop {
                    match listener.accept().await {
                        Ok((stream, peer)) => {
                            let sessions = Arc::clone(&sessions);
                            tokio::spawn(sessions.serve(stream, peer, true));
                        }
                        Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                    }
                }
            });
        }
        shutdown.await;
        accepting.shutdown().await;
        let cut_off = sessions.drain().await;
        sessions.service().record_left_out().await;
        #[cfg(feature = "trace")]
        measured.end();
        Drained { cut_off }
    }

    /// Serves one connection that is there already, such as the process's standard input and output, to its end. Whoever
    /// made it needs no attestation to begin a session.
    pub async fn run_over<S>(mut self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.open_log().await;
        let sessions = self.sessions();
        #[cfg(feature = "reload")]
        let _watch = self.watch();
        #[cfg(feature = "prometheus")]
        let _metrics = self.serve_metrics();
        sessions.serve(stream, Peer::Parent, false).await;
    }

    /// As [`run_over`](Self::run_over), until `shutdown` completes and what goes on then has ended.
    pub(super) async fn run_over_until<S>(
        #[cfg_attr(not(feature = "prometheus"), allow(unused_mut))] mut self,
        stream: S,
        shutdown: impl Future<Output = ()>,
    ) -> Drained
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let sessions = self.sessions();
        #[cfg(feature = "reload")]
        let _watch = self.watch();
        #[cfg(feature = "prometheus")]
        let _metrics = self.serve_metrics();
        #[cfg(feature = "trace")]
        let measured = Measured::begin(&sessions.service().app);
        let mut served = tokio::spawn(Arc::clone(&sessions).serve(stream, Peer::Parent, false));
        let mut shutdown = std::pin::pin!(shutdown);
        let has_ended = std::future::poll_fn(|cx| {
            if Pin::new(&mut served).poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            shutdown.as_mut().poll(cx).map(|()| false)
        });
        let cut_off = match has_ended.await {
            true => 0,
            false => sessions.drain().await,
        };
        #[cfg(feature = "trace")]
        measured.end();
        Drained { cut_off }
    }

    /// Opens the audit log that the environment names: one for all calls and for the sessions that are denied, rather than
    /// one after another. Where that fails, each call tries again, and does not run if it cannot be recorded.
    async fn open_log(&mut self) {
        if let (Ok(log), Some(app)) = (audit_log(&self.app).await, Arc::get_mut(&mut self.app)) {
            app.audit = log;
        }
    }

    /// Follows the overlay, where the application has one. Without a thread for that, what is in force at the beginning
    /// stays so, and `grammar reload` changes it.
    #[cfg(feature = "reload")]
    fn watch(&self) -> Option<super::Watch> {
        self.app.live_grammar()?.watch().ok()
    }

    /// Answers scrapes until what it returns is dropped.
    #[cfg(feature = "prometheus")]
    fn serve_metrics(&mut self) -> tokio::task::JoinSet<std::convert::Infallible> {
        let mut serving = tokio::task::JoinSet::new();
        if let Some(metrics) = self.metrics.take() {
            let app = Arc::clone(&self.app);
            serving.spawn(metrics.run(move || app.snapshot()));
        }
        serving
    }

    fn sessions(&self) -> Arc<Sessions<Served>> {
        let sessions = Sessions::new(self.served(), self.limits.clone());
        #[cfg(feature = "trace")]
        self.app.tell_of(&sessions);
        sessions
    }

    pub(super) fn served(&self) -> Served {
        Served::new(Arc::clone(&self.app), own_user())
    }
}

/// An application that its tracer measures while it is served.
#[cfg(feature = "trace")]
struct Measured(Arc<App>);

#[cfg(feature = "trace")]
impl Measured {
    fn begin(app: &Arc<App>) -> Self {
        if let Some(tracer) = &app.tracer {
            // The tracer is the application's, and does not keep it.
            let app = Arc::downgrade(app);
            tracer.measure(move || match app.upgrade() {
                Some(app) => app.snapshot(),
                None => {
                    let now = SystemTime::now();
                    Snapshot::new(now, now)
                }
            });
        }
        Self(Arc::clone(app))
    }

    /// Has the last export say what there was while the server was there.
    fn end(self) {
        if let Some(tracer) = &self.0.tracer {
            let last = self.0.snapshot();
            tracer.measure(move || last.clone());
        }
    }
}

impl Listener {
    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            #[cfg(unix)]
            Self::Unix(socket) => {
                let stream = socket.accept().await?;
                let user = stream.peer_cred()?.uid();
                Ok((Stream::Unix(stream), Peer::User(user)))
            }
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), Peer::Anyone))
            }
        }
    }
}

/// The user that this process acts as.
fn own_user() -> Option<u32> {
    #[cfg(unix)]
    return Some(rustix::process::geteuid().as_raw());
    #[cfg(not(unix))]
    None
}
