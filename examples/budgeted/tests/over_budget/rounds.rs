//! A loop is charged for all of its rounds.

use std::path::PathBuf;

use budgeted::read;
use cnv::command::Failure;
use cnv::{budget, spend};

#[budget(memory = "1MB", cpu = "100ms", io = 50)]
fn longest(notes: &[PathBuf]) -> Result<usize, Failure> {
    let mut longest = 0;
    #[repeat(max = 11)]
    for note in notes {
        let text = spend!(read(note))?;
        //~^ 11 calls of `read` need 55 I/O operations but `longest` has 50 left of its 50
        longest = longest.max(text.len());
    }
    Ok(longest)
}

fn main() {}
