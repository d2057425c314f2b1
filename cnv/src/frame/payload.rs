//! What a frame carries, and its bytes.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::FrameError;
use super::field::FrameEnum as _;
use super::kind::FrameKind;
use cnv_macros::FrameEnum;

/// How grave a log line is, in the order of the variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, FrameEnum)]
#[frame(crate = "crate")]
#[repr(u8)]
pub enum LogLevel {
    /// Every step.
    Trace = 0,
    /// What a developer wants to see.
    Debug = 1,
    /// What an operator wants to see.
    Info = 2,
    /// Something to look at.
    Warn = 3,
    /// Something failed.
    Error = 4,
}

/// What a frame carries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FramePayload {
    /// Bytes of the stream.
    Data(Vec<u8>),
    /// A failure. On the wire: `code`, little-endian, then `message` in UTF-8.
    Error {
        /// What failed, for a program.
        code: u32,
        /// What failed, for a person.
        message: String,
    },
    /// A line for the log. On the wire: `level`, one byte, then `message` in UTF-8.
    Log {
        /// How grave it is.
        level: LogLevel,
        /// The line, without a line feed.
        message: String,
    },
    /// The stream is over. Carries the receipt, which may be empty.
    End(Vec<u8>),
}

/// No data.
impl Default for FramePayload {
    fn default() -> Self {
        Self::Data(Vec::new())
    }
}

/// Bytes before the message of an error.
const CODE_BYTES: usize = size_of::<u32>();

/// Bytes before the message of a log line.
const LEVEL_BYTES: usize = size_of::<LogLevel>();

impl FramePayload {
    /// What the frame's header line says it carries.
    #[must_use]
    pub const fn kind(&self) -> FrameKind {
        match self {
            Self::Data(_) => FrameKind::Data,
            Self::Error { .. } => FrameKind::Error,
            Self::Log { .. } => FrameKind::Log,
            Self::End(_) => FrameKind::End,
        }
    }

    /// Bytes on the wire.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        match self {
            Self::Data(bytes) | Self::End(bytes) => bytes.len(),
            Self::Error { message, .. } => CODE_BYTES.saturating_add(message.len()),
            Self::Log { message, .. } => LEVEL_BYTES.saturating_add(message.len()),
        }
    }

    /// Hands the bytes on the wire to `write`, in pieces.
    pub(super) fn encode<E>(&self, mut write: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::Data(bytes) | Self::End(bytes) => write(bytes),
            Self::Error { code, message } => {
                write(&code.to_le_bytes())?;
                write(message.as_bytes())
            }
            Self::Log { level, message } => {
                write(&[*level as u8])?;
                write(message.as_bytes())
            }
        }
    }

    /// The payload that `bytes` are.
    pub(super) fn decode(kind: FrameKind, bytes: Vec<u8>) -> Result<Self, FrameError> {
        let too_short = |expected| FrameError::PayloadTooShort {
            kind,
            expected,
            actual: bytes.len(),
        };
        match kind {
            FrameKind::Data => Ok(Self::Data(bytes)),
            FrameKind::End => Ok(Self::End(bytes)),
            FrameKind::Error => {
                let code = bytes.first_chunk().ok_or_else(|| too_short(CODE_BYTES))?;
                let code = u32::from_le_bytes(*code);
                Ok(Self::Error {
                    code,
                    message: message(kind, bytes, CODE_BYTES)?,
                })
            }
            FrameKind::Log => {
                let &value = bytes.first().ok_or_else(|| too_short(LEVEL_BYTES))?;
                let level = LogLevel::from_byte(value).ok_or(FrameError::LogLevel { value })?;
                Ok(Self::Log {
                    level,
                    message: message(kind, bytes, LEVEL_BYTES)?,
                })
            }
        }
    }
}

/// The text that starts at byte `start`.
fn message(kind: FrameKind, mut bytes: Vec<u8>, start: usize) -> Result<String, FrameError> {
    bytes.drain(..start);
    String::from_utf8(bytes).map_err(|error| FrameError::Utf8 {
        kind,
        source: error.utf8_error(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(payload: &FramePayload) -> Vec<u8> {
        let mut bytes = Vec::new();
        let written: Result<(), core::convert::Infallible> = payload.encode(|piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        });
        written.unwrap();
        bytes
    }

    #[test]
    fn the_length_is_that_of_the_bytes() {
        for payload in [
            FramePayload::default(),
            FramePayload::Data(vec![1, 2, 3]),
            FramePayload::Error {
                code: 9,
                message: "no".into(),
            },
            FramePayload::Log {
                level: LogLevel::Warn,
                message: "hm".into(),
            },
            FramePayload::End(vec![0; 40]),
        ] {
            let bytes = encode(&payload);
            assert_eq!(bytes.len(), payload.len_bytes());
            assert_eq!(
                FramePayload::decode(payload.kind(), bytes).unwrap(),
                payload
            );
        }
    }

    #[test]
    fn an_error_is_a_code_and_a_message() {
        let payload = FramePayload::Error {
            code: 0x0102,
            message: "no".into(),
        };
        assert_eq!(encode(&payload), [2, 1, 0, 0, b'n', b'o']);
    }

    #[test]
    fn payloads_that_say_nothing_are_refused() {
        let short = FramePayload::decode(FrameKind::Error, vec![1, 0, 0]).unwrap_err();
        assert!(matches!(
            short,
            FrameError::PayloadTooShort {
                expected: 4,
                actual: 3,
                ..
            }
        ));
        let empty = FramePayload::decode(FrameKind::Log, vec![]).unwrap_err();
        assert!(matches!(
            empty,
            FrameError::PayloadTooShort {
                expected: 1,
                actual: 0,
                ..
            }
        ));
        let level = FramePayload::decode(FrameKind::Log, vec![5]).unwrap_err();
        assert!(matches!(level, FrameError::LogLevel { value: 5 }));
        let text = FramePayload::decode(FrameKind::Log, vec![0, b'a', 0xff]).unwrap_err();
        assert!(matches!(text, FrameError::Utf8 { source, .. } if source.valid_up_to() == 1));
    }
}
