//! The log on disks that fail, fill up and wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use super::*;
use crate::attestation::Timestamp;
use crate::audit::Decision;
use crate::audit::damage::LogFile;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Write(LogFile),
    Sync(LogFile),
}

/// A disk in memory that fails at one step, and reports every step; where there is a gate, each waits for a word.
struct Disk {
    steps: mpsc::Sender<Step>,
    gate: Option<mpsc::Receiver<()>>,
    fails_at: Option<Step>,
    free_bytes: Arc<AtomicU64>,
}

impl Disk {
    fn step(&mut self, step: Step) -> io::Result<()> {
        if let Some(gate) = &self.gate {
            gate.recv().map_err(io::Error::other)?;
        }
        self.steps.send(step).map_err(io::Error::other)?;
        if self.fails_at == Some(step) {
            return Err(io::Error::other("the disk is on fire"));
        }
        Ok(())
    }
}

impl Storage for Disk {
    fn write(&mut self, file: LogFile, _bytes: &[u8]) -> io::Result<()> {
        self.step(Step::Write(file))
    }

    fn sync(&mut self, file: LogFile) -> io::Result<()> {
        self.step(Step::Sync(file))
    }

    fn free_bytes(&self) -> Option<u64> {
        Some(self.free_bytes.load(Ordering::Relaxed))
    }
}

struct Rig {
    log: AuditLog,
    steps: mpsc::Receiver<Step>,
    gate: mpsc::Sender<()>,
    free_bytes: Arc<AtomicU64>,
}

fn rig(options: AuditOptions, fails_at: Option<Step>, is_gated: bool) -> Rig {
    let (steps, told) = mpsc::channel();
    let (gate, opened) = mpsc::channel();
    let free_bytes = Arc::new(AtomicU64::new(u64::MAX));
    let disk = Disk {
        free_bytes: Arc::clone(&free_bytes),
        steps,
        gate: is_gated.then_some(opened),
        fails_at,
    };
    let key = PrivateKey::from_seed(&[7; 32]);
    let verifier = VerifierKey::new("example.com/test", key.public_key()).unwrap();
    let syncs = options.durability != Durability::Written;
    let writer = Writer::new(disk, key, verifier.clone(), syncs);
    let log = AuditLog::start(writer, verifier, options, Recovered::default()).unwrap();
    Rig {
        log,
        steps: told,
        gate,
        free_bytes,
    }
}

/// A log that cannot write anything.
#[cfg(feature = "command")]
pub(crate) fn on_a_broken_disk(when: WhenUnavailable) -> AuditLog {
    let options = options()
        .durability(Durability::Durable)
        .when_unavailable(when);
    rig(options, Some(Write(Entries)), false).log
}

fn entry() -> AuditEntry {
    let time = Timestamp::from_unix_seconds(1_800_000_000);
    AuditEntry::new(time, [1; 16], "tree scan", Decision::Allowed)
}

fn options() -> AuditOptions {
    AuditOptions::new("example.com/test")
}

use LogFile::{Checkpoints, Entries};
use Step::{Sync, Write};

#[test]
fn a_durable_append_returns_when_its_group_is_on_disk_and_signed() {
    let rig = rig(options().durability(Durability::Durable), None, false);
    assert_eq!(rig.log.append(&entry()).unwrap(), 0);
    let steps: Vec<Step> = rig.steps.try_iter().collect();
    assert_eq!(steps, [Write(Entries), Sync(Entries), Write(Checkpoints)]);
    assert_eq!(rig.log.append(&entry()).unwrap(), 1);
    let checkpoint = rig.log.close().unwrap();
    assert_eq!(checkpoint.checkpoint().size(), 2);
    assert_eq!(rig.steps.try_iter().last(), Some(Sync(Checkpoints)));
}

#[test]
fn a_written_append_returns_when_it_is_in_the_file_and_waits_for_no_group() {
    for durability in [Durability::Written, Durability::Grouped] {
        let mut options = options().durability(durability);
        options.patience = Duration::from_secs(3600);
        let rig = rig(options, None, true);
        assert_eq!(rig.log.append(&entry()).unwrap(), 0);
        // The gate lets three writes through and nothing else, and so does not open for a group's end.
        for number in 1..=3 {
            rig.gate.send(()).unwrap();
            assert_eq!(rig.log.append_written(&entry()).unwrap(), number);
            assert_eq!(rig.steps.try_iter().last(), Some(Write(Entries)));
        }
        for _ in 0..3 {
            rig.gate.send(()).unwrap();
        }
        // One group has all of them.
        assert_eq!(rig.log.close().unwrap().checkpoint().size(), 4);
        let rest: Vec<Step> = rig.steps.try_iter().collect();
        match durability {
            Durability::Written => assert_eq!(rest, [Write(Checkpoints)]),
            _ => assert_eq!(rest, [Sync(Entries), Write(Checkpoints), Sync(Checkpoints)]),
        }
    }
}

#[test]
fn a_written_append_to_a_durable_log_waits_for_the_disk() {
    let rig = rig(options().durability(Durability::Durable), None, false);
    assert_eq!(rig.log.append_written(&entry()).unwrap(), 0);
    let steps: Vec<Step> = rig.steps.try_iter().collect();
    assert_eq!(steps, [Write(Entries), Sync(Entries), Write(Checkpoints)]);
}

#[test]
fn a_written_append_says_that_it_was_not_written() {
    let rig = rig(options(), Some(Write(Entries)), false);
    assert!(matches!(
        rig.log.append_written(&entry()),
        Err(AppendError::ReadOnly { .. })
    ));
    assert!(rig.log.record_written(&entry()).is_err());
}

#[test]
fn a_failed_sync_or_write_leaves_the_log_read_only_for_good() {
    for step in [Write(Entries), Sync(Entries), Write(Checkpoints)] {
        let durable = options().durability(Durability::Durable);
        let rig = rig(durable, Some(step), false);
        for _ in 0..3 {
            let error = rig.log.append(&entry()).unwrap_err();
            assert!(error.to_string().contains("the disk is on fire"), "{error}");
            assert!(rig.log.record(&entry()).is_err());
        }
        assert!(rig.log.failure().is_some());
        assert!(rig.log.flush().is_err());
        assert!(rig.log.close().is_err());
        // The step was made once, and nothing after it.
        let steps: Vec<Step> = rig.steps.try_iter().collect();
        assert_eq!(steps.iter().filter(|&&made| made == step).count(), 1);
        assert_eq!(steps.last(), Some(&step));
    }
}

#[test]
fn a_grouped_append_says_so_after_the_failure() {
    let rig = rig(options(), Some(Sync(Entries)), false);
    assert!(rig.log.append(&entry()).is_ok());
    assert!(rig.log.flush().is_err());
    assert!(matches!(
        rig.log.append(&entry()),
        Err(AppendError::ReadOnly { .. })
    ));
}

#[test]
fn calls_go_on_unrecorded_only_where_that_was_asked_for() {
    let allow = options()
        .durability(Durability::Durable)
        .when_unavailable(WhenUnavailable::Allow);
    let rig = rig(allow, Some(Sync(Entries)), false);
    assert!(rig.log.record(&entry()).is_ok());
    assert!(rig.log.append(&entry()).is_err());
    assert!(rig.log.failure().is_some());
}

#[test]
fn refused_calls_leave_the_reserve_to_the_others() {
    let refused = || {
        let mut entry = entry();
        entry.decision = Decision::Denied(Reason::new("missing", ""));
        entry
    };
    let rig = rig(options().reserve_bytes(1000), None, false);
    assert_eq!(rig.log.append(&refused()).unwrap(), 0);
    rig.free_bytes.store(999, Ordering::Relaxed);
    rig.log.flush().unwrap();
    for _ in 0..100 {
        assert!(matches!(
            rig.log.append(&refused()),
            Err(AppendError::Reserved)
        ));
        assert!(rig.log.record(&refused()).is_ok());
    }
    // One entry for the 200, and the call that was let in.
    assert_eq!(rig.log.append(&entry()).unwrap(), 2);
    assert_eq!(rig.log.append(&entry()).unwrap(), 3);
    rig.free_bytes.store(1000, Ordering::Relaxed);
    assert!(rig.log.record(&refused()).is_ok());
    rig.log.flush().unwrap();
    // As soon as there is room, they are written again.
    assert_eq!(rig.log.append(&refused()).unwrap(), 5);
    rig.free_bytes.store(0, Ordering::Relaxed);
    rig.log.flush().unwrap();
    assert!(rig.log.record(&refused()).is_ok());
    assert_eq!(rig.log.close().unwrap().checkpoint().size(), 7);
}

#[test]
fn a_full_queue_refuses_or_waits_and_drops_nothing() {
    let refusing = rig(options().queue(GROUP_ENTRIES, WhenFull::Refuse), None, true);
    // The thread takes the first group, and stands at the gate with it.
    for _ in 0..GROUP_ENTRIES {
        refusing.log.append(&entry()).unwrap();
    }
    let mut taken = GROUP_ENTRIES as u64;
    let full = loop {
        match refusing.log.append(&entry()) {
            Ok(number) => taken = number + 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(
        full,
        AppendError::Full {
            capacity: GROUP_ENTRIES
        }
    ));
    assert!(taken <= 2 * GROUP_ENTRIES as u64);
    drop(refusing.gate);
    assert!(refusing.log.close().is_err(), "the gate is closed for good");

    let waiting = rig(options().queue(1, WhenFull::Wait), None, true);
    std::thread::scope(|scope| {
        let appends = scope.spawn(|| {
            for _ in 0..100 {
                waiting.log.append(&entry()).unwrap();
            }
        });
        while !appends.is_finished() {
            let _ = waiting.gate.send(());
            std::thread::yield_now();
        }
    });
    for _ in 0..4 * 100 {
        let _ = waiting.gate.send(());
    }
    assert_eq!(waiting.log.close().unwrap().checkpoint().size(), 100);
}

#[test]
fn a_group_is_at_most_256_entries() {
    let rig = rig(options().durability(Durability::Written), None, false);
    for _ in 0..4 * GROUP_ENTRIES {
        rig.log.append(&entry()).unwrap();
    }
    let checkpoint = rig.log.close().unwrap();
    assert_eq!(checkpoint.checkpoint().size(), 4 * GROUP_ENTRIES as u64);
    let steps: Vec<Step> = rig.steps.try_iter().collect();
    let written = steps.iter().filter(|&&step| step == Write(Checkpoints));
    assert!(written.count() >= 4);
    assert!(!steps.contains(&Sync(Entries)));
}
