//! Entries a second into an audit log, and what the Merkle tree and the groups save.
//!
//! The candidates of a group take turns, so that a busy machine slows all of them alike; what is printed is the median
//! over the rounds, by the clock and by the processor time of all threads, which other processes do not slow. `cargo bench -p cnv --bench audit`, and a word behind `--` keeps the groups with that word in their
//! name. The log is written in the folder that `CNV_BENCH_FOLDER` names, or the working folder: name one on the disk that
//! you want to know about.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use cnv::attestation::{PrivateKey, Timestamp};
use cnv::audit::{
    AuditEntry, AuditLog, AuditOptions, Decision, Digest, Durability, GROUP_ENTRIES, Outcome, Used,
    WhenFull,
};
use cnv::quota::Limits;

const ROUNDS: usize = 15;

/// Something to measure: appends some entries, and returns how many.
type Candidate<'a> = (&'static str, Box<dyn FnMut() -> u64 + 'a>);

fn group(name: &str, candidates: &mut [Candidate<'_>]) {
    let mut words = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .peekable();
    if words.peek().is_some() && !words.any(|word| name.contains(&word)) {
        return;
    }
    let mut rates = vec![Vec::with_capacity(ROUNDS); candidates.len()];
    let mut cpu_rates = rates.clone();
    for round in 0..ROUNDS {
        for index in 0..candidates.len() {
            let index = (index + round) % candidates.len();
            let (start, cpu_start) = (Instant::now(), cpu_seconds());
            let entries = candidates[index].1() as f64;
            rates[index].push(entries / start.elapsed().as_secs_f64());
            cpu_rates[index].push(entries / (cpu_seconds() - cpu_start));
        }
    }
    let medians = |rates: &mut Vec<Vec<f64>>| -> Vec<f64> {
        rates.iter_mut().map(|rates| median(rates)).collect()
    };
    let (by_clock, by_cpu) = (medians(&mut rates), medians(&mut cpu_rates));
    for (index, (label, _)) in candidates.iter().enumerate() {
        let (clock, cpu) = (by_clock[index], by_cpu[index]);
        let (times, cpu_times) = (clock / by_clock[0], cpu / by_cpu[0]);
        println!(
            "{name:<8} {label:<42} {clock:>8.0}/s x{times:<6.1} {cpu:>8.0}/cpu s x{cpu_times:.1}"
        );
    }
}

/// What all threads of this process have used.
#[cfg(unix)]
fn cpu_seconds() -> f64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

#[cfg(not(unix))]
fn cpu_seconds() -> f64 {
    f64::NAN
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// The receipt of a call of one link, with everything that a call usually has.
fn entry(number: u64) -> AuditEntry {
    let mut call_id = [0; 16];
    call_id[..8].copy_from_slice(&number.to_be_bytes());
    let time = Timestamp::from_unix_seconds(1_800_000_000);
    let mut entry = AuditEntry::new(time, call_id, "log scan", Decision::Allowed);
    entry.arguments = Some(Digest::from_bytes([1; 32]));
    entry.result = Some(Digest::from_bytes([2; 32]));
    entry.links = vec![Digest::from_bytes([3; 32])];
    entry.subject = Some("agent-42".to_owned());
    entry.budget = Some(Limits {
        memory_bytes: 1_000_000,
        cpu_ns: 1_000_000,
        io_ops: 100,
        network_bytes: 0,
    });
    entry.used = Some(Used {
        memory_bytes: Some(80_000),
        cpu_ns: 200_000,
        io_ops: 7,
        network_bytes: 0,
    });
    entry.outcome = Some(Outcome::Succeeded);
    entry
}

/// A path in the folder that no other candidate has.
fn fresh(folder: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    folder.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string())
}

fn new_file(folder: &Path) -> File {
    let mut options = OpenOptions::new();
    let file = options.append(true).create_new(true).open(fresh(folder));
    file.expect("a file")
}

fn key() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

/// Appends to a new log until everything is written and signed.
fn append(folder: &Path, durability: Durability, entries: u64) -> u64 {
    let options = AuditOptions::new("example.com/bench")
        .durability(durability)
        .queue(AuditOptions::DEFAULT_CAPACITY, WhenFull::Wait);
    let log = AuditLog::open(fresh(folder), key(), options).expect("a log");
    for number in 0..entries {
        log.append(&entry(number)).expect("room");
    }
    log.close().expect("a checkpoint").checkpoint().size()
}

/// What a log without a tree does: signs each entry, and writes it with its signature.
fn sign_each(folder: &Path, entries: u64) -> u64 {
    let (key, mut file) = (key(), new_file(folder));
    for number in 0..entries {
        let mut bytes = entry(number).encode().expect("an entry");
        let signature = key.sign(&bytes);
        bytes.extend(signature.as_bytes());
        file.write_all(&bytes).expect("room");
    }
    entries
}

/// What a log without groups does: waits for the disk after each entry.
fn sync_each(folder: &Path, entries: u64) -> u64 {
    let mut file = new_file(folder);
    for number in 0..entries {
        let bytes = entry(number).encode().expect("an entry");
        file.write_all(&bytes).expect("room");
        file.sync_data().expect("a disk");
    }
    entries
}

/// Calls that wait for the disk together: as many as make a group.
fn append_durably(folder: &Path, entries: u64) -> u64 {
    let options = AuditOptions::new("example.com/bench").durability(Durability::Durable);
    let log = AuditLog::open(fresh(folder), key(), options).expect("a log");
    std::thread::scope(|scope| {
        for _ in 0..GROUP_ENTRIES {
            scope.spawn(|| {
                for number in 0..entries / GROUP_ENTRIES as u64 {
                    log.append(&entry(number)).expect("room");
                }
            });
        }
    });
    log.close().expect("a checkpoint").checkpoint().size()
}

fn main() {
    let parent = std::env::var_os("CNV_BENCH_FOLDER").map_or_else(|| ".".into(), PathBuf::from);
    let folder = tempfile::Builder::new()
        .prefix("cnv-bench-")
        .tempdir_in(parent);
    let folder = folder.expect("a folder");
    let folder = folder.path();
    group(
        "written",
        &mut [
            ("each entry signed", Box::new(|| sign_each(folder, 5_000))),
            (
                "Merkle tree, a signed checkpoint per 256",
                Box::new(|| append(folder, Durability::Written, 100_000)),
            ),
        ],
    );
    group(
        "on disk",
        &mut [
            (
                "fdatasync for each entry",
                Box::new(|| sync_each(folder, 100)),
            ),
            (
                "groups of 256, appends do not wait",
                Box::new(|| append(folder, Durability::Grouped, 25_600)),
            ),
            (
                "groups of 256, 256 callers that wait",
                Box::new(|| append_durably(folder, 5_120)),
            ),
            (
                "one caller that waits",
                Box::new(|| append(folder, Durability::Durable, 100)),
            ),
        ],
    );
}
