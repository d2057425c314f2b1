//! The audit log on disk, as those who verify it and those who attack it meet it.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use cnv::attestation::{PrivateKey, Timestamp};
use cnv::audit::{
    AppendError, AuditEntry, AuditLog, AuditOptions, AuditProof, AuditReader, ChangeClass,
    Checkpoint, ConsistencyProof, Cut, Damage, Decision, Digest, Durability, EntryError, Fault,
    GrammarChange, LogFile, NoteError, OpenError, Outcome, ProofError, ReadError, Reason,
    SignedCheckpoint, Used, VerifierKey,
};
use cnv::frame::crc32c;
use cnv::quota::Limits;
use proptest::prelude::*;
use tempfile::TempDir;

const ORIGIN: &str = "example.com/audit/ops";

fn key() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

fn verifier() -> VerifierKey {
    VerifierKey::new(ORIGIN, key().public_key()).unwrap()
}

fn open(folder: &Path) -> Result<AuditLog, OpenError> {
    AuditLog::open(folder, key(), AuditOptions::new(ORIGIN))
}

/// An entry that differs from every other in its call id.
fn entry(number: u64) -> AuditEntry {
    let mut call_id = [0; 16];
    call_id[8..].copy_from_slice(&number.to_be_bytes());
    let time = Timestamp::from_unix_seconds(1_800_000_000 + number);
    let mut entry = AuditEntry::new(time, call_id, "log scan", Decision::Allowed);
    entry.subject = Some("agent-42".to_owned());
    entry.links = vec![Digest::from_bytes([9; 32])];
    entry
}

/// A folder with a log of this many entries, under a checkpoint for each of `groups`.
fn log_of(groups: &[u64]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    let mut number = 0;
    for &count in groups {
        for _ in 0..count {
            assert_eq!(log.append(&entry(number)).unwrap(), number);
            number += 1;
        }
        assert_eq!(log.flush().unwrap().checkpoint().size(), number);
    }
    log.close().unwrap();
    folder
}

fn path(folder: &TempDir, file: LogFile) -> PathBuf {
    folder.path().join(file.name())
}

fn read(folder: &TempDir, file: LogFile) -> Vec<u8> {
    fs::read(path(folder, file)).unwrap()
}

fn write(folder: &TempDir, file: LogFile, bytes: &[u8]) {
    fs::write(path(folder, file), bytes).unwrap();
}

/// The length of what stands before the first record.
fn start(file: LogFile) -> usize {
    match file {
        LogFile::Entries => b"cnv audit log 1\n".len(),
        LogFile::Checkpoints => 0,
    }
}

/// How many bytes of a record's body are its code, which only the key's owner can make.
fn code_len(file: LogFile) -> usize {
    match file {
        LogFile::Entries => 16,
        LogFile::Checkpoints => 0,
    }
}

/// Where the records of a file stand: a length, two checksums, a body, a line feed.
fn records(file: LogFile, bytes: &[u8]) -> Vec<Range<usize>> {
    let mut records = Vec::new();
    let mut at = start(file);
    while at < bytes.len() {
        let len = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        records.push(at..at + 12 + len + 1);
        at += 12 + len + 1;
    }
    assert_eq!(at, bytes.len());
    records
}

/// A record as the format has it, with both checksums right.
fn record(number: u64, body: &[u8]) -> Vec<u8> {
    let mut out = (body.len() as u32).to_be_bytes().to_vec();
    out.extend(crc32c(body).to_be_bytes());
    let covered = [&number.to_be_bytes()[..], &out].concat();
    out.extend(crc32c(&covered).to_be_bytes());
    out.extend(body);
    out.push(b'\n');
    out
}

fn bodies(file: LogFile, bytes: &[u8]) -> Vec<Vec<u8>> {
    let records = records(file, bytes).into_iter();
    records
        .map(|record| bytes[record.start + 12..record.end - code_len(file) - 1].to_vec())
        .collect()
}

/// Writes these bodies as the records of a file, as somebody would who knows the format and has not the key.
fn rewrite(folder: &TempDir, file: LogFile, bodies: &[Vec<u8>]) {
    let mut bytes = read(folder, file)[..start(file)].to_vec();
    for (number, body) in bodies.iter().enumerate() {
        let body = [&body[..], &vec![0; code_len(file)]].concat();
        bytes.extend(record(number as u64, &body));
    }
    write(folder, file, &bytes);
}

fn verify(folder: &TempDir) -> Result<(u64, u64), Damage> {
    match AuditReader::new(folder.path()).verify(&verifier()) {
        Ok(log) => Ok((log.entries, log.unsigned)),
        Err(ReadError::Damaged(damage)) => Err(damage),
        Err(error) => panic!("{error}"),
    }
}

/// The damage that opening for writing reports, which it must not repair.
fn refused(folder: &TempDir) -> Damage {
    let before = (
        read(folder, LogFile::Entries),
        read(folder, LogFile::Checkpoints),
    );
    let Err(OpenError::Read(ReadError::Damaged(damage))) = open(folder.path()) else {
        panic!("a damaged log was opened");
    };
    let after = (
        read(folder, LogFile::Entries),
        read(folder, LogFile::Checkpoints),
    );
    assert!(before == after, "a damaged log was changed");
    damage
}

// Writing and reading.

#[test]
fn what_was_appended_is_read_and_the_log_goes_on() {
    let folder = log_of(&[3]);
    let log = open(folder.path()).unwrap();
    assert_eq!(log.recovered().entries_bytes, 0);
    assert_eq!(log.verifier_key(), &verifier());
    assert_eq!(log.append(&entry(3)).unwrap(), 3);
    let checkpoint = log.close().unwrap();
    assert_eq!(checkpoint.verify(&verifier()).unwrap().size(), 4);

    let reader = AuditReader::new(folder.path());
    let entries = reader
        .entries()
        .unwrap()
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let expected: Vec<_> = (0..4).map(|number| (number, entry(number))).collect();
    assert_eq!(entries, expected);
    assert_eq!(verify(&folder), Ok((4, 0)));
    assert_eq!(reader.last_checkpoint().unwrap(), checkpoint);
}

#[test]
fn dropping_the_log_writes_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    log.append(&entry(0)).unwrap();
    drop(log);
    assert_eq!(verify(&folder), Ok((1, 0)));
}

#[test]
fn a_group_has_at_most_256_entries() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    for number in 0..1000 {
        log.append(&entry(number)).unwrap();
    }
    log.close().unwrap();
    let checkpoints = bodies(LogFile::Checkpoints, &read(&folder, LogFile::Checkpoints));
    let sizes = checkpoints.iter().map(|body| {
        let note: SignedCheckpoint = std::str::from_utf8(body).unwrap().parse().unwrap();
        note.checkpoint().size()
    });
    let sizes: Vec<u64> = sizes.collect();
    assert_eq!((sizes.first(), sizes.last()), (Some(&0), Some(&1000)));
    assert!(
        sizes
            .windows(2)
            .all(|pair| (1..=256).contains(&(pair[1] - pair[0]))),
        "{sizes:?}"
    );
}

#[test]
fn many_threads_append_to_one_log() {
    let folder = tempfile::tempdir().unwrap();
    let options = AuditOptions::new(ORIGIN).durability(Durability::Durable);
    let log = AuditLog::open(folder.path(), key(), options).unwrap();
    let numbers = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u64)
            .map(|thread| {
                let log = &log;
                scope.spawn(move || {
                    let call = |index| thread * 100 + index;
                    (0..25)
                        .map(|index| (log.append(&entry(call(index))).unwrap(), call(index)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    // Acknowledged is on disk and signed, before the log is closed.
    assert_eq!(verify(&folder), Ok((100, 0)));
    let entries = AuditReader::new(folder.path()).entries().unwrap();
    let entries: Vec<_> = entries.map(|read| read.unwrap().1).collect();
    for (number, call) in numbers {
        assert_eq!(entries[number as usize], entry(call));
    }
}

#[test]
fn a_log_has_one_writer_one_name_and_one_key() {
    let folder = log_of(&[1]);
    let log = open(folder.path()).unwrap();
    assert!(matches!(open(folder.path()), Err(OpenError::Locked { .. })));
    assert_eq!(verify(&folder), Ok((1, 0)), "reading needs no lock");
    log.close().unwrap();

    let other = AuditLog::open(folder.path(), key(), AuditOptions::new("example.com/other"));
    assert!(matches!(other, Err(OpenError::OtherLog { found }) if found == ORIGIN));
    let other = PrivateKey::from_seed(&[8; 32]);
    let other = AuditLog::open(folder.path(), other, AuditOptions::new(ORIGIN));
    assert!(matches!(other, Err(OpenError::OtherKey)));
    let bad = AuditLog::open(folder.path(), key(), AuditOptions::new("two words"));
    assert!(matches!(bad, Err(OpenError::Origin(NoteError::Origin))));
    open(folder.path()).unwrap();
}

#[test]
fn an_entry_that_breaks_a_rule_is_refused_and_the_log_goes_on() {
    let folder = log_of(&[]);
    let log = open(folder.path()).unwrap();
    let mut long = entry(0);
    long.verb = "x".repeat(257);
    assert!(matches!(
        log.append(&long),
        Err(AppendError::Entry(EntryError::Length { field: "verb", .. }))
    ));
    assert_eq!(log.append(&entry(0)).unwrap(), 0);
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_log() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("audit");
    drop(open(&folder).unwrap());
    assert_eq!(mode(&folder), 0o700);
    for name in ["entries", "checkpoints", "lock"] {
        assert_eq!(mode(&folder.join(name)), 0o600);
    }
}

#[cfg(unix)]
#[test]
fn a_log_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = log_of(&[1]);
    let set = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode));
    let names = ["", "entries", "checkpoints", "lock"];
    for path in names.map(|name| folder.path().join(name)) {
        let good = mode(&path);
        for bad in [0o720, 0o702, 0o1777] {
            set(&path, bad).unwrap();
            let error = open(folder.path()).unwrap_err();
            assert!(error.to_string().contains("chmod go-w"), "{error}");
            assert!(matches!(error, OpenError::Mode { mode, .. } if mode == bad));
        }
        // Others may read, where the owner says so.
        set(&path, 0o755).unwrap();
        open(folder.path()).unwrap();
        set(&path, good).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_a_file_is_refused() {
    for name in ["entries", "checkpoints", "lock"] {
        let folder = log_of(&[1]);
        let path = folder.path().join(name);
        let elsewhere = tempfile::tempdir().unwrap();
        let target = elsewhere.path().join("target");
        fs::rename(&path, &target).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        let before = fs::read(&target).unwrap();
        let opened = open(folder.path());
        assert!(matches!(&opened, Err(OpenError::NotAFile { path: found }) if *found == path));
        assert_eq!(fs::read(&target).unwrap(), before);
        if name != "lock" {
            assert!(AuditReader::new(folder.path()).verify(&verifier()).is_err());
        }
        // A new file is not made at the link's end either.
        fs::remove_file(&target).unwrap();
        assert!(matches!(
            open(folder.path()),
            Err(OpenError::NotAFile { .. })
        ));
        assert!(!target.exists());
    }
}

// Entries.

fn digests() -> impl Strategy<Value = Option<Digest>> {
    proptest::option::of(any::<[u8; 32]>().prop_map(Digest::from_bytes))
}

fn reasons() -> impl Strategy<Value = Reason> {
    ("[a-z_]{0,40}", ".{0,40}").prop_map(|(code, detail)| Reason::new(code, detail))
}

fn changes() -> impl Strategy<Value = Option<GrammarChange>> {
    let classes = [
        ChangeClass::Safe,
        ChangeClass::Caution,
        ChangeClass::Breaking,
    ];
    let change = (any::<[u8; 32]>(), prop::sample::select(classes.to_vec()));
    let change =
        change.prop_map(|(before, class)| GrammarChange::new(Digest::from_bytes(before), class));
    proptest::option::of(change)
}

prop_compose! {
    fn entries()(
        seconds: u64,
        call_id: [u8; 16],
        transaction_id: Option<[u8; 16]>,
        verb in ".{1,60}",
        (digests, change, repeats) in ((digests(), digests(), digests()), changes(), any::<Option<[u8; 16]>>()),
        links in prop::collection::vec(any::<[u8; 32]>(), 0..=8),
        subject in proptest::option::of(".{1,60}"),
        denied in proptest::option::of(reasons()),
        budget: Option<[u64; 4]>,
        used: Option<(Option<u64>, [u64; 3])>,
        outcome in proptest::option::of(proptest::option::of(reasons())),
    ) -> AuditEntry {
        let decision = denied.map_or(Decision::Allowed, Decision::Denied);
        let mut entry = AuditEntry::new(Timestamp::from_unix_seconds(seconds), call_id, verb, decision);
        entry.transaction_id = transaction_id;
        (entry.grammar, entry.arguments, entry.result) = digests;
        entry.links = links.into_iter().map(Digest::from_bytes).collect();
        entry.subject = subject;
        entry.budget = budget.map(|[memory_bytes, cpu_ns, io_ops, network_bytes]| Limits { memory_bytes, cpu_ns, io_ops, network_bytes });
        entry.used = used.map(|(memory_bytes, [cpu_ns, io_ops, network_bytes])| Used { memory_bytes, cpu_ns, io_ops, network_bytes });
        entry.change = change;
        entry.repeats = repeats;
        entry.outcome = outcome.map(|failed| failed.map_or(Outcome::Succeeded, Outcome::Failed));
        entry
    }
}

proptest! {
    #[test]
    fn an_entry_has_one_encoding(entry in entries(), flip in any::<prop::sample::Index>()) {
        let bytes = entry.encode().unwrap();
        prop_assert!(bytes.len() <= AuditEntry::MAX_LEN_BYTES);
        prop_assert_eq!(&AuditEntry::decode(&bytes).unwrap(), &entry);
        for end in 0..bytes.len() {
            prop_assert!(AuditEntry::decode(&bytes[..end]).is_err());
        }
        let longer = [&bytes[..], &[0]].concat();
        prop_assert_eq!(AuditEntry::decode(&longer), Err(EntryError::Trailing { at: bytes.len() }));

        // What else decodes is another entry, and those are its only bytes.
        let mut flipped = bytes.clone();
        let bit = flip.index(bytes.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = AuditEntry::decode(&flipped) {
            prop_assert_ne!(&other, &entry);
            prop_assert_eq!(other.encode().unwrap(), flipped);
        }
    }

    #[test]
    fn decoding_anything_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = AuditEntry::decode(&bytes);
        let _ = String::from_utf8_lossy(&bytes).parse::<AuditProof>();
    }
}

#[test]
fn the_longest_entry_has_room() {
    let mut entry = entry(0);
    let reason = || Reason::new("c".repeat(99), "\u{20ac}".repeat(999));
    assert_eq!((reason().code().len(), reason().detail().len()), (32, 1023));
    entry.decision = Decision::Denied(reason());
    entry.outcome = Some(Outcome::Failed(reason()));
    entry.verb = "v".repeat(256);
    entry.subject = Some("s".repeat(256));
    entry.links = vec![Digest::from_bytes([1; 32]); 8];
    entry.transaction_id = Some([2; 16]);
    (entry.grammar, entry.arguments, entry.result) = (
        Some(Digest::of("", [])),
        Some(Digest::of("", [])),
        Some(Digest::of("", [])),
    );
    entry.budget = Some(Limits::unlimited());
    entry.used = Some(Used {
        memory_bytes: Some(1),
        cpu_ns: 2,
        io_ops: 3,
        network_bytes: 4,
    });
    entry.change = Some(GrammarChange::new(
        Digest::of("", []),
        ChangeClass::Breaking,
    ));
    let bytes = entry.encode().unwrap();
    assert!(bytes.len() <= AuditEntry::MAX_LEN_BYTES, "{}", bytes.len());
    assert_eq!(AuditEntry::decode(&bytes).unwrap(), entry);

    let mut unknown = bytes;
    *unknown.last_mut().unwrap() = 3;
    assert_eq!(
        AuditEntry::decode(&unknown),
        Err(EntryError::Class { class: 3 })
    );

    entry.links.push(Digest::from_bytes([1; 32]));
    assert_eq!(entry.encode(), Err(EntryError::Links { count: 9 }));
    entry.links.clear();
    entry.subject = Some(String::new());
    assert!(matches!(
        entry.encode(),
        Err(EntryError::Length {
            field: "subject",
            ..
        })
    ));
}

#[test]
fn digests_tell_lists_and_purposes_apart() {
    let digest =
        |tag, parts: &[&'static str]| Digest::of(tag, parts.iter().map(|part| part.as_bytes()));
    let all = [
        digest("a", &[]),
        digest("a", &["b"]),
        digest("a", &["b", ""]),
        digest("a", &["", "b"]),
        digest("ab", &[]),
        digest("b", &["b"]),
    ];
    for (index, digest) in all.iter().enumerate() {
        assert!(!all[..index].contains(digest), "{index}");
    }
}

// Damage.

/// Every bit of both files: the damage is at the record in which the bit stands.
fn every_flip_is_located(folder: &TempDir) {
    for file in [LogFile::Entries, LogFile::Checkpoints] {
        let good = read(folder, file);
        let records = records(file, &good);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            write(folder, file, &bad);
            let at = records
                .iter()
                .position(|record| record.contains(&(bit / 8)));
            let place = match at {
                Some(at) => (file, at as u64, records[at].start as u64),
                None => (file, 0, 0),
            };
            let damage = verify(folder).expect_err("it has to be found");
            assert_eq!(
                (damage.file, damage.number, damage.offset),
                place,
                "bit {bit}: {damage}"
            );
            if bit % 8 == 3 {
                assert_eq!(refused(folder), damage);
            }
        }
        write(folder, file, &good);
    }
}

#[test]
fn every_flipped_bit_is_located() {
    let folder = log_of(&[1, 2]);
    every_flip_is_located(&folder);
    assert_eq!(verify(&folder), Ok((3, 0)));
}

#[test]
fn every_flipped_bit_behind_the_last_checkpoint_is_located() {
    let folder = log_of(&[1, 2]);
    drop_last_checkpoint(&folder);
    assert_eq!(verify(&folder), Ok((3, 2)));
    every_flip_is_located(&folder);
}

fn drop_last_checkpoint(folder: &TempDir) {
    let checkpoints = read(folder, LogFile::Checkpoints);
    let last = records(LogFile::Checkpoints, &checkpoints).pop().unwrap();
    write(folder, LogFile::Checkpoints, &checkpoints[..last.start]);
}

#[test]
fn a_crash_at_every_byte_of_the_last_group_costs_what_was_not_whole() {
    let folder = log_of(&[1, 3]);
    let (entries, checkpoints) = (
        read(&folder, LogFile::Entries),
        read(&folder, LogFile::Checkpoints),
    );
    let places = records(LogFile::Entries, &entries);
    let marks = records(LogFile::Checkpoints, &checkpoints);
    // The checkpoint of a group is written after the group: while that is unfinished, there is none.
    let unsigned = &checkpoints[..marks[2].start];
    for end in places[1].start..=entries.len() {
        for zeros in [0, 5, 5000] {
            let mut cut = entries[..end].to_vec();
            cut.resize(end + zeros, 0);
            write(&folder, LogFile::Entries, &cut);
            write(&folder, LogFile::Checkpoints, unsigned);
            let whole = places.iter().filter(|place| place.end <= end).count() as u64;
            assert_eq!(verify(&folder), Ok((whole, whole - 1)), "at {end}");
            let log = open(folder.path()).unwrap();
            let end_of_whole = places[whole as usize - 1].end;
            assert_eq!(
                log.recovered().entries_bytes,
                (end + zeros - end_of_whole) as u64
            );
            assert_eq!(log.append(&entry(whole)).unwrap(), whole);
            log.close().unwrap();
            assert_eq!(verify(&folder), Ok((whole + 1, 0)));
        }
    }
    // The group is whole, and its checkpoint is not.
    for end in marks[2].start..checkpoints.len() {
        write(&folder, LogFile::Entries, &entries);
        write(&folder, LogFile::Checkpoints, &checkpoints[..end]);
        assert_eq!(verify(&folder), Ok((4, 3)));
        let log = open(folder.path()).unwrap();
        assert_eq!(
            log.recovered().checkpoints_bytes,
            (end - marks[2].start) as u64
        );
        log.close().unwrap();
        assert_eq!(verify(&folder), Ok((4, 0)));
        assert_eq!(
            read(&folder, LogFile::Checkpoints),
            checkpoints,
            "the same tree is signed"
        );
    }
}

/// A loss of power before an `fdatasync`: some pages are on disk and others are not, whichever was written first.
#[test]
fn a_hole_behind_the_last_checkpoint_costs_what_lies_behind_it() {
    const PAGE: usize = 4096;
    let folder = log_of(&[3, 120]);
    let good = read(&folder, LogFile::Entries);
    let checkpoints = read(&folder, LogFile::Checkpoints);
    let marks = records(LogFile::Checkpoints, &checkpoints);
    let unsigned = &checkpoints[..marks[2].start];
    let places = records(LogFile::Entries, &good);
    let signed_end = places[2].end;
    assert!(good.len() > 3 * PAGE, "{}", good.len());
    let mut saved = 0;
    for first in 0..good.len() / PAGE {
        for last in [first, first + 1] {
            let hole = (first * PAGE).max(signed_end)..(last + 1) * PAGE;
            if hole.end >= good.len() {
                continue;
            }
            let mut bad = good.clone();
            bad[hole].fill(0);
            write(&folder, LogFile::Entries, &bad);
            write(&folder, LogFile::Checkpoints, unsigned);
            let is_whole = |place: &Range<usize>| bad[place.clone()] == good[place.clone()];
            let whole = places.iter().take_while(|place| is_whole(place)).count();
            let end = places[whole].start;
            assert_eq!(verify(&folder), Ok((whole as u64, whole as u64 - 3)));

            let log = open(folder.path()).unwrap();
            saved += 1;
            let [cut] = &log.recovered().cuts[..] else {
                panic!("{:?}", log.recovered());
            };
            assert_eq!(
                (cut.file, cut.number, cut.offset, cut.len_bytes),
                (
                    LogFile::Entries,
                    whole as u64,
                    end as u64,
                    (bad.len() - end) as u64
                )
            );
            let name = format!("entries.cut-{saved}");
            assert_eq!(cut.saved, folder.path().join(name));
            assert_eq!(fs::read(&cut.saved).unwrap(), bad[end..]);
            #[cfg(unix)]
            assert_eq!(mode(&cut.saved), 0o600);
            assert_eq!(log.append(&entry(7)).unwrap(), whole as u64);
            log.close().unwrap();
            assert_eq!(verify(&folder), Ok((whole as u64 + 1, 0)));
        }
    }
    assert!(saved >= 5, "{saved}");

    // Below the last checkpoint the disk had been waited for, so a hole is damage.
    let mut bad = good.clone();
    bad[PAGE..2 * PAGE].fill(0);
    write(&folder, LogFile::Entries, &bad);
    write(&folder, LogFile::Checkpoints, &checkpoints);
    let damage = refused(&folder);
    assert_eq!(damage.file, LogFile::Entries);
    assert!(places[damage.number as usize].contains(&PAGE) || damage.offset == PAGE as u64);
}

#[test]
fn a_hole_in_the_checkpoints_costs_no_entry() {
    let folder = log_of(&[1; 60]);
    let mut bad = read(&folder, LogFile::Checkpoints);
    let places = records(LogFile::Checkpoints, &bad);
    bad[4096..8192].fill(0);
    write(&folder, LogFile::Checkpoints, &bad);
    let first = places.iter().position(|place| place.end > 4096).unwrap();
    let log = open(folder.path()).unwrap();
    let [cut] = &log.recovered().cuts[..] else {
        panic!("{:?}", log.recovered());
    };
    let Cut { file, number, .. } = cut;
    assert_eq!((*file, *number), (LogFile::Checkpoints, first as u64));
    assert_eq!(fs::read(&cut.saved).unwrap(), bad[places[first].start..]);
    log.close().unwrap();
    assert_eq!(verify(&folder), Ok((60, 0)));
}

#[cfg(unix)]
#[test]
fn what_is_cut_off_is_not_saved_through_a_link() {
    let folder = log_of(&[1, 90]);
    drop_last_checkpoint(&folder);
    let mut bad = read(&folder, LogFile::Entries);
    bad[4096..8192].fill(0);
    write(&folder, LogFile::Entries, &bad);
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("entries.cut-1")).unwrap();
    let log = open(folder.path()).unwrap();
    let saved = &log.recovered().cuts[0].saved;
    assert_eq!(saved, &folder.path().join("entries.cut-2"));
    assert_eq!(fs::read(elsewhere.path()).unwrap(), b"");
}

#[test]
fn a_crash_while_the_log_was_begun_begins_it_again() {
    let folder = log_of(&[]);
    let (entries, checkpoints) = (
        read(&folder, LogFile::Entries),
        read(&folder, LogFile::Checkpoints),
    );
    let states = (0..entries.len())
        .map(|end| (&entries[..end], &checkpoints[..0]))
        .chain((0..checkpoints.len()).map(|end| (&entries[..], &checkpoints[..end])));
    for (entries, checkpoints) in states {
        write(&folder, LogFile::Entries, entries);
        write(&folder, LogFile::Checkpoints, checkpoints);
        open(folder.path()).unwrap().close().unwrap();
        assert_eq!(verify(&folder), Ok((0, 0)));
    }
}

/// Cut off below a checkpoint, at every byte: the end is not torn, it is missing.
#[test]
fn a_tail_cut_below_a_checkpoint_is_damage() {
    let folder = log_of(&[1, 3]);
    let entries = read(&folder, LogFile::Entries);
    let places = records(LogFile::Entries, &entries);
    for end in places[0].end..entries.len() {
        write(&folder, LogFile::Entries, &entries[..end]);
        let whole = places.iter().filter(|place| place.end <= end).count();
        let damage = refused(&folder);
        assert_eq!(damage.fault, Fault::Cut { signed: 4 });
        assert_eq!(
            (damage.number, damage.offset),
            (whole as u64, places[whole].start as u64)
        );
        assert_eq!(verify(&folder), Err(damage));
    }
}

#[test]
fn checkpoints_that_are_gone_are_missed() {
    let folder = log_of(&[1]);
    write(&folder, LogFile::Checkpoints, b"");
    assert_eq!(refused(&folder).fault, Fault::NoCheckpoint);
    fs::remove_file(path(&folder, LogFile::Checkpoints)).unwrap();
    assert_eq!(verify(&folder).unwrap_err().fault, Fault::NoCheckpoint);
    let empty = tempfile::tempdir().unwrap();
    let read = AuditReader::new(empty.path()).verify(&verifier());
    assert!(matches!(read, Err(ReadError::Missing { .. })));
}

// Attacks by somebody who writes well-formed files and has not the key.

/// Whoever can write the file and has not the key does not get the next start to sign what they wrote.
#[test]
fn an_entry_that_the_log_did_not_write_is_never_signed() {
    let folder = log_of(&[2]);
    let good = read(&folder, LogFile::Entries);
    let places = records(LogFile::Entries, &good);
    let code = |number: usize| &good[places[number].end - 17..places[number].end - 1];
    let forged = entry(2).encode().unwrap();
    // The tail of a log of another name with the same key, and with another key and the same name.
    let tail_of = |key: PrivateKey, origin: &str| {
        let other = tempfile::tempdir().unwrap();
        let log = AuditLog::open(other.path(), key, AuditOptions::new(origin)).unwrap();
        for number in 0..3 {
            log.append(&entry(number)).unwrap();
        }
        log.close().unwrap();
        let bytes = read(&other, LogFile::Entries);
        bytes[records(LogFile::Entries, &bytes)[2].clone()].to_vec()
    };
    let tails = [
        record(2, &[&forged[..], &[0; 16]].concat()),
        record(2, &[&forged[..], code(1)].concat()),
        record(2, &[&entry(1).encode().unwrap()[..], code(1)].concat()),
        record(2, &forged[..15]),
        tail_of(key(), "example.com/audit/other"),
        tail_of(PrivateKey::from_seed(&[66; 32]), ORIGIN),
    ];
    for tail in &tails {
        write(&folder, LogFile::Entries, &[&good[..], tail].concat());
        let damage = refused(&folder);
        assert_eq!(
            (damage.file, damage.number, damage.offset, damage.fault),
            (LogFile::Entries, 2, good.len() as u64, Fault::Code)
        );
    }
    // What the log itself would have written there is taken, since a crash leaves that.
    let tail = tail_of(key(), ORIGIN);
    write(&folder, LogFile::Entries, &[&good[..], &tail].concat());
    open(folder.path()).unwrap().close().unwrap();
    assert_eq!(verify(&folder), Ok((3, 0)));

    // An entry that a crash left unsigned, edited with a checksum that is right.
    drop_last_checkpoint(&folder);
    let mut edited = AuditEntry::decode(&bodies(LogFile::Entries, &good)[1]).unwrap();
    edited.subject = Some("somebody-else".to_owned());
    let edited = record(1, &[&edited.encode().unwrap()[..], code(1)].concat());
    let start = places[1].start;
    write(&folder, LogFile::Checkpoints, &{
        let checkpoints = read(&folder, LogFile::Checkpoints);
        let first = records(LogFile::Checkpoints, &checkpoints)[0].clone();
        checkpoints[first].to_vec()
    });
    write(
        &folder,
        LogFile::Entries,
        &[&good[..start], &edited].concat(),
    );
    let damage = refused(&folder);
    assert_eq!((damage.number, damage.fault), (1, Fault::Code));
}

/// What a change of the bodies of the entries is found as; the groups are 0..2, 2..4 and 4..6.
fn found_after(change: impl Fn(&mut Vec<Vec<u8>>)) -> Damage {
    let folder = log_of(&[2, 2, 2]);
    let mut entries = bodies(LogFile::Entries, &read(&folder, LogFile::Entries));
    change(&mut entries);
    rewrite(&folder, LogFile::Entries, &entries);
    let damage = verify(&folder).expect_err("it has to be found");
    assert_eq!(refused(&folder), damage);
    damage
}

#[test]
fn an_edited_moved_exchanged_or_added_entry_is_found_in_its_group() {
    let in_second_group = Fault::Root {
        last: 3,
        checkpoint: 2,
    };
    let edited = found_after(|entries| {
        let mut entry = AuditEntry::decode(&entries[3]).unwrap();
        entry.subject = Some("somebody-else".to_owned());
        entries[3] = entry.encode().unwrap();
    });
    assert_eq!((edited.number, &edited.fault), (2, &in_second_group));
    assert_eq!(
        found_after(|entries| entries.swap(2, 3)).fault,
        in_second_group
    );
    assert_eq!(
        found_after(|entries| entries.swap(3, 4)).fault,
        in_second_group
    );
    assert_eq!(
        found_after(|entries| entries[3] = entries[2].clone()).fault,
        in_second_group
    );
    assert_eq!(
        found_after(|entries| entries.insert(3, entry(99).encode().unwrap())).fault,
        in_second_group
    );
    assert_eq!(
        found_after(|entries| drop(entries.remove(3))).fault,
        in_second_group
    );
    assert_eq!(
        found_after(|entries| entries.truncate(5)).fault,
        Fault::Cut { signed: 6 }
    );
    assert!(matches!(
        found_after(|entries| entries[1] = b"no entry".to_vec()).fault,
        Fault::Entry(_)
    ));
}

#[test]
fn no_proof_is_made_from_a_log_that_was_edited() {
    let folder = log_of(&[4]);
    let mut entries = bodies(LogFile::Entries, &read(&folder, LogFile::Entries));
    entries[2] = entry(99).encode().unwrap();
    rewrite(&folder, LogFile::Entries, &entries);
    let reader = AuditReader::new(folder.path());
    for number in 0..4 {
        assert!(matches!(reader.prove(number), Err(ReadError::Damaged(_))));
    }
    assert!(matches!(
        reader.prove_consistency(1),
        Err(ReadError::Damaged(_))
    ));
}

#[test]
fn records_that_change_places_as_they_are_are_found_at_once() {
    let folder = log_of(&[4]);
    let bytes = read(&folder, LogFile::Entries);
    let places = records(LogFile::Entries, &bytes);
    let order = [0, 2, 1, 3].map(|at| &bytes[places[at].clone()]).concat();
    write(&folder, LogFile::Entries, &[&bytes[..16], &order].concat());
    let damage = refused(&folder);
    assert_eq!((damage.number, damage.fault), (1, Fault::Header));
}

#[test]
fn a_checkpoint_that_the_key_did_not_sign_is_found() {
    // Another log, made and signed by somebody else, in the place of the whole log.
    let folder = log_of(&[2]);
    let forged = tempfile::tempdir().unwrap();
    let mallory = PrivateKey::from_seed(&[66; 32]);
    AuditLog::open(forged.path(), mallory, AuditOptions::new(ORIGIN))
        .unwrap()
        .close()
        .unwrap();
    write(&folder, LogFile::Entries, &read(&forged, LogFile::Entries));
    write(
        &folder,
        LogFile::Checkpoints,
        &read(&forged, LogFile::Checkpoints),
    );
    let damage = verify(&folder).unwrap_err();
    assert_eq!(
        (damage.file, damage.fault),
        (
            LogFile::Checkpoints,
            Fault::Checkpoint(NoteError::NotSigned)
        )
    );
    assert!(matches!(open(folder.path()), Err(OpenError::OtherKey)));

    // The last checkpoint with another size, root or signature.
    let folder = log_of(&[2]);
    let good = bodies(LogFile::Checkpoints, &read(&folder, LogFile::Checkpoints));
    let note = String::from_utf8(good[1].clone()).unwrap();
    let signature = note.lines().last().unwrap();
    let older = String::from_utf8(good[0].clone()).unwrap();
    let changed = [
        note.replacen("\n2\n", "\n1\n", 1),
        older.replacen("\n0\n", "\n2\n", 1),
        note.replace(signature, older.lines().last().unwrap()),
    ];
    for note in changed {
        rewrite(
            &folder,
            LogFile::Checkpoints,
            &[good[0].clone(), note.into_bytes()],
        );
        let damage = verify(&folder).unwrap_err();
        assert_eq!((damage.file, damage.number), (LogFile::Checkpoints, 1));
        assert_eq!(damage.fault, Fault::Checkpoint(NoteError::Signature));
        refused(&folder);
    }

    // Genuine checkpoints in another order.
    let folder = log_of(&[1, 1]);
    let mut good = bodies(LogFile::Checkpoints, &read(&folder, LogFile::Checkpoints));
    good.swap(1, 2);
    rewrite(&folder, LogFile::Checkpoints, &good);
    assert_eq!(
        verify(&folder).unwrap_err().fault,
        Fault::Shrinks { size: 1, before: 2 }
    );
    assert_eq!(refused(&folder).number, 2);
}

/// What the key's owner can do unseen by the log alone, and not unseen by whoever kept a checkpoint.
#[test]
fn a_history_that_was_signed_anew_is_found_with_an_earlier_checkpoint() {
    let honest = log_of(&[3, 2]);
    let kept = bodies(LogFile::Checkpoints, &read(&honest, LogFile::Checkpoints)).remove(1);
    let kept: SignedCheckpoint = String::from_utf8(kept).unwrap().parse().unwrap();
    let kept: &Checkpoint = kept.verify(&verifier()).unwrap();
    let proof = AuditReader::new(honest.path())
        .prove_consistency(3)
        .unwrap();
    assert_eq!(proof.verify(&verifier(), kept).unwrap().size(), 5);

    let rewritten = tempfile::tempdir().unwrap();
    let log = open(rewritten.path()).unwrap();
    for number in [0, 99, 2, 3, 4] {
        log.append(&entry(number)).unwrap();
    }
    log.close().unwrap();
    assert_eq!(verify(&rewritten), Ok((5, 0)));
    let proof = AuditReader::new(rewritten.path())
        .prove_consistency(3)
        .unwrap();
    assert_eq!(
        proof.verify(&verifier(), kept),
        Err(ProofError::NotConsistent)
    );

    // Cut back behind the kept checkpoint, with its own checkpoints.
    let shorter = log_of(&[2]);
    let proof = AuditReader::new(shorter.path()).prove_consistency(3);
    assert!(matches!(proof, Err(ReadError::NoEntry { size: 2, .. })));
}

// Proofs.

#[test]
fn every_entry_is_proved_to_somebody_without_the_log() {
    for size in [1, 2, 7, 20] {
        let folder = log_of(&[size]);
        let reader = AuditReader::new(folder.path());
        for number in 0..size {
            let text = reader.prove(number).unwrap().to_string();
            assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra "), "{text}");
            let proof: AuditProof = text.parse().unwrap();
            assert_eq!(proof.to_string(), text);
            assert_eq!(proof.verify(&verifier()), Ok(entry(number)));
        }
        assert!(matches!(reader.prove(size), Err(ReadError::NoEntry { .. })));
        for old in 0..=size {
            let text = reader.prove_consistency(old).unwrap().to_string();
            let proof: ConsistencyProof = text.parse().unwrap();
            assert_eq!(proof.to_string(), text);
        }
    }
}

#[test]
fn a_proof_of_another_entry_number_key_or_log_is_refused() {
    let folder = log_of(&[20]);
    let reader = AuditReader::new(folder.path());
    let lines = |number| -> Vec<String> {
        let text = reader.prove(number).unwrap().to_string();
        text.lines().map(str::to_owned).collect()
    };
    let (one, other) = (lines(5), lines(6));
    let refused = |lines: &[String]| {
        let proof: AuditProof = format!("{}\n", lines.join("\n")).parse().unwrap();
        proof.verify(&verifier())
    };
    assert_eq!(refused(&one), Ok(entry(5)));
    for line in 1..=3 {
        // The other's entry, its number, or its first hash.
        let mut mixed = one.clone();
        mixed[line] = other[line].clone();
        assert_eq!(refused(&mixed), Err(ProofError::NotIncluded), "line {line}");
    }
    let proof = reader.prove(5).unwrap();
    let mallory = PrivateKey::from_seed(&[66; 32]).public_key();
    let stranger = VerifierKey::new(ORIGIN, mallory).unwrap();
    assert_eq!(
        proof.verify(&stranger),
        Err(ProofError::Checkpoint(NoteError::NotSigned))
    );
    let elsewhere = VerifierKey::new("example.com/other", key().public_key()).unwrap();
    assert!(matches!(
        proof.verify(&elsewhere),
        Err(ProofError::Checkpoint(NoteError::OtherOrigin { .. }))
    ));
}

#[test]
fn a_proof_with_any_bit_flipped_is_refused() {
    let folder = log_of(&[5]);
    let reader = AuditReader::new(folder.path());
    let kept = log_of(&[3]);
    let kept = AuditReader::new(kept.path()).last_checkpoint().unwrap();
    let kept = kept.checkpoint();
    let inclusion = reader.prove(2).unwrap().to_string();
    let consistency = reader.prove_consistency(3).unwrap().to_string();
    assert!(
        inclusion
            .parse::<AuditProof>()
            .unwrap()
            .verify(&verifier())
            .is_ok()
    );
    assert!(
        consistency
            .parse::<ConsistencyProof>()
            .unwrap()
            .verify(&verifier(), kept)
            .is_ok()
    );
    for text in [inclusion, consistency] {
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(flipped) = String::from_utf8(bytes) else {
                continue;
            };
            let holds = flipped
                .parse::<AuditProof>()
                .is_ok_and(|proof| proof.verify(&verifier()).is_ok())
                || flipped
                    .parse::<ConsistencyProof>()
                    .is_ok_and(|proof| proof.verify(&verifier(), kept).is_ok());
            assert!(!holds, "bit {bit}:\n{flipped}");
        }
        for end in 0..text.len() {
            let cut = text.get(..end).unwrap_or_default();
            assert!(
                cut.parse::<AuditProof>().is_err() && cut.parse::<ConsistencyProof>().is_err(),
                "{cut}"
            );
        }
    }
}

// Notes and checkpoints.

#[test]
fn signatures_of_others_are_ignored_and_kept() {
    let folder = log_of(&[1]);
    let checkpoint = AuditReader::new(folder.path()).last_checkpoint().unwrap();
    let witness = "\u{2014} witness.example x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let cosigned: SignedCheckpoint = format!("{checkpoint}{witness}").parse().unwrap();
    assert!(cosigned.verify(&verifier()).is_ok());
    assert!(cosigned.to_string().ends_with(witness));

    let (text, signature) = checkpoint
        .to_string()
        .split_once("\n\n")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let only: SignedCheckpoint = format!("{text}\n\n{witness}").parse().unwrap();
    assert_eq!(only.verify(&verifier()), Err(NoteError::NotSigned));
    // One that matches does not make up for one that does not.
    let older = log_of(&[]);
    let older = AuditReader::new(older.path())
        .last_checkpoint()
        .unwrap()
        .to_string();
    let wrong = older.lines().last().unwrap();
    for lines in [
        format!("{signature}{wrong}\n"),
        format!("{wrong}\n{signature}"),
    ] {
        let note: SignedCheckpoint = format!("{text}\n\n{lines}").parse().unwrap();
        assert_eq!(note.verify(&verifier()), Err(NoteError::Signature));
    }
}

#[test]
fn texts_that_are_no_checkpoints_are_refused() {
    let folder = log_of(&[1]);
    let good = AuditReader::new(folder.path())
        .last_checkpoint()
        .unwrap()
        .to_string();
    let parse = str::parse::<SignedCheckpoint>;
    assert!(parse(&good).is_ok());
    let size = |text: &str| good.replacen("\n1\n", text, 1);
    for bad in [
        size("\n01\n"),
        size("\n+1\n"),
        size("\n-1\n"),
        size("\n\n"),
        size("\n1 \n"),
        size("\n1\r\n"),
        size("\n18446744073709551616\n"),
        size("\n1\nextension\n"),
        size("\n1\n").replace("\n\n", "\nline\n\n"),
        good.trim_end().to_owned(),
        good.replace('\u{2014}', "-"),
        good.replacen(ORIGIN, "", 1),
        good.replacen(ORIGIN, "a\tb", 1),
        format!("{good}\n"),
        format!("{good}x\n"),
        good.split_once("\n\n").unwrap().0.to_owned(),
        String::new(),
        "x".repeat(SignedCheckpoint::MAX_LEN_BYTES + 1),
    ] {
        assert!(parse(&bad).is_err(), "{bad:?}");
    }
}

#[test]
fn names_of_logs() {
    let public = key().public_key();
    for bad in [
        "",
        "two words",
        "a+b",
        "tab\t",
        "line\n",
        "\u{e9}",
        &"x".repeat(129),
    ] {
        assert_eq!(
            VerifierKey::new(bad, public),
            Err(NoteError::Origin),
            "{bad}"
        );
    }
    assert!(VerifierKey::new("x".repeat(128), public).is_ok());
}

/// The vectors of Go's `sumdb/note` and of C2SP tlog-checkpoint.
#[test]
fn the_published_vectors() {
    let keys = [
        "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6",
        "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ];
    // The second is of another type than Ed25519.
    let parsed = keys.map(|key| key.parse::<VerifierKey>().map(|key| key.to_string()));
    assert_eq!(parsed[0].as_deref(), Ok(keys[0]));
    assert_eq!(parsed[1], Err(NoteError::VerifierKey));
    assert_eq!(parsed[2].as_deref(), Ok(keys[2]));
    let others = [
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "c74f20a3+ARpc",
        "",
        "+",
        "++",
    ];
    for other in others {
        assert!(other.parse::<VerifierKey>().is_err(), "{other}");
    }

    let signature = "\u{2014} a AAAAAAA=\n";
    let parse = |body: &str| format!("{body}\n{signature}").parse::<SignedCheckpoint>();
    let good =
        parse("go.sum database tree\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n")
            .unwrap();
    let checkpoint = good.checkpoint();
    assert_eq!(
        (checkpoint.origin(), checkpoint.size()),
        ("go.sum database tree", 123_456_789_012)
    );
    assert_eq!(
        checkpoint.root(),
        &cnv::audit::TreeHash::leaf(b"hello world")
    );
    for bad in [
        "go.sum database tree\n0xabcdef\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n",
        "go.sum database tree\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBTOOBIG=\n",
    ] {
        assert_eq!(parse(bad), Err(NoteError::Checkpoint));
    }
    let example = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
    let example: SignedCheckpoint = example.parse().unwrap();
    assert_eq!(example.checkpoint().size(), 20_852_163);
}
