use std::sync::Mutex;

use cnv::attestation::{Network, Permit};
use cnv::command::Context;
use cnv::prelude::*;

static KEPT: Mutex<Option<Permit<'static, Network>>> = Mutex::new(None);

#[requires_attestation(network)]
fn in_a_static(cx: &Context, permit: Permit<'_, Network>) -> Result<(), Denied> {
    *KEPT.lock().unwrap() = Some(permit);
    Ok(())
}

#[requires_attestation(network)]
fn in_a_thread(cx: &Context, permit: Permit<'_, Network>) -> Result<(), Denied> {
    std::thread::spawn(move || permit.recheck());
    Ok(())
}

fn main() {}
