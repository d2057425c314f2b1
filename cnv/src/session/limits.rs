//! What one end of a session grants the other, and for how long.

use std::time::Duration;

use super::close::{Close, CloseCode};
use super::wire::MAX_PAYLOAD_BYTES;

/// What one end of a session grants the other. Whatever goes over a limit is refused with a [`Close`](super::Close) whose code
/// says which, or fails its call with a code of its own; nothing is cut off silently.
///
/// ```
/// use std::time::Duration;
/// use cnv::session::SessionLimits;
///
/// let limits = SessionLimits {
///     max_calls: 8,
///     idle_timeout: Duration::from_secs(60),
///     ..SessionLimits::default()
/// };
/// assert_eq!(limits.max_connections, 4096);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLimits {
    /// Server: connections at a time of those who are known: over a unix socket all, over TCP those who have attested.
    /// Default: 4096.
    pub max_connections: usize,
    /// Server: connections over TCP at a time on which nobody has attested yet. Default: 256.
    pub max_handshakes: usize,
    /// Server: calls of one session at a time. Default: 64.
    pub max_calls: u32,
    /// Server: calls of one client at a time, over all of its sessions. A call beyond fails with the code `client-calls`.
    /// A client is a user of the machine or, over TCP, whom a root has vouched for, with all whom that one delegates to.
    /// Default: 1024.
    pub max_client_calls: usize,
    /// Bytes of one session that are in flight: sent, and not taken by whoever made the call. The smaller one of the two
    /// ends counts. Default: 1 MiB; at least 32 KiB.
    pub window_bytes: u64,
    /// The part of them that one call may have. Default: 256 KiB; at least 16 KiB.
    pub call_window_bytes: u64,
    /// The payload of one frame. Default and maximum: 1 MiB; at least 16 KiB.
    pub max_frame_bytes: usize,
    /// One item of a stream, which may come in several frames. The smaller one of the two ends counts: what is larger fails
    /// its call. A client has room for one such item of each call beside the windows, while its frames come: up to the
    /// server's `max_calls` of them. Default: 16 MiB.
    pub max_item_bytes: usize,
    /// Server: what a call is begun with, as JSON. Default: 64 KiB; at most `max_frame_bytes`.
    pub max_request_bytes: usize,
    /// From the connection to the first call being possible. Default: 10 s.
    pub handshake_timeout: Duration,
    /// Server: how long a session without a call is kept. Default: 10 min.
    pub idle_timeout: Duration,
    /// How long the other end may take nothing while there is something to write. Default: 10 s.
    pub write_timeout: Duration,
    /// How long nothing is heard before the other end is asked whether it is there. Default: 30 s.
    pub ping_interval: Duration,
    /// How long it may take to answer. Default: 20 s.
    pub ping_timeout: Duration,
    /// How long a session whose connection broke is kept: at the server it waits for its client, while its calls go on, and
    /// the client tries to connect again: where nobody listens, only for
    /// [`ClientOptions::reconnect`](super::ClientOptions::reconnect). Default: 30 s.
    pub resume_window: Duration,
    /// Server: how many such sessions are kept. Default: 256.
    pub max_detached: usize,
    /// Server: how many of them one client may have. One more takes the place of its own that broke first, and never of
    /// another client's. Default: 64.
    pub max_client_detached: usize,
    /// Server: how long a cancelled handler may take to return what it has, before it is dropped. Default: 1 s.
    pub cancel_grace: Duration,
    /// Server: how long calls may go on after the server was asked to end. Handlers without an end of their own hear of it at
    /// once: [`Context::cancelled`](crate::command::Context::cancelled). Default: 30 s.
    pub drain_timeout: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_handshakes: 256,
            max_calls: 64,
            max_client_calls: 1024,
            window_bytes: 1 << 20,
            call_window_bytes: 256 << 10,
            max_frame_bytes: MAX_PAYLOAD_BYTES,
            max_item_bytes: 16 << 20,
            max_request_bytes: 64 << 10,
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(600),
            write_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
            resume_window: Duration::from_secs(30),
            max_detached: 256,
            max_client_detached: 64,
            cancel_grace: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// The least that a session can work with: half a window has to hold a frame that is worth sending.
const MIN_WINDOW_BYTES: u64 = 32 << 10;
const MIN_CALL_WINDOW_BYTES: u64 = 16 << 10;
pub(super) const MIN_FRAME_BYTES: usize = 16 << 10;

/// What is meant to be for ever still has to be ahead of the clock: a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl SessionLimits {
    /// The limits with each of them in its range.
    pub(super) fn in_range(mut self) -> Self {
        self.window_bytes = self.window_bytes.max(MIN_WINDOW_BYTES);
        self.call_window_bytes = self
            .call_window_bytes
            .clamp(MIN_CALL_WINDOW_BYTES, self.window_bytes);
        self.max_frame_bytes = self
            .max_frame_bytes
            .clamp(MIN_FRAME_BYTES, MAX_PAYLOAD_BYTES);
        // A request is one frame.
        self.max_request_bytes = self.max_request_bytes.min(self.max_frame_bytes);
        self.max_calls = self.max_calls.max(1);
        for time in [
            &mut self.handshake_timeout,
            &mut self.idle_timeout,
            &mut self.write_timeout,
            &mut self.ping_interval,
            &mut self.ping_timeout,
            &mut self.resume_window,
            &mut self.cancel_grace,
            &mut self.drain_timeout,
        ] {
            *time = (*time).min(LONGEST);
        }
        self
    }

    /// What may be in flight with another end that has room for this much. Both ends come to the same, so that neither
    /// waits for credit that the other does not think is due.
    ///
    /// # Errors
    ///
    /// Where the other end has less room than a session can work with.
    pub(super) fn agreed(
        &self,
        window_bytes: u64,
        call_window_bytes: u64,
        max_frame_bytes: usize,
        max_item_bytes: usize,
    ) -> Result<Self, Close> {
        if window_bytes < MIN_WINDOW_BYTES
            || call_window_bytes < MIN_CALL_WINDOW_BYTES
            || max_frame_bytes < MIN_FRAME_BYTES
        {
            let code = match max_frame_bytes < MIN_FRAME_BYTES {
                true => CloseCode::Frame,
                false => CloseCode::Window,
            };
            return Err(Close::new(
                code,
                format!(
                    "windows of {window_bytes} and {call_window_bytes} bytes and frames of {max_frame_bytes} are stated, and \
                 less than {MIN_WINDOW_BYTES}, {MIN_CALL_WINDOW_BYTES} and {MIN_FRAME_BYTES} is not enough"
                ),
            ));
        }
        Ok(Self {
            window_bytes: self.window_bytes.min(window_bytes),
            call_window_bytes: self.call_window_bytes.min(call_window_bytes),
            max_frame_bytes: self.max_frame_bytes.min(max_frame_bytes),
            max_item_bytes: self.max_item_bytes.min(max_item_bytes),
            ..self.clone()
        })
    }
}
