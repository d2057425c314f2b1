use cnv::prelude::*;
use std::path::Path;

#[verb(noun = "log", effect = "pure")]
fn borrowed(path: &Path, names: &[u8]) -> Result<(), Failure> {
    Ok(())
}

#[verb(noun = "log", effect = "pure")]
fn generic<T: ToString>(value: T) -> Result<(), Failure> {
    Ok(())
}

#[verb(noun = "log", effect = "pure")]
fn anything(value: impl ToString) -> Result<(), Failure> {
    Ok(())
}

#[verb(noun = "log", effect = "pure")]
fn taken_apart((a, b): (u8, u8), pair: (u8, u8), array: [u8; 2]) -> Result<(), Failure> {
    Ok(())
}

#[verb(noun = "log", effect = "pure")]
fn attributes(
    #[arg(lnog)] name: String,
    #[arg(long, hide)] hidden: String,
    #[arg(long)] json: bool,
    #[arg(short = 'q')] quick: bool,
) -> Result<(), Failure> {
    Ok(())
}

#[verb(noun = "log", effect = "pure")]
fn method(&self) -> Result<(), Failure> {
    Ok(())
}

fn main() {}
