//! Frames of a session as the protocol's text says that they are, and a server and a client to send them to.

use std::time::Duration;

use arbitrary::Arbitrary;
use cnv::prelude::*;
use cnv::session::{Client, ClientOptions, SessionError, SessionLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;

/// One frame, or bytes that are none.
#[derive(Debug, Arbitrary)]
pub enum Sent<'a> {
    /// A frame with good checksums.
    Frame {
        /// 0 to 14, and what is none.
        kind: u8,
        /// Most are small.
        call: u8,
        /// In the place of `call`, if it is there.
        other_call: Option<u32>,
        channel: u8,
        flags: u8,
        /// In the place of the next one, if it is there.
        number: Option<u64>,
        payload: Payload<'a>,
    },
    /// As they are.
    Bytes(&'a [u8]),
}

/// What follows a line.
#[derive(Debug, Arbitrary)]
pub enum Payload<'a> {
    /// Nothing.
    None,
    /// As it is.
    Bytes(&'a [u8]),
    /// So many zeros.
    Zeros(u16),
    /// A request that is understood.
    Add(i8, i8),
    /// The end of a call that succeeded.
    End,
    /// A request that is understood, with what it says of its trace: none of it fails the call.
    Traced {
        traceparent: &'a str,
        tracestate: &'a str,
        baggage: &'a str,
    },
}

/// Appends the bytes of what is sent, with the next number of a frame that has one.
pub fn put(sent: &[Sent<'_>], out: &mut Vec<u8>) {
    let mut next = 0;
    for sent in sent {
        let (kind, call, channel, flags, number, payload) = match sent {
            Sent::Bytes(bytes) => {
                out.extend_from_slice(bytes);
                continue;
            }
            Sent::Frame {
                kind,
                call,
                other_call,
                channel,
                flags,
                number,
                payload,
            } => {
                let call = other_call.unwrap_or((call % 4).into());
                (kind % 16, call, channel % 8, flags % 3, number, payload)
            }
        };
        let payload = match payload {
            Payload::None => Vec::new(),
            Payload::Bytes(bytes) => bytes.to_vec(),
            Payload::Zeros(len) => vec![0; (*len).into()],
            Payload::Add(left, right) => {
                format!(r#"{{"arguments":["sum","add","--","{left}","{right}"]}}"#).into()
            }
            Payload::End => b"{}".to_vec(),
            Payload::Traced {
                traceparent,
                tracestate,
                baggage,
            } => serde_json::json!({
                "arguments": ["sum", "add", "1", "2"],
                "traceparent": traceparent,
                "tracestate": tracestate,
                "baggage": baggage,
            })
            .to_string()
            .into(),
        };
        let is_sequenced = matches!(kind, 3..=7);
        let number = number.unwrap_or_else(|| {
            next += u64::from(is_sequenced);
            next
        });
        frame(kind, call, channel, flags, number, &payload, out);
    }
}

/// Appends one frame.
pub fn frame(
    kind: u8,
    call: u32,
    channel: u8,
    flags: u8,
    number: u64,
    payload: &[u8],
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.extend(call.to_le_bytes());
    out.extend([kind, channel, 1, flags]);
    out.extend(number.to_le_bytes());
    out.extend((payload.len() as u32).to_le_bytes());
    out.extend(cnv::frame::crc32c(payload).to_le_bytes());
    out.extend([0; 4]);
    let crc = cnv::frame::crc32c(&out[start..]);
    out.extend(crc.to_le_bytes());
    out.extend_from_slice(payload);
}

/// Adds two numbers.
#[verb(noun = "sum", effect = "pure")]
fn add(left: i64, right: i64) -> Result<i64, Failure> {
    Ok(left.saturating_add(right))
}

fn limits() -> SessionLimits {
    SessionLimits {
        max_calls: 3,
        window_bytes: 32 << 10,
        call_window_bytes: 16 << 10,
        max_item_bytes: 40_000,
        handshake_timeout: Duration::from_millis(200),
        ..SessionLimits::default()
    }
}

/// A runtime on this thread.
pub fn runtime() -> Runtime {
    let builder = tokio::runtime::Builder::new_current_thread().enable_all().build();
    builder.expect("a runtime")
}

/// Sends bytes to a server, and reads what it says until it is done.
pub async fn to_server(bytes: &[u8]) -> Vec<u8> {
    let server = cnv::command::SessionServer::new(App::new("calc").verbs(verbs![add]));
    let server = server.expect("no faults").limits(limits());
    let (here, there) = tokio::io::duplex(1 << 20);
    let served = tokio::spawn(server.run_over(there));
    let said = exchange(here, bytes).await;
    served.await.expect("a server does not panic");
    said
}

async fn exchange(mut here: DuplexStream, bytes: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    // The other end may have ended it before all was written.
    if here.write_all(bytes).await.is_ok() {
        let _ = here.shutdown().await;
    }
    let _ = here.read_to_end(&mut said).await;
    said
}

/// Sends bytes to a client, which makes a call if a session begins.
pub async fn to_client(bytes: &[u8]) -> Result<(), SessionError> {
    let (here, there) = tokio::io::duplex(1 << 20);
    let options = ClientOptions::new().limits(limits());
    let client = async {
        let client = Client::over(there, options).await?;
        let mut call = client.call(["sum", "add", "1", "2"]).await?;
        call.cancel();
        while let Ok(Some(_)) = call.next().await {}
        Ok(())
    };
    let client = tokio::spawn(client);
    exchange(here, bytes).await;
    client.await.expect("a client does not panic")
}
