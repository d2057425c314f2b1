use cnv::attestation::{Network, Permit, ReadOnly, ReadWrite};
use cnv::command::Context;
use cnv::prelude::*;
use cnv::privileged::{environment, file, network, process};

#[requires_attestation(network)]
fn asks_for_another(cx: &Context, permit: Permit<'_, ReadOnly>) -> Result<(), Denied> {
    permit.recheck()
}

#[requires_attestation(read_only)]
fn writes(cx: &Context, permit: Permit<'_, ReadOnly>) -> Result<(), Failure> {
    file::create(&permit, "file")?;
    Ok(())
}

#[requires_attestation(read_write)]
fn sends(cx: &Context, permit: Permit<'_, ReadWrite>) -> Result<(), Failure> {
    network::connect(&permit, "[::1]:80")?;
    Ok(())
}

#[requires_attestation(network)]
fn looks(cx: &Context, permit: Permit<'_, Network>) -> Result<(), Failure> {
    environment::var_os(&permit, "HOME");
    process::spawn(&permit, &mut std::process::Command::new("true"))?;
    Ok(())
}

fn reads(permit: &Permit<'_, ReadOnly>) {
    let _ = permit;
}

#[requires_attestation(network)]
fn lends(cx: &Context, permit: Permit<'_, Network>) -> Result<(), Failure> {
    reads(&permit.narrow());
    Ok(())
}

fn main() {}
