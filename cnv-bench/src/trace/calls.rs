//! Goal 9: a verb's call with tracing on and every trace recorded, over the same without.

use std::cell::Cell;
use std::hint::black_box;
use std::io;

use cnv::prelude::*;
use cnv::trace::Sampler;

use tokio::runtime::Runtime;

use super::spans::is_all;
use super::{goal, peers};
use crate::report::{Goal, Group, Wanted};
use crate::rounds::{Contender, Measured, Settings, measure};

const OFF: &str = "off";
const NEVER: &str = "not sampled";
const ALWAYS: &str = "sampled";

/// Adds up so many numbers.
#[verb(noun = "numbers", effect = "pure")]
#[budget(memory = "1MB", cpu = "1s")]
async fn sum(count: u64) -> Result<u64, Failure> {
    Ok((0..count).map(black_box).sum())
}

fn app() -> App {
    App::new("bench").verbs(verbs![sum])
}

fn call(runtime: &Runtime, app: &App) -> bool {
    let reply = runtime.block_on(app.call(["numbers", "sum", "100"]));
    reply.result.is_ok()
}

/// Measures it.
pub fn run(settings: Settings) -> io::Result<(Vec<Group>, Vec<Goal>)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (never, _) = peers::cnv(Sampler::NEVER)?;
    let (always, taken) = peers::cnv(Sampler::ALWAYS)?;
    let apps = [
        (OFF, app(), None),
        (NEVER, app().trace(never.clone()), Some(never)),
        (ALWAYS, app().trace(always.clone()), Some(always)),
    ];
    if let Some((name, ..)) = apps.iter().find(|(_, app, _)| !call(&runtime, app)) {
        return Err(io::Error::other(format!("the call fails: {name}")));
    }
    let calls = Cell::new(1);
    let contenders = |p99| {
        let contenders = apps.iter().map(|(name, app, tracer)| {
            let pass = || {
                calls.set(calls.get() + u64::from(*name == ALWAYS));
                call(&runtime, app)
            };
            let contender = if p99 {
                Contender::at_p99(name, pass)
            } else {
                Contender::new(name, pass)
            };
            contender.after(move || tracer.iter().for_each(peers::drain))
        });
        contenders.collect()
    };
    let middle = measure("a verb's call", 1, settings, contenders(false));
    // Some hundred calls a turn.
    let longer = Settings {
        slice: settings.slice * 100,
        ..settings
    };
    let slowest = measure("a verb's call, p99", 1, longer, contenders(true));
    apps.iter()
        .filter_map(|(.., tracer)| tracer.as_ref())
        .for_each(peers::drain);
    is_all("a verb", taken.count(), calls.get())?;
    let text = "a verb's call with tracing over without, %";
    let information = Wanted::ForInformation;
    let over = |measured: &Measured, part, name, wanted| {
        let percent = measured
            .time_over(name, &[OFF])
            .map(|ratio| (ratio - 1.0) * 100.0);
        goal(9, text, part, wanted, percent)
    };
    let goals = vec![
        over(&slowest, "sampled, p99", ALWAYS, Wanted::AtMost(5.0)),
        over(&middle, "sampled, mean", ALWAYS, information),
        over(&slowest, "not sampled, p99", NEVER, information),
        over(&middle, "not sampled, mean", NEVER, information),
    ];
    Ok((vec![Group::from(&middle), Group::from(&slowest)], goals))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_goal_has_a_figure() {
        let settings = Settings {
            rounds: 1,
            slice: std::time::Duration::ZERO,
        };
        let (groups, goals) = run(settings).unwrap();
        assert_eq!(groups.len(), 2);
        assert!(
            goals
                .iter()
                .all(|goal| goal.number == 9 && goal.measured.median.is_finite())
        );
        assert_eq!(goals.len(), 4);
    }
}
