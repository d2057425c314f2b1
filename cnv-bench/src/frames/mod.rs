//! `frames`: one message and batches of them, beside other formats and plain code.

mod batches;
mod byte_order;
mod checksum;
mod columns;
mod hot_paths;
mod message;
mod peers;
mod single;
mod split;
mod validate;

pub use single::{DECODE, ENCODE};
pub use validate::SWEEP;

use crate::environment::Environment;
use crate::report::{Goal, Group, Run};
use crate::rounds::Settings;

/// Measures everything. With `has_dram`, batches beyond every cache, too, for information.
pub fn run(settings: Settings, has_dram: bool, has_sweep: bool) -> Run {
    let mut found = Found::default();
    found.add(single::run(settings));
    let sizes = batches::SIZES
        .into_iter()
        .chain(has_dram.then_some(batches::DRAM));
    for size in sizes {
        let settings = if size == batches::DRAM {
            settings.at_most(21)
        } else {
            settings
        };
        found.add(validate::validate(size, settings));
        found.add(validate::using(size, settings));
        found.add(byte_order::run(size, settings));
        found.add(columns::run(size, settings));
        found.add(checksum::run(size, settings));
    }
    found.add(split::run(settings));
    found.goals.extend(hot_paths::run());
    if has_sweep {
        found.groups.extend(validate::sweep(settings));
    }
    let Found { groups, mut goals } = found;
    // In the order of the goals; the sizes stay in theirs.
    goals.sort_by(|a, b| (a.number, &a.text).cmp(&(b.number, &b.text)));
    Run {
        environment: Environment::here(),
        launches: 1,
        rounds: settings.rounds,
        groups,
        goals,
    }
}

#[derive(Default)]
struct Found {
    groups: Vec<Group>,
    goals: Vec<Goal>,
}

impl Found {
    fn add(&mut self, (groups, goals): (Vec<Group>, Vec<Goal>)) {
        self.groups.extend(groups);
        self.goals.extend(goals);
    }
}
