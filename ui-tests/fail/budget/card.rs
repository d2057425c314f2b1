//! A function with a `card` is spent under that name.

use cnv::{budget, spend};

mod fetch {}

#[budget(cpu = "10us", io = 2, card = FetchBudget)]
fn fetch() {}

#[budget(cpu = "1ms", io = 4)]
fn by_its_own_name() {
    spend!(fetch());
}

#[budget(cpu = "1ms", io = 1)]
fn by_the_card() {
    spend!(FetchBudget());
}

#[budget(cpu = "1ms", card = a::b)]
fn with_a_path() {}

#[budget(cpu = "1ms", card = "Not a name")]
fn with_a_text() {}

#[budget(cpu = "1ms", card)]
fn with_nothing() {}

fn main() {}
