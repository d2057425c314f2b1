use cnv::{budget, requires_attestation, verb};

#[budget(memory = "1KB" cpu = "1us")]
fn no_comma() {}

#[budget = "1KB"]
fn no_parentheses() {}

#[requires_attestation("network")]
fn quoted(cx: &cnv::command::Context) -> Result<(), cnv::attestation::Denied> {
    Ok(())
}

#[verb(noun = "log" effect = "pure")]
fn no_comma_either() -> Result<(), std::fmt::Error> {
    Ok(())
}

fn main() {}
