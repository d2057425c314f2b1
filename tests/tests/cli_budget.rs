//! `cnv budget report`, as a pipe feeds it.

mod programs;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use programs::{Ended, Folder, cnv, expect, expect_of, ops};

fn report(code: i32, arguments: &[&str], input: &str) -> Ended {
    let mut command = cnv(["budget", "report", "-"].iter().chain(arguments));
    report_of(code, &mut command, input)
}

fn report_of(code: i32, command: &mut Command, input: &str) -> Ended {
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // One that refuses a line does not wait for the others.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    expect_of(code, child.wait_with_output().unwrap())
}

/// What `ops` writes to standard error, of a call that succeeds and one that does not.
fn receipts() -> String {
    let folder = Folder::new();
    folder.file("a.txt", "one\n");
    let digest = |path: &str| {
        let mut command = ops(["tree", "digest", "--json"]);
        command.arg(folder.path(path));
        command
    };
    expect(0, &mut digest(".")).stderr + &expect(1, &mut digest("none")).stderr
}

#[test]
fn what_a_program_writes_is_what_a_report_reads() {
    let ended = report(0, &["--json"], &receipts());
    let found = ended.json();
    assert_eq!((&found["calls"], &found["errors"]), (&2.into(), &1.into()));
    assert_eq!(found["verbs"][0]["verb"], "tree digest");
    assert_eq!(
        (&found["verbs"][0]["failed"], &found["verbs"][0]["over"]),
        (&1.into(), &0.into())
    );
    assert_eq!(found["measured"][0]["declared"], "256 MB");
    // A report ends with a receipt of its own.
    assert_eq!(
        report(0, &["--json"], &ended.stderr).json()["verbs"][0]["verb"],
        "budget report"
    );
}

/// `tree digest` declares enough for the clock of the thread itself to be read.
#[test]
fn a_receipt_says_whether_processor_time_is_an_upper_bound() {
    let receipt: serde_json::Value =
        serde_json::from_str(receipts().lines().next().unwrap()).unwrap();
    assert_eq!(receipt["receipt"]["cpu_is_upper_bound"], false, "{receipt}");
}

#[test]
fn what_is_no_receipt_ends_it_with_the_line() {
    let ended = report(1, &["-q"], &(receipts() + "warning: something else\n"));
    ended.wrote_nothing();
    ended.says("line 4 of standard input is nothing that a program writes");
    report(1, &["-q"], "").says("there is no call in it");
}

/// A folder of that name is another place.
#[test]
fn a_dash_is_standard_input_whatever_is_there() {
    let folder = Folder::new();
    fs::create_dir(folder.path("-")).unwrap();
    let mut command = cnv(["budget", "report", "-", "--json"]);
    command.current_dir(folder.path("."));
    let found = report_of(0, &mut command, &receipts()).json();
    assert_eq!(found["calls"], 2);
}

/// A receipt is written of it, and the audit log has it.
#[test]
fn a_denied_call_is_counted_apart_whatever_is_read() {
    let folder = Folder::new();
    let key = folder.path("log.pem");
    let public = expect(0, cnv(["key", "new", "--json"]).arg(&key)).json();
    let logs = folder.path("logs");
    fs::create_dir(&logs).unwrap();
    let file = folder.file(
        "access.log",
        "127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 2326\n",
    );
    let scan = || {
        let mut command = ops(["log", "scan", "--json"]);
        command.arg(&file);
        command.env("CNV_AUDIT", &logs).env("CNV_AUDIT_KEY", &key);
        command
    };
    let ran = expect(0, &mut scan()).stderr;
    let denied = expect(8, scan().env_remove("CNV_ATTESTATION")).stderr;
    assert!(denied.contains("\"ran\":false"), "{denied}");

    let of_receipts = report(0, &["--json"], &(ran + &denied)).json();
    let mut command = cnv(["budget", "report", "--json"]);
    command.arg(logs.join("ops"));
    command
        .arg("--public")
        .arg(public["public_key"].as_str().unwrap());
    let of_log = expect(0, &mut command).json();
    for key in ["calls", "denied", "measured", "verbs"] {
        assert_eq!(of_receipts[key], of_log[key], "{key}");
    }
    assert_eq!(
        (
            &of_log["calls"],
            &of_log["denied"],
            &of_log["verbs"][0]["failed"]
        ),
        (&1.into(), &1.into(), &0.into())
    );
}
