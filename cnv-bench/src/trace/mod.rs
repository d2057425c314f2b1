//! `trace`: what spans cost, recorded and not, and where a call is in its trace, beside OpenTelemetry and fastrace.

mod calls;
pub mod peers;
mod spans;
mod texts;

use crate::environment::Environment;
use crate::report::{Goal, Group, Run, Wanted};
use crate::rounds::{Ratio, Settings};

/// Measures everything.
pub fn run(settings: Settings) -> std::io::Result<Run> {
    let parts = [
        texts::run(settings)?,
        spans::run(settings)?,
        calls::run(settings)?,
    ];
    let (mut groups, mut goals): (Vec<Group>, Vec<Goal>) = Default::default();
    for (more_groups, more_goals) in parts {
        groups.extend(more_groups);
        goals.extend(more_goals);
    }
    Ok(Run {
        environment: Environment::here(),
        launches: 1,
        rounds: settings.rounds,
        groups,
        goals,
    })
}

fn goal(number: u8, text: &str, part: &str, wanted: Wanted, measured: Ratio) -> Goal {
    Goal {
        number,
        text: text.into(),
        part: part.into(),
        wanted,
        measured,
    }
}
