use cnv::prelude::*;

pub struct Report;

#[verb(noun = "log", effect = "pure")]
fn scan() -> Result<Report, Failure> {
    Ok(Report)
}

fn main() {}
