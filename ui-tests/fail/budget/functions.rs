//! Functions that cannot have a budget, or not under their name.

use cnv::budget;

#[budget(cpu = "1ms")]
#[test]
fn tested() {}

#[budget(cpu = "1ms")]
fn u32() {}

#[budget(cpu = "1ms", card = BoolBudget)]
fn bool() {}

#[budget(cpu = "1ms")]
fn main() {}
