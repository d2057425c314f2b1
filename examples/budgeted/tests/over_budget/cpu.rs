//! A method costs what its type says, and a caller needs some time for itself.

use budgeted::Words;
use cnv::{budget, spend};

#[budget(memory = "1MB", cpu = "40ms")]
fn twice(words: &mut Words, text: &str) {
    spend!(words.add(text));
    spend!(words.add(text));
    //~^ over budget: `add` needs 20 ms of cpu but `twice` has 20 ms left of its 40 ms
}

fn main() {}
