use cnv::prelude::*;

#[verb(noun = "log", effect = "pure")]
fn two_lists(first: Vec<u8>, second: Vec<u8>) -> Result<(), Failure> {
    Ok(())
}

#[verb(noun = "log", effect = "pure")]
fn gap(first: Option<u8>, second: u8) -> Result<(), Failure> {
    Ok(())
}

#[verb(noun = "log", effect = "pure")]
fn options(
    #[arg(short = '-')] dash: u8,
    #[arg(short = "ab")] long: u8,
    #[arg(long = "Two Words")] words: u8,
    #[cfg(unix)] here: u8,
    cx: &mut Context,
) -> Result<(), Failure> {
    Ok(())
}

fn main() {}
