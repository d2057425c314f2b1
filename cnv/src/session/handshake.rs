//! How a session begins: both ends say who they are and what they understand, and the client proves what it may do.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::close::Close;
use super::error::SessionError;
use super::message::{self, ClientHello, MAX_HANDSHAKE_BYTES, ServerHello};
use super::wire::{self, Head, Kind};
use crate::attestation::RequestDigest;

/// Tells what is signed at the beginning of a session from every other request.
const TAG: &[u8] = b"cnv session 1\0";

/// A connection on which a session begins.
#[derive(Debug)]
pub(super) struct Handshake<S> {
    pub(super) stream: S,
    pub(super) arrived: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Handshake<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            arrived: BytesMut::new(),
        }
    }

    pub(super) async fn send(&mut self, kind: Kind, payload: &Bytes) -> io::Result<()> {
        let mut out = BytesMut::new();
        Head::of(kind, 0).put(payload, &mut out);
        out.extend_from_slice(payload);
        self.stream.write_all(&out).await?;
        self.stream.flush().await
    }

    /// The next frame, which has to be of this kind. The other end may close instead.
    pub(super) async fn expect(&mut self, kind: Kind) -> Result<Bytes, SessionError> {
        let frame = loop {
            let taken = wire::take(&mut self.arrived, MAX_HANDSHAKE_BYTES).map_err(Close::from)?;
            if let Some(frame) = taken {
                break frame;
            }
            if self.stream.read_buf(&mut self.arrived).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        };
        if frame.head.kind == Kind::Close {
            let close: Close = message::decode("the reason of its end", &frame.payload)?;
            return Err(SessionError::Closed(close));
        }
        if frame.head.kind == kind {
            return Ok(frame.payload);
        }
        let got = frame.head.kind;
        Err(Close::protocol(format!(
            "a session begins with {kind:?}, and this is {got:?}"
        ))
        .into())
    }
}

/// What the client signs: both hellos, so that a proof for one session is worth nothing in another.
pub(super) fn request_digest(client: &[u8], server: &[u8]) -> RequestDigest {
    let mut request = TAG.to_vec();
    request.extend_from_slice(&(client.len() as u64).to_be_bytes());
    request.extend_from_slice(client);
    request.extend_from_slice(server);
    RequestDigest::of(&request)
}

/// The version of the protocol that both speak.
///
/// # Errors
///
/// Where there is none.
pub(super) fn common_version(client: &ClientHello) -> Result<u8, Close> {
    let (oldest, newest) = client.protocol;
    if oldest <= wire::PROTOCOL && wire::PROTOCOL <= newest {
        return Ok(wire::PROTOCOL);
    }
    Err(Close::new(
        super::close::CloseCode::Version,
        format!(
            "the client speaks the versions {oldest} to {newest} of the protocol, and the server {}",
            wire::PROTOCOL
        ),
    ))
}

/// Whether the server's answer is one that the client can go on with.
///
/// # Errors
///
/// Where it chose a version that the client does not speak.
pub(super) fn check_answer(server: &ServerHello) -> Result<(), Close> {
    if server.protocol == wire::PROTOCOL {
        return Ok(());
    }
    Err(Close::new(
        super::close::CloseCode::Version,
        format!(
            "the server chose version {} of the protocol, and this client speaks {}",
            server.protocol,
            wire::PROTOCOL
        ),
    ))
}
