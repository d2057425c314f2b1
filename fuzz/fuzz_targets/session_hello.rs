//! What a session begins with, as each end may get it: it begins, or ends with a reason, and nothing panics or hangs.
#![no_main]

use arbitrary::Arbitrary;
use cnv_fuzz::session::{Sent, frame, put, runtime, to_client, to_server};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    is_client: bool,
    /// A good hello, and what is changed in it.
    has_hello: bool,
    changes: Vec<(u8, Change<'a>)>,
    then: Vec<Sent<'a>>,
}

#[derive(Debug, Arbitrary)]
enum Change<'a> {
    Gone,
    Number(u64),
    Text(&'a str),
    Both([u8; 2]),
    Bool(bool),
}

fn changed(mut good: Value, changes: &[(u8, Change<'_>)]) -> Vec<u8> {
    let fields: &mut Map<String, Value> = good.as_object_mut().expect("an object");
    for (at, change) in changes {
        let Some(key) = fields.keys().nth(usize::from(*at) % fields.len().max(1)).cloned() else {
            break;
        };
        let value = match change {
            Change::Gone => {
                fields.remove(&key);
                continue;
            }
            Change::Number(number) => json!(number),
            Change::Text(text) => json!(text),
            Change::Both(both) => json!(both),
            Change::Bool(is) => json!(is),
        };
        fields.insert(key, value);
    }
    good.to_string().into()
}

fuzz_target!(|input: Input<'_>| {
    let mut bytes = Vec::new();
    if input.has_hello {
        let windows = json!(1 << 20);
        let hello = if input.is_client {
            json!({
                "protocol": 1, "application": "calc", "version": "1", "grammar": "", "nonce": "", "max_request_bytes": 1000,
                "window_bytes": windows, "call_window_bytes": windows, "max_frame_bytes": windows,
                "max_item_bytes": windows,
            })
        } else {
            json!({
                "protocol": [1, 1], "application": "calc", "grammar": "", "is_resumable": true, "attests": true,
                "resume": { "session": "00", "secret": "00", "received": 0 },
                "window_bytes": windows, "call_window_bytes": windows, "max_frame_bytes": windows,
                "max_item_bytes": windows,
            })
        };
        frame(0, 0, 0, 0, 0, &changed(hello, &input.changes), &mut bytes);
    }
    put(&input.then, &mut bytes);
    runtime().block_on(async {
        if input.is_client {
            let _ = to_client(&bytes).await;
        } else {
            to_server(&bytes).await;
        }
    });
});
