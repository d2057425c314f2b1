//! The verbs that show how an application's policies stand.

use std::time::Duration;

use serde::Serialize;

use super::argument::one;
use super::cli::parse_duration;
use super::context::Context;
use super::failure::Failure;
use super::output::Output;
use super::spec::{VerbSpec, verb_spec};
use super::stopped::Stopped;
use super::verb::{Registration, invocation};
use crate::grammar::Effect;
use crate::recovery::Policy;

/// How often it is looked, where nothing is said.
const EVERY: &str = "1s";

/// The shortest time between two looks: whoever watches leaves the others a processor.
const MIN_EVERY: Duration = Duration::from_millis(100);

/// `recovery show` and `recovery watch`, for a program that serves more than one call: a row for each of its
/// [`policies`](super::App::policies), once or again and again, until the call is cancelled. Whoever may open a session may
/// call them.
///
/// ```
/// use cnv::command::recovery_control;
/// use cnv::prelude::*;
///
/// let app = App::new("ops").verbs(recovery_control());
/// app.check().unwrap();
/// let reply = app.call_blocking(["recovery", "show"]);
/// assert_eq!(reply.result.unwrap().as_json(), "[]");
/// ```
#[must_use]
pub fn recovery_control() -> [Registration; 2] {
    let show = Registration {
        spec: spec(
            (
                "show",
                "Shows the circuit breakers, bulkheads and retries of the application",
            ),
            line!(),
        ),
        arguments: Vec::new,
        output: || None,
        #[cfg(feature = "session")]
        is_blocking: false,
        policy: || None,
        invoke: |cx, _| invocation(async move { Output::of(&rows(&cx)) }),
    };
    let watch = Registration {
        spec: spec(
            (
                "watch",
                "Shows them again and again, until it is interrupted",
            ),
            line!(),
        ),
        arguments: || {
            let every = clap::Arg::new("every")
                .long("every")
                .value_name("TIME")
                .help("How long to wait between two looks")
                .default_value(EVERY)
                .value_parser(parse_pause);
            vec![every]
        },
        output: || None,
        #[cfg(feature = "session")]
        is_blocking: false,
        policy: || None,
        invoke: |cx, mut matches| {
            invocation(async move {
                let every: Duration = one(&mut matches, "every")?;
                Output::of(&watch(&cx, every).await?)
            })
        },
    };
    [show, watch]
}

fn parse_pause(text: &str) -> Result<Duration, String> {
    let pause = parse_duration(text)?;
    if pause < MIN_EVERY {
        return Err(format!("`{text}` is less than {MIN_EVERY:?}"));
    }
    Ok(pause)
}

const fn spec((name, about): (&'static str, &'static str), line: u32) -> VerbSpec {
    verb_spec(
        ("recovery", name, &[]),
        (about, None, None),
        (Effect::Read, true),
        None,
        None,
        (module_path!(), file!(), line),
    )
}

/// One policy at one moment.
#[derive(Debug, Serialize)]
struct Row {
    policy: &'static str,
    breaker: &'static str,
    running: u64,
    waiting: u64,
    successes: u64,
    failures: u64,
    timeouts: u64,
    retries: u64,
    opened: u64,
    refused: u64,
    panics: u64,
}

impl Row {
    fn of(policy: &Policy) -> Self {
        let counters = policy.counters();
        let refused = counters
            .refused_by_breaker
            .saturating_add(counters.refused_by_bulkhead)
            .saturating_add(counters.refused_by_deadline)
            .saturating_add(counters.waits_timed_out);
        Self {
            policy: policy.name(),
            breaker: policy.state().as_str(),
            running: counters.running,
            waiting: counters.waiting,
            successes: counters.successes,
            failures: counters.failures,
            timeouts: counters.timeouts,
            retries: counters.retries,
            opened: counters.opened,
            refused,
            panics: counters.panics,
        }
    }
}

fn rows(cx: &Context) -> Vec<Row> {
    let policies = cx.policies().iter();
    policies.map(|policy| Row::of(policy)).collect()
}

/// Sends the rows at every look, and returns how often it looked.
async fn watch(cx: &Context, every: Duration) -> Result<u64, Failure> {
    let mut looks = 0;
    loop {
        for row in rows(cx) {
            // Where nobody reads any more, showing the number says so.
            if cx.stdout().send(&row).await.is_err() {
                return Ok(looks);
            }
        }
        looks += 1;
        match cx.sleep(every).await {
            Ok(()) => {}
            Err(Stopped::Cancelled) => return Ok(looks),
            Err(stopped) => return Err(stopped.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_looks_without_a_pause() {
        assert!(parse_pause("0s").is_err());
        assert!(parse_pause("99ms").unwrap_err().contains("100ms"));
        assert_eq!(parse_pause("100ms"), Ok(MIN_EVERY));
    }
}
