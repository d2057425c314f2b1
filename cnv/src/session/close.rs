//! Why a session ends.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::wire::WireError;

/// Why a session ended, for a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CloseCode {
    /// Whoever began it is done.
    Done,
    /// The two ends speak no common version of the protocol. No retry helps.
    Version,
    /// The server is another application's.
    Application,
    /// The client was written for a grammar that is not served any more.
    Grammar,
    /// No valid attestation, or no proof that the client holds it.
    Attestation,
    /// The session that was to go on is not known, or not this client's. A new one may be begun.
    Resume,
    /// As many connections as the server takes. A retry helps once others have ended.
    Connections,
    /// The handshake took too long.
    Handshake,
    /// No call for too long.
    Idle,
    /// The other end took nothing for too long. The session may be resumed.
    SlowConsumer,
    /// The other end did not answer a ping. The session may be resumed.
    Unresponsive,
    /// More control frames than any use of the protocol needs.
    Flood,
    /// All numbers that calls of a session can have are used up. A new one may be begun.
    NoNumber,
    /// More calls at a time than the server allowed.
    Calls,
    /// A call that is begun with more than the server takes.
    Request,
    /// A larger frame than the other end takes.
    Frame,
    /// More bytes in flight than were granted, or windows that are too small to work with.
    Window,
    /// A larger item than the client takes.
    Item,
    /// A frame that is not allowed, or not one at all.
    Protocol,
    /// The server ends.
    Drain,
    /// A code of a later release.
    #[serde(other)]
    Other,
}

/// Why a session ended: what the end that ended it says.
///
/// ```
/// use cnv::session::{Close, CloseCode};
///
/// let close = Close::new(CloseCode::Idle, "no call for 600 s");
/// assert_eq!(close.to_string(), "no call for 600 s");
/// assert!(!close.code().is_resumable());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Close {
    code: CloseCode,
    message: Cow<'static, str>,
}

impl Close {
    /// A reason with a text for a person.
    pub fn new(code: CloseCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The server takes no more calls, and all have ended.
    pub(super) fn drain() -> Self {
        Self::new(CloseCode::Drain, "the server ends")
    }

    /// A frame that is not allowed.
    pub(super) fn protocol(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(CloseCode::Protocol, message)
    }

    /// The reason, for a program.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        self.code
    }
}

impl CloseCode {
    /// Whether the session may go on over another connection.
    #[must_use]
    pub const fn is_resumable(self) -> bool {
        matches!(self, Self::SlowConsumer | Self::Unresponsive)
    }

    /// The code as it is sent.
    #[cfg(feature = "trace")]
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Version => "version",
            Self::Application => "application",
            Self::Grammar => "grammar",
            Self::Attestation => "attestation",
            Self::Resume => "resume",
            Self::Connections => "connections",
            Self::Handshake => "handshake",
            Self::Idle => "idle",
            Self::SlowConsumer => "slow-consumer",
            Self::Unresponsive => "unresponsive",
            Self::Flood => "flood",
            Self::NoNumber => "no-number",
            Self::Calls => "calls",
            Self::Request => "request",
            Self::Frame => "frame",
            Self::Window => "window",
            Self::Item => "item",
            Self::Protocol => "protocol",
            Self::Drain => "drain",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Close {}

impl From<WireError> for Close {
    fn from(error: WireError) -> Self {
        let code = match error {
            WireError::TooLarge { .. } => CloseCode::Frame,
            _ => CloseCode::Protocol,
        };
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let message = match cause {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        Self::new(code, message)
    }
}

#[cfg(all(test, feature = "trace"))]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_shown_as_it_is_sent() {
        for code in [
            CloseCode::Done,
            CloseCode::SlowConsumer,
            CloseCode::NoNumber,
            CloseCode::Drain,
        ] {
            let sent = serde_json::to_string(&code).unwrap();
            assert_eq!(sent, format!("\"{}\"", code.as_str()));
        }
    }
}
