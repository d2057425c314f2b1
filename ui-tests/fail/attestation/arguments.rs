use cnv::attestation::{Denied, Evidence};
use cnv::command::Context;
use cnv::requires_attestation;

#[requires_attestation]
fn no_class(cx: &Context) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(netwrok)]
fn misspelt(cx: &Context) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(network, read_only)]
fn two_classes(cx: &Context) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(network, via = evidnce)]
fn unknown_parameter(evidence: &Evidence) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(network, audiance = "x")]
fn unknown_key(cx: &Context) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(network)]
fn nameless(_: &Context) -> Result<(), Denied> {
    Ok(())
}

fn main() {}
