//! `cnv budget report`, as a pipe feeds it.

mod programs;

use std::io::Write;
use std::process::Stdio;

use programs::{Ended, Folder, cnv, expect, expect_of, ops};

fn report(code: i32, arguments: &[&str], input: &str) -> Ended {
    let mut command = cnv(["budget", "report", "-"].iter().chain(arguments));
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

#[test]
fn what_is_no_receipt_ends_it_with_the_line() {
    let ended = report(1, &["-q"], &(receipts() + "warning: something else\n"));
    ended.wrote_nothing();
    ended.says("line 4 of standard input is nothing that a program writes");
    report(1, &["-q"], "").says("there is no call in it");
}
