//! The audit log when its process is killed, its disk is full, or a second process wants it.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use cnv::attestation::{PrivateKey, Timestamp};
use cnv::audit::{
    AppendError, AuditEntry, AuditLog, AuditOptions, AuditReader, Decision, Durability, OpenError,
    VerifiedLog, VerifierKey,
};

const ORIGIN: &str = "example.com/audit/crash";

/// Where the child's log is, which round it is, and what it waits for; only the child has them.
const FOLDER: &str = "CNV_TEST_AUDIT_FOLDER";
const ROUND: &str = "CNV_TEST_AUDIT_ROUND";
const DURABILITY: &str = "CNV_TEST_AUDIT_DURABILITY";

/// How many times the writer is killed, where that is not the usual number.
const ROUNDS: &str = "CNV_TEST_AUDIT_ROUNDS";

fn key() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

fn open_with(folder: &Path, durability: Durability) -> Result<AuditLog, OpenError> {
    let options = AuditOptions::new(ORIGIN).durability(durability);
    AuditLog::open(folder, key(), options)
}

fn open(folder: &Path) -> Result<AuditLog, OpenError> {
    open_with(folder, Durability::Durable)
}

fn verify(folder: &Path) -> VerifiedLog {
    let verifier = VerifierKey::new(ORIGIN, key().public_key()).unwrap();
    let verified = AuditReader::new(folder).verify(&verifier);
    verified.expect("the log is whole")
}

fn entry(call_id: [u8; 16]) -> AuditEntry {
    let time = Timestamp::from_unix_seconds(1_800_000_000);
    AuditEntry::new(time, call_id, "log scan", Decision::Allowed)
}

fn call_id(round: u64, thread: u64, index: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(round << 8 | thread).to_be_bytes());
    id[8..].copy_from_slice(&index.to_be_bytes());
    id
}

/// The writer that the tests below kill: appends from four threads and says which entries were acknowledged.
#[test]
#[ignore = "the other tests start it, as a process of its own"]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let round = std::env::var(ROUND).unwrap().parse().unwrap();
    let durability = match std::env::var(DURABILITY).unwrap().as_str() {
        "grouped" => Durability::Grouped,
        _ => Durability::Durable,
    };
    let log = match open_with(&folder, durability) {
        Ok(log) => log,
        Err(error) => {
            println!("refused {error}");
            return;
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let log = &log;
            scope.spawn(move || {
                for index in 0.. {
                    let id = call_id(round, thread, index);
                    let number = match durability {
                        Durability::Grouped => log.append_written(&entry(id)).unwrap(),
                        _ => log.append(&entry(id)).unwrap(),
                    };
                    let line = format!("ack {number} {}\n", u128::from_be_bytes(id));
                    let mut stdout = std::io::stdout().lock();
                    if stdout
                        .write_all(line.as_bytes())
                        .and_then(|()| stdout.flush())
                        .is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
}

/// Held while a process is started and while a test has a log open: until a new process is the program that it is to be,
/// it has what any test had open, and with that the lock of a log.
static STARTING: Mutex<()> = Mutex::new(());

fn spawn(command: &mut Command) -> std::io::Result<Child> {
    let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

fn start(folder: &Path, round: u64, durability: Durability) -> Child {
    let durability = match durability {
        Durability::Grouped => "grouped",
        _ => "durable",
    };
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command
        .args(["writer", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .env(DURABILITY, durability)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    spawn(&mut command).unwrap()
}

#[test]
fn no_acknowledged_entry_is_lost_when_the_writer_is_killed() {
    kill_writers(Durability::Durable);
}

/// The end of the process takes nothing that is in the file, although the disk was not waited for.
#[test]
fn no_written_entry_is_lost_when_the_writer_is_killed() {
    kill_writers(Durability::Grouped);
}

/// Every 20 kills are of another log, since each round reads all of its log.
fn kill_writers(durability: Durability) {
    const ROUNDS_A_LOG: u64 = 20;
    let rounds: u64 = std::env::var(ROUNDS).map_or(ROUNDS_A_LOG, |rounds| rounds.parse().unwrap());
    let mut all = Kills::default();
    for first in (0..rounds).step_by(ROUNDS_A_LOG as usize) {
        let kills = kill_writers_of_one_log(durability, first..rounds.min(first + ROUNDS_A_LOG));
        all.acknowledged += kills.acknowledged;
        all.entries += kills.entries;
        all.unsigned += kills.unsigned;
        all.torn += kills.torn;
    }
    let Kills {
        acknowledged,
        entries,
        unsigned,
        torn,
    } = all;
    eprintln!(
        "{durability:?}: {rounds} kills, {acknowledged} acknowledged entries, none lost, {entries} in the logs, {unsigned} of them signed by the next start; {torn} unfinished ends cut off",
    );
    assert!(acknowledged >= rounds);
    assert!(torn >= rounds.div_ceil(3));
}

/// What became of the entries of logs whose writers were killed.
#[derive(Default)]
struct Kills {
    acknowledged: u64,
    entries: u64,
    unsigned: u64,
    torn: u64,
}

fn kill_writers_of_one_log(durability: Durability, rounds: std::ops::Range<u64>) -> Kills {
    /// The first bytes of a record, as a write that was cut short leaves them.
    const TORN: [u8; 7] = [0, 0, 0, 120, 1, 2, 3];

    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: HashMap<u64, [u8; 16]> = HashMap::new();
    let mut kills = Kills::default();
    for round in rounds {
        let mut child = start(folder.path(), round, durability);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut take = |line: &str| {
            let mut words = line.split(' ');
            // The harness writes to standard output too.
            if let (Some("ack"), Some(number), Some(id), None) =
                (words.next(), words.next(), words.next(), words.next())
            {
                let id: u128 = id.parse().unwrap();
                let before = acknowledged.insert(number.parse().unwrap(), id.to_be_bytes());
                assert_eq!(before, None, "entry {number} was acknowledged twice");
                return true;
            }
            false
        };
        // At another moment in each round, while groups are being written.
        let mut left = 1 + round * 7 % 61;
        let mut last = String::new();
        while left > 0 {
            let Some(line) = lines.next() else {
                panic!("round {round}: the writer ended by itself, and said last: {last}");
            };
            last = line.unwrap();
            left -= u64::from(take(&last));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was acknowledged before the kill may still stand in the pipe; its last line may be cut short.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        let whole = rest.len().saturating_sub(1);
        for line in &rest[..whole] {
            take(line);
        }

        // A kill hardly ever comes in the midst of a write, so every third round helps it.
        let left = verify(folder.path());
        let is_torn = round % 3 == 0;
        if is_torn && left.tail.1 == 0 {
            let entries = folder.path().join("entries");
            let mut entries = OpenOptions::new().append(true).open(entries).unwrap();
            entries.write_all(&TORN).unwrap();
        }
        let (left, before) = (verify(folder.path()), left.entries);
        assert_eq!(left.entries, before);
        kills.unsigned += left.unsigned;
        let alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let log = open(folder.path()).unwrap();
        let cut = log.recovered();
        assert_eq!(cut.entries_bytes, left.tail.1);
        assert_eq!(cut.entries_bytes > 0, is_torn || left.tail.1 > 0);
        assert_eq!(cut.cuts, [], "a kill leaves no holes");
        kills.torn += u64::from(cut.entries_bytes + cut.checkpoints_bytes > 0);
        log.close().unwrap();
        drop(alone);
        let opened = verify(folder.path());
        assert_eq!((opened.entries, opened.unsigned), (left.entries, 0));
        let mut found = 0;
        for read in AuditReader::new(folder.path()).entries().unwrap() {
            let (number, entry) = read.unwrap();
            if let Some(id) = acknowledged.get(&number) {
                assert_eq!(entry.call_id, *id, "entry {number}");
                found += 1;
            }
        }
        assert_eq!(
            found,
            acknowledged.len(),
            "round {round}: acknowledged entries are gone"
        );
    }
    kills.acknowledged = acknowledged.len() as u64;
    kills.entries = verify(folder.path()).entries;
    kills
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    let output = start(folder.path(), 0, Durability::Durable)
        .wait_with_output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(output.contains("refused"), "{output}");
    assert!(
        output.contains("is being written by another process"),
        "{output}"
    );
    log.append(&entry([1; 16])).unwrap();
    log.close().unwrap();
    assert_eq!(verify(folder.path()).entries, 1);
}

/// What a process of [`on_a_full_disk`] says once it has mounted one.
const MOUNTED: &str = "the small disk is mounted";

/// Runs [`full_disk`] in a process with mounts of its own, which needs no root where users may have namespaces, and leaves
/// no mount behind.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_log_read_only_and_whole() {
    for namespaces in ["-rm", "-m"] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("unshare");
        command
            .arg(namespaces)
            .arg(std::env::current_exe().unwrap())
            .args(["full_disk", "--exact", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let run = spawn(&mut command).and_then(Child::wait_with_output);
        let Ok(run) = run else { continue };
        let text = [run.stdout, run.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        if text.contains(MOUNTED) {
            assert!(run.status.success(), "{text}");
            return;
        }
    }
    eprintln!("!!! SKIPPED: no full disk was tried, because this user can mount none");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "another test starts it, as a process with mounts of its own"]
fn full_disk() {
    let Some(disk) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k,mode=700", "cnv-test"])
        .arg(&disk)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        return;
    }
    println!("{MOUNTED}");
    let folder = disk.join("audit");
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![1; 128 * 1024]).unwrap();

    let log = open(&folder).unwrap();
    let mut acknowledged = 0;
    let error = loop {
        match log.append(&entry(call_id(0, 0, acknowledged))) {
            Ok(number) => acknowledged = number + 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 10_000, "the disk never fills");
    };
    let AppendError::ReadOnly { source } = &error else {
        panic!("{error}");
    };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
    // Room again does not make it writable: what is on disk is not known.
    fs::remove_file(&ballast).unwrap();
    assert!(matches!(
        log.append(&entry([9; 16])),
        Err(AppendError::ReadOnly { .. })
    ));
    assert!(log.close().is_err());

    let log = open(&folder).unwrap();
    log.append(&entry([9; 16])).unwrap();
    log.close().unwrap();
    let entries: Vec<_> = AuditReader::new(&folder)
        .entries()
        .unwrap()
        .map(|read| read.unwrap().1.call_id)
        .collect();
    assert!(entries.len() as u64 > acknowledged);
    for index in 0..acknowledged {
        assert_eq!(entries[index as usize], call_id(0, 0, index));
    }
    assert_eq!(verify(&folder).entries, entries.len() as u64);
}
