use cnv::prelude::*;

#[derive(Clone)]
pub struct Level;

#[verb(noun = "log", effect = "pure")]
fn filter(level: Level) -> Result<(), Failure> {
    Ok(())
}

fn main() {}
