//! Functions with parameters of types have one budget for all of them.

use cnv::{budget, spend};

#[budget(memory = "1KB", cpu = "10us", io = 2)]
fn parse<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

#[budget(memory = "1KB", cpu = "10us", io = 2)]
fn visit(_: impl Fn()) {}

#[budget(memory = "10KB", cpu = "1ms", io = 3)]
fn with_a_type() -> Option<u64> {
    Some(spend!(parse::<u64>("1"))? + u64::from(spend!(parse::<u8>("2"))?))
}

#[budget(memory = "10KB", cpu = "1ms", io = 3)]
fn with_a_parameter<T: std::str::FromStr>(text: &str) -> Option<T> {
    spend!(visit(|| {}));
    spend!(parse::<T>(text))
}

fn main() {
    let _ = cnv::run!(with_a_type());
    let _ = cnv::run!(with_a_parameter::<u8>(""));
}
