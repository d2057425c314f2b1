use cnv::prelude::*;

#[verb(noun = "log", effect = "pure")]
#[budget(io = 4)]
fn parse() -> Result<(), Failure> {
    Ok(())
}

#[budget(network = "1KB")]
#[verb(noun = "log", effect = "read")]
fn read() -> Result<(), Failure> {
    Ok(())
}

fn main() {}
