//! Calls with an idempotency key: made once, however often they are asked for.

mod sessions;

use std::sync::atomic::Ordering;
use std::time::Duration;

use cnv::prelude::*;
use cnv::session::{
    CallError, CallRequest, Channel, Client, Collected, RemoteFailure, SessionLimits,
};

use sessions::{Served, app, probe, run, until};

fn request(words: &[&str], key: &str) -> CallRequest {
    CallRequest::new(words.iter().copied())
        .unwrap()
        .idempotency_key(key)
}

async fn ask(client: &Client, words: &[&str], key: &str) -> Result<Collected, CallError> {
    let call = client.start_call(request(words, key)).await?;
    call.collect().await
}

/// What a call failed with.
fn failure<T: std::fmt::Debug>(result: Result<T, CallError>) -> RemoteFailure {
    match result {
        Err(CallError::Failed(failure)) => failure,
        other => panic!("not the server's own failure: {other:?}"),
    }
}

async fn refused(client: &Client, words: &[&str], key: &str) -> RemoteFailure {
    failure(ask(client, words, key).await)
}

#[test]
fn a_call_that_ended_gives_the_same_reply_again() {
    run(async {
        let served = Served::of(app(), SessionLimits::default()).await;
        let client = served.client().await;
        let words = ["job", "count", "once", "3", "4"];
        for _ in 0..2 {
            // On another connection, as after one that was lost.
            let other = served.client().await;
            for client in [&client, &other] {
                let reply = ask(client, &words, "k1").await.unwrap();
                assert_eq!(reply.result.json::<usize>().unwrap(), 3);
                let items = reply.items.iter();
                let items = items.filter(|item| item.channel() == Channel::Stdout);
                let items: Vec<String> = items.map(|item| item.json().unwrap()).collect();
                assert_eq!(items, ["0000", "0001", "0002"]);
            }
        }
        assert_eq!(probe("once").begun(), 1);
        ask(&client, &words, "k2").await.unwrap();
        assert_eq!(probe("once").begun(), 2, "another key is another call");
    });
}

#[test]
fn a_call_that_runs_is_waited_for() {
    run(async {
        let served = Served::of(app(), SessionLimits::default()).await;
        let (one, other) = (served.client().await, served.client().await);
        let words = ["job", "wait", "waited"];
        let first = one.start_call(request(&words, "k")).await.unwrap();
        until("it runs", || probe("waited").begun() == 1).await;
        let late = request(&words, "k").timeout(Duration::from_millis(20));
        let late = other.start_call(late).await.unwrap().collect().await;
        assert_eq!(failure(late).code, "deadline");
        let second = other.start_call(request(&words, "k")).await.unwrap();
        probe("waited").may_end.store(true, Ordering::SeqCst);
        for call in [first, second] {
            let reply = call.collect().await.unwrap();
            assert_eq!(reply.result.json::<String>().unwrap(), "all");
        }
        assert_eq!(probe("waited").begun(), 1);
    });
}

#[test]
fn failures_are_replies_and_a_cut_off_call_is_one() {
    run(async {
        let served = Served::of(app(), SessionLimits::default()).await;
        let client = served.client().await;
        for _ in 0..2 {
            let failed = refused(&client, &["job", "panic"], "p").await;
            assert_eq!(failed.code, "panicked");
        }
        let call = client
            .start_call(request(&["job", "hang", "cut"], "c"))
            .await
            .unwrap();
        until("it runs", || probe("cut").begun() == 1).await;
        drop(call);
        until("it is dropped", || probe("cut").dropped() == 1).await;
        let cut_off = refused(&client, &["job", "hang", "cut"], "c").await;
        assert_eq!(cut_off.code, "cancelled");
        assert!(cut_off.message.contains("not known"), "{}", cut_off.message);
        assert_eq!(probe("cut").begun(), 1);
    });
}

#[test]
fn what_was_not_made_is_not_remembered() {
    run(async {
        let served = Served::of(app(), SessionLimits::default()).await;
        let client = served.client().await;
        for _ in 0..2 {
            let usage = refused(&client, &["job", "count", "few"], "u").await;
            assert_eq!(usage.code, "usage", "{}", usage.message);
        }
        let words = ["job", "echo", "a"];
        ask(&client, &words, "u").await.unwrap();
        let other = refused(&client, &["job", "echo", "b"], "u").await;
        assert!(
            other.message.contains("stands for another call"),
            "{}",
            other.message
        );
        for key in ["", "with space", "\u{e9}", &"k".repeat(129)] {
            let none = refused(&client, &words, key).await;
            assert_eq!(none.code, "usage", "{key:?}");
        }
    });
}

#[test]
fn a_reply_that_is_too_long_says_how_the_call_ended() {
    run(async {
        let served = Served::of(app(), SessionLimits::default()).await;
        let client = served.client().await;
        let words = ["job", "count", "long", "3", "30000"];
        ask(&client, &words, "l").await.unwrap();
        let again = refused(&client, &words, "l").await;
        assert!(again.message.contains("succeeded"), "{}", again.message);
        assert_eq!(probe("long").begun(), 1);
    });
}

/// Returns what it is given.
#[verb(noun = "job", effect = "pure")]
fn touch(text: String) -> Result<String, Failure> {
    Ok(text)
}

#[test]
fn no_client_has_more_keys_than_it_may() {
    run(async {
        let served = Served::of(
            App::new("jobs").verbs(verbs![touch]),
            SessionLimits::default(),
        )
        .await;
        let client = served.client().await;
        for number in 0..1024 {
            let key = number.to_string();
            ask(&client, &["job", "touch", "a"], &key).await.unwrap();
        }
        let refused = refused(&client, &["job", "touch", "a"], "one more").await;
        assert_eq!(refused.code, "usage", "a key has no spaces");
        let full = self::refused(&client, &["job", "touch", "a"], "one-more").await;
        assert_eq!(full.code, "unavailable");
        assert!(ask(&client, &["job", "touch", "a"], "7").await.is_ok());
    });
}
