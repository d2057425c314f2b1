use cnv::prelude::*;

#[verb(noun = "log", effect = "network")]
#[requires_attestation(read_only)]
fn send(cx: Context) -> Result<(), Failure> {
    Ok(())
}

#[requires_attestation(network)]
#[verb(noun = "log", effect = "write")]
fn write(cx: Context) -> Result<(), Failure> {
    Ok(())
}

fn main() {}
