//! tokio's connections, whose bytes are counted and held to the budget.
//!
//! What they do is charged to the future that polls them: one of `#[budget]`, or of
//! [`metered`](super::metered). A task that is spawned has a budget only if it is given one of its own.
//!
//! ```
//! use cnv::quota::tokio_net::{TcpListener, TcpStream};
//! use cnv::quota::{Limits, metered};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//! let (connection, usage) = metered("greet", Limits::unlimited(), async move {
//!     let mut stream = TcpStream::connect(address).await?;
//!     stream.write_all(b"hello").await?;
//!     std::io::Result::Ok(stream)
//! })
//! .await;
//! assert_eq!((usage.io_ops, usage.network_bytes), (1, 5));
//! let mut greeting = [0; 5];
//! listener.accept().await?.0.read_exact(&mut greeting).await?;
//! assert_eq!(&greeting, b"hello");
//! # drop(connection);
//! # std::io::Result::Ok(())
//! # })?;
//! # std::io::Result::Ok(())
//! ```
//!
//! Needs the feature `tokio-net`.

use std::io;
use std::net::SocketAddr;

use tokio::net::{self, ToSocketAddrs};

use super::io::{Metered, charge_io};

/// A connection: making it is an I/O operation, and what goes through it are network bytes, both ways.
pub type TcpStream = Metered<net::TcpStream>;

impl TcpStream {
    /// Opens a connection. Where the address is a name, the resolver is asked for it.
    ///
    /// # Errors
    /// What [`tokio::net::TcpStream::connect`](tokio::net::TcpStream::connect) fails with, or
    /// [`BudgetExceeded`](crate::quota::BudgetExceeded) where no operation is left.
    pub async fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        charge_io(1)?;
        net::TcpStream::connect(address).await.map(Self::network)
    }
}

/// A socket that waits for connections. Making it is an I/O operation, and so is every connection that it
/// accepts; a connection is charged to whoever reads from it and writes to it.
pub type TcpListener = Metered<net::TcpListener>;

impl TcpListener {
    /// Listens at `address`.
    ///
    /// # Errors
    /// What [`tokio::net::TcpListener::bind`](tokio::net::TcpListener::bind) fails with, or
    /// [`BudgetExceeded`](crate::quota::BudgetExceeded) where no operation is left.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        charge_io(1)?;
        net::TcpListener::bind(address).await.map(Self::new)
    }

    /// Waits for a connection, and says where it comes from.
    ///
    /// # Errors
    /// What [`tokio::net::TcpListener::accept`](tokio::net::TcpListener::accept) fails with, or
    /// [`BudgetExceeded`](crate::quota::BudgetExceeded) where no operation is left; nobody is waited for then.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        charge_io(1)?;
        let (stream, peer) = self.get_ref().accept().await?;
        Ok((TcpStream::network(stream), peer))
    }

    /// Its own address.
    ///
    /// # Errors
    /// What [`tokio::net::TcpListener::local_addr`](tokio::net::TcpListener::local_addr) fails with.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.get_ref().local_addr()
    }
}
