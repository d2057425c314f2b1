use cnv::prelude::*;

#[verb(noun = "log", effect = "pure")]
fn count() -> usize {
    1
}

#[verb(noun = "log", effect = "pure")]
fn nothing() {}

fn main() {}
