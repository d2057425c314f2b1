use cnv::command::Context;
use cnv::requires_attestation;

#[requires_attestation(network)]
fn nothing(cx: &Context) {}

fn main() {}
