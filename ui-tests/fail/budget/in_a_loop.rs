use cnv::{budget, spend};
use cnv::quota::RoundsExceeded;

#[budget(memory = "1KB", cpu = "10us", io = 2)]
fn fetch() -> u32 {
    1
}

#[budget(memory = "1MB", cpu = "1ms", io = 9)]
fn with_for(names: &[&str]) -> Result<(), RoundsExceeded> {
    #[repeat(max = 5)]
    for _ in names {
        spend!(fetch());
    }
    Ok(())
}

#[budget(memory = "1MB", cpu = "1ms", io = 10)]
fn with_while() -> Result<(), RoundsExceeded> {
    #[repeat(max = 5)]
    while spend!(fetch()) > 1 {}
    Ok(())
}

#[budget(memory = "1MB", cpu = "1ms", io = 99)]
fn with_loop() -> Result<(), RoundsExceeded> {
    #[repeat(max = "50")]
    loop {
        if spend!(fetch()) > 0 {
            break;
        }
    }
    Ok(())
}

fn main() {}
