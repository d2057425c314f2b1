use cnv::quota::RoundsExceeded;
use cnv::{budget, spend};

const COLUMNS: u64 = 4;

#[budget(memory = "10KB", retains = "1KB", cpu = "10us")]
fn cell() {}

#[budget(memory = "20KB", cpu = "1ms")]
fn table() -> Result<(), RoundsExceeded> {
    #[repeat(max = 3)]
    for _ in 0..3 {
        #[repeat(max = COLUMNS)]
        for _ in 0..4 {
            spend!(cell());
        }
    }
    Ok(())
}

fn main() {
    let _ = cnv::run!(table());
}
