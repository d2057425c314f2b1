//! Sockets, behind a permit for [`Network`].
//!
//! To make one is charged as one I/O operation, what goes through it as network bytes, both ways.

use std::fmt;
use std::io;
use std::net::{self, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use crate::attestation::{Covers, Network, Permit};
pub use crate::quota::TcpStream;
use crate::quota::{Metered, charge_io};

/// Opens a connection. Where the address is a name, the resolver is asked for it.
///
/// # Errors
///
/// What [`std::net::TcpStream::connect`] fails with, or [`BudgetExceeded`](crate::quota::BudgetExceeded) where no
/// operation is left.
pub fn connect(
    _: &Permit<'_, impl Covers<Network>>,
    address: impl ToSocketAddrs,
) -> io::Result<TcpStream> {
    TcpStream::connect(address)
}

/// Opens a connection, and gives up after `timeout`.
///
/// # Errors
///
/// As [`connect`], and of kind [`TimedOut`](io::ErrorKind::TimedOut).
pub fn connect_timeout(
    _: &Permit<'_, impl Covers<Network>>,
    address: &SocketAddr,
    timeout: Duration,
) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(address, timeout)
}

/// Makes a socket at `local` that exchanges datagrams with `remote` and with nobody else.
///
/// # Errors
///
/// What [`std::net::UdpSocket`]'s `bind` and `connect` fail with, or [`BudgetExceeded`](crate::quota::BudgetExceeded)
/// where no operation is left.
pub fn datagrams(
    _: &Permit<'_, impl Covers<Network>>,
    local: impl ToSocketAddrs,
    remote: impl ToSocketAddrs,
) -> io::Result<UdpSocket> {
    charge_io(1)?;
    let socket = net::UdpSocket::bind(local)?;
    socket.connect(remote)?;
    Ok(UdpSocket {
        inner: Metered::network(socket),
    })
}

/// A connected socket for datagrams whose bytes are counted, and held to the budget.
pub struct UdpSocket {
    inner: Metered<net::UdpSocket>,
}

impl UdpSocket {
    /// Sends one datagram, and says how much of it went out.
    ///
    /// # Errors
    ///
    /// What [`std::net::UdpSocket::send`] fails with, or [`BudgetExceeded`](crate::quota::BudgetExceeded) where fewer
    /// bytes are left than it has; nothing is sent then.
    pub fn send(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.inner
            .whole(datagram.len(), |socket| socket.send(datagram))
    }

    /// Waits for one datagram, and says how long it is. One that does not fit into `buffer` is cut off, as everywhere.
    ///
    /// # Errors
    ///
    /// What [`std::net::UdpSocket::recv`] fails with, or [`BudgetExceeded`](crate::quota::BudgetExceeded) where fewer
    /// bytes are left than `buffer` takes: a shorter one would cut off what is paid for.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.whole(buffer.len(), |socket| socket.recv(buffer))
    }

    /// Gives up receiving after `timeout`; `None` waits for ever.
    ///
    /// # Errors
    ///
    /// Of kind [`InvalidInput`](io::ErrorKind::InvalidInput) where it is zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.get_ref().set_read_timeout(timeout)
    }

    /// Its own address.
    ///
    /// # Errors
    ///
    /// What [`std::net::UdpSocket::local_addr`] fails with.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.get_ref().local_addr()
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UdpSocket")
            .field(self.inner.get_ref())
            .finish()
    }
}
