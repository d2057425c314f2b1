//! Frames of a session that has begun, as each end may get them: each end goes on, or ends with a reason that it sends, and
//! nothing panics or hangs.
#![no_main]

use cnv_fuzz::session::{Sent, frame, put, runtime, to_client, to_server};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|input: (bool, Vec<Sent<'_>>)| {
    let (is_client, sent) = input;
    let mut bytes = Vec::new();
    let room = 1 << 20;
    let mut message = |kind, message: serde_json::Value| {
        frame(kind, 0, 0, 0, 0, message.to_string().as_bytes(), &mut bytes);
    };
    if is_client {
        message(
            0,
            json!({
                "protocol": 1, "application": "calc", "grammar": "", "max_request_bytes": 1000,
                "window_bytes": room, "call_window_bytes": room, "max_frame_bytes": room,
                "max_item_bytes": room,
            }),
        );
        message(2, json!({ "session": "1", "calls": 2 }));
    } else {
        message(
            0,
            json!({
                "protocol": [1, 1], "is_resumable": false, "attests": false,
                "window_bytes": room, "call_window_bytes": room, "max_frame_bytes": room,
                "max_item_bytes": room,
            }),
        );
    }
    put(&sent, &mut bytes);
    runtime().block_on(async {
        if is_client {
            let _ = to_client(&bytes).await;
            return;
        }
        let said = to_server(&bytes).await;
        // Its hello, that the session is there, and whole frames from there on.
        let mut rest = &said[..];
        let mut kinds = Vec::new();
        while let Some((line, after)) = rest.split_first_chunk::<32>() {
            let len = u32::from_le_bytes([line[16], line[17], line[18], line[19]]) as usize;
            let Some((_, after)) = after.split_at_checked(len) else {
                break;
            };
            kinds.push(line[4]);
            rest = after;
        }
        assert_eq!(kinds[..2], [0, 2]);
    });
});
