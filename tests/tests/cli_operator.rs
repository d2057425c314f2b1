//! What the operator of a program sets up in its environment, run as an operator runs it.

mod programs;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use cnv::attestation::revocation::{RevocationEntries, RevocationEntry, RevocationList};
use cnv::attestation::{CapabilityAttestation, PrivateKey, Timestamp, key_file};
use cnv::audit::{AuditLog, AuditOptions};
use cnv::capability::CapabilityContract;
use serde_json::Value;

use programs::{Folder, cnv, expect, line, ops_alone};

/// Two roots with a token each, and a log for `ops`.
struct Operator {
    folder: Folder,
    roots: [PrivateKey; 2],
}

impl Operator {
    fn new() -> Self {
        let folder = Folder::new();
        let roots = [1, 2].map(|seed| PrivateKey::from_seed(&[seed; 32]));
        let line = |name: &str, key: &PrivateKey| format!("{}  {name}\n", key.public_key());
        let store = line("one", &roots[0]) + &line("two", &roots[1]);
        folder.file("roots.txt", store);
        folder.file("access.log", "");
        fs::create_dir(folder.path("logs")).unwrap();
        key_file::create(folder.path("log.pem"), &Self::log_key()).unwrap();
        Self { folder, roots }
    }

    fn log_key() -> PrivateKey {
        PrivateKey::from_seed(&[9; 32])
    }

    fn attestation(&self, root: usize) -> CapabilityAttestation {
        CapabilityAttestation::builder(CapabilityContract::read_only(), "agent-42")
            .issued_at(Timestamp::from_unix_seconds(1_700_000_000))
            .ttl(100 * 365 * 86_400)
            .bearer()
            .sign(&self.roots[root])
            .unwrap()
    }

    /// A root's list, which is fresh for an hour.
    fn list(&self, name: &str, root: usize, number: u64, revoked: &[RevocationEntry]) -> PathBuf {
        let now = Timestamp::now();
        let entries: RevocationEntries = revoked.iter().cloned().collect();
        let next = now.checked_add_seconds(3600).unwrap();
        let list = RevocationList::sign(entries, number, now, next, &self.roots[root]);
        self.folder.file(name, list.unwrap().to_string())
    }

    /// `ops` for the holder of a root's token, in the environment of its operator.
    fn ops(&self, root: usize, lists: &[PathBuf]) -> Command {
        let mut ops = ops_alone(line!["log", "scan", self.folder.path("access.log")]);
        ops.env("CNV_TRUST", self.folder.path("roots.txt"))
            .env("CNV_REVOCATIONS", env::join_paths(lists).unwrap())
            .env("CNV_STATE", self.folder.path("state"))
            .env("CNV_AUDIT", self.folder.path("logs"))
            .env("CNV_AUDIT_KEY", self.folder.path("log.pem"))
            .env("CNV_ATTESTATION", self.attestation(root).to_string());
        ops
    }

    /// The last entries of the log.
    fn tail(&self, count: usize) -> Vec<Value> {
        let log = self.folder.path("logs/ops");
        let tail = line!["audit", "tail", log, "--json", "--count", count.to_string()];
        serde_json::from_value(expect(0, &mut cnv(tail)).json()).unwrap()
    }

    fn last_reason(&self) -> String {
        let last = self.tail(1).remove(0);
        last["detail"].as_str().unwrap().to_owned()
    }
}

#[test]
fn an_older_list_is_not_taken_by_the_next_run() {
    let operator = Operator::new();
    let revoked = RevocationEntry::Link(operator.attestation(0).id());
    let two = operator.list("two", 1, 1, &[]);
    let first = operator.list("first", 0, 1, &[]);
    let second = operator.list("second", 0, 2, &[revoked]);
    expect(0, &mut operator.ops(0, &[first.clone(), two.clone()]));
    expect(8, &mut operator.ops(0, &[second, two.clone()]));
    assert!(operator.last_reason().contains("is revoked"));
    expect(8, &mut operator.ops(0, &[first, two]));
    let reason = operator.last_reason();
    assert!(reason.contains("list 1 is older than 2"), "{reason}");
}

#[test]
fn each_root_has_a_list_of_its_own() {
    let operator = Operator::new();
    let revoked = RevocationEntry::Link(operator.attestation(1).id());
    let lists = [
        operator.list("one", 0, 7, &[]),
        operator.list("two", 1, 3, &[revoked]),
    ];
    expect(0, &mut operator.ops(0, &lists));
    expect(8, &mut operator.ops(1, &lists));
    assert!(operator.last_reason().contains("is revoked"));
    expect(8, &mut operator.ops(1, &lists[..1]));
    let reason = operator.last_reason();
    assert!(reason.contains("no revocation list"), "{reason}");
}

#[test]
fn a_transaction_is_in_the_receipt_and_in_the_log() {
    let operator = Operator::new();
    let lists = [
        operator.list("one", 0, 1, &[]),
        operator.list("two", 1, 1, &[]),
    ];
    let id = "00112233445566778899aabbccddeeff";
    let run = |arguments: &[&str]| {
        let mut ops = operator.ops(0, &lists);
        ops.args(arguments).arg("--json").env("CNV_TRANSACTION", id);
        let ended = expect(0, &mut ops);
        let receipt: Value = serde_json::from_str(ended.stderr.lines().last().unwrap()).unwrap();
        receipt["receipt"]["transaction_id"].clone()
    };
    assert_eq!(run(&[]), id);
    let other = id.replace("00", "77");
    assert_eq!(run(&["--transaction", &other]), other.as_str());
    let logged: Vec<Value> = operator
        .tail(4)
        .iter()
        .map(|entry| entry["transaction_id"].clone())
        .collect();
    assert_eq!(logged, [id, id, &other, &other]);
    let wrong = expect(2, operator.ops(0, &lists).env("CNV_TRANSACTION", "7"));
    wrong.says("32 hexadecimal digits");
}

#[test]
fn a_log_that_stays_locked_refuses_the_call() {
    let operator = Operator::new();
    let lists = [
        operator.list("one", 0, 1, &[]),
        operator.list("two", 1, 1, &[]),
    ];
    let folder = operator.folder.path("logs/ops");
    let log = AuditLog::open(folder, Operator::log_key(), AuditOptions::new("ops")).unwrap();
    let refused = expect(1, operator.ops(0, &lists).arg("--json"));
    refused.wrote_nothing();
    let error = refused.error();
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("is being written by another process"),
        "{message}"
    );
    assert_eq!(error["retry_after"], 2000);
    drop(log);
    expect(0, &mut operator.ops(0, &lists));
}

/// A pipe would be waited for, and for ever.
#[cfg(unix)]
#[test]
fn a_token_is_not_read_from_a_pipe() {
    let operator = Operator::new();
    let pipe = operator.folder.path("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let mut presented = OsString::from("@");
    presented.push(&pipe);
    let refused = expect(8, operator.ops(0, &[]).env("CNV_ATTESTATION", presented));
    refused.says("cannot read the attestation in `");
}

/// What a guarded program takes from the command line is never the operator's part.
#[test]
fn no_option_takes_the_place_of_the_operators_part() {
    let operator = Operator::new();
    let lists = [
        operator.list("one", 0, 1, &[]),
        operator.list("two", 1, 1, &[]),
    ];
    let stranger = PrivateKey::from_seed(&[7; 32]);
    let store = format!("{}  stranger\n", stranger.public_key());
    let store = operator.folder.file("stranger.txt", store);
    let token = CapabilityAttestation::new(CapabilityContract::dangerous(), "a", 60, &stranger);
    let trust: [OsString; 2] = ["--trust".into(), store.into()];
    let refused = expect(
        2,
        operator
            .ops(0, &lists)
            .args(trust)
            .env("CNV_ATTESTATION", token.to_string()),
    );
    refused.says("`--trust` cannot take the place of the trust store that CNV_TRUST names");
}
