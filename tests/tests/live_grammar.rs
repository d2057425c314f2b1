//! Overlays that come and go while a program runs, on real files.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cnv::attestation::{Clock, ManualClock, PrivateKey, SystemClock, Timestamp, TrustStore};
use cnv::audit::{
    AuditEntry, AuditLog, AuditOptions, AuditReader, ChangeClass, Decision, Outcome, VerifierKey,
};
use cnv::command::{LiveGrammar, LiveState, Overlaid, grammar_control};
use cnv::prelude::*;
use tempfile::TempDir;

const ORIGIN: &str = "example.com/audit/live";

/// Scans.
#[verb(noun = "log", effect = "read", public)]
#[budget(memory = "1MB", cpu = "1s", io = 100)]
fn scan(#[arg(long, default_value_t = 10)] top: u32) -> Result<u32, Failure> {
    Ok(top)
}

/// Changes the overlay while it runs, and says what it may use.
#[verb(noun = "log", effect = "write", public)]
#[budget(memory = "1MB", cpu = "1s", io = 100, open)]
async fn rewrite(cx: Context, file: PathBuf) -> Result<(u64, u64), Failure> {
    let before = cx.verb().limits().map_or(0, |limits| limits.io_ops);
    put(&file, &default(77));
    let status = cx.live_grammar().unwrap().reload().await?;
    assert!(status.version > 0);
    let after = cx.verb().limits().map_or(0, |limits| limits.io_ops);
    Ok((before, after))
}

/// Tells its number.
#[verb(noun = "port", effect = "pure")]
fn show(#[arg(long, value_parser = odd)] port: Option<u16>) -> Result<Option<u16>, Failure> {
    Ok(port)
}

fn odd(text: &str) -> Result<u16, String> {
    let number: u16 = text.parse().map_err(|_| "no number".to_owned())?;
    match number % 2 {
        1 => Ok(number),
        _ => Err(format!("{number} is even")),
    }
}

fn app(overlay: impl Into<Overlaid>) -> App {
    App::new("ops")
        .verbs(verbs![scan, rewrite, show])
        .overlay(overlay)
}

fn default(top: u32) -> String {
    format!("schema = 1\n[verbs.\"log scan\"]\ndefaults = {{ top = \"{top}\" }}\n")
}

/// A file that takes the place of another, as editors and deployments do it.
fn put(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, path).unwrap();
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

fn top(app: &App) -> String {
    let reply = app.call_blocking(["log", "scan"]);
    match reply.result {
        Ok(output) => output.as_json().to_owned(),
        Err(failure) => failure.to_string(),
    }
}

/// A program that follows a file which says 1.
fn following(folder: &TempDir) -> (App, PathBuf, cnv::command::Watch) {
    let path = folder.path().join("ops.toml");
    put(&path, &default(1));
    let app = app(&path);
    assert_eq!(top(&app), "1");
    let watch = app.live_grammar().unwrap().watch().unwrap();
    (app, path, watch)
}

/// Waits, far longer than it takes.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "not within a minute: {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn state(app: &App) -> LiveState {
    app.live_grammar().unwrap().status().state
}

fn why(app: &App) -> String {
    match state(app) {
        LiveState::Rejected { why } | LiveState::Stale { why } => why,
        _ => String::new(),
    }
}

#[test]
fn a_file_that_takes_the_place_of_another_comes_into_force_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let (app, path, _watch) = following(&folder);
    for next in [2, 3, 4] {
        put(&path, &default(next));
        wait_until("another default", || top(&app) == next.to_string());
    }
}

#[test]
fn a_bad_file_is_refused_with_its_line_and_the_one_before_serves_on() {
    let folder = tempfile::tempdir().unwrap();
    let (app, path, _watch) = following(&folder);
    let shown = path.display();
    let table: &[(&str, String)] = &[
        ("schema = 1\n[verbs.\"log sc", format!("--> {shown}:2:")),
        ("", format!("--> {shown}:1:1\n  |\n1 | \n  | ^")),
        (
            "schema = 1\n[verbs.\"log scna\"]\n",
            "did you mean `log scan`?".to_owned(),
        ),
        (
            "schema = 1\nverbs.\"log scan\".defaults = { top = \"x\" }",
            "`x` is no whole number".to_owned(),
        ),
        (
            "schema = 1\nverbs.\"port show\".defaults = { port = \"8\" }",
            "`8` is refused: 8 is even".to_owned(),
        ),
        (
            "schema = 1\nverbs.\"log scan\".renamed = { json = \"top\" }",
            "still has an argument `json`".to_owned(),
        ),
    ];
    for (text, expected) in table {
        let before = why(&app);
        fs::write(&path, text).unwrap();
        wait_until(expected, || !why(&app).is_empty() && why(&app) != before);
        assert!(why(&app).contains(expected), "{expected}: {}", why(&app));
        assert_eq!(top(&app), "1", "{text}");
    }
    fs::write(&path, default(2)).unwrap();
    wait_until("a file in order", || top(&app) == "2");
    assert_eq!(state(&app), LiveState::Current);
}

#[test]
fn what_no_overlay_can_be_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let (app, path, _watch) = following(&folder);
    let sparse = fs::File::create(path.with_extension("new")).unwrap();
    sparse.set_len(1 << 30).unwrap();
    fs::rename(path.with_extension("new"), &path).unwrap();
    wait_until("a gigabyte is refused", || {
        why(&app).contains("has 1073741824 bytes")
    });
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    wait_until("a folder is refused", || {
        why(&app).contains("is not a file")
    });
    fs::remove_dir(&path).unwrap();
    fs::write(&path, [0xff, 0xfe]).unwrap();
    wait_until("bytes are refused", || {
        why(&app).contains("is not UTF-8 after byte 0")
    });
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        put(&path, &default(5));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        wait_until("what others write is refused", || {
            why(&app).contains("others could change it")
        });
    }
    assert_eq!(app.live_grammar().unwrap().status().version, 1);
    assert_eq!(top(&app), "1");
}

#[test]
fn what_a_deleted_file_said_stays_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let (app, path, _watch) = following(&folder);
    fs::remove_file(&path).unwrap();
    wait_until("it is gone", || {
        matches!(state(&app), LiveState::Stale { .. })
    });
    assert_eq!(top(&app), "1");
    put(&path, &default(1));
    wait_until("it is there again", || state(&app) == LiveState::Current);
    assert_eq!(app.live_grammar().unwrap().status().version, 1);
}

#[test]
fn a_folder_that_is_made_anew_is_followed_again() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("etc");
    fs::create_dir(&inner).unwrap();
    let path = inner.join("ops.toml");
    put(&path, &default(1));
    let app = app(&path);
    assert_eq!(top(&app), "1");
    let _watch = app.live_grammar().unwrap().watch().unwrap();
    for next in [2, 3] {
        fs::remove_dir_all(&inner).unwrap();
        fs::create_dir(&inner).unwrap();
        put(&path, &default(next));
        wait_until("the new folder's file", || top(&app) == next.to_string());
        put(&path, &default(next + 10));
        wait_until("its next file", || top(&app) == (next + 10).to_string());
    }
}

/// As Kubernetes mounts a ConfigMap: a link to a file in a folder that a link names, and that one is exchanged.
#[cfg(unix)]
#[test]
fn a_link_that_leads_elsewhere_is_followed() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let version = |number: u32| {
        let name = format!("..version{number}");
        fs::create_dir(at(&name)).unwrap();
        fs::write(at(&name).join("ops.toml"), default(number)).unwrap();
        symlink(&name, at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
    };
    version(1);
    symlink("..data/ops.toml", at("ops.toml")).unwrap();
    let app = app(at("ops.toml"));
    assert_eq!(top(&app), "1");
    let _watch = app.live_grammar().unwrap().watch().unwrap();
    for next in [2, 3] {
        version(next);
        wait_until("the link's new target", || top(&app) == next.to_string());
    }
    // A link into a folder of its own, and the file there is written.
    fs::write(at("..version3").join("ops.toml"), default(4)).unwrap();
    wait_until("the target's new text", || top(&app) == "4");
}

/// `CNV_TEST_RELOAD_SECONDS` says for how long; the usual test takes less of everybody's time.
#[test]
fn a_thousand_changes_a_second_end_in_the_last_with_few_compilations() {
    let seconds = std::env::var("CNV_TEST_RELOAD_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(2_u32);
    let folder = tempfile::tempdir().unwrap();
    let (app, path, _watch) = following(&folder);
    let begin = Instant::now();
    for change in 0..seconds * 1000 {
        put(&path, &default(change + 100));
        // At rest now and then, so that there is something to compile.
        if change % 250 == 0 {
            std::thread::sleep(Duration::from_millis(60));
        }
        let due = Duration::from_millis(u64::from(change));
        std::thread::sleep(due.saturating_sub(begin.elapsed()));
    }
    let last = (seconds * 1000 + 99).to_string();
    wait_until("the last change", || top(&app) == last);
    let compilations = app.live_grammar().unwrap().status().compilations;
    let most = 20.0 * begin.elapsed().as_secs_f64() + 1.0;
    assert!(
        (2.0..=most).contains(&(compilations as f64)),
        "{compilations} of {most}"
    );
}

#[test]
fn a_call_keeps_the_version_that_it_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ops.toml");
    put(
        &path,
        "schema = 1\nverbs.\"log rewrite\".budget = { io_ops = 7 }",
    );
    let app = app(&path);
    let reply = app.call_blocking([Path::new("log"), Path::new("rewrite"), &path]);
    assert_eq!(reply.result.unwrap().as_json(), "[7,7]");
    assert_eq!(reply.receipt.unwrap().allowed().unwrap().io_ops, 7);
    // The next call is under the overlay that the one before wrote.
    assert_eq!(top(&app), "77");
    let reply = app.call_blocking([Path::new("log"), Path::new("rewrite"), &path]);
    assert_eq!(reply.result.unwrap().as_json(), "[100,100]");
}

#[test]
fn what_breaks_callers_is_refused_until_it_is_declared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ops.toml");
    put(&path, "schema = 1\nverbs.\"log scan\".aliases = [\"s\"]");
    let app = app(&path);
    assert_eq!(
        app.call_blocking(["log", "s"]).result.unwrap().as_json(),
        "10"
    );
    let live = app.live_grammar().unwrap();
    let digest = live.status().grammar;
    put(&path, "schema = 1\n[verbs.\"log scan\"]");
    let refused = run(live.reload()).unwrap_err();
    let expected = format!(
        "error: `log scan`: the alias `s` is gone, which breaks its callers
 --> {}:2:8
  |
2 | [verbs.\"log scan\"]
  |        ^^^^^^^^^^
  = help: keep what they rely on, or declare that they break: `breaks = \"{}\"` under `schema`",
        path.display(),
        &digest[..12]
    );
    assert_eq!(refused.why, expected);
    assert!(app.call_blocking(["log", "s"]).result.is_ok());
    // A declaration is good for the one change.
    for (declared, is_accepted) in [("0123456789ab", false), ("", false), (&digest[..12], true)] {
        put(&path, &format!("schema = 1\nbreaks = \"{declared}\"\n"));
        assert_eq!(run(live.reload()).is_ok(), is_accepted, "{declared}");
    }
    assert!(app.call_blocking(["log", "s"]).result.is_err());
    // What is switched off is declared by that.
    put(&path, "schema = 1\nverbs.\"log scan\".enabled = false");
    run(live.reload()).unwrap();
    assert_eq!(top(&app), "`log scan` is switched off");
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

#[test]
fn a_name_that_an_argument_had_is_understood_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ops.toml");
    let clock = Arc::new(ManualClock::at(at(1000)));
    let start = || {
        let overlaid = Overlaid::file(&path).drain(Duration::from_secs(60));
        app(overlaid)
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .state(folder.path().join("state"))
    };
    let call = |app: &App| {
        let reply = app.call_blocking(["log", "scan", "--max-lines", "3"]);
        reply.result.map(|output| output.as_json().to_owned())
    };
    put(
        &path,
        "schema = 1\nverbs.\"log scan\".renamed = { max_lines = \"top\" }",
    );
    let app = start();
    assert_eq!(call(&app).unwrap(), "3");
    assert_eq!(state(&app), LiveState::Draining { until: 1060 });
    // It cannot be withdrawn before its time is over.
    let declared = fs::read_to_string(&path).unwrap();
    put(&path, "schema = 1\n");
    let live = app.live_grammar().unwrap().clone();
    let refused = run(live.reload()).unwrap_err();
    assert!(
        refused
            .why
            .contains("the old name `max_lines` is not understood any more"),
        "{refused}"
    );
    put(&path, &declared);
    // Its time goes on while the program does not run.
    drop(app);
    clock.advance_seconds(59);
    let app = start();
    assert_eq!(call(&app).unwrap(), "3");
    clock.advance_seconds(1);
    run(app.live_grammar().unwrap().reload()).unwrap();
    let failure = call(&app).unwrap_err();
    assert_eq!(failure.code(), cnv::command::FailureCode::Usage);
    assert!(
        failure
            .to_string()
            .contains("the argument is called `top` now"),
        "{failure}"
    );
    assert_eq!(
        app.call_blocking(["log", "scan", "--top", "4"])
            .result
            .unwrap()
            .as_json(),
        "4"
    );
    assert_eq!(state(&app), LiveState::Current);
    // And then it can.
    put(&path, "schema = 1\n");
    run(app.live_grammar().unwrap().reload()).unwrap();
    assert!(
        call(&app)
            .unwrap_err()
            .to_string()
            .contains("unexpected argument")
    );
}

#[test]
fn a_program_that_starts_with_a_bad_file_serves_what_was_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let (path, state_folder) = (folder.path().join("ops.toml"), folder.path().join("state"));
    put(&path, "schema = 1\nverbs.\"log scan\".enabled = false");
    let start = || app(&path).state(&state_folder);
    assert_eq!(top(&start()), "`log scan` is switched off");
    for bad in [
        "schema = ",
        "schema = 2",
        "schema = 1\nverbs.\"log scna\" = {}",
    ] {
        put(&path, bad);
        let app = start();
        assert_eq!(top(&app), "`log scan` is switched off", "{bad}");
        assert!(why(&app).starts_with("error: "), "{}", why(&app));
    }
    fs::remove_file(&path).unwrap();
    let app = start();
    assert_eq!(top(&app), "`log scan` is switched off");
    assert!(why(&app).contains("there is no "), "{}", why(&app));
    // Another program has no such verb: what it had in force is not known to fit.
    let other = App::new("ops")
        .verbs(verbs![show])
        .overlay(&path)
        .state(&state_folder);
    let failure = other.call_blocking(["port", "show"]).result.unwrap_err();
    assert!(
        failure.to_string().contains("there is no verb `log scan`"),
        "{failure}"
    );
    // What is kept is checked like any file.
    let kept = state_folder.join("ops.overlay");
    let text = fs::read_to_string(&kept).unwrap();
    fs::write(
        &kept,
        text.replace("enabled = false", "budget = { io_ops = 101 }"),
    )
    .unwrap();
    assert!(top(&start()).contains("an overlay can only lower that"));
    fs::write(&kept, "{}").unwrap();
    assert!(top(&start()).contains("does not hold the overlay that was in force"));
    put(&path, &default(3));
    assert_eq!(top(&start()), "3");
    assert!(fs::read_to_string(&kept).unwrap().contains("\\\"3\\\""));
}

#[test]
fn without_what_was_in_force_a_bad_file_lets_nothing_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ops.toml");
    let app = app(&path);
    put(&path, "schema = 2");
    assert!(top(&app).starts_with("no command is run"), "{}", top(&app));
    assert!(top(&app).contains("ops.toml:1:10"), "{}", top(&app));
    fs::remove_file(&path).unwrap();
    assert_eq!(top(&app), "10");
}

fn key() -> PrivateKey {
    PrivateKey::from_seed(&[8; 32])
}

fn entries(folder: &Path) -> Vec<AuditEntry> {
    let reader = AuditReader::new(folder);
    let verifier = VerifierKey::new(ORIGIN, key().public_key()).unwrap();
    reader.verify(&verifier).unwrap();
    reader
        .entries()
        .unwrap()
        .map(|read| read.unwrap().1)
        .collect()
}

#[test]
fn every_change_is_in_the_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let (path, logs) = (folder.path().join("ops.toml"), folder.path().join("log"));
    let log = AuditLog::open(&logs, key(), AuditOptions::new(ORIGIN)).unwrap();
    put(&path, &default(1));
    let app = app(&path).audit(Arc::new(log));
    let compiled = app.grammar().digest();
    assert_eq!(top(&app), "1");
    let live = app.live_grammar().unwrap().clone();
    let first = live.grammar().digest();
    put(&path, "schema = 2");
    run(live.reload()).unwrap_err();
    run(live.reload()).unwrap_err();
    put(&path, "schema = 1\nverbs.\"log scan\".enabled = false");
    run(live.reload()).unwrap();
    let second = live.grammar().digest();
    run(live.reload()).unwrap();
    drop((live, app));
    let changes: Vec<AuditEntry> = entries(&logs)
        .into_iter()
        .filter(|entry| entry.verb == "grammar overlay")
        .collect();
    let seen: Vec<_> = changes
        .iter()
        .map(|entry| {
            let change = entry.change.map(|change| (change.before, change.class));
            (entry.decision == Decision::Allowed, change, entry.grammar)
        })
        .collect();
    assert_eq!(
        seen,
        [
            (true, Some((compiled, ChangeClass::Caution)), Some(first)),
            (false, None, Some(first)),
            (true, Some((first, ChangeClass::Breaking)), Some(second)),
            (true, Some((second, ChangeClass::Safe)), Some(second)),
        ]
    );
    assert!(changes.iter().all(|entry| entry.arguments.is_some()));
    assert_eq!(changes[0].outcome, Some(Outcome::Succeeded));
    let Decision::Denied(reason) = &changes[1].decision else {
        panic!("{changes:?}");
    };
    assert!(
        reason
            .detail()
            .contains("this program reads overlays of version 1")
    );
}

#[test]
fn the_control_verbs_are_guarded_and_show_how_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ops.toml");
    put(&path, &default(1));
    let guarded = app(&path)
        .verbs(grammar_control())
        .trust(TrustStore::new())
        .without_revocation();
    for verb in ["reload", "status"] {
        let failure = guarded.call_blocking(["grammar", verb]).result.unwrap_err();
        assert_eq!(
            failure.code(),
            cnv::command::FailureCode::Attestation,
            "{failure}"
        );
    }
    let open = app(&path)
        .verbs(grammar_control())
        .development()
        .clock(Arc::new(SystemClock));
    put(&path, &default(2));
    let reply = open.call_blocking(["grammar", "reload"]);
    let status: serde_json::Value = serde_json::from_str(reply.result.unwrap().as_json()).unwrap();
    assert_eq!(status["state"], "current");
    put(&path, "schema = 2");
    let failure = open
        .call_blocking(["grammar", "reload"])
        .result
        .unwrap_err();
    assert!(failure.to_string().contains("ops.toml:1:10"), "{failure}");
    let reply = open.call_blocking(["grammar", "status"]);
    let status: serde_json::Value = serde_json::from_str(reply.result.unwrap().as_json()).unwrap();
    assert_eq!(
        (&status["state"], &status["version"]),
        (&"rejected".into(), &1.into())
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_hangup_reloads() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("log");
    let path = folder.path().join("ops.toml");
    put(&path, &default(1));
    let log = AuditLog::open(&logs, key(), AuditOptions::new(ORIGIN)).unwrap();
    let app = app(&path).audit(Arc::new(log));
    assert_eq!(top(&app), "1");
    let live: LiveGrammar = app.live_grammar().unwrap().clone();
    let watch = live.watch().unwrap();
    // That it is asked for is recorded, changed or not.
    let asked = || {
        let changes = AuditReader::new(&logs)
            .entries()
            .unwrap()
            .map(|read| read.unwrap().1);
        changes
            .filter(|entry| entry.verb == "grammar overlay")
            .count()
    };
    wait_until("the signal", || {
        let me = rustix::process::getpid();
        rustix::process::kill_process(me, rustix::process::Signal::HUP).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        asked() > 1
    });
    drop(watch);
}
