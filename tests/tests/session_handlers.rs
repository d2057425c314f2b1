//! Handlers that are not as a server would like them: that keep their thread, send from elsewhere, or are dropped.

mod sessions;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cnv::attestation::PrivateKey;
use cnv::audit::{AuditLog, AuditOptions, AuditReader, Outcome};
use cnv::command::Stopped;
use cnv::prelude::*;
use cnv::session::{Channel, SessionLimits};

use sessions::raw::{self, Raw};
use sessions::{Served, probe, run, until};

/// Keeps its thread until it may end.
#[verb(noun = "job", effect = "pure")]
fn block(name: String) -> Result<&'static str, Failure> {
    let probe = probe(&name);
    probe.begun.fetch_add(1, Ordering::SeqCst);
    while !probe.may_end.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok("done")
}

/// Has another task send, and waits until it may end.
#[verb(noun = "job", effect = "pure")]
async fn delegate(cx: Context, name: String) -> Result<(), Failure> {
    let elsewhere = cx.clone();
    tokio::spawn(async move {
        for item in 0..3 {
            elsewhere.stdout().send(&item).await.unwrap();
        }
    });
    let probe = probe(&name);
    while !probe.may_end.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Never returns.
#[verb(noun = "job", effect = "pure")]
async fn hang(name: String) -> Result<(), Failure> {
    probe(&name).begun.fetch_add(1, Ordering::SeqCst);
    std::future::pending().await
}

/// Returns what it is given.
#[verb(noun = "job", effect = "pure")]
async fn echo(text: String) -> Result<String, Failure> {
    Ok(text)
}

fn app() -> App {
    App::new("jobs").verbs(verbs![block, delegate, hang, echo])
}

#[test]
fn handlers_that_keep_their_thread_stop_nobody_else() {
    run(async {
        let served = Served::of(app(), SessionLimits::default()).await;
        let client = served.client().await;
        let mut blocked = Vec::new();
        // More than the runtime has threads for what is async.
        for _ in 0..6 {
            blocked.push(client.call(["job", "block", "keeps"]).await.unwrap());
        }
        until("all run", || probe("keeps").begun() == 6).await;
        let reply = client.call(["job", "echo", "here"]).await.unwrap();
        let reply = reply.collect().await.unwrap();
        assert_eq!(reply.result.json::<String>().unwrap(), "here");
        probe("keeps").may_end.store(true, Ordering::SeqCst);
        for call in blocked {
            let reply = call.collect().await.unwrap();
            assert_eq!(reply.result.json::<String>().unwrap(), "done");
        }
    });
}

#[test]
fn what_another_task_sends_is_on_its_way_at_once() {
    run(async {
        let served = Served::of(app(), SessionLimits::default()).await;
        let client = served.client().await;
        let mut call = client.call(["job", "delegate", "elsewhere"]).await.unwrap();
        for expected in 0..3 {
            let item = call.next().await.unwrap().unwrap();
            assert_eq!(item.channel(), Channel::Stdout);
            assert_eq!(item.json::<u32>().unwrap(), expected);
        }
        probe("elsewhere").may_end.store(true, Ordering::SeqCst);
        assert!(call.next().await.unwrap().is_some());
        assert!(call.next().await.unwrap().is_none());
    });
}

#[test]
fn calls_without_a_connection_have_the_time_that_all_have_and_are_counted() {
    run(async {
        let served = Served::of(
            app(),
            SessionLimits {
                drain_timeout: Duration::from_millis(50),
                cancel_grace: Duration::from_millis(20),
                ..SessionLimits::default()
            },
        )
        .await;
        let mut raw = Raw::begin(served.path(), &raw::hello()).await;
        raw.open(1, &["job", "hang", "detached-drain"]).await;
        until("it runs", || probe("detached-drain").begun() == 1).await;
        drop(raw);
        // Another session, so that the server has noticed by the time that it answers.
        let client = served.client().await;
        let call = client.call(["job", "echo", "x"]).await.unwrap();
        call.collect().await.unwrap();
        assert_eq!(served.shut_down().await.unwrap().cut_off, 1);
    });
}

/// Sends a number again and again, and returns how many when it is asked to stop.
#[verb(noun = "job", effect = "pure")]
async fn follow(cx: &Context, name: String) -> Result<u64, Failure> {
    let mut sent = 0;
    loop {
        cx.stdout().send(&sent).await?;
        sent += 1;
        probe(&name).sent.fetch_add(1, Ordering::SeqCst);
        match cx.sleep(Duration::from_millis(1)).await {
            Ok(()) => {}
            Err(Stopped::Cancelled) => return Ok(sent),
            Err(stopped) => return Err(stopped.into()),
        }
    }
}

/// Works towards an end of its own, and asks at every step.
#[verb(noun = "job", effect = "pure")]
async fn work(cx: &Context, name: String) -> Result<&'static str, Failure> {
    let probe = probe(&name);
    while !probe.may_end.load(Ordering::SeqCst) {
        cx.checkpoint()?;
        probe.sent.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok("all")
}

/// Waits until it is told to stop, and for nothing else.
#[verb(noun = "job", effect = "pure")]
async fn wait_for_the_end(cx: &Context, name: String) -> Result<&'static str, Failure> {
    probe(&name).begun.fetch_add(1, Ordering::SeqCst);
    cx.cancelled().await;
    Ok("the end")
}

/// What has an end of its own comes to it, and what has none is told at once: nothing is cut off.
#[test]
fn a_server_that_ends_tells_handlers_without_an_end() {
    run(async {
        let limits = SessionLimits {
            drain_timeout: Duration::from_secs(3600),
            ..SessionLimits::default()
        };
        let app = sessions::app().verbs(verbs![follow, wait_for_the_end, work]);
        let served = Served::of(app, limits).await;
        let client = served.client().await;
        let mut follow = client.call(["job", "follow", "followed"]).await.unwrap();
        let waits = client.call(["job", "wait-for-the-end", "told"]);
        let waits = waits.await.unwrap();
        let finite = client.call(["job", "work", "finite"]).await.unwrap();
        until("all run", || {
            probe("followed").sent() > 0 && probe("told").begun() == 1 && probe("finite").sent() > 0
        })
        .await;
        let drained = served.shut_down();
        let mut items = 0;
        let result = loop {
            let item = follow.next().await.unwrap().unwrap();
            match item.channel() {
                Channel::Result => break item.json::<u64>().unwrap(),
                _ => items += 1,
            }
        };
        assert_eq!(result, items, "it returned what it has");
        let told = waits.collect().await.unwrap().result;
        assert_eq!(told.json::<String>().unwrap(), "the end");
        let steps = probe("finite").sent();
        until("it goes on", || probe("finite").sent() > steps + 1).await;
        probe("finite").may_end.store(true, Ordering::SeqCst);
        let finite = finite.collect().await.unwrap().result;
        assert_eq!(finite.json::<String>().unwrap(), "all");
        drop((follow, client));
        assert_eq!(drained.await.unwrap().cut_off, 0);
    });
}

#[test]
fn a_call_that_is_dropped_has_an_end_in_the_audit_log() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (key, _) = PrivateKey::generate();
        let origin = "example.com/audit/dropped";
        let log = AuditLog::open(&path, key, AuditOptions::new(origin)).unwrap();
        let log = Arc::new(log);
        let app = app().audit(Arc::clone(&log));
        let served = Served::of(app, SessionLimits::default()).await;
        let client = served.client().await;
        let call = client.call(["job", "hang", "audited"]).await.unwrap();
        until("it runs", || probe("audited").begun() == 1).await;
        drop(call);
        let outcomes = || {
            let entries = AuditReader::new(&path).entries();
            let entries = entries.into_iter().flatten();
            let outcomes = entries.filter_map(|entry| entry.ok()?.1.outcome);
            outcomes.collect::<Vec<Outcome>>()
        };
        until("its end is recorded", || !outcomes().is_empty()).await;
        let Outcome::Failed(reason) = &outcomes()[0] else {
            panic!("{:?}", outcomes());
        };
        assert_eq!(reason.code(), "cancelled");
    });
}
