//! Sessions whose grammar changes under them.

mod sessions;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cnv::attestation::{ManualClock, Timestamp};
use cnv::command::{LiveGrammar, LiveState, Overlaid};
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
    let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(
        1_800_000_000,
    )));
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
        assert!(told.contains("--top"), "{told}");
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

/// The resident memory of this process in KiB.
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Reloads ten times a second beside calls on several sessions: none fails, and memory stays. `CNV_TEST_SOAK_SECONDS` says for
/// how long.
#[test]
fn calls_and_reloads_go_on_beside_each_other() {
    let seconds = std::env::var("CNV_TEST_SOAK_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(2);
    let until = Instant::now() + Duration::from_secs(seconds);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (app, _) = app(folder.path(), Duration::from_secs(600));
        let live = app.live_grammar().unwrap().clone();
        let served = Served::of(app, SessionLimits::default()).await;
        let (calls, is_over) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let mut callers = Vec::new();
        for _ in 0..8 {
            let client = served.client().await;
            let (calls, is_over) = (Arc::clone(&calls), Arc::clone(&is_over));
            callers.push(tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let top = top(&client, &["log", "scan"]).await.unwrap();
                    assert!((10..100).contains(&top), "{top}");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        let file = folder.path().join("ops.toml");
        let reloads = reload_until(&live, &file, until).await;
        is_over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await.unwrap();
        }
        let calls = calls.load(Ordering::Relaxed);
        assert!(
            calls > 100 && reloads > 3,
            "{calls} calls, {reloads} reloads"
        );
        eprintln!("{calls} calls beside {reloads} reloads, none failed");
    });
}

/// Puts another overlay in force ten times a second. After the first tenth of the time memory stays what it is.
async fn reload_until(live: &LiveGrammar, file: &Path, until: Instant) -> u64 {
    let total = until.saturating_duration_since(Instant::now());
    let settled_at = Instant::now() + total / 10;
    let (mut reloads, mut settled_kib) = (0, None);
    while Instant::now() < until {
        put(file, &default(10 + (reloads % 90) as u32));
        let status = live.reload().await.unwrap();
        assert_eq!(status.state, LiveState::Current);
        reloads += 1;
        if settled_kib.is_none() && Instant::now() > settled_at {
            settled_kib = Some(resident_kib());
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    let (before, after) = (settled_kib.unwrap_or_else(resident_kib), resident_kib());
    assert!(
        after < before + 16 * 1024,
        "{before} KiB grew to {after} KiB"
    );
    eprintln!("resident memory: {before} KiB, then {after} KiB");
    reloads
}
