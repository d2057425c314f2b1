//! `cnv trace show` as it is typed: what goes to standard output, and what is said beside it.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use cnv::trace::{SpanFile, TraceContext, Tracer};
use tempfile::TempDir;

fn show(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cnv"));
    command.args(["trace", "show"]).args(arguments);
    for variable in [
        "CNV_ATTESTATION",
        "CNV_TRANSACTION",
        "CNV_TRACE_FILE",
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
    ] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// Standard output, and standard error.
fn texts(output: Output, code: i32) -> (String, String) {
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    (stdout, stderr)
}

/// A file with a call that failed, and a line of a program that was killed as it wrote it.
fn spans(path: &Path) {
    let file = SpanFile::open(path, "shop").unwrap();
    let tracer = Tracer::builder().exporter(file).build().unwrap();
    let mut call = tracer.entry("pay \u{1b}[2J", &TraceContext::fresh(tracer.ids()), None);
    call.stage("run");
    call.ended(Some("unavailable".into()));
    drop(call);
    let report = tracer.shutdown(Duration::from_secs(20)).remove(0);
    assert_eq!(report.spans.delivered, 1);
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"{\"resourceSpans\":[{").unwrap();
}

#[test]
fn a_tree_is_drawn_and_a_broken_line_is_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("spans");
    spans(&path);
    let named = path.to_str().unwrap();

    let (drawn, said) = texts(show(&[named]).output().unwrap(), 0);
    assert!(drawn.contains("pay \\u{1b}[2J [shop] "), "{drawn}");
    assert!(drawn.contains("\n\u{2514}\u{2500} \u{b7} run "), "{drawn}");
    assert!(drawn.contains("  failed: unavailable\n"), "{drawn}");
    assert!(!drawn.contains('\u{1b}'), "{drawn}");
    assert!(
        said.contains(&format!("line 2 of `{named}` is cut off")),
        "{said}"
    );

    // Every way to name it says the same.
    let by_variable = show(&[]).env("CNV_TRACE_FILE", &path).output().unwrap();
    assert_eq!(texts(by_variable, 0).0, drawn);
    let mut by_pipe = show(&["-"]);
    let by_pipe = by_pipe.stdin(fs::File::open(&path).unwrap()).output();
    assert_eq!(texts(by_pipe.unwrap(), 0).0, drawn);

    // Of what a terminal obeys there are the colours of the tool itself, and nothing else.
    let styled = show(&[named]).env("CLICOLOR_FORCE", "1").output().unwrap();
    let styled = texts(styled, 0).0;
    assert!(
        styled.contains("\u{1b}[31mfailed: unavailable\u{1b}[0m"),
        "{styled:?}"
    );
    assert!(!styled.contains("\u{1b}[2J"), "{styled:?}");
}

#[test]
fn other_formats_have_the_value() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("spans");
    spans(&path);
    let named = path.to_str().unwrap();
    let (json, _) = texts(show(&[named, "--json"]).output().unwrap(), 0);
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(found["traces"][0]["spans"][0]["error"], "unavailable");
    let (yaml, _) = texts(show(&[named, "--output", "yaml"]).output().unwrap(), 0);
    assert!(yaml.contains("error: unavailable\n"), "{yaml}");
}

#[test]
fn without_a_file_it_says_how_to_name_one() {
    let (drawn, said) = texts(show(&[]).output().unwrap(), 2);
    assert_eq!(drawn, "");
    assert!(said.contains("CNV_TRACE_FILE"), "{said}");
}
