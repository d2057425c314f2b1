//! What a call says of its trace, over a real socket: it arrives as it was said, and nothing that is wrong with it is the
//! call's fault.
#![cfg(unix)]

mod programs;
mod sessions;

use cnv::session::{CallRequest, SessionError, SessionLimits};
use cnv::trace::{Boundary, Headers, IdGenerator, Incoming, TraceContext};
use programs::server::Server;
use programs::{Folder, cnv, expect};
use serde_json::{Value, json};
use sessions::raw::{self, Raw, hello};
use sessions::{Served, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A socket in front of a server that keeps the requests which come through.
struct Recorder {
    path: std::path::PathBuf,
    requests: tokio::sync::mpsc::UnboundedReceiver<Value>,
}

impl Recorder {
    fn start(served: &Served) -> Self {
        let (path, server) = (served.beside("recorder.sock"), served.path().to_owned());
        let listener = UnixListener::bind(&path).unwrap();
        let (sender, requests) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = UnixStream::connect(&server).await.unwrap();
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                tokio::spawn(
                    async move { tokio::io::copy(&mut from_server, &mut to_client).await },
                );
                let sender = sender.clone();
                tokio::spawn(async move {
                    let mut line = [0; 32];
                    while from_client.read_exact(&mut line).await.is_ok() {
                        let len = u32::from_le_bytes(line[16..20].try_into().unwrap());
                        let mut payload = vec![0; len as usize];
                        from_client.read_exact(&mut payload).await.unwrap();
                        if line[4] == raw::OPEN {
                            let _ = sender.send(serde_json::from_slice(&payload).unwrap());
                        }
                        to_server.write_all(&line).await.unwrap();
                        to_server.write_all(&payload).await.unwrap();
                    }
                });
            }
        });
        Self { path, requests }
    }

    async fn client(&self) -> cnv::session::Client {
        let address = cnv::session::Address::Unix(self.path.clone());
        let options = cnv::session::ClientOptions::new();
        cnv::session::Client::connect(&address, options)
            .await
            .unwrap()
    }

    /// The next request, without its arguments.
    async fn next(&mut self) -> Value {
        let mut request = self.requests.recv().await.unwrap();
        request.as_object_mut().unwrap().remove("arguments");
        request
    }
}

fn echo() -> CallRequest {
    CallRequest::new(["job", "echo", "hello"]).unwrap()
}

#[test]
fn a_context_crosses_as_it_is() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        let mut recorder = Recorder::start(&served);
        let client = recorder.client().await;
        let ids = IdGenerator::new().unwrap();
        let headers = Headers {
            traceparent: Some(PARENT.as_bytes()),
            tracestate: Some(b" a=1 ,, b=2"),
            baggage: Some(b"tenant=acme , note=x"),
        };
        let boundary = Boundary::new(Incoming::Continue).allow_baggage(&["tenant"]);
        let context = TraceContext::extract(headers, boundary, &ids);
        let call = client.start_call(echo().trace(&context)).await.unwrap();
        assert_eq!(call.collect().await.unwrap().result.text(), r#""hello""#);
        let expected = json!({
            "traceparent": context.traceparent().to_string(),
            "tracestate": "a=1,b=2",
            "baggage": "tenant=acme",
        });
        assert_eq!(recorder.next().await, expected);

        // A fresh one has nothing but its ids to say.
        let fresh = TraceContext::fresh(&ids);
        let call = client.start_call(echo().trace(&fresh)).await.unwrap();
        call.collect().await.unwrap();
        let expected = json!({ "traceparent": fresh.traceparent().to_string() });
        assert_eq!(recorder.next().await, expected);

        let call = client.start_call(echo()).await.unwrap();
        call.collect().await.unwrap();
        assert_eq!(recorder.next().await, json!({}));
    });
}

#[test]
fn what_is_passed_on_is_bounded() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        let mut recorder = Recorder::start(&served);
        let client = recorder.client().await;
        let long = "a=1,".repeat(100_000);
        let cases: [([&[u8]; 3], Value); 4] = [
            (
                [PARENT.as_bytes(), b"a=1", b"b=2"],
                json!({"traceparent": PARENT, "tracestate": "a=1", "baggage": "b=2"}),
            ),
            (
                [b"00-0", b"A", b"b"],
                json!({"tracestate": "A", "baggage": "b"}),
            ),
            (
                [PARENT.as_bytes(), b"a=\xff", b"\xff"],
                json!({"traceparent": PARENT}),
            ),
            ([long.as_bytes(); 3], json!({})),
        ];
        for ([traceparent, tracestate, baggage], expected) in cases {
            let headers = Headers {
                traceparent: Some(traceparent),
                tracestate: Some(tracestate),
                baggage: Some(baggage),
            };
            let call = client
                .start_call(echo().trace_headers(headers))
                .await
                .unwrap();
            assert_eq!(call.collect().await.unwrap().result.text(), r#""hello""#);
            assert_eq!(recorder.next().await, expected);
        }
    });
}

/// Whoever writes frames of their own may say anything.
#[test]
fn no_text_fails_a_call() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        let mut raw = Raw::begin(served.path(), &hello()).await;
        let long = "a=1,".repeat(10_000);
        let texts = [
            "",
            " ",
            "00",
            "\u{0}",
            "ff-\u{e9}",
            PARENT,
            ",,,",
            "=",
            &long,
        ];
        let mut number = 0;
        for text in texts {
            for field in ["traceparent", "tracestate", "baggage"] {
                number += 1;
                let request = json!({ "arguments": ["job", "echo", "hello"], "traceparent": PARENT, field: text });
                raw.send(raw::OPEN, number, request.to_string().as_bytes())
                    .await;
                let end = raw.expect(raw::END).await;
                assert_eq!(end.get("failure"), None, "{field}: {text:.80}");
            }
        }
        let null =
            json!({ "arguments": ["job", "echo", "hello"], "traceparent": null, "other": 1 });
        raw.send(raw::OPEN, number + 1, null.to_string().as_bytes())
            .await;
        assert_eq!(raw.expect(raw::END).await.get("failure"), None);
    });
}

#[test]
fn a_request_without_room_has_no_trace() {
    run(async {
        let limits = SessionLimits {
            max_request_bytes: 200,
            ..SessionLimits::default()
        };
        let served = Served::start(limits).await;
        let mut recorder = Recorder::start(&served);
        let client = recorder.client().await;
        let baggage = format!("b={}", "2".repeat(200));
        let headers = Headers {
            traceparent: Some(PARENT.as_bytes()),
            tracestate: Some(b"a=1"),
            baggage: Some(baggage.as_bytes()),
        };
        let call = client
            .start_call(echo().trace_headers(headers))
            .await
            .unwrap();
        call.collect().await.unwrap();
        let expected = json!({ "traceparent": PARENT, "tracestate": "a=1" });
        assert_eq!(recorder.next().await, expected);

        let long = "x".repeat(140);
        let request = CallRequest::new(["job", "echo", &long]).unwrap();
        let call = client
            .start_call(request.trace_headers(headers))
            .await
            .unwrap();
        call.collect().await.unwrap();
        assert_eq!(recorder.next().await, json!({}));

        let longer = "x".repeat(200);
        let request = CallRequest::new(["job", "echo", &longer]).unwrap();
        let refused = client.start_call(request.trace_headers(headers)).await;
        assert!(
            matches!(
                refused,
                Err(SessionError::RequestTooLarge {
                    len: 231..250,
                    max: 200
                })
            ),
            "{refused:?}"
        );
    });
}

/// The same key and the same words are one call, whatever trace each time is in.
#[test]
fn a_call_that_repeats_another_may_be_in_another_trace() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        let client = served.client().await;
        let ids = IdGenerator::new().unwrap();
        let mut call_ids = Vec::new();
        for _ in 0..2 {
            let request = echo()
                .idempotency_key("once")
                .trace(&TraceContext::fresh(&ids));
            let mut call = client.start_call(request).await.unwrap();
            while call.next().await.unwrap().is_some() {}
            let receipt: Value = serde_json::from_str(call.receipt().unwrap()).unwrap();
            call_ids.push((receipt["call_id"].clone(), receipt["repeats"].clone()));
        }
        assert_eq!(call_ids[1].1, call_ids[0].0);
        assert_ne!(call_ids[1].0, call_ids[0].0);
    });
}

/// `cnv call` tells the server what it was told itself.
#[test]
fn the_tool_passes_its_environment_on() {
    let folder = Folder::new();
    let socket = folder.path("ops.sock");
    let _server = Server::start(&socket);
    std::fs::create_dir(folder.path("tree")).unwrap();
    let (recorded, tree) = (folder.path("recorder.sock"), folder.path("tree"));
    let listener = std::os::unix::net::UnixListener::bind(&recorded).unwrap();
    let seen = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (client, _) = listener.accept().unwrap();
        let server = std::os::unix::net::UnixStream::connect(socket).unwrap();
        let (mut answers, mut to_client) =
            (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut answers, &mut to_client));
        let (mut client, mut server, mut requests) = (client, server, Vec::<Value>::new());
        let mut line = [0; 32];
        while client.read_exact(&mut line).is_ok() {
            let mut payload =
                vec![0; u32::from_le_bytes(line[16..20].try_into().unwrap()) as usize];
            client.read_exact(&mut payload).unwrap();
            if line[4] == raw::OPEN {
                requests.push(serde_json::from_slice(&payload).unwrap());
            }
            let _ = server
                .write_all(&line)
                .and_then(|()| server.write_all(&payload));
        }
        requests
    });
    let address = format!("unix:{}", recorded.display());
    let mut command = cnv(["-q", "--json", "call", &address, "tree", "digest"]);
    command
        .arg(&tree)
        .env("TRACEPARENT", PARENT)
        .env("TRACESTATE", "a=1")
        .env("BAGGAGE", "tenant=acme")
        .env("CNV_TRANSACTION", "00112233445566778899aabbccddeeff");
    expect(0, &mut command);
    let requests = seen.join().unwrap();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0]["traceparent"], PARENT);
    assert_eq!(requests[0]["tracestate"], "a=1");
    assert_eq!(requests[0]["baggage"], "tenant=acme");
    assert_eq!(
        requests[0]["transaction"],
        "00112233445566778899aabbccddeeff"
    );
}

#[test]
fn the_help_says_where_a_trace_comes_from() {
    let help = expect(0, &mut cnv(["--help"]));
    for variable in ["TRACEPARENT", "TRACESTATE", "BAGGAGE"] {
        assert!(
            help.text().contains(&format!("\n  {variable} ")),
            "{}",
            help.text()
        );
    }
}
