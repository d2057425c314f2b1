//! `attestation`: what it costs to say no, in multiples of one signature check and beside Biscuit.

mod audit;
pub mod chains;
mod revocation;
mod verify;
pub mod warm;

use crate::environment::Environment;
use crate::report::{Goal, Group, Run};
use crate::rounds::Settings;

/// Measures everything. Logs are written in a new folder in `folder`, which is on the disk that is meant.
pub fn run(settings: Settings, folder: &std::path::Path) -> std::io::Result<Run> {
    let parts = [
        verify::run(settings),
        warm::run(settings),
        revocation::run(settings),
        audit::run(settings, folder)?,
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
