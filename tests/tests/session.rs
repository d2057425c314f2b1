//! Calls over sessions on real sockets, and what breaks them.

mod sessions;

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cnv::session::{
    CallError, CallRequest, Client, ClientOptions, CloseCode, RemoteFailure, SessionError,
    SessionLimits,
};
use cnv_tests::random::Random;
use serde_json::json;

use sessions::proxy::{Fault, Proxy};
use sessions::raw::{self, Raw};
use sessions::{Served, probe, run, small, take_all, until};

fn failure<T: std::fmt::Debug>(result: Result<T, CallError>) -> RemoteFailure {
    match result {
        Err(CallError::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

async fn echoes(client: &Client) {
    let call = client.call(["job", "echo", "still there"]).await.unwrap();
    let reply = call.collect().await.unwrap();
    assert_eq!(reply.result.json::<String>().unwrap(), "still there");
}

#[test]
fn a_handler_waits_for_a_caller_that_takes_nothing() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        let client = served.connect(small()).await.unwrap();
        let words = ["job", "count", "slow-taker", "2000", "1000"];
        let mut call = client.call(words).await.unwrap();
        let probe = probe("slow-taker");
        until("it has filled the window", || probe.sent() >= 60).await;
        // Others are served meanwhile, also on the same session.
        for _ in 0..50 {
            echoes(&client).await;
        }
        let sent = probe.sent();
        // 64 KiB in flight, and 128 KiB that wait for it.
        assert!(sent < 220, "{sent} items of 1000 bytes went out");
        take_all(&mut call, 2000).await;
    });
}

#[test]
fn a_call_with_large_items_is_held_back_as_well() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        let client = served.connect(small()).await.unwrap();
        let words = ["job", "count", "large", "200", "60000"];
        let mut call = client.call(words).await.unwrap();
        let probe = probe("large");
        until("it has begun to send", || probe.sent() >= 2).await;
        for _ in 0..50 {
            echoes(&client).await;
        }
        let sent = probe.sent();
        assert!(sent < 6, "{sent} items of 60 KB went out");
        take_all(&mut call, 200).await;
    });
}

#[test]
fn a_server_with_little_room_streams_to_a_client_with_much() {
    run(async {
        let served = Served::start(small()).await;
        let client = served.client().await;
        let words = ["job", "count", "little-room", "500", "1000"];
        let mut call = client.call(words).await.unwrap();
        take_all(&mut call, 500).await;
        // A request is one frame, and the smaller frame counts.
        let refused = client.call(["job", "echo", &"x".repeat(20_000)]).await;
        let too_large = matches!(
            refused,
            Err(SessionError::RequestTooLarge { max: 16_384, .. })
        );
        assert!(too_large, "{refused:?}");
        // What the client takes in one frame is nothing to the request.
        let served = Served::start(SessionLimits::default()).await;
        let client = served.connect(small()).await.unwrap();
        let call = client.call(["job", "echo", &"x".repeat(20_000)]).await;
        assert!(call.unwrap().collect().await.is_ok());
    });
}

#[test]
fn a_cancelled_call_ends_with_what_it_has_or_is_dropped() {
    run(async {
        let limits = SessionLimits {
            cancel_grace: Duration::from_millis(50),
            ..SessionLimits::default()
        };
        let served = Served::start(limits).await;
        let client = served.client().await;
        let willing = client.call(["job", "wait", "willing"]).await.unwrap();
        until("it runs", || probe("willing").begun() == 1).await;
        willing.cancel();
        willing.cancel();
        let reply = willing.collect().await.unwrap();
        assert_eq!(reply.result.json::<String>().unwrap(), "what there is");

        let stubborn = client.call(["job", "hang", "stubborn"]).await.unwrap();
        until("it runs", || probe("stubborn").begun() == 1).await;
        stubborn.cancel();
        let failure = failure(stubborn.collect().await);
        assert_eq!((&*failure.code, failure.exit_code), ("cancelled", 130));
        assert_eq!(probe("stubborn").dropped(), 1);
        echoes(&client).await;
    });
}

#[test]
fn a_call_that_is_dropped_is_taken_back() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        let client = served.client().await;
        let call = client.call(["job", "hang", "forgotten"]).await.unwrap();
        until("it runs", || probe("forgotten").begun() == 1).await;
        drop(call);
        until("it is dropped", || probe("forgotten").dropped() == 1).await;
        let mut call = client
            .call(["job", "count", "half-taken", "100000", "100"])
            .await
            .unwrap();
        assert!(call.next().await.unwrap().is_some());
        drop(call);
        until("it is dropped", || probe("half-taken").dropped() == 1).await;
        echoes(&client).await;
    });
}

/// As many calls as there may be, each given up at another moment: none of them leaves a place taken.
#[test]
fn calls_given_up_at_any_moment_leave_nothing_behind() {
    use std::task::{Context, Waker};

    run(async {
        let limits = SessionLimits {
            max_calls: 4,
            cancel_grace: Duration::from_millis(1),
            ..SessionLimits::default()
        };
        let served = Served::start(limits).await;
        let client = served.connect(small()).await.unwrap();
        for polls in 0..60_usize {
            let given_up = async {
                let words = ["job", "count", "given-up", "50", "1000"];
                let mut call = client.call(words).await.unwrap();
                if polls % 3 == 0 {
                    call.cancel();
                }
                while call.next().await.is_ok_and(|item| item.is_some()) {}
            };
            let mut given_up = Box::pin(given_up);
            for _ in 0..polls {
                let mut cx = Context::from_waker(Waker::noop());
                if given_up.as_mut().poll(&mut cx).is_ready() {
                    break;
                }
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        }
        // All four places are free, and all of the credit.
        let mut calls = Vec::new();
        for _ in 0..4 {
            let words = ["job", "count", "after-given-up", "40", "1000"];
            calls.push(client.call(words).await.unwrap());
        }
        let probe = probe("after-given-up");
        until("all run", || probe.begun() == 4).await;
        let taking = calls
            .into_iter()
            .map(|mut call| tokio::spawn(async move { take_all(&mut call, 40).await }));
        // At the same time: together they have more to take than the session's window.
        for taken in taking.collect::<Vec<_>>() {
            taken.await.unwrap();
        }
    });
}

#[test]
fn a_deadline_passes_at_the_server() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        let client = served.client().await;
        let request = CallRequest::new(["job", "hang", "late"]).unwrap();
        let request = request.timeout(Duration::from_millis(30));
        let call = client.start_call(request).await.unwrap();
        let failure = failure(call.collect().await);
        assert_eq!((&*failure.code, failure.exit_code), ("deadline", 7));
        assert_eq!(probe("late").dropped(), 1);
    });
}

#[test]
fn a_panic_ends_its_call_alone() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        let (client, other) = (served.client().await, served.client().await);
        let words = ["job", "count", "beside-a-panic", "100", "1000"];
        let mut running = client.call(words).await.unwrap();
        let call = client.call(["job", "panic"]).await.unwrap();
        let failure = failure(call.collect().await);
        assert_eq!((&*failure.code, failure.exit_code), ("panicked", 101));
        take_all(&mut running, 100).await;
        echoes(&client).await;
        echoes(&other).await;
    });
}

#[test]
fn a_long_failure_ends_its_call_alone() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        let client = served.connect(small()).await.unwrap();
        let call = client.call(["job", "fail", "1000000"]).await.unwrap();
        let failure = failure(call.collect().await);
        assert_eq!(failure.exit_code, 1);
        assert!(failure.message.ends_with(" .."), "{}", failure.message);
        echoes(&client).await;
    });
}

/// Cut at a hundred random bytes: all arrives, once and in order.
#[test]
fn a_stream_survives_connections_that_break_anywhere() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        let random = Mutex::new(Random::new(7));
        let proxy = Proxy::start(
            served.beside("proxy"),
            served.path(),
            move |number| match number {
                0..100 => Fault::Cut(600 + random.lock().unwrap().below(30_000)),
                _ => Fault::None,
            },
        );
        let options = ClientOptions::new().limits(SessionLimits {
            handshake_timeout: Duration::from_secs(5),
            ..small()
        });
        let client = Client::connect(&proxy.address, options).await.unwrap();
        let words = ["job", "count", "cut", "20000", "100"];
        let mut call = client.call(words).await.unwrap();
        take_all(&mut call, 20_000).await;
        assert_eq!(probe("cut").begun(), 1, "the call was made twice");
        assert!(proxy.connections() > 50, "{}", proxy.connections());
    });
}

#[test]
fn a_connection_that_takes_nothing_is_cut_and_resumed() {
    run(async {
        let served = Served::start(SessionLimits {
            write_timeout: Duration::from_millis(100),
            ..SessionLimits::default()
        })
        .await;
        let proxy = Proxy::start(
            served.beside("proxy"),
            served.path(),
            |number| match number {
                0 => Fault::Stall(100_000),
                _ => Fault::None,
            },
        );
        let client = Client::connect(&proxy.address, ClientOptions::new()).await;
        let client = client.unwrap();
        let words = ["job", "count", "stalled", "5000", "1000"];
        let mut call = client.call(words).await.unwrap();
        take_all(&mut call, 5000).await;
        assert_eq!(probe("stalled").begun(), 1);
        assert!(proxy.connections() >= 2);
    });
}

/// The server has room for no other connection until it has found that, too.
#[test]
fn a_connection_that_is_only_half_there_is_found_and_resumed() {
    run(async {
        let served = Served::start(SessionLimits {
            max_connections: 1,
            ping_interval: Duration::from_millis(200),
            ping_timeout: Duration::from_millis(200),
            ..SessionLimits::default()
        })
        .await;
        let proxy = Proxy::start(
            served.beside("proxy"),
            served.path(),
            |number| match number {
                0 => Fault::Swallow(50_000),
                _ => Fault::None,
            },
        );
        let options = ClientOptions::new().limits(SessionLimits {
            ping_interval: Duration::from_millis(50),
            ping_timeout: Duration::from_millis(50),
            ..SessionLimits::default()
        });
        let client = Client::connect(&proxy.address, options).await.unwrap();
        let words = ["job", "count", "half-there", "1000", "1000"];
        let mut call = client.call(words).await.unwrap();
        take_all(&mut call, 1000).await;
        assert_eq!(probe("half-there").begun(), 1);
        assert!(proxy.connections() >= 2);
    });
}

#[test]
fn a_bit_that_changes_ends_the_session_with_the_reason() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        let other = served.client().await;
        let proxy = Proxy::start(served.beside("proxy"), served.path(), |_| {
            Fault::Flip(50_000)
        });
        let client = Client::connect(&proxy.address, ClientOptions::new()).await;
        let client = client.unwrap();
        let words = ["job", "count", "flipped", "1000", "1000"];
        let mut call = client.call(words).await.unwrap();
        let error = loop {
            match call.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("nobody noticed"),
                Err(error) => break error,
            }
        };
        let CallError::Session(SessionError::Refused(close)) = error else {
            panic!("{error:?}");
        };
        assert_eq!(close.code(), CloseCode::Protocol);
        until("its handler is dropped", || probe("flipped").dropped() == 1).await;
        assert_eq!(proxy.connections(), 1);
        echoes(&other).await;
    });
}

#[test]
fn the_calls_of_a_client_that_is_gone_are_ended() {
    run(async {
        let served = Served::start(SessionLimits {
            resume_window: Duration::from_millis(50),
            ..SessionLimits::default()
        })
        .await;
        let mut raw = Raw::begin(served.path(), &raw::hello()).await;
        raw.open(1, &["job", "hang", "orphan"]).await;
        raw.open(2, &["job", "count", "blocked", "1000000", "100"])
            .await;
        until("both run", || {
            probe("orphan").begun() == 1 && probe("blocked").sent() > 100
        })
        .await;
        drop(raw);
        until("both are dropped", || {
            probe("orphan").dropped() == 1 && probe("blocked").dropped() == 1
        })
        .await;
    });
}

/// A server that was killed answers nobody, and leaves its socket or has it taken away.
#[test]
fn a_session_is_over_soon_after_its_server_is_gone() {
    for is_socket_left in [true, false] {
        // On one thread, which ends all of it at once: no part of it says that another is gone.
        let (ready, served) = std::sync::mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let served = runtime.block_on(Served::start(SessionLimits::default()));
            ready.send(served).unwrap();
            let _ = runtime.block_on(stopped);
            runtime.shutdown_timeout(Duration::from_secs(10));
        });
        let served = served.recv().unwrap();
        run(async move {
            let options = ClientOptions::new().reconnect(Duration::from_millis(100));
            let client = Client::connect(&served.address, options).await.unwrap();
            let call = client.call(["job", "hang", "server-gone"]).await.unwrap();
            drop(stop);
            let end = move || server.join().unwrap();
            tokio::task::spawn_blocking(end).await.unwrap();
            if is_socket_left {
                // A socket at which nobody listens, as one that was killed leaves it.
                drop(std::os::unix::net::UnixListener::bind(served.path()).unwrap());
            }
            let over = match call.collect().await {
                Err(CallError::Session(over)) => over,
                other => panic!("{other:?}"),
            };
            let SessionError::Gone {
                address, source, ..
            } = &over
            else {
                panic!("{over:?}");
            };
            assert_eq!(*address, served.address);
            let kind = match is_socket_left {
                true => std::io::ErrorKind::ConnectionRefused,
                false => std::io::ErrorKind::NotFound,
            };
            assert_eq!(source.kind(), kind);
            let next = client.call(["job", "echo", "x"]).await;
            assert!(matches!(next, Err(SessionError::Gone { .. })), "{next:?}");
        });
    }
}

/// Who comes again for a session and claims more than was sent has broken the protocol, and ends it.
#[test]
fn a_resumption_that_claims_too_much_ends_the_session() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        let mut first = Raw::begin(served.path(), &raw::hello()).await;
        first.open(1, &["job", "hang", "claimed"]).await;
        until("it runs", || probe("claimed").begun() == 1).await;
        let mut again = raw::hello();
        again["resume"] = json!({
            "session": first.ready["session"], "secret": first.ready["secret"], "received": u64::MAX,
        });
        let mut second = Raw::connect(served.path()).await;
        let hello = again.to_string();
        second.send(raw::HELLO, 0, hello.as_bytes()).await;
        assert_eq!(second.closed().await, "protocol");
        until("it is dropped", || probe("claimed").dropped() == 1).await;
        let mut third = Raw::connect(served.path()).await;
        again["resume"]["received"] = 0.into();
        let hello = again.to_string();
        third.send(raw::HELLO, 0, hello.as_bytes()).await;
        assert_eq!(third.closed().await, "resume");
    });
}

/// The older connection is still there when the newer one comes: it ends, and nothing is lost.
#[test]
fn a_newer_connection_takes_the_session_over() {
    run(async {
        let served = Served::start(SessionLimits {
            max_detached: 1,
            ..SessionLimits::default()
        })
        .await;
        let mut raw = Raw::begin(served.path(), &raw::hello()).await;
        raw.open(1, &["job", "wait", "taken-over"]).await;
        until("it runs", || probe("taken-over").begun() == 1).await;
        for number in 0..200 {
            let mut again = raw::hello();
            again["resume"] = json!({
                "session": raw.ready["session"], "secret": raw.ready["secret"], "received": 0,
            });
            let mut newer = Raw::connect(served.path()).await;
            let hello = again.to_string();
            newer.send(raw::HELLO, 0, hello.as_bytes()).await;
            if number % 2 == 0 {
                // The older one breaks just when the newer one takes over, or before or after it.
                drop(raw);
                newer.expect(raw::READY).await;
            } else {
                newer.expect(raw::READY).await;
                drop(raw);
            }
            newer.ready = json!({ "session": again["resume"]["session"], "secret": again["resume"]["secret"] });
            raw = newer;
        }
        // Another session takes the one place of those that wait.
        let mut other = Raw::begin(served.path(), &raw::hello()).await;
        other.open(1, &["job", "hang", "other-detached"]).await;
        until("it runs", || probe("other-detached").begun() == 1).await;
        drop(other);
        probe("taken-over").may_end.store(true, Ordering::SeqCst);
        let end = raw.expect(raw::END).await;
        assert_eq!(end.get("failure"), None, "{end}");
    });
}

#[test]
fn a_server_that_ends_lets_calls_finish_and_takes_no_new_ones() {
    run(async {
        let served = Served::start(SessionLimits::default()).await;
        let client = served.client().await;
        let call = client.call(["job", "wait", "drained"]).await.unwrap();
        let mut late = Raw::begin(served.path(), &raw::hello()).await;
        late.open(1, &["job", "wait", "drained"]).await;
        until("both run", || probe("drained").begun() == 2).await;
        let drained = served.shut_down();
        // The server's word for it.
        while late.next().await.unwrap().0 != 13 {}
        late.open(2, &["job", "hang", "too-late"]).await;
        let end = late.expect(raw::END).await;
        assert_eq!(end["failure"]["code"], "draining");
        let refused = loop {
            match client.call(["job", "echo", "late"]).await {
                Err(refused) => break refused,
                // It had not heard yet.
                Ok(call) => match call.collect().await {
                    Ok(_) => {}
                    Err(CallError::Session(refused)) => break refused,
                    Err(failed) => panic!("{failed:?}"),
                },
            }
        };
        assert!(matches!(refused, SessionError::Draining), "{refused:?}");
        probe("drained").may_end.store(true, Ordering::SeqCst);
        let reply = call.collect().await.unwrap();
        assert_eq!(reply.result.json::<String>().unwrap(), "all");
        assert_eq!(late.closed().await, "drain");
        assert_eq!(drained.await.unwrap().cut_off, 0);
        assert_eq!(probe("too-late").begun(), 0);
    });
}

#[test]
fn calls_that_never_end_are_cut_off_and_counted() {
    run(async {
        let served = Served::start(SessionLimits {
            drain_timeout: Duration::from_millis(50),
            cancel_grace: Duration::from_millis(20),
            ..SessionLimits::default()
        })
        .await;
        let client = served.client().await;
        let mut calls = Vec::new();
        for _ in 0..3 {
            calls.push(client.call(["job", "hang", "never"]).await.unwrap());
        }
        until("all run", || probe("never").begun() == 3).await;
        let drained = served.shut_down().await.unwrap();
        assert_eq!(drained.cut_off, 3);
        until("all are dropped", || probe("never").dropped() == 3).await;
        for mut call in calls {
            // Whichever of the two gets there first.
            match call.next().await.unwrap_err() {
                CallError::Failed(failure) => assert_eq!(failure.code, "cancelled"),
                CallError::Session(SessionError::Closed(close)) => {
                    assert_eq!(close.code(), CloseCode::Drain);
                }
                error => panic!("{error:?}"),
            }
        }
    });
}
