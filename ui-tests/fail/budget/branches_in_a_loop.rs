//! One round of a loop takes one branch, and the next another: what one retains is there at the peak of the other.

use cnv::quota::RoundsExceeded;
use cnv::{budget, spend};

#[budget(memory = "6KB", retains = 0, cpu = "1us")]
fn peak() {}

#[budget(memory = "1KB", cpu = "1us")]
fn keep() {}

#[budget(memory = "15KB", cpu = "1ms")]
fn the_peak_last(last: u32) -> Result<(), RoundsExceeded> {
    #[repeat(max = 10)]
    for round in 0..10 {
        if round < last {
            spend!(keep());
        } else {
            spend!(peak());
        }
    }
    Ok(())
}

#[budget(memory = "15KB", cpu = "1ms")]
fn the_peak_first(last: u32) -> Result<(), RoundsExceeded> {
    #[repeat(max = 10)]
    for round in 0..10 {
        match round {
            round if round == last => spend!(peak()),
            0 => {}
            _ => spend!(keep()),
        }
    }
    Ok(())
}

fn main() {}
