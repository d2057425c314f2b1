//! Goals 9 and 10: entries into an audit log, beside signing each and beside waiting for the disk at each.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use cnv::audit::{
    AuditEntry, AuditLog, AuditOptions, Decision, Digest, Durability, GROUP_ENTRIES, Outcome,
};

use super::chains::{NOON, key};
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Ratio, Settings, measure};

const LOG: &str = "Merkle tree, a checkpoint per 256";
const SIGN_EACH: &str = "each entry signed";
const SYNC_EACH: &str = "fdatasync for each entry";

/// Entries of a pass that is written, and of one that waits for the disk.
const WRITTEN: usize = 32 * GROUP_ENTRIES;
const ON_DISK: usize = GROUP_ENTRIES;

/// The receipt of a call of one link.
fn entry(number: usize) -> AuditEntry {
    let mut call_id = [0; 16];
    call_id[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let mut entry = AuditEntry::new(NOON, call_id, "log scan", Decision::Allowed);
    entry.arguments = Some(Digest::from_bytes([1; 32]));
    entry.result = Some(Digest::from_bytes([2; 32]));
    entry.links = vec![Digest::from_bytes([3; 32])];
    entry.subject = Some("agent-42".to_owned());
    entry.outcome = Some(Outcome::Succeeded);
    entry
}

fn log(folder: &Path, name: &str, durability: Durability) -> AuditLog {
    let options = AuditOptions::new("example.com/bench").durability(durability);
    AuditLog::open(folder.join(name), key(9), options).expect("a folder of one's own")
}

/// A pass that appends so many entries, until all are written and signed.
fn appending(log: &AuditLog, entries: usize) -> impl FnMut() + '_ {
    move || {
        for number in 0..entries {
            log.append(&entry(number)).expect("room on the disk");
        }
        log.flush().expect("room on the disk");
    }
}

fn new_file(folder: &Path, name: &str) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create_new(true)
        .open(folder.join(name))
}

/// What a log without a tree does: signs each entry, and writes it with its signature.
fn signing_each(mut file: File, entries: usize) -> impl FnMut() {
    let key = key(9);
    move || {
        for number in 0..entries {
            let mut bytes = entry(number).encode().expect("an entry");
            let signature = key.sign(&bytes);
            bytes.extend(signature.as_bytes());
            file.write_all(&bytes).expect("room on the disk");
        }
    }
}

/// What a log without groups does: waits for the disk after each entry.
fn syncing_each(mut file: File, entries: usize) -> impl FnMut() {
    move || {
        for number in 0..entries {
            let bytes = entry(number).encode().expect("an entry");
            file.write_all(&bytes).expect("room on the disk");
            file.sync_data().expect("a disk");
        }
    }
}

/// Measures them, in a folder in `folder` that is removed again.
pub fn run(settings: Settings, folder: &Path) -> io::Result<(Vec<Group>, Vec<Goal>)> {
    let folder = tempfile::Builder::new()
        .prefix("cnv-bench-")
        .tempdir_in(folder)?;
    let folder = folder.path();
    let settings = settings.at_most(15);
    let written_log = log(folder, "written", Durability::Written);
    let written = measure(
        "audit entries, written",
        WRITTEN,
        settings,
        vec![
            Contender::new(LOG, appending(&written_log, WRITTEN)),
            Contender::new(
                SIGN_EACH,
                signing_each(new_file(folder, "signed")?, WRITTEN),
            ),
        ],
    );
    let log_on_disk = log(folder, "on-disk", Durability::Grouped);
    let on_disk = measure(
        "audit entries, on disk",
        ON_DISK,
        settings,
        vec![
            Contender::new(LOG, appending(&log_on_disk, ON_DISK)),
            Contender::new(
                SYNC_EACH,
                syncing_each(new_file(folder, "synced")?, ON_DISK),
            ),
        ],
    );
    let goal = |number, text: &str, part: &str, bound, measured| Goal {
        number,
        text: text.into(),
        part: part.into(),
        wanted: Wanted::AtLeast(bound),
        measured,
    };
    let goals = vec![
        goal(
            9,
            "audit entries a second",
            "written, thousands",
            400.0,
            per_millisecond(written.ns(LOG)),
        ),
        goal(
            9,
            "audit entries against signing each",
            "written",
            10.0,
            written.speed_over(LOG, &[SIGN_EACH]),
        ),
        goal(
            10,
            "audit entries against fdatasync for each",
            "groups of 256",
            100.0,
            on_disk.speed_over(LOG, &[SYNC_EACH]),
        ),
    ];
    Ok((vec![Group::from(&written), Group::from(&on_disk)], goals))
}

/// Thousands a second of what takes so many ns each.
fn per_millisecond(ns: Ratio) -> Ratio {
    let [fast, slow] = ns.quartiles;
    Ratio {
        median: 1e6 / ns.median,
        quartiles: [1e6 / slow, 1e6 / fast],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_leaves_its_entries_signed() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = log(folder.path(), "log", Durability::Grouped);
        let mut pass = appending(&log, 300);
        pass();
        pass();
        let checkpoint = log.flush().expect("room on the disk");
        assert_eq!(checkpoint.checkpoint().size(), 600);
    }

    #[test]
    fn thousands_a_second_are_entries_a_millisecond() {
        let ratio = Ratio {
            median: 2_000.0,
            quartiles: [1_000.0, 4_000.0],
        };
        let expected = Ratio {
            median: 500.0,
            quartiles: [250.0, 1_000.0],
        };
        assert_eq!(per_millisecond(ratio), expected);
    }
}
