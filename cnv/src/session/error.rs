//! What can go wrong with a session as a whole.

use std::io;

use super::close::Close;

/// Why a session could not be begun, or is over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The other end ended it. Its [`code`](Close::code) says whether a retry makes sense.
    #[error("the other end closed the session: {0}")]
    Closed(#[source] Close),
    /// This end ended it, because of what the other did.
    #[error("the session was closed: {0}")]
    Refused(#[source] Close),
    /// The connection broke, or there was none. A retry makes sense.
    #[error("the connection to the other end is gone")]
    Io(#[from] io::Error),
    /// The connection broke, and nobody listens at the server's address any more: the server is gone, and the session with
    /// it. A retry makes sense once there is another server.
    #[error("nobody listens at {address} any more, where it was tried for {tried:?}")]
    Gone {
        /// The server's address.
        address: super::address::Address,
        /// How long it was tried.
        tried: std::time::Duration,
        /// What the operating system said last.
        source: io::Error,
    },
    /// The other end did not answer in time. A retry makes sense.
    #[error("the session did not begin within {0:?}")]
    Handshake(std::time::Duration),
    /// The server takes no new calls. A retry makes sense with the server that comes after it.
    #[error("the server takes no new calls, because it ends")]
    Draining,
    /// The session has made all the calls that it has numbers for, which are 4 294 967 295. Those that are under way go on;
    /// the next one needs a new session.
    #[error("the session has no number left for another call: begin a new one")]
    NoNumber,
    /// The request is larger than the server takes.
    #[error("a request of {len} bytes is over the server's limit of {max}")]
    RequestTooLarge {
        /// The request's length in bytes, as JSON.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// An argument is not UTF-8.
    #[error("the argument {argument:?} is not UTF-8, and cannot be sent")]
    NotText {
        /// The argument.
        argument: std::ffi::OsString,
    },
    /// A bearer's token would go to another machine as it is, where whoever reads it on the way can use it. See
    /// [`ClientOptions::plaintext`](super::ClientOptions::plaintext).
    #[error(
        "a bearer's token is not sent to {address}, because sessions over TCP are not encrypted"
    )]
    Plaintext {
        /// The address.
        address: std::net::SocketAddr,
    },
    /// The token is no attestation, or names a key that is not there.
    #[error("the attestation cannot be presented: {0}")]
    Attestation(String),
}

impl SessionError {
    /// What kind it is, for a span. What it says may be the other end's words.
    #[cfg(feature = "trace")]
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Closed(close) | Self::Refused(close) => close.code().as_str(),
            Self::Io(_) => "connection-lost",
            Self::Gone { .. } => "server-gone",
            Self::Handshake(_) => "handshake",
            Self::Draining => super::message::DRAINING,
            Self::NoNumber => "no-number",
            Self::RequestTooLarge { .. } => "request-too-large",
            Self::NotText { .. } => "not-text",
            Self::Plaintext { .. } => "plaintext",
            Self::Attestation(_) => "attestation",
        }
    }
}

/// An item of a call is larger than its client takes. It is not sent; the call may go on with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an item of {len} bytes is over the limit of {max} that the caller and the server have")]
pub(crate) struct ItemTooLarge {
    /// The item's length in bytes.
    pub(crate) len: usize,
    /// The limit in bytes.
    pub(crate) max: usize,
}

impl From<Close> for SessionError {
    fn from(close: Close) -> Self {
        Self::Refused(close)
    }
}
