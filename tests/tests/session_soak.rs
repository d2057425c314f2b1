//! Calls on sessions beside reloads of the grammar, for as long as one likes. In a process of its own, whose memory is looked
//! at.

mod sessions;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cnv::command::{LiveGrammar, LiveState};
use cnv::prelude::*;
use cnv::session::SessionLimits;

use sessions::Served;

/// Returns what it is given.
#[verb(noun = "log", effect = "pure")]
fn scan(#[arg(long, default_value_t = 10)] top: u32) -> Result<u32, Failure> {
    Ok(top)
}

/// Puts another default in force.
fn put(path: &Path, top: u64) {
    let beside = path.with_extension("new");
    let text = format!("schema = 1\nverbs.\"log scan\".defaults = {{ top = \"{top}\" }}\n");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, path).unwrap();
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
        let file = folder.path().join("ops.toml");
        put(&file, 10);
        let app = App::new("ops").verbs(verbs![scan]).overlay(&file);
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
                    let call = client.call(["log", "scan"]).await.unwrap();
                    let top: u32 = call.collect().await.unwrap().result.json().unwrap();
                    assert!((10..100).contains(&top), "{top}");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
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
        put(file, 10 + reloads % 90);
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
