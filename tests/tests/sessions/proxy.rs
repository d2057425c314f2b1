//! A socket between client and server, at which connections break.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cnv::session::Address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// What happens to a connection.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    None,
    /// Both sides are cut off after so many bytes either way.
    Cut(usize),
    /// Nothing comes through any more after so many bytes from the server, and nobody is told.
    Swallow(usize),
    /// No more is taken from the server after so many bytes.
    Stall(usize),
    /// The lowest bit of this byte from the server is another.
    Flip(usize),
}

pub struct Proxy {
    pub address: Address,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    /// Passes connections at `path` on to `server`; `fault` says what happens to each, by its number.
    pub fn start(
        path: PathBuf,
        server: &Path,
        fault: impl Fn(usize) -> Fault + Send + 'static,
    ) -> Self {
        let listener = UnixListener::bind(&path).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, server) = (Arc::clone(&connections), server.to_owned());
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = UnixStream::connect(&server).await else {
                    continue;
                };
                tokio::spawn(pass_on(client, server, fault(number)));
            }
        });
        Self {
            address: Address::Unix(path),
            connections,
        }
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn pass_on(client: UnixStream, server: UnixStream, fault: Fault) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let passed = Arc::new(AtomicUsize::new(0));
    let is_over = Arc::new(tokio::sync::Notify::new());
    let up = {
        let (passed, is_over) = (Arc::clone(&passed), Arc::clone(&is_over));
        async move {
            let mut bytes = [0; 4096];
            loop {
                match from_client.read(&mut bytes).await {
                    // Nor is the server told that the client is gone.
                    Ok(0) | Err(_) if matches!(fault, Fault::Swallow(_)) => {
                        std::future::pending().await
                    }
                    Ok(0) | Err(_) => break,
                    Ok(len) => {
                        if matches!(fault, Fault::Swallow(at) if passed.load(Ordering::SeqCst) >= at)
                        {
                            continue;
                        }
                        if to_server.write_all(&bytes[..len]).await.is_err() {
                            match fault {
                                // What the server said last is still on its way.
                                Fault::None => std::future::pending().await,
                                _ => break,
                            }
                        }
                    }
                }
            }
            is_over.notify_one();
        }
    };
    let down = {
        let (passed, is_over) = (Arc::clone(&passed), Arc::clone(&is_over));
        async move {
            let mut bytes = [0; 4096];
            loop {
                let before = passed.load(Ordering::SeqCst);
                // Up to the byte at which something happens.
                let most = match fault {
                    Fault::Cut(at) | Fault::Stall(at) => at.saturating_sub(before).min(4096),
                    _ => 4096,
                };
                match fault {
                    Fault::Cut(_) if most == 0 => break,
                    Fault::Stall(_) if most == 0 => std::future::pending().await,
                    _ => {}
                }
                let Ok(len @ 1..) = from_server.read(&mut bytes[..most]).await else {
                    break;
                };
                match fault {
                    Fault::Swallow(at) if before >= at => continue,
                    Fault::Flip(at) if (before..before + len).contains(&at) => {
                        bytes[at - before] ^= 1;
                    }
                    _ => {}
                }
                if to_client.write_all(&bytes[..len]).await.is_err() {
                    break;
                }
                passed.fetch_add(len, Ordering::SeqCst);
            }
            is_over.notify_one();
        }
    };
    let (up, down) = (tokio::spawn(up), tokio::spawn(down));
    is_over.notified().await;
    // Both ends are told by the sockets' being gone.
    up.abort();
    down.abort();
}
