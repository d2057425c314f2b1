//! The process that serves, on a socket for each protocol.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cnv::command::SessionServer;
use cnv::prelude::*;
use cnv::session::{Address, SessionLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::{peers, socket};

/// Sends items of so many bytes.
#[verb(noun = "items", effect = "pure")]
async fn send(cx: Context, count: u32, len: usize) -> Result<(), Failure> {
    // One for all, as the others have it.
    let item = Bytes::from(vec![7; len]);
    for _ in 0..count {
        cx.custom(item.clone()).await?;
    }
    Ok(())
}

/// Does nothing.
#[verb(noun = "items", effect = "pure")]
async fn none() -> Result<(), Failure> {
    Ok(())
}

/// The socket that is there once all are.
pub fn last_socket(folder: &Path) -> PathBuf {
    socket(folder, "cnv")
}

/// Serves until it is killed.
pub fn serve(folder: &Path) -> io::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(listen(folder))
}

async fn listen(folder: &Path) -> io::Result<()> {
    let bare = UnixListener::bind(socket(folder, "bare"))?;
    tokio::spawn(accept(bare, bare_stream));
    let yamux = UnixListener::bind(socket(folder, "yamux"))?;
    tokio::spawn(accept(yamux, peers::serve_yamux));
    let h2 = UnixListener::bind(socket(folder, "h2"))?;
    tokio::spawn(accept(h2, peers::serve_h2));
    let limits = SessionLimits {
        max_connections: 20_000,
        ..SessionLimits::default()
    };
    let app = App::new("bench").verbs(verbs![send, none]);
    let server = SessionServer::new(app).map_err(io::Error::other)?;
    let address = Address::Unix(last_socket(folder));
    let server = server.limits(limits).listen(&address).await;
    let server = server.map_err(io::Error::other)?;
    server.run(std::future::pending()).await;
    Ok(())
}

async fn accept<F>(listener: UnixListener, serve: fn(UnixStream) -> F)
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            // A client that is done closes its end.
            let _ = serve(stream).await;
        });
    }
}

/// How many writes of how many bytes a client of the bare socket asks for. None at all is an echo of one byte.
pub const REQUEST_BYTES: usize = 16;

pub fn request(count: u64, len: u64) -> [u8; REQUEST_BYTES] {
    let mut request = [0; REQUEST_BYTES];
    request[..8].copy_from_slice(&count.to_le_bytes());
    request[8..].copy_from_slice(&len.to_le_bytes());
    request
}

pub fn parse_request(request: &[u8; REQUEST_BYTES]) -> (u64, u64) {
    let (count, len) = request.split_at(8);
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    (number(count), number(len))
}

/// One write for each item.
async fn bare_stream(mut stream: UnixStream) -> io::Result<()> {
    let mut asked = [0; REQUEST_BYTES];
    loop {
        stream.read_exact(&mut asked).await?;
        let (count, len) = parse_request(&asked);
        if count == 0 {
            stream.write_all(&[7]).await?;
            continue;
        }
        let item = Bytes::from(vec![7; len as usize]);
        for _ in 0..count {
            stream.write_all(&item).await?;
        }
    }
}
