use cnv::attestation::{Network, Permit};
use cnv::command::Context;
use cnv::prelude::*;

#[requires_attestation(network)]
fn two(cx: &Context, one: Permit<'_, Network>, other: Permit<'_>) -> Result<(), Denied> {
    one.recheck()
}

#[requires_attestation(network)]
fn conditional(cx: &Context, #[cfg(unix)] permit: Permit<'_, Network>) -> Result<(), Denied> {
    permit.recheck()
}

#[requires_attestation(netwrok)]
fn misspelt(cx: &Context, permit: Permit<'_, Network>) -> Result<(), Denied> {
    permit.recheck()
}

fn passes_one(cx: &Context, permit: Permit<'_, Network>) -> Result<(), Denied> {
    misspelt(cx)?;
    right(cx, permit)
}

#[requires_attestation(network)]
fn right(cx: &Context, permit: Permit<'_, Network>) -> Result<(), Denied> {
    permit.recheck()
}

fn main() {}
