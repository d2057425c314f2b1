//! `quota`: what a budget costs where nothing is metered, where it is, and while it is compiled.

mod allocators;
mod assembly;
mod compile_time;
mod generated;
mod off;
mod scopes;

use std::error::Error;

use crate::environment::Environment;
use crate::report::{Goal, Run, Wanted};
use crate::rounds::{Ratio, Settings};

/// What is measured in this process.
pub fn run(settings: Settings) -> Run {
    let (groups, goals) = scopes::run(settings);
    Run {
        environment: Environment::here(),
        launches: 1,
        rounds: settings.rounds,
        groups,
        goals,
    }
}

/// What is measured of programs that are built for it: with a compiler, in minutes.
pub fn run_builds(run: &mut Run) -> Result<(), Box<dyn Error>> {
    run.goals.extend(off::run()?);
    run.goals.extend(compile_time::run(run.rounds)?);
    run.goals.extend(allocators::run(run.rounds)?);
    run.goals.sort_by_key(|goal| goal.number);
    Ok(())
}

/// What [`run_builds`] measures, for who did without.
pub const BUILDS: &str = "goal 1 (metering off), goal 7 (allocators) and goal 8 (compile time)";

fn goal(number: u8, text: &str, part: impl Into<String>, wanted: Wanted, measured: Ratio) -> Goal {
    Goal {
        number,
        text: text.into(),
        part: part.into(),
        wanted,
        measured,
    }
}
