//! Each of the four, one unit too many.

use cnv::{budget, spend};

#[budget(memory = "1MiB", cpu = "1s", io = "2k", network = "1GB")]
fn all() {}

#[budget(memory = "1048575B", cpu = "2s", io = "2k", network = "1GB")]
fn memory() {
    spend!(all());
}

#[budget(memory = "1MiB", cpu = "1s", io = "2k", network = "1GB")]
fn cpu() {
    spend!(all());
}

#[budget(memory = "1MiB", cpu = "2s", io = 1999, network = "1GB")]
fn io() {
    spend!(all());
}

#[budget(memory = "1MiB", cpu = "2s", io = "2k", network = "999999999B")]
fn network() {
    spend!(all());
}

#[budget(memory = "1MiB", cpu = "2s", io = "2k")]
fn no_network() {
    spend!(all());
}

#[budget(memory = "1MiB", cpu = "2s", network = "1GB")]
fn no_io() {
    spend!(all());
}

#[budget(memory = 0, cpu = "2s", io = "2k", network = "1GB")]
fn no_memory() {
    spend!(all());
}

#[budget(cpu = 0)]
fn no_cpu() {
    spend!(free());
}

#[budget(memory = 0, cpu = 0)]
fn free() {}

fn main() {}
