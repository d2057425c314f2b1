//! The other ways to have several streams over one socket.

use std::future::poll_fn;
use std::io;
use std::path::Path;

use bytes::Bytes;
use futures_util::{AsyncReadExt, AsyncWriteExt};
use h2::client::SendRequest;
use http::{Request, Response};
use tokio::net::UnixStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};
use yamux::{Config, Connection, Mode};

use super::served::{REQUEST_BYTES, parse_request, request};

/// A yamux connection, whose streams a task of its own hands out.
pub struct Yamux {
    opened: tokio::sync::mpsc::Receiver<yamux::Stream>,
}

impl Yamux {
    pub async fn connect(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path).await?;
        let mut connection = Connection::new(stream.compat(), Config::default(), Mode::Client);
        let (hand_out, opened) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            let mut next = None;
            poll_fn(|cx| {
                // Both have to be asked: streams are carried by whoever waits for new ones.
                loop {
                    if next.is_none()
                        && let std::task::Poll::Ready(stream) = connection.poll_new_outbound(cx)
                    {
                        next = stream.ok();
                    }
                    let carried = connection.poll_next_inbound(cx);
                    let is_over = matches!(carried, std::task::Poll::Ready(None | Some(Err(_))));
                    if is_over {
                        return std::task::Poll::Ready(());
                    }
                    let Some(stream) = next.take() else {
                        return std::task::Poll::Pending;
                    };
                    if let Err(back) = hand_out.try_send(stream) {
                        match back {
                            tokio::sync::mpsc::error::TrySendError::Full(stream) => {
                                next = Some(stream);
                                return std::task::Poll::Pending;
                            }
                            tokio::sync::mpsc::error::TrySendError::Closed(_) => {
                                return std::task::Poll::Ready(());
                            }
                        }
                    }
                }
            })
            .await;
        });
        Ok(Self { opened })
    }

    /// Takes so many items of so many bytes over so many streams.
    pub async fn items(&mut self, streams: usize, count: usize, len: usize) {
        let mut tasks = Vec::new();
        for _ in 0..streams {
            let mut stream = self.opened.recv().await.expect("the connection is there");
            tasks.push(tokio::spawn(async move {
                let count = count / streams;
                let asked = request(count as u64, len as u64);
                stream.write_all(&asked).await.expect("the server is there");
                stream.flush().await.expect("the server is there");
                let mut buffer = vec![0; 64 << 10];
                let mut left = count * len;
                while left > 0 {
                    let read = stream.read(&mut buffer).await;
                    left -= read.expect("the server is there");
                }
            }));
        }
        for task in tasks {
            task.await.expect("no stream panics");
        }
    }
}

pub async fn serve_yamux(stream: UnixStream) -> io::Result<()> {
    let mut connection: Connection<Compat<UnixStream>> =
        Connection::new(stream.compat(), Config::default(), Mode::Server);
    while let Some(stream) = poll_fn(|cx| connection.poll_next_inbound(cx)).await {
        let mut stream = stream.map_err(io::Error::other)?;
        tokio::spawn(async move {
            let mut asked = [0; REQUEST_BYTES];
            stream.read_exact(&mut asked).await?;
            let (count, len) = parse_request(&asked);
            let item = vec![7; len as usize];
            for _ in 0..count {
                stream.write_all(&item).await?;
            }
            stream.close().await
        });
    }
    Ok(())
}

/// The windows of both ends, as large as those of cnv.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// An HTTP/2 connection.
pub struct H2 {
    requests: SendRequest<Bytes>,
}

impl H2 {
    pub async fn connect(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path).await?;
        let (requests, connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(1 << 20)
            .handshake(stream)
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self { requests })
    }

    /// Takes so many items of so many bytes over so many streams.
    pub async fn items(&mut self, streams: usize, count: usize, len: usize) {
        let mut tasks = Vec::new();
        for _ in 0..streams {
            let mut requests = self
                .requests
                .clone()
                .ready()
                .await
                .expect("the server is there");
            tasks.push(tokio::spawn(async move {
                let uri = format!("http://bench/{}/{len}", count / streams);
                let request = Request::get(uri).body(()).expect("the address is one");
                let (response, _) = requests.send_request(request, true).expect("it is sent");
                let mut body = response.await.expect("the server answers").into_body();
                let mut taken = 0;
                while let Some(chunk) = body.data().await {
                    let chunk = chunk.expect("the server is there");
                    taken += chunk.len();
                    let released = body.flow_control().release_capacity(chunk.len());
                    released.expect("it was taken");
                }
                assert_eq!(taken, count / streams * len);
            }));
        }
        for task in tasks {
            task.await.expect("no stream panics");
        }
    }
}

pub async fn serve_h2(stream: UnixStream) -> io::Result<()> {
    let mut connection = h2::server::Builder::new()
        .max_frame_size(1 << 20)
        .handshake(stream)
        .await
        .map_err(io::Error::other)?;
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request.map_err(io::Error::other)?;
        tokio::spawn(async move {
            let mut numbers = request.uri().path().split('/').skip(1).map(str::parse);
            let mut number = || numbers.next()?.ok();
            let (count, len): (usize, usize) = (number()?, number()?);
            let mut body = respond.send_response(Response::new(()), false).ok()?;
            let item = Bytes::from(vec![7; len]);
            for _ in 0..count {
                body.reserve_capacity(len);
                while body.capacity() < len.min(16 << 10) {
                    poll_fn(|cx| body.poll_capacity(cx)).await?.ok()?;
                }
                body.send_data(item.clone(), false).ok()?;
            }
            body.send_data(Bytes::new(), true).ok()
        });
    }
    Ok(())
}
