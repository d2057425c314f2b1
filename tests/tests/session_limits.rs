//! What a server does not let a client do, on real sockets: each limit with the reason that it ends a connection for.

mod sessions;

use std::time::Duration;

use cnv::command::SessionServer;
use cnv::session::{
    Address, CallError, Client, ClientOptions, CloseCode, SessionError, SessionLimits,
};

use sessions::raw::{self, Raw, hello};
use sessions::{Served, app, probe, run, until};

/// Floods a server with one frame until it has had enough.
async fn flood(raw: &mut Raw, kind: u8, call: u32) -> String {
    for _ in 0..3000 {
        if !raw.send(kind, call, b"").await {
            break;
        }
    }
    raw.closed().await
}

#[test]
fn floods_are_cut_off() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        for kind in [raw::PING, raw::ACK, raw::CREDIT] {
            let mut raw = Raw::begin(served.path(), &hello()).await;
            assert_eq!(flood(&mut raw, kind, 0).await, "flood", "{kind}");
        }
        for kind in [raw::CANCEL, raw::RESET] {
            let mut raw = Raw::begin(served.path(), &hello()).await;
            raw.open(1, &["job", "hang", "flooded"]).await;
            assert_eq!(flood(&mut raw, kind, 1).await, "flood", "{kind}");
        }
        let mut raw = Raw::begin(served.path(), &hello()).await;
        let most = raw.ready["calls"].as_u64().unwrap() as u32;
        for call in 1..=most + 1 {
            raw.open(call, &["job", "hang", "flooded"]).await;
        }
        assert_eq!(raw.closed().await, "calls");
        let probe = probe("flooded");
        until("no call is left", || probe.dropped() == probe.begun()).await;
        let client = served.client().await;
        let call = client.call(["job", "echo", "others go on"]).await.unwrap();
        assert!(call.collect().await.is_ok());
    });
}

/// A client that reads nothing and grants no credit, but opens calls for as long as it may.
#[test]
fn output_that_nobody_takes_does_not_pile_up() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        let mut raw = Raw::begin(served.path(), &hello()).await;
        let words = ["job", "count", "piled-up", "1", "50000"];
        for call in 1..=60 {
            raw.open(call, &words).await;
        }
        let probe = probe("piled-up");
        until("their handlers have ended", || probe.dropped() == 60).await;
        // The session's window holds the output of 20 of them, so that 84 may have been made, and not 124.
        for call in 61..=110 {
            raw.open(call, &words).await;
        }
        assert_eq!(raw.closed().await, "calls");
    });
}

#[test]
fn connections_are_counted() {
    run(async {
        let served = Served::start(SessionLimits {
            max_connections: 2,
            ..SessionLimits::default()
        })
        .await;
        let first = Raw::begin(served.path(), &hello()).await;
        let _second = Raw::begin(served.path(), &hello()).await;
        let mut third = Raw::connect(served.path()).await;
        assert_eq!(third.closed().await, "connections");
        drop(first);
        loop {
            match served.connect(SessionLimits::default()).await {
                Ok(_) => break,
                Err(SessionError::Closed(close)) => {
                    assert_eq!(close.code(), CloseCode::Connections);
                }
                // The server may be gone before the hello is written.
                Err(SessionError::Io(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    });
}

/// Whoever connects over TCP and says nothing takes no place of those who are known.
#[test]
fn strangers_take_no_places_of_users() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.sock");
        let server = SessionServer::new(app()).unwrap().limits(SessionLimits {
            max_connections: 2,
            max_handshakes: 3,
            ..SessionLimits::default()
        });
        let tcp = "tcp:127.0.0.1:0".parse().unwrap();
        let server = server.listen(&tcp).await.unwrap();
        let server = server.listen(&Address::Unix(path.clone())).await.unwrap();
        let Address::Tcp(address) = server.addresses()[0] else {
            unreachable!();
        };
        let served = tokio::spawn(server.run(std::future::pending()));
        let connect = || tokio::net::TcpStream::connect(address);
        let mut silent = Vec::new();
        for _ in 0..3 {
            silent.push(connect().await.unwrap());
        }
        let mut said = Vec::new();
        let mut refused = connect().await.unwrap();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut refused, &mut said).await;
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains(r#""code":"connections""#), "{said:?}");
        let _first = Raw::begin(&path, &hello()).await;
        let _second = Raw::begin(&path, &hello()).await;
        let mut third = Raw::connect(&path).await;
        assert_eq!(third.closed().await, "connections");
        served.abort();
    });
}

#[test]
fn a_client_has_so_many_calls_over_all_its_sessions() {
    run(async {
        let served = Served::start(SessionLimits {
            max_client_calls: 2,
            ..SessionLimits::default()
        })
        .await;
        let [one, other] = [served.client().await, served.client().await];
        let first = one.call(["job", "hang", "counted"]).await.unwrap();
        let _second = other.call(["job", "hang", "counted"]).await.unwrap();
        until("both run", || probe("counted").begun() == 2).await;
        for client in [&one, &other] {
            let refused = client.call(["job", "echo", "x"]).await.unwrap();
            match refused.collect().await {
                Err(CallError::Failed(failure)) => assert_eq!(failure.code, "client-calls"),
                other => panic!("{other:?}"),
            }
        }
        drop(first);
        until("one is dropped", || probe("counted").dropped() == 1).await;
        // Its place is free once it has ended, which is just after.
        loop {
            let call = other.call(["job", "echo", "x"]).await.unwrap();
            match call.collect().await {
                Ok(_) => break,
                Err(CallError::Failed(failure)) => assert_eq!(failure.code, "client-calls"),
                Err(error) => panic!("{error:?}"),
            }
        }
    });
}

#[test]
fn times_pass() {
    run(async {
        let served = Served::start(SessionLimits {
            handshake_timeout: Duration::from_millis(50),
            idle_timeout: Duration::from_millis(50),
            ..SessionLimits::default()
        })
        .await;
        let mut silent = Raw::connect(served.path()).await;
        assert_eq!(silent.closed().await, "handshake");
        let mut idle = Raw::begin(served.path(), &hello()).await;
        assert_eq!(idle.closed().await, "idle");
        // A call is no idleness.
        let mut busy = Raw::begin(served.path(), &hello()).await;
        busy.open(1, &["job", "wait", "busy"]).await;
        until("it runs", || probe("busy").begun() == 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let may_end = &probe("busy").may_end;
        may_end.store(true, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(busy.expect(raw::END).await.get("failure"), None);
        assert_eq!(busy.closed().await, "idle");
    });
}

#[test]
fn requests_are_as_long_as_they_may_be() {
    run(async {
        let served = Served::start(SessionLimits {
            max_request_bytes: 1000,
            ..SessionLimits::default()
        })
        .await;
        let client = served.client().await;
        let refused = client.call(["job", "echo", &"x".repeat(1000)]).await;
        let too_large = matches!(
            refused,
            Err(SessionError::RequestTooLarge { max: 1000, .. })
        );
        assert!(too_large, "{refused:?}");
        let call = client
            .call(["job", "echo", &"x".repeat(900)])
            .await
            .unwrap();
        assert!(call.collect().await.is_ok());
        let mut raw = Raw::begin(served.path(), &hello()).await;
        raw.send(raw::OPEN, 1, &[b' '; 1001]).await;
        assert_eq!(raw.closed().await, "request");
        // What is no request at all ends its call alone.
        let mut raw = Raw::begin(served.path(), &hello()).await;
        for (call, request) in [(1, "{"), (2, "[]"), (3, r#"{"arguments":[1]}"#)] {
            raw.send(raw::OPEN, call, request.as_bytes()).await;
            assert_eq!(raw.expect(raw::END).await["failure"]["code"], "usage");
        }
    });
}

#[test]
fn hellos_that_do_not_fit_are_refused() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        for (field, value, code) in [
            ("protocol", serde_json::json!([2, 9]), "version"),
            ("protocol", serde_json::json!("1"), "protocol"),
            ("application", "other".into(), "application"),
            ("grammar", "sha256:0".into(), "grammar"),
            ("window_bytes", 0.into(), "window"),
            ("max_frame_bytes", 1.into(), "frame"),
            ("attests", 1.into(), "protocol"),
        ] {
            let mut hello = hello();
            hello[field] = value;
            let mut raw = Raw::connect(served.path()).await;
            raw.send(raw::HELLO, 0, hello.to_string().as_bytes()).await;
            assert_eq!(raw.closed().await, code, "{hello}");
        }
        let mut raw = Raw::connect(served.path()).await;
        raw.send(raw::HELLO, 0, &[b' '; 20_000]).await;
        assert_eq!(raw.closed().await, "frame");
        let options = ClientOptions::new().grammar("0000");
        let refused = Client::connect(&served.address, options).await;
        let Err(SessionError::Closed(close)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(close.code(), CloseCode::Grammar);
        assert!(close.to_string().contains("is not served any more"));
        let digest = served.client().await.grammar().to_owned();
        let options = ClientOptions::new().grammar(digest).application("jobs");
        assert!(Client::connect(&served.address, options).await.is_ok());
    });
}

/// An item that is larger than the client takes fails its call, and the others go on.
#[test]
fn items_are_as_long_as_both_ends_take() {
    run(async {
        let limits = |max_item_bytes| SessionLimits {
            max_item_bytes,
            ..SessionLimits::default()
        };
        for (server, client) in [(1000, 100_000), (100_000, 1000)] {
            let served = Served::start(limits(server)).await;
            let client = served.connect(limits(client)).await.unwrap();
            let other = client.call(["job", "wait", "beside"]).await.unwrap();
            // Two of them are quotes.
            for (len, is_taken) in [("998", true), ("999", false)] {
                let words = ["job", "count", "items", "2", len];
                match client.call(words).await.unwrap().collect().await {
                    Ok(all) => assert!(is_taken && all.items.len() == 2),
                    Err(CallError::Failed(failure)) => {
                        assert!(!is_taken);
                        assert_eq!(failure.code, "item-too-large");
                        assert!(failure.message.contains("1001 bytes"), "{failure}");
                    }
                    Err(error) => panic!("{error:?}"),
                }
                // What it returns is an item as well.
                let text = "x".repeat(len.parse().unwrap());
                let echoed = client.call(["job", "echo", &text]).await.unwrap();
                assert_eq!(echoed.collect().await.is_ok(), is_taken);
            }
            let may_end = &probe("beside").may_end;
            may_end.store(true, std::sync::atomic::Ordering::SeqCst);
            assert!(other.collect().await.is_ok());
        }
    });
}

/// Whoever serves one connection and stops waiting for it leaves no call behind.
#[test]
fn a_connection_that_is_not_waited_for_ends_its_calls() {
    run(async {
        let server = SessionServer::new(app()).unwrap();
        let (here, there) = tokio::io::duplex(1 << 16);
        let served = tokio::spawn(server.run_over(there));
        let client = Client::over(here, ClientOptions::new()).await.unwrap();
        let _call = client.call(["job", "hang", "not-waited"]).await.unwrap();
        until("it runs", || probe("not-waited").begun() == 1).await;
        served.abort();
        until("it is dropped", || probe("not-waited").dropped() == 1).await;
    });
}
