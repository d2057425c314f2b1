//! `cnv-bench`: what cnv costs beside what else there is, measured side by side.

mod allocations;
mod attestation;
mod environment;
mod frames;
mod pipeline;
mod plot;
mod quota;
mod recovery;
mod reload;
mod report;
mod rounds;
mod session;
mod trace;

use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use std::{fs, io};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::report::Run;
use crate::rounds::Settings;

/// Counts what hot paths allocate.
#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

/// The shortest time for which a contender's turn is measured.
const SLICE: Duration = Duration::from_micros(40);

fn command() -> Command {
    let file = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help(help)
    };
    let count = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("N")
            .default_value(value)
            .value_parser(value_parser!(u16).range(1..))
            .help(help)
    };
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    let frames = Command::new("frames")
        .about("One message and batches of messages, beside other formats and plain code")
        .arg(flag("check", "Fail if a goal is not met"))
        .arg(flag("figures", "Print the time of every contender, too"))
        .arg(flag("dram", "Measure batches beyond every cache, too"))
        .arg(file(
            "json",
            "Write every figure and where it was measured; - is standard output",
        ))
        .arg(file("csv", "Write ns per frame against batch size"))
        .arg(file("svg", "Draw ns per frame against batch size"))
        .arg(count("rounds", "101", "Rounds of every group"))
        .arg(count("launches", "1", "Processes whose medians are judged"));
    let attestation = Command::new("attestation")
        .about("Chains, guarded calls, revocation and the audit log, beside signature checks and Biscuit")
        .arg(flag("check", "Fail if a goal is not met"))
        .arg(flag("figures", "Print the time of every contender, too"))
        .arg(file(
            "json",
            "Write every figure and where it was measured; - is standard output",
        ))
        .arg(
            file("folder", "Where logs are written: a folder on the disk to measure")
                .default_value("."),
        )
        .arg(count("rounds", "101", "Rounds of every group"))
        .arg(count("launches", "1", "Processes whose medians are judged"));
    let quota = Command::new("quota")
        .about("Budgets: scopes, polls, reads and pools; with --builds their assembly, allocators and compile time")
        .arg(flag("check", "Fail if a goal is not met; measures the builds, too"))
        .arg(flag("builds", "Measure what has to be built first, too: some minutes"))
        .arg(flag("figures", "Print the time of every contender, too"))
        .arg(file(
            "json",
            "Write every figure and where it was measured; - is standard output",
        ))
        .arg(count("rounds", "101", "Rounds of every group"))
        .arg(count("launches", "1", "Processes whose medians are judged"));
    let reload = Command::new("reload")
        .about(
            "Reading a grammar that may change, beside arc-swap, and how soon a change is in force",
        )
        .arg(flag("check", "Fail if a goal is not met"))
        .arg(flag("figures", "Print the time of every contender, too"))
        .arg(file(
            "json",
            "Write every figure and where it was measured; - is standard output",
        ))
        .arg(count(
            "rounds",
            "101",
            "Rounds of every group; with fewer, fewer reads are looked at",
        ))
        .arg(count("launches", "1", "Processes whose medians are judged"));
    // A group of measurements with goals, and nothing besides to say of it.
    let group = |name: &'static str, about: &'static str, rounds: &'static str| {
        Command::new(name)
            .about(about)
            .arg(flag("check", "Fail if a goal is not met"))
            .arg(flag("figures", "Print the time of every contender, too"))
            .arg(file(
                "json",
                "Write every figure and where it was measured; - is standard output",
            ))
            .arg(count("rounds", rounds, "Rounds of every group"))
            .arg(count("launches", "1", "Processes whose medians are judged"))
    };
    let recovery = group(
        "recovery",
        "Calls under deadlines, retries, breakers and bulkheads, beside tower and others",
        "101",
    );
    let session = group(
        "session",
        "Streams and calls over sessions, beside the bare socket, yamux and HTTP/2",
        "31",
    );
    let trace = group(
        "trace",
        "Spans and where a call is in its trace, beside OpenTelemetry, tracing and fastrace",
        "101",
    );
    let pipeline = group(
        "pipeline",
        "A warm call through everything, and each stage's share of it",
        "101",
    );
    let server = Command::new(session::SERVER).hide(true).arg(
        Arg::new("folder")
            .required(true)
            .value_parser(value_parser!(PathBuf)),
    );
    Command::new("cnv-bench")
        .about("What cnv costs beside what else there is")
        .subcommand_required(true)
        .subcommand(frames)
        .subcommand(attestation)
        .subcommand(pipeline)
        .subcommand(quota)
        .subcommand(recovery)
        .subcommand(reload)
        .subcommand(session)
        .subcommand(trace)
        .subcommand(server)
}

fn main() -> ExitCode {
    let arguments = command().get_matches();
    let result = match arguments.subcommand() {
        Some(("frames", arguments)) => run_frames(arguments),
        Some(("attestation", arguments)) => run_attestation(arguments),
        Some(("pipeline", arguments)) => launches(arguments, "pipeline", &[], pipeline::run)
            .and_then(|run| judge(arguments, &run)),
        Some(("quota", arguments)) => run_quota(arguments),
        Some(("recovery", arguments)) => launches(arguments, "recovery", &[], recovery::run)
            .and_then(|run| judge(arguments, &run)),
        Some(("reload", arguments)) => run_reload(arguments),
        Some(("session", arguments)) => {
            launches(arguments, "session", &[], session::run).and_then(|run| judge(arguments, &run))
        }
        Some(("trace", arguments)) => {
            launches(arguments, "trace", &[], trace::run).and_then(|run| judge(arguments, &run))
        }
        Some((session::SERVER, arguments)) => {
            let folder = arguments.get_one::<PathBuf>("folder");
            let served = session::serve(folder.expect("it is required"));
            served.map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
        _ => unreachable!("clap requires a subcommand that it knows"),
    };
    result.unwrap_or_else(|error| {
        eprintln!("cnv-bench: {error}");
        ExitCode::FAILURE
    })
}

fn run_frames(arguments: &ArgMatches) -> Result<ExitCode, Box<dyn Error>> {
    let file = |name| arguments.get_one::<PathBuf>(name);
    let has_dram = arguments.get_flag("dram");
    let has_sweep = ["json", "csv", "svg"]
        .iter()
        .any(|name| file(name).is_some());
    let dram: &[&OsStr] = if has_dram { &["--dram".as_ref()] } else { &[] };
    let run = launches(arguments, "frames", dram, |settings| {
        Ok(frames::run(settings, has_dram, has_sweep))
    })?;
    if let Some(path) = file("csv") {
        fs::write(path, plot::csv(&plot::lines(&run.groups, frames::SWEEP)))?;
    }
    if let Some(path) = file("svg") {
        fs::write(path, plot::svg(&plot::lines(&run.groups, frames::SWEEP)))?;
    }
    judge(arguments, &run)
}

fn run_attestation(arguments: &ArgMatches) -> Result<ExitCode, Box<dyn Error>> {
    let folder = arguments.get_one::<PathBuf>("folder");
    let folder = folder.expect("it has a default");
    let own = ["--folder".as_ref(), folder.as_os_str()];
    let run = launches(arguments, "attestation", &own, |settings| {
        attestation::run(settings, folder)
    })?;
    judge(arguments, &run)
}

fn run_quota(arguments: &ArgMatches) -> Result<ExitCode, Box<dyn Error>> {
    let mut run = launches(arguments, "quota", &[], |settings| Ok(quota::run(settings)))?;
    if arguments.get_flag("builds") || arguments.get_flag("check") {
        quota::run_builds(&mut run)?;
    } else if arguments
        .get_one::<PathBuf>("json")
        .is_none_or(|path| path != Path::new("-"))
    {
        let builds = quota::BUILDS;
        eprintln!(
            "!!! NOT MEASURED: {builds}. Say --builds, or --check, to build and measure them.\n"
        );
    }
    judge(arguments, &run)
}

fn run_reload(arguments: &ArgMatches) -> Result<ExitCode, Box<dyn Error>> {
    let run = launches(arguments, "reload", &[], reload::run)?;
    judge(arguments, &run)
}

/// One run in this process, or the medians of several, each in a process of its own with the arguments `own`.
fn launches(
    arguments: &ArgMatches,
    subject: &str,
    own: &[&OsStr],
    run: impl FnOnce(Settings) -> io::Result<Run>,
) -> Result<Run, Box<dyn Error>> {
    let count = |name| arguments.get_one::<u16>(name).copied().unwrap_or(1);
    let (rounds, launches) = (count("rounds"), count("launches"));
    if launches == 1 {
        let settings = Settings {
            rounds: rounds.into(),
            slice: SLICE,
        };
        return Ok(run(settings)?);
    }
    let runs: Result<Vec<Run>, _> = (0..launches)
        .map(|_| launch(subject, rounds, own))
        .collect();
    Ok(Run::median_of(&runs?)?)
}

/// Prints the run, or writes it as it was asked for, and judges it.
fn judge(arguments: &ArgMatches, run: &Run) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(path) = arguments.get_one::<PathBuf>("json") {
        let json = serde_json::to_string_pretty(run)? + "\n";
        if path == Path::new("-") {
            print!("{json}");
            return Ok(ExitCode::SUCCESS);
        }
        fs::write(path, json)?;
    }
    print(run, arguments.get_flag("figures"));
    let is_failure = arguments.get_flag("check") && run.missed().next().is_some();
    Ok(if is_failure {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn print(run: &Run, has_figures: bool) {
    println!("{}\n", run.environment.summary());
    if has_figures {
        println!("{}\n", run.figure_table());
    }
    if let Some(table) = run.side_by_side(frames::ENCODE, frames::DECODE) {
        println!("{table}\n");
    }
    println!("{}\n", run.goal_table());
    let judged = run.goals.iter().filter(|goal| goal.is_met().is_some());
    let (missed, judged) = (run.missed().count(), judged.count());
    for goal in run.missed() {
        println!("not met: {goal}");
    }
    println!(
        "{} of {judged} met; medians of {} rounds and {} launches",
        judged - missed,
        run.rounds,
        run.launches
    );
}

/// A process of its own: where code and data come to lie is decided anew by each.
fn launch(subject: &str, rounds: u16, own: &[&OsStr]) -> Result<Run, Box<dyn Error>> {
    let mut child = std::process::Command::new(std::env::current_exe()?);
    child.args([subject, "--json", "-", "--rounds", &rounds.to_string()]);
    let output = child.args(own).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("a launch failed: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_arguments_are_sound() {
        super::command().debug_assert();
    }
}
