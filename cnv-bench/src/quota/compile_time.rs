//! Goal 8: what budgets take of `cargo check`.

use std::error::Error;
use std::fmt::Write as _;

use super::generated::{Package, run as run_command, time, without_budgets};
use super::goal;
use crate::report::{Goal, Wanted};
use crate::rounds::Ratio;

/// Functions whose check is timed.
const HANDLERS: usize = 1_000;

/// A library of so many functions.
struct Variant {
    name: &'static str,
    source: String,
}

const CALLEES: &str = r#"
#[budget(memory = "1KB", cpu = "1us", io = 1)]
pub fn first(x: u64) -> u64 { x + 1 }
#[budget(memory = "1KB", cpu = "1us", io = 1)]
pub fn second(x: u64) -> u64 { x * 3 }
#[budget(memory = "1KB", cpu = "1us", io = 1)]
pub fn third(x: u64) -> u64 { x ^ 7 }

#[derive(Debug)]
pub struct Store(u64);

impl Store {
    #[budget(memory = "1KB", cpu = "1us", io = 1)]
    pub fn first(&self, x: u64) -> u64 { self.0 + x }
    #[budget(memory = "1KB", cpu = "1us", io = 1)]
    pub fn second(&self, x: u64) -> u64 { self.0 * x }
    #[budget(memory = "1KB", cpu = "1us", io = 1)]
    pub fn third(&self, x: u64) -> u64 { self.0 ^ x }
}
"#;

const BUDGETS: &str = "#[allow(unused_imports)]\nuse cnv::{budget, spend};\n";

/// Handlers that call `first`, `second` and `third` of what `receiver` says.
fn handlers(receiver: &str) -> String {
    let mut source = format!("{BUDGETS}{CALLEES}");
    for number in 0..HANDLERS {
        let written = write!(
            source,
            r#"
#[budget(memory = "10KB", cpu = "10us", io = 10)]
pub fn handler_{number}(store: &Store, x: u64) -> Option<u64> {{
    let a = spend!({receiver}first(x));
    let b = spend!({receiver}second(a));
    if b == {number} {{
        return None;
    }}
    Some(spend!({receiver}third(b)) + store.0)
}}
"#
        );
        written.expect("a String grows");
    }
    source
}

fn variants() -> [Variant; 5] {
    let (free, methods) = (handlers(""), handlers("store."));
    let (plain, plain_methods) = (without_budgets(&free), without_budgets(&methods));
    let traced = plain.replace("pub fn handler_", "#[tracing::instrument]\npub fn handler_");
    [
        ("plain", plain),
        ("traced", traced),
        ("free", free),
        ("plain-methods", plain_methods),
        ("methods", methods),
    ]
    .map(|(name, source)| Variant {
        name,
        source: format!("#![allow(unused_parens)]\n{source}"),
    })
}

/// Checks each of them in turn, as often as there are rounds, but no more often than a patient person would.
pub fn run(rounds: usize) -> Result<Vec<Goal>, Box<dyn Error>> {
    let rounds = rounds.min(7);
    let tracing =
        "tracing = { version = \"0.1\", default-features = false, features = [\"attributes\"] }";
    let variants = variants();
    let packages: Result<Vec<Package>, _> = variants
        .iter()
        .map(|variant| Package::write(variant.name, tracing, &variant.source))
        .collect();
    let packages = packages?;
    // With everything that they depend on.
    for package in &packages {
        run_command(&mut package.cargo(&["check"]))?;
    }
    let mut ms = [const { Vec::new() }; 5];
    for _ in 0..rounds {
        for ((package, variant), ms) in packages.iter().zip(&variants).zip(&mut ms) {
            package.rewrite(&variant.source)?;
            let elapsed = time(&mut package.cargo(&["check"]))?;
            ms.push(elapsed.as_secs_f64() * 1e3);
        }
    }
    let [plain, traced, free, plain_methods, methods] = ms;
    let each = |with: &[f64], without: &[f64]| -> Vec<f64> {
        let rounds = with.iter().zip(without);
        rounds
            .map(|(with, without)| (with - without) / HANDLERS as f64)
            .collect()
    };
    let (free, traced) = (each(&free, &plain), each(&traced, &plain));
    let methods = each(&methods, &plain_methods);
    let over_traced = free.iter().zip(&traced).map(|(free, traced)| free / traced);
    let over_traced = Ratio::of(over_traced.collect());
    let text = "cargo check, ms a function";
    Ok(vec![
        goal(
            8,
            text,
            "3 spends of functions",
            Wanted::AtMost(3.0),
            Ratio::of(free),
        ),
        goal(
            8,
            text,
            "3 spends of methods",
            Wanted::AtMost(4.5),
            Ratio::of(methods),
        ),
        goal(
            8,
            text,
            "#[tracing::instrument]",
            Wanted::ForInformation,
            Ratio::of(traced),
        ),
        goal(
            8,
            "cargo check, ratio",
            "3 spends of functions / #[tracing::instrument]",
            Wanted::AtMost(1.3),
            over_traced,
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_differ_in_what_is_measured() {
        let [plain, traced, free, plain_methods, methods] =
            variants().map(|variant| variant.source);
        let count = |source: &str, text: &str| source.matches(text).count();
        assert_eq!(count(&plain, "pub fn handler_"), HANDLERS);
        assert_eq!(
            (count(&plain, "#[budget"), count(&plain, "spend!(")),
            (0, 0)
        );
        assert_eq!(count(&plain_methods, "spend!("), 0);
        assert_eq!(count(&traced, "#[tracing::instrument"), HANDLERS);
        assert_eq!(count(&free, "spend!("), 3 * HANDLERS);
        assert_eq!(count(&free, "#[budget"), HANDLERS + 6);
        assert_eq!(count(&methods, "spend!(store."), 3 * HANDLERS);
    }
}
