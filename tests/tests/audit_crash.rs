//! The audit log when its process is killed, its disk is full, or a second process wants it.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cnv::attestation::{PrivateKey, Timestamp};
use cnv::audit::{
    AppendError, AuditEntry, AuditLog, AuditOptions, AuditReader, Decision, Durability, OpenError,
    VerifierKey,
};

const ORIGIN: &str = "example.com/audit/crash";

/// Where the child's log is, and which round it is; only the child has them.
const FOLDER: &str = "CNV_TEST_AUDIT_FOLDER";
const ROUND: &str = "CNV_TEST_AUDIT_ROUND";

/// How many times the writer is killed, where that is not the usual number.
const ROUNDS: &str = "CNV_TEST_AUDIT_ROUNDS";

fn key() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

fn open(folder: &Path) -> Result<AuditLog, OpenError> {
    let options = AuditOptions::new(ORIGIN).durability(Durability::Durable);
    AuditLog::open(folder, key(), options)
}

fn verify(folder: &Path) -> u64 {
    let verifier = VerifierKey::new(ORIGIN, key().public_key()).unwrap();
    let verified = AuditReader::new(folder).verify(&verifier);
    verified.expect("the log is whole").entries
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
    let log = match open(&folder) {
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
                    let number = log.append(&entry(id)).unwrap();
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

fn start(folder: &Path, round: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["writer", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn no_acknowledged_entry_is_lost_when_the_writer_is_killed() {
    let rounds = std::env::var(ROUNDS).map_or(20, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: HashMap<u64, [u8; 16]> = HashMap::new();
    let mut recovered = 0_u32;
    for round in 0..rounds {
        let mut child = start(folder.path(), round);
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
        while left > 0 {
            let line = lines
                .next()
                .expect("the writer goes on until it is killed")
                .unwrap();
            left -= u64::from(take(&line));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was acknowledged before the kill may still stand in the pipe; its last line may be cut short.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        let whole = rest.len().saturating_sub(1);
        for line in &rest[..whole] {
            take(line);
        }

        let log = open(folder.path()).unwrap();
        let cut = log.recovered();
        recovered += u32::from(cut.entries_bytes + cut.checkpoints_bytes > 0);
        log.close().unwrap();
        verify(folder.path());
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
    eprintln!(
        "{rounds} kills, {} acknowledged entries, none lost, {} in the log; {recovered} unfinished ends cut off",
        acknowledged.len(),
        verify(folder.path()),
    );
    assert!(acknowledged.len() as u64 >= rounds);
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    let output = start(folder.path(), 0).wait_with_output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(output.contains("refused"), "{output}");
    assert!(
        output.contains("is being written by another process"),
        "{output}"
    );
    log.append(&entry([1; 16])).unwrap();
    log.close().unwrap();
    assert_eq!(verify(folder.path()), 1);
}

/// A file system of 256 KiB in memory, for as long as this lives; `None` where this user cannot mount one.
#[cfg(target_os = "linux")]
struct SmallDisk(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "cnv-test"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        match mounted {
            Ok(status) if status.success() => Some(Self(folder)),
            _ => {
                eprintln!("SKIPPED: no full disk was tried, because `mount -t tmpfs` needs root");
                None
            }
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_log_read_only_and_whole() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let folder = disk.0.path().join("audit");
    let ballast = disk.0.path().join("ballast");
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
    assert_eq!(verify(&folder), entries.len() as u64);
}
