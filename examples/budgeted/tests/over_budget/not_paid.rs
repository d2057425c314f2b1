//! What a call costs cannot be forgotten.

use std::path::Path;

use budgeted::{Words, read};
use cnv::budget;

#[budget(memory = "1MB", cpu = "100ms", io = 50)]
fn count(note: &Path) -> std::io::Result<u64> {
    let text = read(note)?; //~ `budgeted::read` must be paid for: write `spend!(..)` around this call
    let mut words = Words::default();
    words.add(&text); //~ this method must be paid for
    Ok(0)
}

fn main() {}
