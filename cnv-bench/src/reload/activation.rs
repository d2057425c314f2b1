//! Goals 4 and 5: from a new file to a new grammar.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use cnv::command::LiveGrammar;
use cnv::prelude::*;

use crate::report::{Goal, Wanted};
use crate::rounds::{Ratio, Settings};

/// Scans.
#[verb(noun = "log", effect = "pure")]
fn scan(#[arg(long, default_value_t = 10)] top: u32) -> Result<u32, Failure> {
    Ok(top)
}

/// Measures them.
pub fn run(settings: Settings) -> io::Result<Vec<Goal>> {
    let goal = |number, part: &str, wanted, measured: Vec<f64>| Goal {
        number,
        text: "a changed file is in force, ms".into(),
        part: part.into(),
        wanted: Wanted::AtMost(wanted),
        measured: Ratio::of(measured),
    };
    Ok(vec![
        goal(4, "by event", 150.0, by_event(settings.rounds.min(21))?),
        goal(5, "by poll", 2500.0, by_poll(settings.rounds.min(5))?),
    ])
}

fn text(top: usize) -> String {
    format!("schema = 1\nverbs.\"log scan\".defaults = {{ top = \"{top}\" }}\n")
}

/// A file takes the place of another.
fn by_event(rounds: usize) -> io::Result<Vec<f64>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ops.toml");
    fs::write(&path, text(0))?;
    let app = app(&path);
    let live = live(&app);
    let _watch = live.watch()?;
    settle();
    let beside = folder.path().join("new");
    let change = |round| {
        fs::write(&beside, text(round))?;
        fs::rename(&beside, &path)
    };
    (1..=rounds)
        .map(|round| taken(live, || change(round)))
        .collect()
}

/// A link in the middle of the way to the file is exchanged, in a folder that is not followed.
#[cfg(unix)]
fn by_poll(rounds: usize) -> io::Result<Vec<f64>> {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    ["etc", "middle"]
        .iter()
        .try_for_each(|name| fs::create_dir(at(name)))?;
    let change = |round: usize| {
        let version = at(&format!("version{round}"));
        fs::create_dir(&version)?;
        fs::write(version.join("ops.toml"), text(round))?;
        symlink(&version, at("middle/new"))?;
        fs::rename(at("middle/new"), at("middle/current"))
    };
    change(0)?;
    symlink(at("middle/current/ops.toml"), at("etc/ops.toml"))?;
    let app = app(&at("etc/ops.toml"));
    let live = live(&app);
    let _watch = live.watch()?;
    settle();
    (1..=rounds)
        .map(|round| taken(live, || change(round)))
        .collect()
}

#[cfg(not(unix))]
fn by_poll(_rounds: usize) -> io::Result<Vec<f64>> {
    Ok(vec![f64::NAN])
}

fn app(path: &Path) -> App {
    let app = App::new("ops").verbs(verbs![scan]).overlay(path);
    let reply = app.call_blocking(["log", "scan"]);
    assert_eq!(reply.result.expect("it runs").as_json(), "0");
    app
}

fn live(app: &App) -> &LiveGrammar {
    app.live_grammar().expect("it has an overlay")
}

/// Until the first look is over.
fn settle() {
    std::thread::sleep(Duration::from_millis(300));
}

/// From before a change to a version after it, in milliseconds.
fn taken(live: &LiveGrammar, change: impl FnOnce() -> io::Result<()>) -> io::Result<f64> {
    let before = live.status().version;
    let begin = Instant::now();
    change()?;
    while live.status().version == before {
        if begin.elapsed() > Duration::from_secs(60) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(begin.elapsed().as_secs_f64() * 1e3)
}
