//! `cnv budget`, called in this process.

use std::fmt::Write as _;
use std::fs;

use cnv::attestation::{PrivateKey, Timestamp};
use cnv::audit::{AuditLog, AuditOptions, LogFile, Reason};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

const DECLARED: Limits = Limits {
    memory_bytes: 1_000_000,
    cpu_ns: 10_000_000,
    io_ops: 10,
    network_bytes: 0,
};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Calls `cnv budget report`; `%` stands for the folder.
fn report(folder: &TempDir, arguments: &[&str]) -> Result<Value, String> {
    let folder = folder.path().to_str().unwrap();
    let arguments = arguments
        .iter()
        .map(|argument| argument.replace('%', folder));
    let arguments = ["budget", "report"]
        .map(str::to_owned)
        .into_iter()
        .chain(arguments);
    let reply = crate::app().call_blocking(arguments);
    match reply.result {
        Ok(output) => Ok(serde_json::from_str(output.as_json()).unwrap()),
        Err(failure) => Err(format!(
            "{failure:#}: {:?}",
            failure.causes().collect::<Vec<_>>()
        )),
    }
}

fn receipt(verb: &str, memory: u64, io: u64, outcome: &str) -> String {
    let receipt = json!({ "receipt": {
        "call_id": "00", "transaction_id": null, "verb": verb, "ran": true, "outcome": outcome,
        "allowed": { "memory_bytes": 1_000_000, "cpu_ns": null, "io_ops": 10, "network_bytes": 0 },
        "used": { "memory_bytes": memory, "cpu_ns": 1_000 * memory, "io_ops": io, "network_bytes": 0 },
        "over": null, "attestation": null,
    } });
    format!("{receipt}\n")
}

fn receipts(text: &str) -> TempDir {
    let folder = folder();
    fs::write(folder.path().join("receipts"), text).unwrap();
    folder
}

fn rows<'a>(report: &'a Value, verb: &str) -> Vec<&'a Value> {
    let rows = report["measured"].as_array().unwrap().iter();
    rows.filter(|row| row["verb"] == verb).collect()
}

#[test]
fn receipts_are_added_up_verb_by_verb() {
    let mut text = String::new();
    for call in 1..=100 {
        text.push_str(&receipt("file words", call * 100, 3, "ok"));
    }
    text.push_str("{\"notice\":\"development\"}\n");
    text.push_str(&receipt("file size", 7, 1, "ok"));
    text.push_str("{\"error\":{\"code\":\"failed\",\"message\":\"no\",\"retry_after\":null}}\n");
    text.push_str(&receipt("file size", 2_000_000, 0, "failed"));
    let folder = receipts(&text);
    let found = report(&folder, &["%/receipts"]).unwrap();
    assert_eq!(
        json!([
            found["calls"],
            found["errors"],
            found["notices"],
            found["denied"]
        ]),
        json!([102, 1, 1, 0])
    );
    let words = rows(&found, "file words");
    assert_eq!(
        *words[0],
        json!({ "verb": "file words", "resource": "memory", "declared": "1 MB", "p50": "5 KB", "p99": "9.9 KB", "maximum": "10 KB" })
    );
    assert_eq!(words[1]["declared"], "unlimited");
    assert_eq!(words[3]["maximum"], "none");
    let [size, words] = [0, 1].map(|i| &found["verbs"][i]);
    assert_eq!(
        *words,
        json!({ "verb": "file words", "calls": 100, "over": 0, "failed": 0,
            "suggested": "#[budget(memory = \"13KB\", cpu = \"20ms\", io = 4)]", "notes": "from 100 calls that succeeded" })
    );
    assert_eq!(
        *size,
        json!({ "verb": "file size", "calls": 2, "over": 1, "failed": 1, "suggested": null,
            "notes": "1 call succeeded, and a suggestion needs 20" })
    );

    let found = report(&folder, &["%/receipts", "--verb", "file size"]).unwrap();
    assert_eq!(
        (&found["calls"], rows(&found, "file words").len()),
        (&json!(2), 0)
    );
    let refused = report(&folder, &["%/receipts", "--verb", "file"]).unwrap_err();
    assert!(
        refused.contains("no call of `file`; there are calls of `file words`, `file size`"),
        "{refused}"
    );
}

#[test]
fn a_suggestion_begins_at_twenty_calls_that_succeeded() {
    let text = receipt("a b", 100, 1, "ok").repeat(19) + &receipt("a b", 400, 1, "failed");
    let found = report(&receipts(&text), &["%/receipts"]).unwrap();
    let verb = &found["verbs"][0];
    assert_eq!(
        json!([verb["calls"], verb["suggested"], verb["notes"]]),
        json!([20, null, "19 calls succeeded, and a suggestion needs 20"])
    );
    let text = text + &receipt("a b", 100, 1, "ok");
    let found = report(&receipts(&text), &["%/receipts"]).unwrap();
    let verb = &found["verbs"][0];
    assert_eq!(verb["notes"], "from 20 calls that succeeded");
    // It covers the one that failed as well.
    assert_eq!(
        verb["suggested"],
        "#[budget(memory = \"1KB\", cpu = \"800us\", io = 2)]"
    );
}

#[test]
fn while_the_budget_stops_calls_nothing_is_suggested() {
    let text = receipt("a b", 100, 10, "budget") + &receipt("a b", 100, 1, "ok").repeat(20);
    let found = report(&receipts(&text), &["%/receipts"]).unwrap();
    let verb = &found["verbs"][0];
    assert_eq!(
        json!([verb["over"], verb["failed"], verb["suggested"]]),
        json!([1, 1, null])
    );
    assert_eq!(
        verb["notes"],
        "1 call was stopped by the budget, and would have used more: raise it and measure again"
    );
}

/// A receipt is written of them, too.
#[test]
fn calls_that_were_not_let_run_are_counted_apart() {
    let refused =
        |verb, outcome| receipt(verb, 0, 0, outcome).replace("\"ran\":true", "\"ran\":false");
    let text = receipt("a b", 100, 1, "ok").repeat(20)
        + &refused("a b", "attestation")
        + &refused("a b", "budget")
        + &refused("c d", "attestation");
    let folder = receipts(&text);
    let found = report(&folder, &["%/receipts"]).unwrap();
    assert_eq!(json!([found["calls"], found["denied"]]), json!([20, 3]));
    assert_eq!(found["verbs"].as_array().unwrap().len(), 1);
    let verb = &found["verbs"][0];
    assert_eq!(
        json!([verb["calls"], verb["failed"], verb["over"], verb["notes"]]),
        json!([20, 0, 0, "from 20 calls that succeeded"])
    );
    assert_eq!(rows(&found, "a b")[0]["p50"], "100 B");
    let found = report(&folder, &["%/receipts", "--verb", "a b"]).unwrap();
    assert_eq!(found["denied"], 2, "those of the verb");
}

#[test]
fn what_was_not_metered_is_left_out() {
    let metered = receipt("a b", 100, 1, "ok");
    let without = |name: &str, amount: &str| {
        let text = metered.replace(
            &format!("\"{name}\":{amount}"),
            &format!("\"{name}\":null,"),
        );
        assert_ne!(text, metered);
        let text = metered.repeat(20) + &text;
        let mut found = report(&receipts(&text), &["%/receipts"]).unwrap();
        found["verbs"][0].take()
    };
    let verb = without("memory_bytes", "100,");
    assert_eq!(verb["suggested"], "#[budget(cpu = \"200us\", io = 2)]");
    assert!(verb["notes"].as_str().unwrap().contains("MeteredAllocator"));
    let verb = without("io_ops", "1,");
    assert_eq!(verb["suggested"], Value::Null);
    assert!(
        verb["notes"]
            .as_str()
            .unwrap()
            .contains("io was not metered")
    );
}

#[test]
fn a_bad_line_is_named_and_nothing_is_skipped() {
    let good = receipt("a b", 1, 1, "ok");
    for (bad, says) in [
        ("\n", "EOF"),
        ("panicked at src/main.rs\n", "expected value"),
        ("{}\n", "expected value"),
        ("{\"progress\":1}\n", "unknown variant `progress`"),
        ("{\"receipt\":{}}\n", "missing field `verb`"),
        (&good.replace("\"ran\":true,", ""), "missing field `ran`"),
        (&good.replace("\"io_ops\":1,", ""), "missing field `io_ops`"),
        (
            &good.replace("\"io_ops\":1,", "\"io_ops\":-1,"),
            "invalid value",
        ),
        (
            &good.replace("\"allowed\"", "\"was_allowed\""),
            "missing field `allowed`",
        ),
        (&good[..good.len() / 2], "EOF"),
        ("{\"notice\":1} {\"notice\":1}\n", "trailing"),
    ] {
        let folder = receipts(&(good.clone() + &good + bad));
        let refused = report(&folder, &["%/receipts"]).unwrap_err();
        assert!(refused.contains("line 3 of `"), "{bad}: {refused}");
        assert!(refused.contains(says), "{bad}: {refused}");
    }
    let long = format!("{{\"notice\":\"{}\"}}\n", "n".repeat(65 << 10));
    let refused = report(&receipts(&(good + &long)), &["%/receipts"]).unwrap_err();
    assert!(
        refused.contains("line 2 of") && refused.contains("65536 bytes"),
        "{refused}"
    );
    assert!(
        report(&receipts(""), &["%/receipts"])
            .unwrap_err()
            .contains("no call in it")
    );
    assert!(
        report(&folder(), &["%/none"])
            .unwrap_err()
            .contains("cannot read")
    );
}

#[test]
fn names_do_not_fill_the_memory() {
    let mut text = String::new();
    for verb in 0..=MAX_VERBS {
        write!(text, "{}", receipt(&format!("verb {verb}"), 1, 1, "ok")).unwrap();
    }
    let refused = report(&receipts(&text), &["%/receipts"]).unwrap_err();
    assert!(refused.contains("more than 1000 verbs"), "{refused}");
}

/// Amounts of every size, in programs that the compiler takes only where what is suggested covers what was used.
#[test]
fn the_macro_takes_every_suggestion() {
    let mut program = String::from("use cnv::__private::quota::Budgeted;\n");
    let mut amount = 0_u64;
    let mut index = 0;
    while amount < u64::MAX / 3 {
        let used = Used {
            memory_bytes: Some(amount),
            cpu_ns: Some(amount),
            io_ops: Some(amount),
            network_bytes: Some(amount),
        };
        let call = Call {
            used,
            ..Call::default()
        };
        let mut measured = Measured::default();
        (0..20).for_each(|_| measured.add(&call));
        let attribute = Suggestion::of(&measured).attribute.unwrap();
        writeln!(
            program,
            "#[cnv::{}\nfn verb_{index}() {{}}\nconst _: () = {{\n    let limits = <verb_{index} as Budgeted>::LIMITS;\n    \
             assert!(limits.memory_bytes >= {amount} && limits.cpu_ns >= {amount});\n    \
             assert!(limits.io_ops >= {amount} && limits.network_bytes >= {amount});\n}};",
            attribute.strip_prefix("#[").unwrap()
        )
        .unwrap();
        amount = amount + amount / 2 + 1;
        index += 1;
    }
    assert!(index > 100);
    program.push_str("fn main() {}\n");
    let folder = folder();
    fs::write(folder.path().join("suggested.rs"), program).unwrap();
    cnv::testing::compile_pass(folder.path().join("*.rs").to_str().unwrap());
}

fn log_key() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

/// A log: 30 calls of `tree digest`, one that was denied, and one that did not end.
fn log() -> TempDir {
    let folder = folder();
    let log = AuditLog::open(
        folder.path().join("log"),
        log_key(),
        AuditOptions::new("example.com/ops"),
    );
    let log = log.unwrap();
    let time = Timestamp::from_unix_seconds(1_800_000_000);
    let started = |call: u8, verb: &str| {
        let mut entry = AuditEntry::new(time, [call; 16], verb, Decision::Allowed);
        entry.budget = Some(DECLARED);
        entry
    };
    for call in 0..30_u8 {
        let mut entry = started(call, "tree digest");
        log.append(&entry).unwrap();
        let used = u64::from(call) + 1;
        entry.used = Some(cnv::audit::Used {
            memory_bytes: Some(used * 50_000),
            cpu_ns: used * 100,
            io_ops: used / 4,
            network_bytes: 0,
        });
        entry.outcome = Some(match call {
            5 => Outcome::Failed(Reason::new("budget", "over budget")),
            _ => Outcome::Succeeded,
        });
        log.append(&entry).unwrap();
    }
    log.append(&started(40, "tree digest")).unwrap();
    let denied = Decision::Denied(Reason::new("expired", "it expired at noon"));
    log.append(&AuditEntry::new(time, [41; 16], "log scan", denied))
        .unwrap();
    log.close().unwrap();
    folder
}

#[test]
fn an_audit_log_is_verified_and_read() {
    let folder = log();
    let public = log_key().public_key().to_string();
    let arguments = ["%/log", "--public", &public];
    let found = report(&folder, &arguments).unwrap();
    assert_eq!(
        json!([
            found["calls"],
            found["denied"],
            found["without_receipt"],
            found["unsigned_entries"]
        ]),
        json!([30, 1, 1, 0])
    );
    assert_eq!(
        *rows(&found, "tree digest")[0],
        json!({ "verb": "tree digest", "resource": "memory", "declared": "1 MB", "p50": "750 KB", "p99": "1.5 MB", "maximum": "1.5 MB" })
    );
    let verb = &found["verbs"][0];
    // Ten above a megabyte, and the one that was stopped.
    assert_eq!(json!([verb["over"], verb["failed"]]), json!([11, 1]));
    assert_eq!(
        json!([verb["suggested"], verb["notes"]]),
        json!([
            null,
            "1 call was stopped by the budget, and would have used more: raise it and measure again"
        ])
    );

    let refused = report(&folder, &["%/log"]).unwrap_err();
    assert!(refused.contains("--public"), "{refused}");
    let (_, other) = PrivateKey::generate();
    let other = other.to_string();
    let refused = report(&folder, &["%/log", "--public", &other]).unwrap_err();
    assert!(
        refused.contains("has not signed this checkpoint"),
        "{refused}"
    );
    let refused = report(
        &folder,
        &["%/log", "--public", &public, "--verb", "log scan"],
    )
    .unwrap_err();
    assert!(
        refused.contains("no call of `log scan`; there are calls of `tree digest`"),
        "{refused}"
    );

    let path = folder.path().join("log").join(LogFile::Entries.name());
    let mut bytes = fs::read(&path).unwrap();
    bytes[500] ^= 1;
    fs::write(&path, bytes).unwrap();
    let refused = report(&folder, &arguments).unwrap_err();
    assert!(refused.contains("damaged at entry"), "{refused}");
}

/// Two lengths, four times opened, and what there is in blocks of 64 KiB, twice.
#[test]
fn a_log_is_charged_by_its_length() {
    let charged = |folder: &TempDir| {
        let limits = Limits::unlimited();
        let (charged, usage) = cnv::quota::measure("log", limits, || charge_log(folder.path()));
        charged.unwrap();
        usage.io_ops
    };
    let folder = folder();
    assert_eq!(charged(&folder), 6);
    fs::write(folder.path().join(LogFile::Checkpoints.name()), [0]).unwrap();
    assert_eq!(charged(&folder), 8);
    let entries = folder.path().join(LogFile::Entries.name());
    fs::write(entries, vec![0; (1 << 20) + 1]).unwrap();
    assert_eq!(charged(&folder), 8 + 2 * 17);

    let log = log();
    let path = log.path().join("log").display().to_string();
    let public = log_key().public_key().to_string();
    let reply = crate::app().call_blocking(["budget", "report", &path, "--public", &public]);
    reply.result.unwrap();
    assert_eq!(reply.receipt.unwrap().usage.io_ops, 1 + 10);
}

#[test]
fn a_file_has_no_key() {
    let folder = receipts(&receipt("a b", 1, 1, "ok"));
    let public = log_key().public_key().to_string();
    let refused = report(&folder, &["%/receipts", "--public", &public]).unwrap_err();
    assert!(refused.contains("leave it out"), "{refused}");
}
