//! Sessions: calls over sockets and pipes, several at a time, with streams, back-pressure, cancellation and resumption.
//!
//! An agent that starts a process for every call pays for that, and cannot listen to two of them at once. A session is one
//! connection on which calls run side by side: each has streams of its own, a slow taker of one holds up neither the others
//! nor the server's memory, and when the connection breaks the calls go on, and so does the session over the next one.
//! HTTP/2 and gRPC were the other way: they carry requests to a path, know nothing of nouns and verbs, grammars and
//! attestations, and what was in flight when a connection broke is lost.
//!
//! # Where to start
//! [`Client`] and [`Call`] to make calls; [`SessionServer`](crate::command::SessionServer) to serve an application's, and
//! [`App::sessions`](crate::command::App::sessions) for `serve` on its command line; `cnv call` on a command line.
//!
//! ```
//! use cnv::prelude::*;
//! use cnv::command::SessionServer;
//! use cnv::session::{Channel, Client, ClientOptions};
//!
//! /// Counts down.
//! #[verb(noun = "count", effect = "pure")]
//! async fn down(cx: Context, from: u32) -> Result<&'static str, Failure> {
//!     for left in (1..=from).rev() {
//!         cx.stdout().send(&left).await?; // waits while the caller takes less than is sent
//!     }
//!     Ok("lift-off")
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let server = SessionServer::new(App::new("counter").verbs(verbs![down]))?;
//! let (here, there) = tokio::io::duplex(1 << 16); // or a socket: `Client::connect`
//! tokio::spawn(server.run_over(there));
//!
//! let client = Client::over(here, ClientOptions::new()).await?;
//! let mut call = client.call(["count", "down", "2"]).await?;
//! let mut seen = Vec::new();
//! while let Some(item) = call.next().await? {
//!     seen.push((item.channel(), item.text().into_owned()));
//! }
//! let expected = [
//!     (Channel::Stdout, "2".to_owned()),
//!     (Channel::Stdout, "1".to_owned()),
//!     (Channel::Result, "\"lift-off\"".to_owned()),
//! ];
//! assert_eq!(seen, expected);
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a session is
//!
//! A session begins with a hello from each end. The client says which versions of the protocol it speaks, and may insist on
//! an application and on a grammar; the server answers with what it has, or closes with the reason. A client that attests
//! signs both hellos with the key that its token names, so that what it sends here is worth nothing elsewhere. Then come
//! frames of 32 bytes and a payload:
//!
//! | frame | from | what |
//! |---|---|---|
//! | open | client | noun, verb and arguments, what is left until the deadline, the transaction, the idempotency key, the trace |
//! | data | server | an item of one of the call's [channels](Channel), or a part of it |
//! | end | server | the failure, if it failed, and the receipt |
//! | cancel | client | the handler is asked to stop, and dropped after [`SessionLimits::cancel_grace`]; its end still comes |
//! | reset | client | nobody is interested any more: the handler is dropped |
//! | credit | client | how many bytes may have been sent, of a call or of all |
//! | calls | server | how many calls may have been opened |
//! | ack | both | the last frame that arrived |
//! | ping, pong | both | whether the other end is there |
//! | drain | server | no new calls; calls that have an end come to it, and what follows something without end is told to |
//! | close | both | the session is over, and [why](CloseCode) |
//!
//! Every frame has a CRC32C of its line and one of its payload. Open, data, end, cancel and reset are numbered. They are
//! kept until they are acknowledged, and sent again when the session goes on over another connection, where what arrived
//! before is dropped: nothing is lost and nothing comes twice. A server keeps a session whose connection broke for
//! [`SessionLimits::resume_window`]; whoever comes for it shows the session's secret, and is the same user or attests with
//! the same token once more. A session over standard input and output ends with them.
//!
//! Credit is an absolute offset and not a difference, so that a credit that comes twice changes nothing. It counts payloads
//! and 32 bytes for each data frame. Control frames and ends need none. Calls take turns, a frame of each at a time. Frames without a number go ahead of those that
//! have one: at most 64 KiB and the rest of a frame are with the socket before them.
//!
//! With the feature `trace` an open has `traceparent`, `tracestate` and `baggage`, as the headers of these names:
//! [`CallRequest::trace`]. They are said of a call and are nothing that it needs. A text that is not as it has to be, or too
//! long, counts for nothing, and where the request has no room for all of them they are left out. A server without the
//! feature does not look at them.
//!
//! # Who may
//!
//! Over a unix socket the server asks the operating system who is calling. Its own user needs no attestation to begin a
//! session; nobody else begins one without. Over TCP everybody attests. That only begins the session: each call is decided
//! by what its command asks for, with the roots and lists of that moment, and is in the audit log like any other.
//!
//! Frames are neither encrypted nor authenticated one by one. A unix socket needs neither; over TCP put something that
//! encrypts in front, as a server that is to listen elsewhere than on a loopback address is told to, and a client that
//! presents a bearer's token to one.
//!
//! # Costs and limits
//!
//! [`SessionLimits`] has them all with their defaults. What goes over one ends the session, with a [`CloseCode`] of its own
//! and a [`Close`] whose text says by how much. An item that is larger than both ends take fails its call alone, with the code
//! `item-too-large`, and so does a call that is one more than its client may have, with `client-calls`. A session that waits
//! holds no buffers. What is in flight is bounded by the windows of both ends. Beside that a server holds up to 256 KiB and
//! one item of each call until there is credit for it, and a client of each call an item that comes in several frames until
//! all of it is there: at most `max_calls` times `max_item_bytes`. A handler that has more to say waits, and a record of its
//! log that has no room is dropped and counted. A receipt that has no room in the frame of a call's end is left out, and its
//! [length](Call::left_out_receipt_bytes) is told.
//!
//! What strangers can use up is theirs alone: connections on which nobody has attested yet are counted apart, and of those
//! that are refused 64 at a time are told why. A client, that is a user or whom a root has vouched for, has so many calls and
//! so many sessions that wait for it, and never pushes out another's. Sessions that are denied are in the audit log: 64 at
//! once and one a second, with how many were left out.
//!
//! Calls share their session's window: as soon as some of them fill it and nobody takes what they sent, the others wait too.
//! Handlers that are not async have threads of their own, 64 at a time. Paths in arguments are the server's.
//!
//! # Sources
//!
//! Credit as offsets: RFC 9000, section 4. Drain and what is to be metered of a peer: RFC 9113, sections 6.8 and 10.5.
//!
//! Needs the feature `session`.

mod address;
#[cfg(test)]
mod bad_input_tests;
mod client;
mod client_core;
mod close;
mod driver;
mod error;
mod handshake;
mod limits;
mod link;
mod message;
#[cfg(test)]
mod model_tests;
mod server;
mod server_core;
mod shared;
mod wire;

pub use address::{Address, AddressError};
pub use client::{Call, CallError, CallRequest, Client, ClientOptions, Collected, Item};
pub use close::{Close, CloseCode};
pub use error::SessionError;
pub use limits::SessionLimits;
pub use message::RemoteFailure;
pub use wire::{Channel, WireError};

pub(crate) use address::Stream;
pub(crate) use error::ItemTooLarge;
pub(crate) use message::{Ending, Request};
pub(crate) use server::{
    Begun, Caller, Identity, Peer, Presented, Service, Sessions, Stop, Unsent,
};
