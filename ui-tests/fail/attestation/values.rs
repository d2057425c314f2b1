use cnv::command::Context;
use cnv::prelude::*;

#[requires_attestation(network, safety = "reversibel")]
fn misspelt_safety(cx: &Context) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(network, safety = "no")]
fn unknown_safety(cx: &Context) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(network, band = "medum", stability = "frosen")]
fn two_mistakes(cx: &Context) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(network, safety = harmless)]
fn without_quotes(cx: &Context) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(network, safety)]
fn without_value(cx: &Context) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(network, safety = "harmless", safety = "harmless")]
fn twice(cx: &Context) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(network, audience = "")]
fn empty_audience(cx: &Context) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(network, audience = "two\nlines")]
fn audience_of_two_lines(cx: &Context) -> Result<(), Denied> {
    Ok(())
}

#[requires_attestation(network, audience = "ops\u{202E}spo")]
fn audience_that_reads_backwards(cx: &Context) -> Result<(), Denied> {
    Ok(())
}

fn main() {}
