//! How a client begins its sessions.

use std::fmt;
use std::time::Duration;

use crate::attestation::PrivateKey;
use crate::session::limits::SessionLimits;

/// How a client begins its sessions.
///
/// ```no_run
/// use cnv::session::{Client, ClientOptions};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let address = "unix:/run/ops.sock".parse()?;
/// let client = Client::connect(&address, ClientOptions::new().application("ops")).await?;
/// let mut call = client.call(["log", "scan", "access.log"]).await?;
/// while let Some(item) = call.next().await? {
///     println!("{}", item.text());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ClientOptions {
    pub(super) application: Option<String>,
    pub(super) grammar: Option<String>,
    pub(super) token: Option<String>,
    pub(super) key: Option<PrivateKey>,
    pub(super) limits: SessionLimits,
    pub(super) reconnect: Duration,
    pub(super) is_single: bool,
    pub(super) is_plaintext: bool,
}

/// How long a client tries to connect again where nobody listens.
const RECONNECT: Duration = Duration::from_secs(2);

impl Default for ClientOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientOptions {
    /// A client that presents nothing and takes any server.
    #[must_use]
    pub fn new() -> Self {
        Self {
            application: None,
            grammar: None,
            token: None,
            key: None,
            limits: SessionLimits::default(),
            reconnect: RECONNECT,
            is_single: false,
            is_plaintext: false,
        }
    }

    /// Goes on only with the server of this application. A proof of possession names it, so whoever attests has to know.
    #[must_use]
    pub fn application(mut self, name: impl Into<String>) -> Self {
        self.application = Some(name.into());
        self
    }

    /// Goes on only where the server's grammar has this digest, or is understood by it still.
    #[must_use]
    pub fn grammar(mut self, digest: impl fmt::Display) -> Self {
        self.grammar = Some(digest.to_string());
        self
    }

    /// Presents a token, and proves possession of the key that it names; a bearer's needs none.
    #[must_use]
    pub fn attest(mut self, token: impl Into<String>, key: Option<PrivateKey>) -> Self {
        self.token = Some(token.into());
        self.key = key;
        self
    }

    /// Presents a bearer's token also over TCP to other machines, because something in between protects what is sent. A
    /// token that is held by a key needs none: its proof is worth nothing in another session.
    #[must_use]
    pub fn plaintext(mut self) -> Self {
        self.is_plaintext = true;
        self
    }

    /// What this client grants the server, and for how long.
    #[must_use]
    pub fn limits(mut self, limits: SessionLimits) -> Self {
        self.limits = limits;
        self
    }

    /// How long it is tried to connect again while nobody listens at the server's address; then the session is over, with
    /// [`SessionError::Gone`](crate::session::SessionError::Gone). A server that was killed has lost its sessions, so that
    /// there is little to wait for; something in between that is restarted may need longer. Default: 2 s; no longer than
    /// [`SessionLimits::resume_window`], which bounds it all.
    #[must_use]
    pub fn reconnect(mut self, time: Duration) -> Self {
        self.reconnect = time;
        self
    }

    /// Does not go on over another connection when this one breaks.
    #[must_use]
    pub fn single_connection(mut self) -> Self {
        self.is_single = true;
        self
    }
}
