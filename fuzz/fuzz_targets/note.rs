//! Signed checkpoints, verifier keys and proofs: one text each, and a change to what was signed is found.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use cnv::attestation::{PrivateKey, Timestamp};
use cnv::audit::{
    AuditEntry, AuditLog, AuditOptions, AuditProof, AuditReader, ConsistencyProof, Decision,
    SignedCheckpoint, VerifierKey,
};
use cnv_fuzz::Change;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    text: &'a str,
    which: u8,
    changes: Vec<Change<'a>>,
}

/// Of a log of five entries.
struct Good {
    key: VerifierKey,
    earlier: SignedCheckpoint,
    last: SignedCheckpoint,
    proof: AuditProof,
    consistency: ConsistencyProof,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let options = AuditOptions::new("example.com/audit");
    let key = PrivateKey::from_seed(&[1; 32]);
    let log = AuditLog::open(folder.path(), key, options).expect("a log");
    let key = log.verifier_key().clone();
    let append = |number| {
        let time = Timestamp::from_unix_seconds(1_800_000_000);
        let entry = AuditEntry::new(time, [number; 16], "log scan", Decision::Allowed);
        log.append(&entry).expect("appended");
    };
    (0..3).for_each(append);
    let earlier = log.flush().expect("flushed");
    (3..5).for_each(append);
    let last = log.close().expect("closed");
    let reader = AuditReader::new(folder.path());
    Good {
        key,
        earlier,
        last,
        proof: reader.prove(2).expect("entry 2"),
        consistency: reader.prove_consistency(3).expect("3 entries"),
    }
});

/// `text` as a `T`, if it is one, which is then its text again.
fn read<T: FromStr<Err: Debug> + Display>(text: &str) -> Option<T> {
    let read = text.parse::<T>().ok()?;
    assert_eq!(read.to_string(), text);
    Some(read)
}

fn check(text: &str) {
    if let Some(key) = read::<VerifierKey>(text) {
        assert_eq!(key.to_string().parse(), Ok(key));
    }
    if let Some(checkpoint) = read::<SignedCheckpoint>(text)
        && let Ok(verified) = checkpoint.verify(&GOOD.key)
    {
        let good = [&GOOD.earlier, &GOOD.last].map(SignedCheckpoint::checkpoint);
        assert!(good.contains(&verified));
    }
    if let Some(proof) = read::<AuditProof>(text)
        && let Ok(entry) = proof.verify(&GOOD.key)
    {
        assert_eq!(Ok(entry), GOOD.proof.verify(&GOOD.key));
        assert_eq!(proof.number(), 2);
    }
    if let Some(proof) = read::<ConsistencyProof>(text)
        && let Ok(checkpoint) = proof.verify(&GOOD.key, GOOD.earlier.checkpoint())
    {
        assert_eq!(checkpoint, GOOD.last.checkpoint());
    }
}

fuzz_target!(|input: Input<'_>| {
    check(input.text);
    let good = match input.which % 4 {
        0 => GOOD.key.to_string(),
        1 => GOOD.last.to_string(),
        2 => GOOD.proof.to_string(),
        _ => GOOD.consistency.to_string(),
    };
    let changed = Change::apply_all(&input.changes, good.as_bytes());
    if let Ok(changed) = String::from_utf8(changed) {
        check(&changed);
    }
});
