use cnv::command::Context;
use cnv::requires_attestation;

#[requires_attestation(network)]
fn nothing(cx: &Context) {}

#[requires_attestation(network)]
const fn constant(cx: &Context) -> Result<(), cnv::attestation::Denied> {
    Ok(())
}

fn main() {}
