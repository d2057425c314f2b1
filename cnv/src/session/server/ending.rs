//! How a call ended, as its client is told.

use bytes::Bytes;

use crate::session::limits::MIN_FRAME_BYTES;
use crate::session::message::{Ending, RemoteFailure, encode};

/// The longest end of a call: what every client takes in one frame.
const MAX_ENDING_BYTES: usize = MIN_FRAME_BYTES;

pub(super) fn failed(code: &str, exit_code: u8, message: String) -> Ending {
    Ending {
        failure: Some(RemoteFailure::new(code, exit_code, message)),
        receipt: None,
        left_out_receipt_bytes: None,
        dropped_notes: 0,
    }
}

/// The payload of a call's end. It is one frame and takes no credit, so what makes it long is cut, and says so: the message
/// first, and the receipt where that is not enough.
pub(super) fn encode_ending(mut ending: Ending) -> Bytes {
    let payload = encode(&ending);
    if payload.len() <= MAX_ENDING_BYTES {
        return payload;
    }
    if let Some(failure) = &mut ending.failure {
        // A byte is six in JSON at most.
        let room = MAX_ENDING_BYTES / 8;
        if failure.message.len() > room {
            let end = (0..=room)
                .rev()
                .find(|&at| failure.message.is_char_boundary(at));
            failure.message.truncate(end.unwrap_or_default());
            failure.message.push_str(" ..");
        }
    }
    let payload = encode(&ending);
    if payload.len() <= MAX_ENDING_BYTES {
        return payload;
    }
    let receipt = ending.receipt.take();
    ending.left_out_receipt_bytes = receipt.map(|receipt| receipt.get().len());
    encode(&ending)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::message::decode;

    #[test]
    fn an_end_is_one_frame_whatever_the_failure() {
        for text in ["x", "é", "\u{1}", "\u{1f600}"] {
            let message = text.repeat(100_000);
            let payload = encode_ending(failed("failed", 1, message));
            assert!(payload.len() <= MAX_ENDING_BYTES, "{}", payload.len());
            let ending: Ending = decode("the end", &payload).unwrap();
            let message = ending.failure.unwrap().message;
            assert!(message.starts_with(text) && message.ends_with(" .."));
        }
    }

    #[test]
    fn a_receipt_that_has_no_room_is_named() {
        use serde_json::value::RawValue;

        let receipt = |len: usize| {
            let json = format!("\"{}\"", "x".repeat(len - 2));
            Some(RawValue::from_string(json).unwrap())
        };
        for (message, len, is_left_out) in [
            (10, 1000, false),
            // The message makes way.
            (100_000, 10_000, false),
            (10, 20_000, true),
            (100_000, 20_000, true),
        ] {
            let ending = Ending {
                receipt: receipt(len),
                ..failed("failed", 1, "m".repeat(message))
            };
            let payload = encode_ending(ending);
            assert!(payload.len() <= MAX_ENDING_BYTES, "{}", payload.len());
            let ending: Ending = decode("the end", &payload).unwrap();
            assert_eq!(ending.receipt.is_none(), is_left_out);
            assert_eq!(ending.left_out_receipt_bytes, is_left_out.then_some(len));
        }
    }
}
