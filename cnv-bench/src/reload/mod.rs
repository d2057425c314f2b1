//! `reload`: what a grammar that may change costs whoever reads it, and how soon a change is there.

mod activation;
mod reads;

use crate::environment::Environment;
use crate::report::{Goal, Group, Run};
use crate::rounds::Settings;

/// Measures everything.
pub fn run(settings: Settings) -> std::io::Result<Run> {
    let (groups, mut goals): (Vec<Group>, Vec<Goal>) = reads::run(settings);
    goals.extend(activation::run(settings)?);
    Ok(Run {
        environment: Environment::here(),
        launches: 1,
        rounds: settings.rounds,
        groups,
        goals,
    })
}
