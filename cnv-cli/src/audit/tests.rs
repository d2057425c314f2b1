//! `cnv audit`, called in this process.

use cnv::attestation::{PrivateKey, Timestamp};
use cnv::audit::{AuditLog, AuditOptions, LogFile};
use serde_json::Value;
use tempfile::TempDir;

use super::*;

fn public() -> String {
    PrivateKey::from_seed(&[7; 32]).public_key().to_string()
}

/// A log of these calls; the second was denied.
fn log(calls: u8) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    add(&folder, 0..calls);
    folder
}

fn add(folder: &TempDir, calls: std::ops::Range<u8>) {
    let key = PrivateKey::from_seed(&[7; 32]);
    let options = AuditOptions::new("example.com/ops");
    let log = AuditLog::open(folder.path().join("log"), key, options).unwrap();
    for call in calls {
        let time = Timestamp::from_unix_seconds(1_800_000_000);
        let decision = match call {
            1 => Decision::Denied(Reason::new("expired", "it expired at noon")),
            _ => Decision::Allowed,
        };
        let entry = AuditEntry::new(time, [call; 16], "log scan", decision);
        log.append(&entry).unwrap();
    }
    log.close().unwrap();
}

/// Calls `cnv audit`; `%` stands for the folder.
fn audit(folder: &TempDir, arguments: &[&str]) -> Result<Value, String> {
    let folder = folder.path().to_str().unwrap();
    let public = public();
    let arguments = arguments
        .iter()
        .map(|argument| argument.replace('%', folder).replace("PUBLIC", &public));
    let arguments = std::iter::once("audit".to_owned()).chain(arguments);
    let reply = crate::app().call_blocking(arguments);
    match reply.result {
        Ok(output) => Ok(serde_json::from_str(output.as_json()).unwrap()),
        Err(failure) => Err(failure.to_string()),
    }
}

#[test]
fn a_whole_log_is_verified() {
    let folder = log(3);
    let found = audit(&folder, &["verify", "%/log", "--public", "PUBLIC"]).unwrap();
    assert_eq!(
        (&found["entries"], &found["unsigned_entries"]),
        (&3.into(), &0.into())
    );
    assert_eq!(found["log"], "example.com/ops");
    let other = "cnvpub1.JCO2C_N1FXTeTVdqdbYQI640F219JIN0n5JCu9R7Q-E";
    let refused = audit(&folder, &["verify", "%/log", "--public", other]).unwrap_err();
    assert!(
        refused.contains("has not signed this checkpoint"),
        "{refused}"
    );
    let named = [
        "verify",
        "%/log",
        "--public",
        "PUBLIC",
        "--origin",
        "example.com/other",
    ];
    let refused = audit(&folder, &named).unwrap_err();
    assert!(
        refused.contains("checkpoint of `example.com/ops`"),
        "{refused}"
    );
}

#[test]
fn damage_is_located() {
    let folder = log(3);
    let path = folder.path().join("log").join(LogFile::Entries.name());
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    let refused = audit(&folder, &["verify", "%/log", "--public", "PUBLIC"]).unwrap_err();
    assert!(
        refused.contains("damaged at entry 2, at byte "),
        "{refused}"
    );
    assert!(refused.contains("begin a new log"), "{refused}");
    assert!(
        audit(&folder, &["tail", "%/log"])
            .unwrap_err()
            .contains("entry 2")
    );
    assert!(audit(&folder, &["prove", "%/log", "--entry", "0"]).is_err());
}

#[test]
fn the_last_entries_are_shown() {
    let folder = log(5);
    let shown = audit(&folder, &["tail", "%/log", "-n", "2"]).unwrap();
    let numbers: Vec<_> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["number"])
        .collect();
    assert_eq!(numbers, [3, 4]);
    let denied = audit(&folder, &["tail", "%/log", "--denied"]).unwrap();
    assert_eq!(denied.as_array().unwrap().len(), 1);
    assert_eq!(denied[0]["decision"], "denied: expired");
    assert_eq!(denied[0]["detail"], "it expired at noon");
}

#[test]
fn a_proof_is_verified_without_the_log() {
    let folder = log(5);
    let call = "02".repeat(16);
    let made = [
        "prove",
        "%/log",
        "--call",
        &call,
        "--out",
        "%/receipt.tlog-proof",
    ];
    assert_eq!(audit(&folder, &made).unwrap()["number"], 2);
    assert!(
        audit(&folder, &made).unwrap_err().contains("cannot write"),
        "never overwritten"
    );
    fs::remove_dir_all(folder.path().join("log")).unwrap();
    let verify = ["verify", "%/receipt.tlog-proof", "--public", "PUBLIC"];
    let found = audit(&folder, &verify).unwrap();
    assert_eq!(found["entry"]["call_id"], call);

    let path = folder.path().join("receipt.tlog-proof");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("index 2", "index 3")).unwrap();
    assert!(
        audit(&folder, &verify)
            .unwrap_err()
            .contains("not in the log at this number")
    );
    let none = ["prove", "%/log", "--entry", "0"];
    assert!(audit(&folder, &none).unwrap_err().contains("no audit log"));
}

#[test]
fn a_kept_checkpoint_tells_a_log_that_was_cut_off_or_replaced() {
    let folder = log(2);
    let keep = [
        "checkpoint",
        "%/log",
        "--public",
        "PUBLIC",
        "--out",
        "%/kept",
    ];
    let shown = audit(&folder, &keep).unwrap();
    assert!(
        shown["verifier_key"]
            .as_str()
            .unwrap()
            .starts_with("example.com/ops+")
    );
    let verify = [
        "verify",
        "%/log",
        "--public",
        "PUBLIC",
        "--earlier",
        "%/kept",
    ];
    add(&folder, 2..4);
    let found = audit(&folder, &verify).unwrap();
    assert_eq!(found["earlier_checkpoint"], "goes on from 2 entries");

    for (calls, reason) in [(0..1, "its end was cut off"), (1..5, "not only added to")] {
        fs::remove_dir_all(folder.path().join("log")).unwrap();
        add(&folder, calls);
        assert!(audit(&folder, &verify).unwrap_err().contains(reason));
    }
}

#[test]
fn numbers_of_calls_have_32_digits() {
    let number = "000102030405060708090a0b0c0d0e0F".parse::<CallNumber>();
    assert_eq!(number.unwrap().0[14..], [14, 15]);
    let wrong = [
        "",
        "00",
        "+00102030405060708090a0b0c0d0e0f",
        "g00102030405060708090a0b0c0d0e0f",
    ];
    for wrong in wrong {
        assert!(wrong.parse::<CallNumber>().is_err(), "{wrong}");
    }
}
