//! What is evaluated first is charged first.

use cnv::{budget, spend};

#[budget(memory = "10KB", retains = 0, cpu = "1us")]
fn index() -> usize {
    0
}

#[budget(memory = "5KB", cpu = "1us")]
fn value() -> u32 {
    0
}

#[budget(memory = "10KB", cpu = "1ms")]
fn assigned(values: &mut [u32]) {
    values[spend!(index())] = spend!(value());
}

#[budget(memory = "10KB", cpu = "1ms")]
fn added(values: &mut [u32]) {
    values[spend!(index())] += spend!(value());
}

#[budget(memory = "10KB", cpu = "1ms")]
fn compared(values: &[u32]) -> bool {
    values[spend!(index())] == spend!(value())
}

fn main() {}
