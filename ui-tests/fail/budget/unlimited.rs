//! What is unlimited fits in nothing that has a limit.

use cnv::{budget, spend};

#[budget(io = "unlimited", network = "unlimited")]
fn all() {}

#[budget(memory = "1TB")]
fn memory() {
    spend!(all());
}

#[budget(cpu = "1min")]
fn cpu() {
    spend!(all());
}

#[budget(io = "1M", network = "unlimited")]
fn io() {
    spend!(all());
}

#[budget(io = "unlimited", network = "1TB")]
fn network() {
    spend!(all());
}

#[budget(io = "unlimited")]
fn no_network() {
    spend!(all());
}

fn main() {}
