//! `pipeline`: a warm call through everything that cnv can put around a function, and each stage's share of it. What an
//! application counts of its calls is no part of it.
//!
//! What puts entries into the audit log's queue waits where it is full, so the log is flushed before each turn.

mod calls;

use std::hint::black_box;
use std::io;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use cnv::attestation::{Evidence, Verifier};
use cnv::audit::{AuditLog, AuditOptions};
use cnv::capability::CapabilityContract;
use cnv::trace::{Sampler, Tracer};

use self::calls::{ALL, BARE, Caller, UNRECORDED, WAYS, Way};
use crate::allocations;
use crate::attestation::chains::key;
use crate::attestation::warm::fetcher;
use crate::environment::Environment;
use crate::report::{Goal, Group, Run, Wanted};
use crate::rounds::{Contender, Ratio, Settings, measure};
use crate::trace::peers;

/// What all callers share.
struct Service {
    verifier: Verifier,
    token: String,
    tracer: Tracer,
    log: AuditLog,
    /// Holds the log.
    _folder: tempfile::TempDir,
}

impl Service {
    fn new() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("cnv-bench-").tempdir()?;
        let options = AuditOptions::new("example.com/bench");
        let log = AuditLog::open(folder.path().join("log"), key(9), options);
        let (verifier, token) = fetcher();
        let (tracer, _) = peers::cnv(Sampler::NEVER)?;
        Ok(Self {
            verifier,
            token,
            tracer,
            log: log.map_err(io::Error::other)?,
            _folder: folder,
        })
    }

    /// A caller whose token has been checked.
    fn caller(&self) -> Caller<'_> {
        let session = Evidence::new(&self.verifier).with_token(self.token.as_str());
        let allowed = session.authorise(&CapabilityContract::network());
        assert!(allowed.is_ok(), "the verifier believes its own root");
        Caller::new(session, &self.tracer, &self.log)
    }

    fn flush(&self) {
        self.log.flush().expect("room on the disk");
    }
}

/// Measures everything.
pub fn run(settings: Settings) -> io::Result<Run> {
    let service = Service::new()?;
    let mut goals = Vec::new();
    let stages = stages(&service, settings, &mut goals)?;
    for (name, wanted) in [(UNRECORDED, 0.0), (ALL, 0.0)] {
        let text = "allocations of the caller's thread in 100 calls";
        let count = Ratio::exact(allocated(&service, way(name)) as f64);
        goals.push(goal(2, text, name, Wanted::AtMost(wanted), count));
    }
    let threads = threads(&service, settings, &mut goals);
    Ok(Run {
        environment: Environment::here(),
        launches: 1,
        rounds: settings.rounds,
        groups: [stages].into_iter().chain(threads).collect(),
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

fn way(name: &str) -> Way {
    let found = WAYS.iter().find(|(way, _)| *way == name);
    found.expect("the name of a way").1
}

/// What each stage takes alone, and all of them together.
fn stages(service: &Service, settings: Settings, goals: &mut Vec<Goal>) -> io::Result<Group> {
    let mut contenders = Vec::new();
    for (name, way) in WAYS {
        let mut caller = service.caller();
        if !matches!(way(&mut caller, 7), Some(Ok(21))) {
            return Err(io::Error::other(format!("the call fails: {name}")));
        }
        let contender = Contender::new(name, move || way(&mut caller, black_box(7)));
        contenders.push(contender.after(|| service.flush()));
    }
    let measured = measure(
        "a call through, no metrics of calls",
        1,
        settings,
        contenders,
    );
    let text = "ns over the bare function, no metrics of calls";
    for (name, _) in WAYS.iter().filter(|(name, _)| *name != BARE) {
        let wanted = match *name {
            ALL => Wanted::AtMost(150.0),
            _ => Wanted::ForInformation,
        };
        goals.push(goal(1, text, name, wanted, measured.ns_over(name, BARE)));
    }
    Ok(Group::from(&measured))
}

/// What a caller's thread allocates for so many calls, after as many that give buffers their size.
fn allocated(service: &Service, way: Way) -> u64 {
    let mut caller = service.caller();
    let mut calls = || {
        for _ in 0..100 {
            black_box(way(&mut caller, black_box(7)).is_some());
        }
    };
    calls();
    service.flush();
    allocations::count(calls)
}

const ONE: &str = "one thread";
const TWO: &str = "two threads";

/// Calls of two threads over those of one, of callers with a session each.
fn threads(service: &Service, settings: Settings, goals: &mut Vec<Goal>) -> Vec<Group> {
    // Threads are started for each turn, and that they begin together is not exact.
    let settings = Settings {
        slice: settings.slice * 25,
        ..settings
    };
    let mut groups = Vec::new();
    for (name, wanted) in [
        (BARE, Wanted::ForInformation),
        (UNRECORDED, Wanted::AtLeast(1.8)),
        (ALL, Wanted::AtLeast(1.8)),
    ] {
        let on = |threads| {
            let callers = (0..threads).map(|_| service.caller());
            let mut callers: Vec<Caller<'_>> = callers.collect();
            move |passes| side_by_side(&mut callers, way(name), passes)
        };
        let contenders = vec![
            Contender::timed(ONE, on(1)).after(|| service.flush()),
            Contender::timed(TWO, on(2)).after(|| service.flush()),
        ];
        let measured = measure(format!("{name}, beside others"), 1, settings, contenders);
        // Each of two makes as many calls as the one.
        let times = measured.speed_over(TWO, &[ONE]).map(|speed| 2.0 * speed);
        let text = "calls of two threads over those of one";
        goals.push(goal(3, text, name, wanted, times));
        groups.push(Group::from(&measured));
    }
    groups
}

/// Has each caller make so many calls in a thread of its own, and says how long the slowest took.
fn side_by_side(callers: &mut [Caller<'_>], way: Way, passes: u32) -> Duration {
    let barrier = Barrier::new(callers.len());
    thread::scope(|scope| {
        let calling: Vec<_> = callers
            .iter_mut()
            .map(|caller| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let start = Instant::now();
                    for _ in 0..passes {
                        black_box(way(caller, black_box(7)).is_some());
                    }
                    start.elapsed()
                })
            })
            .collect();
        let taken = calling.into_iter().map(|thread| thread.join());
        let taken = taken.map(|taken| taken.expect("a call does not panic"));
        taken.max().unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnv::audit::AuditReader;

    #[test]
    fn every_way_answers_and_some_leave_a_receipt() {
        let service = Service::new().unwrap();
        let mut receipts = 0;
        for (name, way) in WAYS {
            assert!(
                matches!(way(&mut service.caller(), 7), Some(Ok(21))),
                "{name}"
            );
            let size = service.log.flush().unwrap().checkpoint().size();
            let is_recorded = name == ALL || name.contains("receipt,");
            receipts += u64::from(is_recorded);
            assert_eq!(size, receipts, "{name}");
        }
        assert_eq!(service.verifier.signature_checks(), 1);
        let folder = service._folder.path().join("log");
        let entries = AuditReader::new(folder).entries().unwrap();
        let entries: Vec<_> = entries.map(Result::unwrap).collect();
        assert!(entries.iter().all(|(_, entry)| entry.verb == "answer ask"));
    }

    #[test]
    fn all_of_it_refuses_whom_the_guard_refuses() {
        let service = Service::new().unwrap();
        let stranger = Evidence::new(&service.verifier);
        let mut stranger = Caller::new(stranger, &service.tracer, &service.log);
        for name in [UNRECORDED, ALL] {
            assert!(
                matches!(way(name)(&mut stranger, 7), Some(Err(_))),
                "{name}"
            );
        }
    }

    #[test]
    fn every_goal_has_a_figure() {
        let settings = Settings {
            rounds: 1,
            slice: Duration::ZERO,
        };
        let run = run(settings).unwrap();
        assert_eq!(run.groups.len(), 4);
        let numbers: Vec<u8> = run.goals.iter().map(|goal| goal.number).collect();
        assert_eq!(numbers, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 3, 3]);
    }
}
