use cnv::attestation::{Network, Permit};
use cnv::command::Context;
use cnv::prelude::*;

#[requires_attestation(network)]
fn past_its_context<'a>(
    cx: Context,
    permit: Permit<'_, Network>,
) -> Result<Permit<'a, Network>, Denied> {
    Ok(permit)
}

fn main() {}
