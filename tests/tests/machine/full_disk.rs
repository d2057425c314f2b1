//! A disk without room: for the overlay that is in force, for an overlay that is being written, and for the audit log.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use cnv::attestation::PrivateKey;
use cnv::audit::{AuditLog, AuditOptions, AuditReader, Durability, OpenError, VerifierKey};
use cnv::command::{LiveState, LiveStatus};
use cnv::prelude::*;
use cnv::session::{CallError, Client, RemoteFailure, SessionLimits};

use crate::namespaces::{folder, is_ready, run_within, succeeds};
use crate::sessions::{self, Served, probe};

const ORIGIN: &str = "example.com/audit/full-disk";

/// Mounts a disk of so many KiB, where this process may.
fn small_disk(kib: usize) -> Option<PathBuf> {
    let disk = folder()?;
    let options = format!("size={kib}k,mode=700");
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", &options, "cnv-test"]);
    if !succeeds(mount.arg(&disk)) {
        return None;
    }
    is_ready();
    Some(disk)
}

/// What takes all the room that a disk has left, until it is removed.
fn fill(disk: &Path) -> PathBuf {
    let ballast = disk.join("ballast");
    let mut file = File::create(&ballast).unwrap();
    let full = loop {
        if let Err(error) = file.write_all(&[1; 4096]) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    ballast
}

/// Scans.
#[verb(noun = "log", effect = "read", public)]
fn scan(#[arg(long, default_value_t = 10)] top: u32) -> Result<u32, Failure> {
    Ok(top)
}

fn default(top: u32) -> String {
    format!("schema = 1\n[verbs.\"log scan\"]\ndefaults = {{ top = \"{top}\" }}\n")
}

fn top(app: &App) -> String {
    app.call_blocking(["log", "scan"])
        .result
        .unwrap()
        .as_json()
        .to_owned()
}

fn status(app: &App) -> LiveStatus {
    app.live_grammar().unwrap().status()
}

fn reload(app: &App) -> Result<LiveStatus, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let reloaded = runtime
        .unwrap()
        .block_on(app.live_grammar().unwrap().reload());
    reloaded.map_err(|refused| refused.why)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn an_overlay_that_cannot_be_kept_is_in_force_and_says_so() {
    run_within('m', "full_disk::overlay_on_a_full_disk");
}

#[test]
#[ignore = "another test starts it, as a process with mounts of its own"]
fn overlay_on_a_full_disk() {
    let Some(disk) = small_disk(64) else { return };
    let (path, state) = (disk.join("ops.toml"), disk.join("state"));
    let kept = state.join("ops.overlay");
    let start = || {
        let app = App::new("ops").verbs(verbs![scan]);
        app.overlay(&path).state(&state)
    };
    fs::write(&path, default(1)).unwrap();
    let app = start();
    assert_eq!(top(&app), "1");
    assert_eq!(status(&app).unkept, None);
    let first = fs::read(&kept).unwrap();

    // The next overlay is written already, and its copy has no room.
    fs::write(&path, default(2)).unwrap();
    let ballast = fill(&disk);
    let is_in_force_and_unkept = |app: &App| {
        let status = reload(app).unwrap();
        assert_eq!(status.state, LiveState::Current);
        let why = status.unkept.expect("it cannot be kept");
        assert!(why.contains(kept.to_str().unwrap()), "{why}");
        assert!(why.contains("No space left"), "{why}");
        assert_eq!(top(app), "2");
        assert_eq!(fs::read(&kept).unwrap(), first, "what was kept is torn");
        assert_eq!(names(&state), ["ops.overlay", "ops.overlay.lock"]);
    };
    is_in_force_and_unkept(&app);
    drop(app);
    is_in_force_and_unkept(&start());

    // With a bad file there is only what was kept before.
    fs::write(&path, "schema = ").unwrap();
    let app = start();
    assert_eq!(top(&app), "1");
    assert!(matches!(status(&app).state, LiveState::Rejected { .. }));
    assert_eq!(fs::read(&kept).unwrap(), first);

    // Once there is room it is kept, although the file is as it was.
    fs::write(&path, default(2)).unwrap();
    is_in_force_and_unkept(&app);
    fs::remove_file(&ballast).unwrap();
    assert_eq!(reload(&app).unwrap().unkept, None);
    assert_ne!(fs::read(&kept).unwrap(), first);
    drop(app);
    fs::write(&path, "schema = ").unwrap();
    assert_eq!(top(&start()), "2");
}

#[test]
fn an_overlay_that_was_written_in_part_is_refused() {
    run_within('m', "full_disk::torn_overlay_on_a_full_disk");
}

#[test]
#[ignore = "another test starts it, as a process with mounts of its own"]
fn torn_overlay_on_a_full_disk() {
    let Some(disk) = small_disk(64) else { return };
    let path = disk.join("ops.toml");
    fs::write(&path, default(1)).unwrap();
    let app = App::new("ops").verbs(verbs![scan]).overlay(&path);
    assert_eq!(top(&app), "1");
    fill(&disk);
    // There is room for the first page of it, which was the old one's.
    let long = format!("{}help = \"{}\"\n", default(2), "long ".repeat(2000));
    let torn = fs::write(&path, &long).unwrap_err();
    assert_eq!(torn.kind(), ErrorKind::StorageFull);
    let written = fs::read_to_string(&path).unwrap();
    assert!(!written.is_empty() && long.starts_with(&written));
    let refused = reload(&app).unwrap_err();
    assert!(refused.contains("ops.toml:4:"), "{refused}");
    assert_eq!(top(&app), "1");
}

fn key() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

/// The log, once nobody else has it open.
async fn open(folder: &Path) -> Arc<AuditLog> {
    loop {
        let options = AuditOptions::new(ORIGIN).durability(Durability::Durable);
        match AuditLog::open(folder, key(), options) {
            Ok(log) => return Arc::new(log),
            // The last connection of the server before may have it still.
            Err(OpenError::Locked { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// What the server made of a call that does nothing but to count that it ran.
async fn ran(client: &Client, name: &str) -> Result<(), RemoteFailure> {
    let call = client.call(["job", "count", name, "1", "1"]).await.unwrap();
    match call.collect().await {
        Ok(_) => Ok(()),
        Err(CallError::Failed(failure)) => Err(failure),
        Err(other) => panic!("the session is to go on: {other}"),
    }
}

#[test]
fn a_server_whose_audit_log_is_full_refuses_calls() {
    run_within('m', "full_disk::audit_log_of_a_server_on_a_full_disk");
}

#[test]
#[ignore = "another test starts it, as a process with mounts of its own"]
fn audit_log_of_a_server_on_a_full_disk() {
    let Some(disk) = small_disk(256) else { return };
    let logs = disk.join("audit");
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![1; 128 << 10]).unwrap();
    sessions::run(async {
        let app = sessions::app().audit(open(&logs).await);
        let served = Served::of(app, SessionLimits::default()).await;
        let (client, other) = (served.client().await, served.client().await);
        let mut done = 0;
        while ran(&client, "before").await.is_ok() {
            done += 1;
            assert!(done < 10_000, "the disk never fills");
        }
        assert!(done > 0);
        // Room again does not make it writable: what is on disk is not known.
        for has_room in [false, true] {
            if has_room {
                fs::remove_file(&ballast).unwrap();
            }
            for client in [&client, &other] {
                let refused = ran(client, "refused").await.unwrap_err();
                let is_told = refused.message.starts_with("the call was not run, because");
                assert!(is_told, "{refused}");
                assert_eq!(refused.code, "failed");
            }
        }
        assert_eq!(probe("refused").begun(), 0, "it ran and is not recorded");
        served.shut_down().await.unwrap();

        // The next server goes on with what was written.
        let app = sessions::app().audit(open(&logs).await);
        let served = Served::of(app, SessionLimits::default()).await;
        ran(&served.client().await, "after").await.unwrap();
        assert_eq!(probe("after").begun(), 1);
        served.shut_down().await.unwrap();
        let entries = AuditReader::new(&logs).entries().unwrap();
        let entries = entries.map(|read| read.unwrap().1);
        let ended = entries.filter(|entry| entry.outcome.is_some()).count();
        assert!(ended > done, "{ended} of {done} and one more");
        let verifier = VerifierKey::new(ORIGIN, key().public_key()).unwrap();
        AuditReader::new(&logs).verify(&verifier).unwrap();
    });
}
