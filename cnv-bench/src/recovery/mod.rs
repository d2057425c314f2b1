//! `recovery`: what a call under a policy costs, beside tower and others, and what a dead backend sees of it.

mod admission;
mod peers;
mod refusal;
mod storm;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::environment::Environment;
use crate::report::{Goal, Run, Wanted};
use crate::rounds::{Ratio, Settings};

/// Measures everything.
pub fn run(settings: Settings) -> std::io::Result<Run> {
    // The timers of tower are made for each call, and need a runtime.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let _entered = runtime.enter();
    let (mut groups, mut goals) = admission::run(settings);
    let (refusals, refused) = refusal::run(settings);
    groups.extend(refusals);
    goals.extend(refused);
    goals.extend(storm::run());
    Ok(Run {
        environment: Environment::here(),
        launches: 1,
        rounds: settings.rounds,
        groups,
        goals,
    })
}

/// What a future returns at its first poll, where it lies: handing it on would be measured as well.
#[inline]
pub fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
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
