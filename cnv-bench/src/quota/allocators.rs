//! Goal 7: what counting allocations takes of a program that makes many.

use std::env;
use std::error::Error;
use std::path::Path;
use std::process::Command;

use super::generated::{cargo, run as run_command};
use super::goal;
use crate::report::{Goal, Wanted};
use crate::rounds::Ratio;

/// Each has two programs, with the allocator as it is and metered, and the percentage that is wanted.
const ALLOCATORS: [(&str, f64); 3] = [("system", 3.0), ("mimalloc", 2.0), ("jemalloc", 2.0)];

/// Builds the programs and runs each in turn, as often as there are rounds, at most 31 times.
pub fn run(rounds: usize) -> Result<Vec<Goal>, Box<dyn Error>> {
    let this = env::current_exe()?;
    let folder = this.parent().unwrap_or(Path::new("."));
    build()?;
    let mut percent = [const { Vec::new() }; ALLOCATORS.len()];
    for round in 0..rounds.min(31) {
        for ((name, _), percent) in ALLOCATORS.iter().zip(&mut percent) {
            let program = |suffix: &str| folder.join(format!("workload-{name}{suffix}"));
            // Each goes first as often as the other.
            let mut suffixes = ["", "-metered"];
            if round % 2 == 1 {
                suffixes.reverse();
            }
            let mut ns = [0.0; 2];
            let mut found = [const { String::new() }; 2];
            for suffix in suffixes {
                let at = usize::from(!suffix.is_empty());
                (ns[at], found[at]) = work(&program(suffix))?;
            }
            if found[0] != found[1] {
                return Err(format!("workload-{name} did not do the same work metered").into());
            }
            percent.push((ns[1] / ns[0] - 1.0) * 100.0);
        }
    }
    let goals = ALLOCATORS
        .iter()
        .zip(percent)
        .map(|(&(name, bound), percent)| {
            goal(
                7,
                "allocations metered, % of the processor time",
                name,
                Wanted::AtMost(bound),
                Ratio::of(percent),
            )
        });
    Ok(goals.collect())
}

/// Builds them beside this program, in the same profile.
fn build() -> Result<(), Box<dyn Error>> {
    let mut cargo = cargo();
    cargo.args(["build", "--features", "peers"]);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    for (name, _) in ALLOCATORS {
        cargo.args(["--bin", &format!("workload-{name}")]);
        cargo.args(["--bin", &format!("workload-{name}-metered")]);
    }
    run_command(&mut cargo)?;
    Ok(())
}

/// The processor time of a program's work in nanoseconds, and what it found.
fn work(program: &Path) -> Result<(f64, String), Box<dyn Error>> {
    let output = run_command(&mut Command::new(program))?;
    let (ns, found) = output
        .trim()
        .split_once(' ')
        .ok_or_else(|| format!("{program:?} printed {output:?}"))?;
    Ok((ns.parse()?, found.into()))
}
