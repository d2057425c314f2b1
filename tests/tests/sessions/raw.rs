//! Frames as the protocol's text has them, written by hand.

use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

pub const HELLO: u8 = 0;
pub const READY: u8 = 2;
pub const OPEN: u8 = 3;
pub const END: u8 = 5;
pub const CANCEL: u8 = 6;
pub const RESET: u8 = 7;
pub const CREDIT: u8 = 8;
pub const ACK: u8 = 9;
pub const PING: u8 = 11;
pub const CLOSE: u8 = 14;

/// The bytes of one frame.
pub fn frame(kind: u8, call: u32, number: u64, payload: &[u8]) -> Vec<u8> {
    let mut out = call.to_le_bytes().to_vec();
    out.extend([kind, 0, 1, 0]);
    out.extend(number.to_le_bytes());
    out.extend((payload.len() as u32).to_le_bytes());
    out.extend(cnv::frame::crc32c(payload).to_le_bytes());
    out.extend([0; 4]);
    out.extend(cnv::frame::crc32c(&out).to_le_bytes());
    out.extend(payload);
    out
}

pub struct Raw {
    pub stream: UnixStream,
    pub ready: Value,
    sent: u64,
}

/// A hello that asks for nothing in particular.
pub fn hello() -> Value {
    json!({
        "protocol": [1, 1], "is_resumable": true, "attests": false,
        "window_bytes": 1 << 20, "call_window_bytes": 1 << 18, "max_frame_bytes": 1 << 20,
        "max_item_bytes": 16 << 20,
    })
}

impl Raw {
    pub async fn connect(path: &Path) -> Self {
        Self {
            stream: UnixStream::connect(path).await.unwrap(),
            ready: Value::Null,
            sent: 0,
        }
    }

    /// A session that has begun.
    pub async fn begin(path: &Path, hello: &Value) -> Self {
        let mut raw = Self::connect(path).await;
        raw.send(HELLO, 0, hello.to_string().as_bytes()).await;
        let (kind, payload) = raw.next().await.unwrap();
        assert_eq!(kind, HELLO, "{}", String::from_utf8_lossy(&payload));
        let (kind, payload) = raw.next().await.unwrap();
        assert_eq!(kind, READY, "{}", String::from_utf8_lossy(&payload));
        raw.ready = serde_json::from_slice(&payload).unwrap();
        raw
    }

    /// Sends a frame, with its number if it has one. The server may have ended it all by then.
    pub async fn send(&mut self, kind: u8, call: u32, payload: &[u8]) -> bool {
        self.sent += u64::from((3..=7).contains(&kind));
        let number = if (3..=7).contains(&kind) {
            self.sent
        } else {
            0
        };
        let bytes = frame(kind, call, number, payload);
        self.stream.write_all(&bytes).await.is_ok()
    }

    pub async fn open(&mut self, call: u32, words: &[&str]) {
        let request = json!({ "arguments": words }).to_string();
        self.send(OPEN, call, request.as_bytes()).await;
    }

    /// The kind and the payload of the next frame.
    pub async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut line = [0; 32];
        self.stream.read_exact(&mut line).await.ok()?;
        let len = u32::from_le_bytes(line[16..20].try_into().unwrap());
        let mut payload = vec![0; len as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some((line[4], payload))
    }

    /// The next frame of a kind.
    pub async fn expect(&mut self, expected: u8) -> Value {
        loop {
            let next = self.next().await;
            let (kind, payload) = next.unwrap_or_else(|| panic!("no frame {expected} came"));
            if kind == expected {
                return serde_json::from_slice(&payload).unwrap();
            }
        }
    }

    /// The code of the reason that the server ends it with.
    pub async fn closed(&mut self) -> String {
        let close = self.expect(CLOSE).await;
        close["code"].as_str().unwrap().to_owned()
    }
}
