//! The programs `ops` and `cnv`, run as a user runs them.

mod programs;

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use cnv::attestation::{CapabilityAttestation, PrivateKey, Timestamp};
use cnv::capability::CapabilityContract;
use cnv::frame::{Frame, FramePayload, FrameWriter, LogLevel};
use serde_json::{Value, json};

use programs::{Folder, cnv, expect, expect_of, line, ops, ops_alone};

// Files to work on.

const LOG: &str = r#"10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /a?x=1 HTTP/1.1" 200 100 "-" "curl"
10.0.0.1 - - [17/May/2015:10:05:04 +0000] "GET /a HTTP/1.1" 304 - "-" "curl"
this is no request
fe80::1 - maria [17/May/2015:10:05:05 +0000] "POST /b HTTP/1.1" 503 42 "-" "curl"
10.0.0.1 - - [17/May/2015:10:05:06 +0000] "GET /a HTTP/1.1" 404 7 "-" "curl"
"#;

fn log_report() -> Value {
    json!({
        "requests": 4,
        "bytes": 149,
        "unparsable_lines": 1,
        "counts_too_low_by_at_most": 0,
        "statuses": [
            { "status": "1xx", "requests": 0 },
            { "status": "2xx", "requests": 1 },
            { "status": "3xx", "requests": 1 },
            { "status": "4xx", "requests": 1 },
            { "status": "5xx", "requests": 1 },
        ],
        "top_paths": [
            { "path": "/a", "requests": 3 },
            { "path": "/b", "requests": 1 },
        ],
        "top_clients": [
            { "client": "10.0.0.1", "family": "IPv4", "requests": 3 },
            { "client": "fe80::1", "family": "IPv6", "requests": 1 },
        ],
    })
}

// ops log

#[test]
fn log_scan_counts_as_a_table_with_a_receipt() {
    let folder = Folder::new();
    let log = folder.file("access.log", LOG);
    let scan = expect(0, &mut ops(line!["log", "scan", &log]));
    let rows = scan.rows();
    let expected = [
        "requests 4",
        "bytes 149",
        "unparsable lines 1",
        "2xx 1",
        "top paths",
        "path requests",
        "/a 3",
        "/b 1",
        "10.0.0.1 IPv4 3",
        "fe80::1 IPv6 1",
    ];
    for row in expected {
        assert!(
            rows.iter().any(|line| line == row),
            "`{row}` is not in {rows:#?}"
        );
    }
    let [receipt] = scan.stderr.lines().collect::<Vec<_>>()[..] else {
        panic!("{}", scan.stderr);
    };
    assert!(receipt.starts_with("allowed memory 64 MB, "), "{receipt}");
    assert!(
        receipt.contains(" | used memory ") && receipt.contains(" | attested "),
        "{receipt}"
    );
    assert!(!receipt.contains("over budget"), "{receipt}");
}

#[test]
fn log_scan_counts_as_json_and_yaml() {
    let folder = Folder::new();
    let log = folder.file("access.log", LOG);
    let json = expect(0, &mut ops(line!["--json", "log", "scan", &log]));
    assert_eq!(json.json(), log_report());
    let receipt: Value = serde_json::from_str(json.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(receipt["receipt"]["verb"], "log scan");
    assert_eq!(receipt["receipt"]["outcome"], "ok");
    assert_eq!(receipt["receipt"]["attestation"]["subject"], "reader");
    assert_eq!(receipt["receipt"]["attestation"]["development"], false);

    let yaml = expect(
        0,
        &mut ops(line!["log", "scan", &log, "--output", "yaml", "--quiet"]),
    );
    assert!(
        yaml.text().starts_with("requests: 4\nbytes: 149\n"),
        "{}",
        yaml.text()
    );
    assert_eq!(yaml.stderr, "");
}

#[test]
fn log_scan_limits_its_lists() {
    let folder = Folder::new();
    let log = folder.file("access.log", LOG);
    let scan = expect(
        0,
        &mut ops(line!["log", "scan", "--top", "1", "--json", &log]),
    )
    .json();
    assert_eq!(scan["top_paths"], json!([{ "path": "/a", "requests": 3 }]));
}

#[test]
fn a_real_log_has_ten_thousand_requests() {
    let data =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/logs/apache_access.log");
    if !data.exists() {
        eprintln!("SKIPPED: there is no {}", data.display());
        return;
    }
    let scan = expect(0, &mut ops(line!["log", "scan", data, "--json"])).json();
    assert_eq!(scan["requests"], 10_000);
    assert_eq!(scan["unparsable_lines"], 0);
}

#[test]
fn log_tail_streams_rows_and_stops_at_its_deadline() {
    let folder = Folder::new();
    let log = folder.file("access.log", LOG);
    let arguments = line![
        "log",
        "tail",
        &log,
        "--from-start",
        "--json",
        "--count",
        "4"
    ];
    let lines = expect(0, &mut ops(arguments)).json_lines();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[1]["path"], "/a");
    assert_eq!(lines[2]["client"], "fe80::1");
    assert_eq!(
        lines[4],
        json!({ "requests": 4, "unparsable_lines": 1, "restarts": 0 })
    );

    let arguments = line![
        "log",
        "tail",
        &log,
        "--from-start",
        "--timeout",
        "300ms",
        "--json"
    ];
    let tail = expect(7, &mut ops(arguments));
    assert_eq!(tail.error()["code"], "deadline");
}

// What is not as it should be.

#[test]
fn bad_files_are_refused_and_nothing_is_written() {
    let folder = Folder::new();
    let missing = folder.path("missing.log");
    let scan = expect(1, &mut ops(line!["log", "scan", &missing]));
    scan.wrote_nothing();
    scan.says(&format!("error: cannot read `{}`: ", missing.display()));

    let directory = expect(1, &mut ops(line!["log", "scan", folder.path("")]));
    directory.wrote_nothing();
    directory.says("is a directory");

    let noise: Vec<u8> = (0..200_000_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let garbage = expect(
        1,
        &mut ops(line!["log", "scan", folder.file("noise", noise)]),
    );
    garbage.wrote_nothing();
    garbage.says("is no access log");

    let file = expect(1, &mut ops(line!["tree", "digest", folder.path("noise")]));
    file.says("is not a directory");
}

#[test]
fn an_empty_log_has_no_requests() {
    let folder = Folder::new();
    let scan = expect(
        0,
        &mut ops(line!["log", "scan", folder.file("empty", ""), "--json"]),
    );
    assert_eq!(scan.json()["requests"], 0);
    assert_eq!(scan.json()["top_paths"], json!([]));
}

#[test]
fn errors_are_objects_with_a_stable_code_for_programs() {
    let folder = Folder::new();
    let missing = folder.path("missing.log");
    let failed = expect(1, &mut ops(line!["log", "scan", &missing, "--json"]));
    failed.wrote_nothing();
    let error = failed.error();
    assert_eq!(error["code"], "failed");
    assert_eq!(error["retry_after"], Value::Null);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("cannot read `"),
        "{error}"
    );

    let usage = expect(2, &mut ops(["log", "count", "--json"]));
    usage.wrote_nothing();
    assert_eq!(usage.error()["code"], "usage");
}

#[test]
fn what_cannot_be_understood_is_a_usage_error() {
    for arguments in [
        vec!["log", "count"],
        vec!["nothing"],
        vec!["log", "scan"],
        vec!["log", "scan", "x", "--top", "many"],
        vec!["log", "scan", "x", "--output", "yaml", "--frames"],
        vec!["log", "scan", "x", "--timeout", "5"],
    ] {
        let refused = expect(2, &mut ops(&arguments));
        refused.wrote_nothing();
        refused.says("error: ");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let help = expect(0, &mut ops(["log", "scan", "--help"]));
    assert!(
        help.text().contains("How many paths and clients to list"),
        "{}",
        help.text()
    );
    assert_eq!(help.stderr, "");
    let version = expect(0, &mut cnv(["--version"]));
    assert_eq!(
        version.text(),
        concat!("cnv ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn a_dry_run_says_what_a_call_needs_and_does_nothing() {
    let folder = Folder::new();
    let key = folder.path("key.pem");
    let explained = expect(
        0,
        &mut cnv(line!["key", "new", &key, "--dry-run", "--json"]),
    )
    .json();
    assert_eq!(explained["verb"], "key new");
    assert_eq!(explained["effect"], "write");
    assert_eq!(explained["budget"]["memory"], "1 MB");
    assert!(!key.exists());

    let explained = expect(
        0,
        &mut ops(line!["log", "scan", "missing.log", "--dry-run", "--json"]),
    )
    .json();
    assert!(
        explained["attestation"]
            .as_str()
            .unwrap()
            .starts_with("read_only/"),
        "{explained}"
    );
}

#[test]
fn colours_are_for_those_who_ask() {
    let folder = Folder::new();
    let arguments = line!["log", "scan", folder.path("missing.log")];
    let piped = expect(1, &mut ops(&arguments));
    assert!(!piped.stderr.contains('\x1b'), "{:?}", piped.stderr);
    let forced = expect(1, ops(&arguments).env("CLICOLOR_FORCE", "1"));
    assert!(forced.stderr.contains('\x1b'), "{:?}", forced.stderr);
    let denied = expect(
        1,
        ops(&arguments)
            .env("CLICOLOR_FORCE", "1")
            .env("NO_COLOR", "1"),
    );
    assert!(!denied.stderr.contains('\x1b'), "{:?}", denied.stderr);
}

/// A log whose report is larger than any pipe's buffer.
fn log_with_many_paths(folder: &Folder) -> PathBuf {
    let line = |i| {
        format!("10.0.0.1 - - [17/May/2015:10:05:03 +0000] \"GET /path/{i:0100} HTTP/1.1\" 200 1\n")
    };
    folder.file("many.log", (0..5000).map(line).collect::<String>())
}

#[test]
fn a_reader_that_goes_away_ends_the_program() {
    let folder = Folder::new();
    let log = log_with_many_paths(&folder);
    for format in ["--output=table", "--json", "--frames"] {
        let mut scan = ops(line!["log", "scan", &log, "--top", "5000", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(scan.stdout.take());
        let scan = expect_of(1, scan.wait_with_output().unwrap());
        scan.says("standard output was closed");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error() {
    let folder = Folder::new();
    let log = folder.file("access.log", LOG);
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let scan = expect(1, ops(line!["log", "scan", &log]).stdout(full));
    scan.says("cannot write to standard output");
}

// ops tree

fn tree_digest(root: &Path) -> Value {
    expect(
        0,
        &mut ops(line!["tree", "digest", root, "--json", "--quiet"]),
    )
    .json()
}

#[test]
fn equal_trees_have_equal_digests() {
    let folder = Folder::new();
    for root in ["one", "two"] {
        fs::create_dir_all(folder.path(root).join("sub")).unwrap();
        folder.file(format!("{root}/sub/large"), vec![7; 300_000]);
        folder.file(format!("{root}/small"), "hello");
    }
    let one = tree_digest(&folder.path("one"));
    assert_eq!((&one["files"], &one["bytes"]), (&json!(2), &json!(300_005)));
    assert_eq!(one["largest"][0]["path"], "sub/large");
    assert_eq!(
        one["largest"][1]["sha256"],
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    );
    assert_eq!(tree_digest(&folder.path("two"))["sha256"], one["sha256"]);

    folder.file("two/small", "hellO");
    assert_ne!(tree_digest(&folder.path("two"))["sha256"], one["sha256"]);
}

#[test]
#[cfg(target_os = "linux")]
fn paths_need_not_be_unicode() {
    use std::os::unix::ffi::OsStrExt;
    let name = OsStr::from_bytes(b"caf\xe9.log");
    let folder = Folder::new();
    let log = folder.file(name, LOG);
    let scan = expect(0, &mut ops(line!["log", "scan", &log, "--json"]));
    assert_eq!(scan.json(), log_report());
    let tree = tree_digest(&folder.path(""));
    assert_eq!(tree["largest"][0]["path"], "caf\u{fffd}.log");

    let missing = OsStr::from_bytes(b"th\xe9.log");
    expect(1, &mut ops(line!["log", "scan", folder.path(missing)])).says("th\u{fffd}.log");
}

// Keys, attestations and trust.

#[test]
fn the_whole_way_from_a_key_to_an_attested_call() {
    let folder = Folder::new();
    let log = folder.file("access.log", LOG);
    let pem = folder.path("authority.pem");
    let key = expect(
        0,
        &mut cnv(line!["key", "new", &pem, "--name", "ops-2026", "--json"]),
    )
    .json();
    let public = key["public_key"].as_str().unwrap();
    assert!(public.starts_with("cnvpub1."), "{key}");
    assert_eq!(key["key_id"].as_str().unwrap().len(), 32);
    let store = folder.file(
        "trust",
        format!("{}\n", key["trust_store_line"].as_str().unwrap()),
    );

    let issue = line![
        "attestation",
        "issue",
        "--key",
        &pem,
        "--subject",
        "agent-42",
        "--audience",
        "ops",
        "--ttl",
        "15min",
        "--metadata",
        "ticket=4711",
        "--metadata",
        "query=a=b",
        "--bearer",
    ];
    let table = expect(0, &mut cnv(&issue));
    let token = table
        .text()
        .lines()
        .find(|line| line.starts_with("cnv1."))
        .unwrap();
    let attestation: CapabilityAttestation = token.parse().unwrap();
    assert_eq!(
        attestation
            .expires_at()
            .seconds_since(attestation.issued_at()),
        900
    );
    assert_eq!(attestation.metadata()["query"], "a=b");
    assert_eq!(*attestation.contract(), CapabilityContract::read_only());

    let scan = line![
        "--trust",
        &store,
        "--attestation",
        token,
        "log",
        "scan",
        &log
    ];
    let scan = expect(0, &mut ops_alone(scan));
    scan.says(&format!(
        "attested read_only for agent-42 by ops-2026 ({})",
        key["key_id"].as_str().unwrap()
    ));
    assert!(!scan.stderr.contains("notice"), "{}", scan.stderr);

    // The same with files and the environment.
    let file = folder.path("agent.token");
    let issued = expect(0, cnv(&issue).args(line!["--json", "--out", &file])).json();
    assert_eq!(issued.get("token"), None);
    assert_eq!(issued["subject"], "agent-42");
    let mut presented = std::ffi::OsString::from("@");
    presented.push(&file);
    let scan = expect(
        0,
        ops(line!["log", "scan", &log])
            .env("CNV_TRUST", &store)
            .env("CNV_ATTESTATION", &presented),
    );
    scan.says("for agent-42 by ops-2026");

    for (option, value) in [
        ("--store", store.as_os_str()),
        ("--public", OsStr::new(public)),
    ] {
        let verify = line![
            "attestation",
            "verify",
            &presented,
            option,
            value,
            "--audience",
            "ops",
            "--without-revocation",
            "--json"
        ];
        let verified = expect(0, &mut cnv(verify)).json();
        assert_eq!(verified["verified"], true);
        assert_eq!(verified["subject"], "agent-42");
        assert_eq!(verified["expires_at"], issued["expires_at"]);
        assert_eq!(verified["issuer"], key["key_id"]);
    }
}

#[test]
fn a_key_is_private_and_never_overwritten() {
    let folder = Folder::new();
    let pem = folder.path("key.pem");
    let refused = expect(
        1,
        &mut cnv(line!["key", "new", &pem, "--name", "two words"]),
    );
    refused.says("the name has the character ' '");
    assert!(!pem.exists());

    let made = expect(0, &mut cnv(line!["key", "new", &pem]));
    assert!(!made.text().contains("trust store line"), "{}", made.text());
    let content = fs::read_to_string(&pem).unwrap();
    assert!(content.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&pem.metadata().unwrap().permissions()) & 0o7777,
        0o600
    );

    let refused = expect(1, &mut cnv(line!["key", "new", &pem]));
    refused.wrote_nothing();
    refused.says("exists already");
    assert_eq!(fs::read_to_string(&pem).unwrap(), content);

    let issue = [
        "attestation",
        "issue",
        "--bearer",
        "--subject",
        "a",
        "--out",
    ];
    let over = expect(1, cnv(issue).args(line![&pem, "--key", &pem]));
    over.says("cannot write the token");
    assert_eq!(fs::read_to_string(&pem).unwrap(), content);
}

/// An authority that is trusted, and tokens that hold or do not.
struct Authority {
    folder: Folder,
    key: PrivateKey,
    store: PathBuf,
    log: PathBuf,
}

impl Authority {
    fn new() -> Self {
        let folder = Folder::new();
        let key = PrivateKey::from_seed(&[1; 32]);
        let store = folder.file(
            "trust",
            format!("{}  ops-2026  # the office\n", key.public_key()),
        );
        let log = folder.file("access.log", LOG);
        Self {
            folder,
            key,
            store,
            log,
        }
    }

    fn token(&self) -> String {
        CapabilityAttestation::new(CapabilityContract::read_only(), "agent-42", 3600, &self.key)
            .to_string()
    }

    fn expired(&self) -> String {
        let attestation =
            CapabilityAttestation::builder(CapabilityContract::read_only(), "agent-42")
                .issued_at(Timestamp::from_unix_seconds(1_500_000_000))
                .bearer()
                .sign(&self.key);
        attestation.unwrap().to_string()
    }

    fn for_audience(&self, audience: &str) -> String {
        let attestation =
            CapabilityAttestation::builder(CapabilityContract::read_only(), "agent-42")
                .audience(audience)
                .bearer()
                .sign(&self.key);
        attestation.unwrap().to_string()
    }

    /// A token with one character of its signature changed.
    fn forged(&self) -> String {
        let mut token = self.token();
        let at = token.len() - 20;
        let other = if token.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        token.replace_range(at..=at, other);
        token
    }
}

#[test]
fn tokens_that_do_not_hold_are_refused() {
    let authority = Authority::new();
    let token = authority.token();
    let cut = &token[..token.len() - 20];
    let stranger = PrivateKey::from_seed(&[2; 32]);
    let network =
        CapabilityAttestation::new(CapabilityContract::network(), "a", 60, &authority.key);
    let foreign = CapabilityAttestation::new(CapabilityContract::read_only(), "a", 60, &stranger);
    let tokens = [
        authority.expired(),
        authority.forged(),
        cut.to_owned(),
        network.to_string(),
        authority.for_audience("cnv"),
        foreign.to_string(),
        String::new(),
    ];
    let scan = line!["log", "scan", &authority.log, "--trust", &authority.store];
    for token in tokens {
        let refused = expect(8, ops_alone(&scan).args(["--attestation", &token]));
        refused.wrote_nothing();
        is_denied_without_a_reason(&refused.stderr);
    }
    expect(0, ops_alone(&scan).args(["--attestation", &token]));

    let missing = expect(8, ops_alone(&scan).arg("--json"));
    missing.wrote_nothing();
    let error = missing.error();
    assert_eq!(error["code"], "attestation");
    let told = error["message"].as_str().unwrap();
    assert_eq!(without_number(told), DENIED);
}

/// All that the caller of a denied `log scan` hears, with `ID` for the number of the call.
const DENIED: &str = "attestation refused: `log scan` requires `read_only/unlimited/stable/harmless`; call ID: \
     there is no audit log to find the reason in; its operator names one in CNV_AUDIT";

/// A message with `ID` for the number of a call.
fn without_number(message: &str) -> String {
    let is_digit = |byte: &u8| byte.is_ascii_hexdigit();
    let words = message.split(' ').map(|word| match word.strip_suffix(':') {
        Some(number) if number.len() == 32 && number.as_bytes().iter().all(is_digit) => "ID:",
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Standard error has the denial, the receipt where there is one, and nothing else.
#[track_caller]
fn is_denied_without_a_reason(stderr: &str) {
    let mut lines = stderr.lines();
    let error = lines.next().and_then(|line| line.strip_prefix("error: "));
    assert_eq!(error.map(without_number).as_deref(), Some(DENIED));
    if let Some(receipt) = lines.next() {
        assert!(receipt.starts_with("allowed memory 64 MB, "), "{receipt}");
        assert!(receipt.ends_with(" | not attested"), "{receipt}");
    }
    assert_eq!(lines.next(), None, "{stderr}");
}

#[test]
fn what_cannot_be_checked_is_denied_and_only_what_the_caller_brought_is_explained() {
    let authority = Authority::new();
    let token = authority.token();
    let scan = line!["log", "scan", &authority.log, "--attestation", &token];
    // Nobody is trusted: the caller hears what can be done, with a token and without.
    for arguments in [&scan[..], &scan[..3]] {
        let nobody = expect(8, &mut ops_alone(arguments));
        nobody.wrote_nothing();
        for part in [
            "no trust store",
            "--trust",
            "CNV_TRUST",
            "`cnv key new`",
            "`cnv attestation issue`",
            "`App::development()`",
        ] {
            nobody.says(part);
        }
    }
    let wrong = authority.folder.file("wrong", "# keys\nnonsense\n");
    let missing = authority.folder.path("missing");
    for store in [missing, wrong] {
        let denied = expect(8, ops_alone(&scan).args(line!["--trust", store]));
        is_denied_without_a_reason(&denied.stderr);
    }
    let absent = expect(8, ops(&scan[..3]).args(["--attestation", "@missing.token"]));
    absent.says("cannot read the attestation in `missing.token`");
}

/// What a caller may take out of its environment, or write on its command line, gives it nothing.
#[test]
fn an_environment_that_was_stripped_allows_nothing_that_is_guarded() {
    let authority = Authority::new();
    expect(
        8,
        &mut ops_alone(line!["log", "scan", &authority.log, "-q"]),
    )
    .wrote_nothing();
    let store = line![
        "log",
        "scan",
        &authority.log,
        "--trust",
        &authority.store,
        "--attestation",
        authority.token()
    ];
    expect(0, &mut ops_alone(&store));
    let replaced = expect(2, &mut ops(&store));
    replaced.wrote_nothing();
    replaced.says("`--trust` cannot take the place of the trust store that CNV_TRUST names");
    let digest = line!["tree", "digest", authority.folder.path("")];
    expect(0, &mut ops_alone(digest)).says("no attestation needed");
}

/// Every datagram is one read, so the number of reads is known.
#[test]
#[cfg(target_os = "linux")]
fn more_reads_than_the_budget_allows_are_refused() {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixDatagram;

    let (input, feed) = UnixDatagram::pair().unwrap();
    let mut inspect = cnv(["attestation", "inspect", "-", "--json"]);
    inspect
        .stdin(OwnedFd::from(input))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = inspect.spawn().unwrap();
    // The command holds the other copy of the child's end.
    drop(inspect);
    // Ends with an error when the child does.
    while feed.send(b"c").is_ok() {}
    let refused = expect_of(9, child.wait_with_output().unwrap());
    refused.wrote_nothing();
    let error = refused.error();
    assert_eq!(error["code"], "budget");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("none left of 100"),
        "{error}"
    );
}

// Frames.

#[test]
fn frames_of_one_program_are_read_by_the_other() {
    let folder = Folder::new();
    let log = folder.file("access.log", LOG);
    let mut scan = ops(line!["log", "scan", &log, "--frames", "--quiet"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let frames = scan.stdout.take().unwrap();
    let shown = expect(0, cnv(["frames", "show", "-", "--json"]).stdin(frames));
    assert!(scan.wait().unwrap().success());
    let [data, end, summary] = &shown.json_lines()[..] else {
        panic!("{}", shown.text());
    };
    assert_eq!(
        (&data["kind"], &data["sequence"], &data["stream"]),
        (&json!("data"), &json!(0), &json!(1))
    );
    assert_eq!(data["payload"], log_report());
    assert_eq!((&end["kind"], &end["sequence"]), (&json!("end"), &json!(1)));
    assert_eq!(end["payload"]["outcome"], "ok");
    assert_eq!(end["session"], data["session"]);
    assert_eq!(summary["frames"], 2);
}

#[test]
fn a_failed_call_says_so_in_its_frames() {
    let folder = Folder::new();
    let failed = expect(
        1,
        &mut ops(line!["log", "scan", folder.path("missing.log"), "--frames"]),
    );
    let frames = folder.file("frames", &failed.stdout);
    let shown = expect(0, &mut cnv(line!["frames", "show", frames, "--json"])).json_lines();
    assert_eq!(
        (&shown[0]["kind"], &shown[0]["payload"]["code"]),
        (&json!("error"), &json!(1))
    );
    assert_eq!(shown[1]["payload"]["outcome"], "failed");
}

fn frame_bytes(payloads: impl IntoIterator<Item = FramePayload>) -> Vec<u8> {
    let mut writer = FrameWriter::new(Vec::new());
    for (sequence, payload) in (0..).zip(payloads) {
        let frame = Frame::new([0xab; 16], 3, sequence, 1_500_000_000_000_000_042, payload);
        writer.write(&frame).unwrap();
    }
    writer.into_inner()
}

#[test]
fn every_payload_is_shown_as_what_it_is() {
    let folder = Folder::new();
    let frames = frame_bytes([
        FramePayload::Data(b"{\"z\": 1.50,\n \"a\": 2}".to_vec()),
        FramePayload::Data(b"two\nlines, \x1b[31mred".to_vec()),
        FramePayload::Data(vec![0xff; 30]),
        FramePayload::Log {
            level: LogLevel::Warn,
            message: "hm".to_owned(),
        },
        FramePayload::Error {
            code: 9,
            message: "no".to_owned(),
        },
        FramePayload::End(Vec::new()),
    ]);
    let file = folder.file("frames", frames);
    let shown = expect(0, &mut cnv(line!["frames", "show", &file, "--json"]));
    let first = shown.text().lines().next().unwrap();
    let session = "ab".repeat(16);
    assert_eq!(
        first,
        format!(
            r#"{{"session":"{session}","stream":3,"sequence":0,"time":"2017-07-14T02:40:00.000000042Z","kind":"data","payload":{{"z":1.50,"a":2}}}}"#
        )
    );
    let payloads: Vec<Value> = shown
        .json_lines()
        .iter_mut()
        .map(|line| line["payload"].take())
        .collect();
    assert_eq!(payloads[1], "two\nlines, \x1b[31mred");
    assert_eq!(payloads[2], json!({ "hex": "ff".repeat(30) }));
    assert_eq!(payloads[3], json!({ "level": "warn", "message": "hm" }));
    assert_eq!(payloads[4], json!({ "code": 9, "message": "no" }));
    assert_eq!(payloads[5], "");

    let table = expect(0, &mut cnv(line!["frames", "show", &file]));
    assert!(!table.text().contains('\x1b'), "{}", table.text());
    assert_eq!(table.rows()[0], "session stream sequence time kind payload");
    assert_eq!(
        table.rows()[2],
        format!("{session} 3 1 2017-07-14T02:40:00.000000042Z data two\\nlines, \\u{{1b}}[31mred")
    );
}

#[test]
fn what_is_no_frame_is_an_error_after_everything_before_it() {
    let folder = Folder::new();
    let whole = frame_bytes([
        FramePayload::Data(b"one".to_vec()),
        FramePayload::Data(vec![b'x'; 100]),
    ]);
    let show = |content: &[u8], code: i32| {
        let file = folder.file("frames", content);
        expect(code, &mut cnv(line!["frames", "show", file, "--json"]))
    };

    let cut = show(&whole[..whole.len() - 7], 1);
    assert_eq!(cut.json_lines().len(), 1);
    assert_eq!(cut.json_lines()[0]["payload"], "one");
    let error = cut.error();
    assert_eq!(error["code"], "failed");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("frame 2, at byte 64, cannot be read: the stream ended 7 bytes"),
        "{error}"
    );

    let damaged = show(&[&whole[..], &[0xff; 64]].concat(), 1);
    assert_eq!(damaged.json_lines().len(), 2);
    damaged.says("frame 3, at byte 228, cannot be read");

    let garbage = show(LOG.as_bytes(), 1);
    garbage.wrote_nothing();
    garbage.says("is no stream of frames");

    let empty = show(b"", 0);
    assert_eq!(empty.json(), json!({ "frames": 0, "bytes": 0 }));

    expect(1, &mut cnv(line!["frames", "show", folder.path("missing")])).says("cannot read `");
    expect(1, &mut cnv(line!["frames", "show", folder.path("")])).says("is a directory");
}

#[test]
fn waiting_for_input_ends_at_the_deadline() {
    let mut show = cnv(["frames", "show", "-", "--timeout", "100ms"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Held open, with a part of a frame in it; on a slow machine the program may be gone already.
    let mut input = show.stdin.take().unwrap();
    let _ = input.write_all(&[0; 10]);
    let ended = expect_of(7, show.wait_with_output().unwrap());
    ended.says("the deadline passed");
}

#[test]
fn a_stream_whose_reader_goes_away_ends() {
    let folder = Folder::new();
    let payloads = (0..2000).map(|_| FramePayload::Data(vec![b'x'; 200]));
    let file = folder.file("frames", frame_bytes(payloads));
    let mut show = cnv(line!["frames", "show", file])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(show.stdout.take());
    expect_of(1, show.wait_with_output().unwrap()).says("standard output was closed");
}

#[test]
fn the_layout_of_a_frame_is_shown_field_by_field() {
    let rows = expect(0, &mut cnv(["frames", "layout", "--json"])).json_lines();
    let kind = rows.iter().find(|row| row["field"] == "kind").unwrap();
    assert_eq!(
        *kind,
        json!({
            "frame": "FrameHeader",
            "offset": 17,
            "size": 1,
            "field": "kind",
            "type": "enum u8",
            "allowed": "0..=3",
        })
    );
    let layouts = &rows.last().unwrap()["layouts"];
    assert_eq!(layouts[0]["size"], 64);
    assert_eq!(layouts[0]["hash"], "0xcdbf62e0a10b85f8");

    let table = expect(0, &mut cnv(["frames", "layout", "FrameHeader"]));
    assert!(table.text().contains("payload_len"));
    expect(1, &mut cnv(["frames", "layout", "Nope"])).says("there is no layout `Nope`");
}

#[cfg(unix)]
#[test]
fn a_tail_that_finds_no_end_of_a_line_ends_at_the_deadline() {
    let tail = line![
        "log",
        "tail",
        "/dev/zero",
        "--from-start",
        "--timeout",
        "100ms"
    ];
    expect(7, &mut ops(&tail)).says("the deadline passed");
}
