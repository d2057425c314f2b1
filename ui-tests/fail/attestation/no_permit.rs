use cnv::command::Context;
use cnv::prelude::*;
use cnv::privileged::file;

fn helper() -> std::io::Result<()> {
    file::open("secret")?;
    Ok(())
}

#[requires_attestation(read_only)]
fn guarded(cx: &Context) -> Result<(), Failure> {
    file::open(&permit, "secret")?;
    file::open(cx, "secret")?;
    Ok(())
}

fn main() {}
