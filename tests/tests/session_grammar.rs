//! Sessions whose grammar changes under them.

mod sessions;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cnv::attestation::{ManualClock, Timestamp};
use cnv::command::Overlaid;
use cnv::prelude::*;
use cnv::session::{CallError, Client, ClientOptions, CloseCode, SessionError, SessionLimits};

use sessions::{Served, probe, run, until};

/// Returns what it is given.
#[verb(noun = "log", effect = "pure")]
fn scan(#[arg(long, default_value_t = 10)] top: u32) -> Result<u32, Failure> {
    Ok(top)
}

/// Waits until it may end, and says what it was called with.
#[verb(noun = "log", effect = "pure")]
async fn wait(name: String, #[arg(long, default_value_t = 10)] top: u32) -> Result<u32, Failure> {
    let probe = probe(&name);
    probe.begun.fetch_add(1, Ordering::SeqCst);
    while !probe.may_end.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(top)
}

fn put(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, path).unwrap();
}

fn default(top: u32) -> String {
    format!(
        "schema = 1\nverbs.\"log scan\".defaults = {{ top = \"{top}\" }}\nverbs.\"log wait\".defaults = {{ top = \"{top}\" }}\n"
    )
}

/// A clock at a moment, and an application whose overlay is read by it.
fn app(folder: &Path, drain: Duration) -> (App, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_seconds(1_800_000_000)));
    let file = folder.join("ops.toml");
    put(&file, "schema = 1\n");
    let app = App::new("ops")
        .verbs(verbs![scan, wait])
        .clock(Arc::clone(&clock) as Arc<dyn cnv::attestation::Clock>)
        .overlay(Overlaid::file(file).drain(drain));
    (app, clock)
}

async fn top(client: &Client, words: &[&str]) -> Result<u32, String> {
    let call = client
        .call(words)
        .await
        .map_err(|error| error.to_string())?;
    match call.collect().await {
        Ok(reply) => Ok(reply.result.json().unwrap()),
        Err(CallError::Failed(failure)) => Err(failure.message),
        Err(error) => panic!("{error}"),
    }
}

async fn written_for(served: &Served, digest: &str) -> Result<Client, CloseCode> {
    let options = ClientOptions::new().grammar(digest);
    match Client::connect(&served.address, options).await {
        Ok(client) => Ok(client),
        Err(SessionError::Closed(close)) => Err(close.code()),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_call_keeps_the_grammar_that_it_began_with() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (app, _) = app(folder.path(), Duration::from_secs(600));
        let live = app.live_grammar().unwrap().clone();
        let served = Served::of(app, SessionLimits::default()).await;
        let client = served.client().await;
        put(&folder.path().join("ops.toml"), &default(20));
        live.reload().await.unwrap();
        let waiting = client.call(["log", "wait", "pinned"]).await.unwrap();
        let probe = probe("pinned");
        until("it has begun", || probe.begun() == 1).await;
        put(&folder.path().join("ops.toml"), &default(30));
        live.reload().await.unwrap();
        assert_eq!(top(&client, &["log", "scan"]).await, Ok(30));
        probe.may_end.store(true, Ordering::SeqCst);
        let reply = waiting.collect().await.unwrap();
        assert_eq!(reply.result.json::<u32>().unwrap(), 20);
    });
}

#[test]
fn an_older_client_is_understood_for_a_while_and_then_refused() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (app, clock) = app(folder.path(), Duration::from_secs(600));
        let live = app.live_grammar().unwrap().clone();
        let served = Served::of(app, SessionLimits::default()).await;
        let file = folder.path().join("ops.toml");
        put(
            &file,
            "schema = 1\nverbs.\"log scan\".renamed = { limit = \"top\" }\n",
        );
        live.reload().await.unwrap();
        let old = live.grammar().digest().to_string();
        // What comes into force next has one more name.
        put(
            &file,
            "schema = 1\nverbs.\"log scan\".renamed = { limit = \"top\", most = \"top\" }\n",
        );
        live.reload().await.unwrap();
        let new = live.grammar().digest().to_string();
        assert_ne!(old, new);

        let client = written_for(&served, &old).await.unwrap();
        assert_eq!(client.grammar(), new);
        assert_eq!(top(&client, &["log", "scan", "--limit", "7"]).await, Ok(7));
        assert_eq!(top(&client, &["log", "scan", "--most", "8"]).await, Ok(8));
        assert_eq!(
            written_for(&served, "0123").await.err(),
            Some(CloseCode::Grammar)
        );

        clock.advance_seconds(601);
        assert_eq!(
            written_for(&served, &old).await.err(),
            Some(CloseCode::Grammar)
        );
        assert!(written_for(&served, &new).await.is_ok());
        // Names on their way out end when the file is looked at.
        live.reload().await.unwrap();
        let told = top(&client, &["log", "scan", "--limit", "7"])
            .await
            .unwrap_err();
        assert!(told.contains("is called `top` now"), "{told}");
    });
}

#[test]
fn what_is_switched_off_is_off_for_sessions_that_are_there() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (app, _) = app(folder.path(), Duration::from_secs(600));
        let live = app.live_grammar().unwrap().clone();
        let served = Served::of(app, SessionLimits::default()).await;
        let client = served.client().await;
        assert_eq!(top(&client, &["log", "scan"]).await, Ok(10));
        let file = folder.path().join("ops.toml");
        put(&file, "schema = 1\nverbs.\"log scan\".enabled = false\n");
        live.reload().await.unwrap();
        let told = top(&client, &["log", "scan"]).await.unwrap_err();
        assert_eq!(told, "`log scan` is switched off");
    });
}
