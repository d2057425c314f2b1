use cnv::command::Context;
use cnv::requires_attestation;

#[requires_attestation(network)]
fn count(cx: &Context) -> usize {
    1
}

#[requires_attestation(network)]
fn io(cx: &Context) -> Result<usize, std::fmt::Error> {
    Ok(1)
}

fn main() {}
