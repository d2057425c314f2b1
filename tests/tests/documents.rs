//! Completions and manual pages, as a program makes them of its own commands.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use cnv::prelude::*;
use serde_json::json;

/// Counts requests.
///
/// It reads the log 'once'.
///
/// .not a request of the formatter's
#[verb(noun = "log", effect = "read", alias = ["s", "count"])]
#[requires_attestation(read_only)]
#[budget(memory = "1MB", cpu = "1s", io = 10)]
fn scan(
    cx: Context,
    /// File to scan
    path: std::path::PathBuf,
    /// How many to list
    #[arg(long, short = 't', default_value_t = 10)]
    top: u8,
) -> Result<usize, Failure> {
    let _ = (cx, path, top);
    Ok(0)
}

/// Doubles.
#[verb(noun = "sum", effect = "write", deprecated = "use `sum add`", public)]
fn double(number: u8) -> Result<u8, Failure> {
    Ok(number.saturating_mul(2))
}

fn app() -> App {
    App::new("trial")
        .about("Tries things")
        .version("1.2.3")
        .verbs(verbs![double, scan])
}

fn completions(shell: &str) -> String {
    let reply = app().call_blocking(["--completions", shell]);
    assert!(reply.receipt.is_none());
    serde_json::from_str(reply.result.unwrap().as_json()).unwrap()
}

/// What bash offers for the last word, or `None` where there is no bash.
fn offered(words: &[&str]) -> Option<Vec<String>> {
    let place = words.len() - 1;
    let previous = words[place.saturating_sub(1)];
    let list: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "{}\nCOMP_WORDS=({})\nCOMP_CWORD={place}\n_trial trial '{}' '{previous}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        completions("bash"),
        list.join(" "),
        words[place],
    );
    let mut bash = Command::new("bash")
        .args(["--norc", "-eu", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    bash.stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = bash.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

#[test]
fn bash_completes_nouns_verbs_options_and_values() {
    let table: &[(&[&str], &[&str])] = &[
        (&["trial", "lo"], &["log"]),
        (&["trial", "log", "sca"], &["scan"]),
        (&["trial", "log", "scan", "--to"], &["--top"]),
        (&["trial", "log", "scan", "--output", "j"], &["json"]),
        // An alias takes what the verb takes.
        (&["trial", "log", "count", "--to"], &["--top"]),
        (&["trial", "--completions", "z"], &["zsh"]),
    ];
    for (words, expected) in table {
        let Some(offered) = offered(words) else {
            eprintln!("!!! SKIPPED: there is no bash");
            return;
        };
        assert_eq!(offered, *expected, "{words:?}");
    }
}

/// What a shell says of a script that it only reads, or `None` where there is no such shell.
fn read_by(shell: &str, script: &str) -> Option<Result<(), String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script");
    std::fs::write(&path, script).unwrap();
    let read = Command::new(shell).arg("-n").arg(&path).output().ok()?;
    let said = String::from_utf8_lossy(&read.stderr).into_owned();
    Some(match read.status.success() && said.is_empty() {
        true => Ok(()),
        false => Err(said),
    })
}

#[test]
fn the_scripts_are_in_their_shells_languages() {
    for shell in ["bash", "fish", "zsh"] {
        let script = completions(shell);
        match read_by(shell, &script) {
            None => eprintln!("!!! SKIPPED: the script for {shell} was not read: there is none"),
            Some(read) => {
                assert_eq!(read, Ok(()), "{shell}");
                // Or it would find fault with nothing.
                let broken = read_by(shell, &format!("{script}\nif (\n"));
                assert!(broken.unwrap().is_err(), "{shell}");
            }
        }
    }
}

/// What fish offers for a command line, which it sorts, or `None` where there is no fish.
fn offered_by_fish(line: &str) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trial.fish");
    std::fs::write(&path, completions("fish")).unwrap();
    let command = format!("source {}; complete -C '{line}'", path.display());
    let fish = Command::new("fish")
        .args(["--no-config", "-c", &command])
        .env("HOME", folder.path())
        .output()
        .ok()?;
    assert!(
        fish.status.success(),
        "{}",
        String::from_utf8_lossy(&fish.stderr)
    );
    // With what it is about, after a tab.
    let word = |line: &str| line.split('\t').next().map(str::to_owned);
    let text = String::from_utf8(fish.stdout).unwrap();
    Some(text.lines().filter_map(word).collect())
}

#[test]
fn fish_completes_nouns_verbs_options_and_values() {
    let table: &[(&str, &[&str])] = &[
        ("trial lo", &["log"]),
        ("trial log sca", &["scan"]),
        ("trial log scan --to", &["--top"]),
        ("trial log scan --output j", &["json"]),
    ];
    for (line, expected) in table {
        let Some(offered) = offered_by_fish(line) else {
            eprintln!("!!! SKIPPED: there is no fish");
            return;
        };
        assert_eq!(offered, *expected, "{line}");
    }
}

#[test]
fn every_shell_has_a_script_of_its_own() {
    let mut scripts = Vec::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = completions(shell);
        assert!(
            script.contains("trial") && script.contains("dry-run"),
            "{shell}"
        );
        assert_eq!(script, completions(shell));
        assert!(!scripts.contains(&script), "{shell}");
        scripts.push(script);
    }
    let failure = app()
        .call_blocking(["--completions", "nosh"])
        .result
        .unwrap_err();
    assert_eq!(failure.code().exit_code(), 2);
    assert!(failure.to_string().contains("nosh"), "{failure}");
}

/// The page without the options that every command has, which are the help's.
fn page(folder: &Path, name: &str) -> String {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let (before, after) = text
        .split_once(".SH \"OPTIONS OF EVERY COMMAND\"\n")
        .unwrap();
    assert!(after.contains("\\-\\-dry\\-run"));
    let end = after.find(".SH ").unwrap();
    format!("{before}{}", &after[end..])
}

#[test]
fn there_is_a_manual_page_for_the_program_and_for_each_verb() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("new").join("man1");
    let reply = app().call_blocking(["--man".as_ref(), folder.as_os_str()]);
    let names = ["trial.1", "trial-log-scan.1", "trial-sum-double.1"];
    let paths = names.map(|name| folder.join(name));
    assert_eq!(reply.result.unwrap().as_json(), json!(paths).to_string());
    let first: Vec<Vec<u8>> = paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    app().call_blocking(["--man".as_ref(), folder.as_os_str()]);
    let second: Vec<Vec<u8>> = paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    assert_eq!(first, second);

    let scan = page(&folder, "trial-log-scan.1");
    let lines: Vec<&str> = scan.lines().map(str::trim_end).collect();
    assert_eq!(lines, SCAN.lines().collect::<Vec<_>>());
    let double = page(&folder, "trial-sum-double.1");
    for part in [
        ".SH DEPRECATED\nuse `sum add`\n",
        ".SH EFFECT\nwrite: a call changes files or other local state. One whose end is not known is not safe to make again.\n",
        ".SH ATTESTATION\nNone: anyone may call.\n",
        ".SH BUDGET\nNone is declared.\n",
    ] {
        assert!(double.contains(part), "{part}\n{double}");
    }
    assert!(!double.contains(".SH ALIASES"));
    let root = page(&folder, "trial.1");
    for part in [
        ".TH TRIAL 1 \" \" \"trial 1.2.3\"",
        "\\fBtrial\\-log\\-scan(1)\\fR\nCounts requests\n",
        "\\fBtrial\\-sum\\-double(1)\\fR\nDoubles (deprecated: use `sum add`)\n",
        ".SH ENVIRONMENT\n.TP\n\\fBCNV_KEY\\fR\n",
    ] {
        assert!(root.contains(part), "{part}\n{root}");
    }
}

#[test]
fn pages_that_cannot_be_written_are_a_failure_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let failure = app()
        .call_blocking(["--man".as_ref(), file.as_os_str()])
        .result
        .unwrap_err();
    assert_eq!(failure.code().exit_code(), 1);
    assert!(
        failure.to_string().contains(file.to_str().unwrap()),
        "{failure}"
    );
}

/// A verb's own option of such a name is its own.
#[test]
fn a_verb_may_have_options_of_these_names() {
    #[verb(noun = "crew", effect = "pure")]
    fn hire(#[arg(long)] man: String) -> Result<String, Failure> {
        Ok(man)
    }
    let app = App::new("trial").verbs(verbs![hire]);
    app.check().unwrap();
    let reply = app.call_blocking(["crew", "hire", "--man", "x"]);
    assert_eq!(reply.result.unwrap().as_json(), "\"x\"");
    let failure = app
        .call_blocking(["crew", "--man", "x"])
        .result
        .unwrap_err();
    assert_eq!(failure.code().exit_code(), 2);
}

const SCAN: &str = r#".ie \n(.g .ds Aq \(aq
.el .ds Aq '
.TH TRIAL-LOG-SCAN 1 " " "trial 1.2.3"
.SH NAME
trial\-log\-scan \- Counts requests
.SH SYNOPSIS
\fBtrial log scan\fR [OPTIONS] <PATH>
.SH DESCRIPTION
Counts requests.
.PP
It reads the log \*(Aqonce\*(Aq.
.PP
\&.not a request of the formatter\*(Aqs
.SH ALIASES
trial log s
.PP
trial log count
.SH OPTIONS
.TP
\fB\-t\fR, \fB\-\-top\fR \fI<TOP>\fR [default: 10]
How many to list
.TP
\fB\-h\fR, \fB\-\-help\fR
Print help (see a summary with \*(Aq\-h\*(Aq)
.TP
<\fIPATH\fR>
File to scan
.SH EFFECT
read: a call reads files or other local state. One whose end is not known may be made again.
.SH ATTESTATION
read_only/unlimited/stable/harmless: class, resource band, stability and safety. The caller proves an attestation that covers them, with \-\-attestation.
.SH BUDGET
memory 1 MB, cpu 1 s, io 10, network none.
.SH "EXIT STATUS"
.TP
\fB0\fR
The call did what it was asked to.
.TP
\fB1\fR
The call failed.
.TP
\fB2\fR
The command line could not be understood.
.TP
\fB7\fR
Time ran out.
.TP
\fB8\fR
There was no valid attestation.
.TP
\fB9\fR
The call went over its budget, or was not admitted with it.
.TP
\fB10\fR
What the command calls was not available.
.TP
\fB101\fR
The command\*(Aqs own program failed.
.TP
\fB130\fR
The call was interrupted.
.SH "SEE ALSO"
.TP
\fBtrial(1)\fR
Tries things
"#;
