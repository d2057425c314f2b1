//! Audit logs: an entry has one encoding, and whatever the files hold, what is read as signed is what was signed.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use cnv::attestation::{PrivateKey, Timestamp};
use cnv::audit::{
    AuditEntry, AuditLog, AuditOptions, AuditReader, Decision, LogFile, Outcome, Reason,
    VerifierKey,
};
use cnv_fuzz::Change;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    bytes: &'a [u8],
    /// What is changed in the entries and in the checkpoints; nothing leaves out the file.
    entries: Option<Vec<Change<'a>>>,
    checkpoints: Option<Vec<Change<'a>>>,
}

struct Good {
    key: VerifierKey,
    entries: Vec<AuditEntry>,
    entry_file: Vec<u8>,
    checkpoint_file: Vec<u8>,
    /// Where each input is written.
    folder: TempDir,
}

fn entry(number: u8) -> AuditEntry {
    let time = Timestamp::from_unix_seconds(1_800_000_000);
    let mut entry = AuditEntry::new(time, [number; 16], "log scan", Decision::Allowed);
    entry.subject = Some("agent".to_owned());
    entry.outcome = Some(Outcome::Failed(Reason::new("io", "no such file")));
    entry
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    // In memory, where the system has a folder for that.
    let shared = std::path::Path::new("/dev/shm");
    let folder = if shared.is_dir() {
        tempfile::tempdir_in(shared)
    } else {
        tempfile::tempdir()
    };
    let folder = folder.expect("a folder");
    let key = PrivateKey::from_seed(&[1; 32]);
    let log =
        AuditLog::open(folder.path(), key, AuditOptions::new("example.com/audit")).expect("a log");
    let key = log.verifier_key().clone();
    let entries: Vec<_> = (0..5).map(entry).collect();
    for (number, entry) in entries.iter().enumerate() {
        log.append(entry).expect("appended");
        if number == 2 {
            log.flush().expect("flushed");
        }
    }
    log.close().expect("closed");
    let read = |file: LogFile| fs::read(folder.path().join(file.name())).expect("written");
    Good {
        key,
        entries,
        entry_file: read(LogFile::Entries),
        checkpoint_file: read(LogFile::Checkpoints),
        folder,
    }
});

fn put(file: LogFile, changes: Option<&[Change<'_>]>, good: &[u8]) {
    let path = GOOD.folder.path().join(file.name());
    match changes {
        Some(changes) => {
            fs::write(path, Change::apply_all(changes, good)).expect("room on the disk");
        }
        None => {
            let _ = fs::remove_file(path);
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    if let Ok(entry) = AuditEntry::decode(input.bytes) {
        assert_eq!(entry.encode().as_deref(), Ok(input.bytes));
    }

    let (entries, checkpoints) = (input.entries.as_deref(), input.checkpoints.as_deref());
    put(LogFile::Entries, entries, &GOOD.entry_file);
    put(LogFile::Checkpoints, checkpoints, &GOOD.checkpoint_file);
    let reader = AuditReader::new(GOOD.folder.path());
    let verified = reader.verify(&GOOD.key);
    let read: Vec<_> = match reader.entries() {
        Ok(entries) => entries.map_while(Result::ok).collect(),
        Err(_) => Vec::new(),
    };
    if let Ok(verified) = verified {
        let signed = verified.last.checkpoint().size();
        assert!([0, 3, 5].contains(&signed));
        assert_eq!(read.len() as u64, verified.entries);
        let signed = signed as usize;
        assert!(
            read.iter()
                .take(signed)
                .map(|(_, entry)| entry)
                .eq(&GOOD.entries[..signed])
        );
    }
    for number in 0..6 {
        if let Ok(proof) = reader.prove(number)
            && let Ok(entry) = proof.verify(&GOOD.key)
        {
            assert_eq!(entry, GOOD.entries[number as usize]);
        }
    }
});
