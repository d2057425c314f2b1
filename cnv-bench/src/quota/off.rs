//! Goal 1: where metering is off, a function with a budget has the instructions of one without.

use std::error::Error;
use std::fs;

use super::assembly::Listing;
use super::generated::{Package, run as run_command, without_budgets};
use super::goal;
use crate::report::{Goal, Wanted};
use crate::rounds::Ratio;

const LEVELS: [&str; 4] = ["1", "2", "3", "s"];

/// Functions that both sides export, behind the name of the side.
const FUNCTIONS: [(&str, &str); 6] = [
    ("leaf", "a function that spends nothing"),
    ("spends", "3 spends of functions"),
    ("methods", "3 spends of methods"),
    ("future", "an async function that never waits"),
    ("waits", "an async function that waits"),
    ("method_waits", "an async method that waits"),
];

/// One side. The other is the same without budgets.
const SOURCE: &str = r#"
pub mod SIDE {
    #[allow(unused_imports)]
    use cnv::{budget, run, spend};
    use core::future::poll_fn;
    use core::pin::pin;
    use core::sync::atomic::{AtomicU64, Ordering};
    use core::task::{Context, Poll};

    pub struct Store { pub values: Vec<u64> }

    #[budget(memory = "1KB", cpu = "1us", io = 1)]
    fn first(x: u64) -> u64 { x.rotate_left(7) ^ 0x5bd1_e995 }
    #[budget(memory = "1KB", cpu = "1us", io = 1)]
    fn second(x: u64) -> Option<u64> { x.checked_mul(31) }
    #[budget(memory = "1KB", cpu = "1us", io = 1)]
    fn third(x: u64, values: &[u64]) -> u64 { values.iter().fold(x, |sum, value| sum ^ value.wrapping_mul(x)) }

    impl Store {
        #[budget(memory = "1KB", cpu = "1us", io = 1)]
        fn at(&self, x: u64) -> Option<u64> { self.values.get(x as usize).copied() }
        #[budget(memory = "1KB", cpu = "1us", io = 1)]
        fn put(&mut self, x: u64) -> usize { self.values.push(x); self.values.len() }
        #[budget(memory = "1KB", cpu = "1us", io = 1)]
        fn sum(&self) -> u64 { self.values.iter().sum() }
    }

    #[budget(memory = "10KB", cpu = "10us", io = 10)]
    fn spends(x: u64, values: &[u64]) -> Option<u64> {
        let a = spend!(first(x));
        let b = spend!(second(a))?;
        Some(spend!(third(b, values)) + a)
    }
    #[budget(memory = "10KB", cpu = "10us", io = 10)]
    fn methods(store: &mut Store, x: u64) -> Option<u64> {
        let a = spend!(store.at(x))?;
        let len = spend!(store.put(a));
        Some(spend!(store.sum()) ^ len as u64)
    }
    #[budget(memory = "1KB", cpu = "1us", io = 1)]
    async fn later(x: u64) -> u64 { core::future::ready(x).await ^ 7 }
    #[budget(memory = "10KB", cpu = "10us", io = 10)]
    async fn future(x: u64) -> u64 {
        let a = spend!(later(x)).await;
        spend!(later(a)).await + x
    }

    #[budget(memory = "1KB", cpu = "1us", io = 1)]
    async fn wait(flag: &AtomicU64) -> u64 {
        poll_fn(|_| match flag.load(Ordering::Relaxed) {
            0 => Poll::Pending,
            value => Poll::Ready(value),
        }).await
    }
    #[budget(memory = "10KB", cpu = "10us", io = 10)]
    async fn waits(flag: &AtomicU64, x: u64) -> u64 {
        let a = spend!(wait(flag)).await;
        a.wrapping_mul(x) ^ spend!(wait(flag)).await
    }

    pub struct Gate { flag: AtomicU64 }

    impl Gate {
        #[budget(memory = "1KB", cpu = "1us", io = 1)]
        async fn wait(&self) -> u64 {
            poll_fn(|_| match self.flag.load(Ordering::Relaxed) {
                0 => Poll::Pending,
                value => Poll::Ready(value),
            }).await
        }
        #[budget(memory = "10KB", cpu = "10us", io = 10)]
        async fn twice(&self, x: u64) -> u64 {
            let a = spend!(self.wait()).await;
            a.wrapping_mul(x) ^ spend!(self.wait()).await
        }
    }

    #[unsafe(export_name = "SIDE_leaf")]
    pub fn exported_leaf(x: u64, values: &[u64]) -> u64 { run!(third(x, values)) }
    #[unsafe(export_name = "SIDE_spends")]
    pub fn exported_spends(x: u64, values: &[u64]) -> Option<u64> { run!(spends(x, values)) }
    #[unsafe(export_name = "SIDE_methods")]
    pub fn exported_methods(store: &mut Store, x: u64) -> Option<u64> { run!(methods(store, x)) }
    #[unsafe(export_name = "SIDE_future")]
    pub fn exported_future(x: u64, context: &mut Context<'_>) -> Poll<u64> {
        pin!(run!(future(x))).poll(context)
    }
    #[unsafe(export_name = "SIDE_waits")]
    pub fn exported_waits(flag: &AtomicU64, x: u64, context: &mut Context<'_>) -> u64 {
        let mut future = pin!(run!(waits(flag, x)));
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(context) { return value; }
        }
    }
    #[unsafe(export_name = "SIDE_method_waits")]
    pub fn exported_method_waits(gate: &Gate, x: u64, context: &mut Context<'_>) -> u64 {
        let mut future = pin!(run!(gate.twice(x)));
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(context) { return value; }
        }
    }
}
"#;

fn source() -> String {
    let budgeted = SOURCE.replace("SIDE", "budgeted");
    let plain = without_budgets(&SOURCE.replace("SIDE", "plain"));
    format!("#![allow(unused_parens, dead_code)]\n{plain}{budgeted}")
}

/// Compiles both sides and compares them.
pub fn run() -> Result<Vec<Goal>, Box<dyn Error>> {
    let package = Package::write("metering-off", "", &source())?;
    let mut counts = [0; FUNCTIONS.len()];
    for level in LEVELS {
        let path = package.folder().join(format!("opt-{level}.s"));
        let emit = format!("asm={}", path.display());
        let opt_level = format!("opt-level={level}");
        // The last of two levels counts.
        run_command(&mut package.cargo(&[
            "rustc",
            "--release",
            "--lib",
            "--",
            "--emit",
            &emit,
            "-C",
            "codegen-units=1",
            "-C",
            &opt_level,
        ]))?;
        let listing = Listing::parse(&fs::read_to_string(path)?);
        for (count, (name, _)) in counts.iter_mut().zip(FUNCTIONS) {
            let (plain, budgeted) = (format!("plain_{name}"), format!("budgeted_{name}"));
            let lines = listing.differences(&plain, &budgeted)?;
            if !lines.is_empty() {
                let len = listing.len(&plain)?;
                eprintln!("metering off, opt-level {level}: of {len} instructions");
                eprintln!("{}\n", lines.join("\n"));
            }
            *count += lines.iter().filter(|line| !line.starts_with('@')).count();
        }
    }
    let goals = FUNCTIONS.iter().zip(counts).map(|((_, part), count)| {
        goal(
            1,
            "metering off, lines of assembly that differ at 1, 2, 3 and s",
            *part,
            Wanted::AtMost(0.0),
            Ratio::exact(count as f64),
        )
    });
    Ok(goals.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_side_has_budgets_and_the_other_none() {
        let source = source();
        let (plain, budgeted) = source.split_once("pub mod budgeted").expect("two sides");
        assert!(!plain.contains("#[budget") && !plain.contains("spend!("));
        assert_eq!(budgeted.matches("spend!(").count(), 12);
        for (name, _) in FUNCTIONS {
            assert!(plain.contains(&format!("\"plain_{name}\"")));
            assert!(budgeted.contains(&format!("\"budgeted_{name}\"")));
        }
    }
}
