//! Connections whose bytes are counted, and held to the budget.

use std::io;
use std::net::{self, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use super::io::{Metered, charge_io};

/// A connection: making it is an I/O operation, and what goes through it are network bytes, both ways.
///
/// ```
/// use std::io::{Read, Write};
/// use cnv::quota::{Limits, TcpListener, TcpStream, measure};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let (connection, usage) = measure("greet", Limits::unlimited(), || {
///     let mut stream = TcpStream::connect(address)?;
///     stream.write_all(b"hello")?;
///     std::io::Result::Ok(stream)
/// });
/// assert_eq!((usage.io_ops, usage.network_bytes), (1, 5));
/// let mut greeting = [0; 5];
/// listener.accept()?.0.read_exact(&mut greeting)?;
/// assert_eq!(&greeting, b"hello");
/// # drop(connection);
/// # std::io::Result::Ok(())
/// ```
pub type TcpStream = Metered<net::TcpStream>;

impl TcpStream {
    /// Opens a connection. Where the address is a name, the resolver is asked for it.
    ///
    /// # Errors
    /// What [`std::net::TcpStream::connect`] fails with, or
    /// [`BudgetExceeded`](crate::quota::BudgetExceeded) where no operation is left.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        charge_io(1)?;
        net::TcpStream::connect(address).map(Self::network)
    }

    /// Opens a connection, and gives up after `timeout`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and of kind [`TimedOut`](io::ErrorKind::TimedOut).
    pub fn connect_timeout(address: &SocketAddr, timeout: Duration) -> io::Result<Self> {
        charge_io(1)?;
        net::TcpStream::connect_timeout(address, timeout).map(Self::network)
    }
}

/// A socket that waits for connections. Making it is an I/O operation, and so is every connection that it
/// accepts; a connection is charged to whoever reads from it and writes to it.
pub type TcpListener = Metered<net::TcpListener>;

impl TcpListener {
    /// Listens at `address`.
    ///
    /// # Errors
    /// What [`std::net::TcpListener::bind`] fails with, or
    /// [`BudgetExceeded`](crate::quota::BudgetExceeded) where no operation is left.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        charge_io(1)?;
        net::TcpListener::bind(address).map(Self::new)
    }

    /// Waits for a connection, and says where it comes from.
    ///
    /// # Errors
    /// What [`std::net::TcpListener::accept`] fails with, or
    /// [`BudgetExceeded`](crate::quota::BudgetExceeded) where no operation is left; nobody is waited for then.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        charge_io(1)?;
        let (stream, peer) = self.get_ref().accept()?;
        Ok((TcpStream::network(stream), peer))
    }

    /// Its own address.
    ///
    /// # Errors
    /// What [`std::net::TcpListener::local_addr`] fails with.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.get_ref().local_addr()
    }
}
