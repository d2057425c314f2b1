//! Sessions.

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
mod wire;

pub(crate) use address::Stream;
pub use address::{Address, AddressError};
pub use client::{Call, CallError, CallRequest, Client, ClientOptions, Collected, Item};
pub use close::{Close, CloseCode};
pub use error::SessionError;
pub use limits::SessionLimits;
pub use message::RemoteFailure;
pub(crate) use message::{Ending, Request};
pub(crate) use server::{Begun, Caller, Peer, Presented, Service, Sessions};
pub use wire::{Channel, WireError};
