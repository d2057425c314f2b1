//! The number of rounds is a constant that the check can name.

use cnv::budget;
use cnv::quota::RoundsExceeded;

struct Store;

impl Store {
    const MAX: u64 = 3;

    #[budget(cpu = "1ms")]
    fn of_the_type(&self) -> Result<(), RoundsExceeded> {
        #[repeat(max = Self::MAX)]
        for _ in 0..3 {}
        Ok(())
    }
}

#[budget(cpu = "1ms")]
fn of_a_parameter<const N: usize>() -> Result<(), RoundsExceeded> {
    #[repeat(max = N)]
    for _ in 0..3 {}
    Ok(())
}

#[budget(cpu = "1ms")]
fn of_an_argument(n: u64) -> Result<(), RoundsExceeded> {
    #[repeat(max = n)]
    for _ in 0..3 {}
    Ok(())
}

const OUTER: u64 = 1;

#[budget(cpu = "1us", io = 1)]
fn ask() {}

#[budget(cpu = "1ms", io = 1)]
fn of_an_inner_constant() -> Result<(), RoundsExceeded> {
    // It is this one that the loop runs by, and so it is charged.
    const OUTER: u64 = 1_000_000;
    #[repeat(max = OUTER)]
    for _ in 0..3 {
        cnv::spend!(ask());
    }
    Ok(())
}

fn main() {}
