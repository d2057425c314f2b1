use cnv::prelude::*;
use cnv::{retry, timeout};

#[retry]
#[verb(noun = "file", effect = "write", public)]
async fn append(cx: &Context) -> Result<(), Failure> {
    cx.checkpoint()?;
    Ok(())
}

#[timeout("1s")]
#[verb(noun = "file", effect = "read")]
async fn size() -> Result<u64, Failure> {
    Ok(1)
}

#[retry]
#[verb(noun = "file", effect = "network", idempotent)]
#[requires_attestation(network)]
async fn send(cx: &Context, permit: Permit<'_, Network>) -> Result<(), Failure> {
    cx.checkpoint()?;
    drop(permit);
    Ok(())
}

#[timeout("1s")]
#[verb(noun = "file", effect = "read")]
async fn unnamed(_: &Context) -> Result<u64, Failure> {
    Ok(1)
}

fn main() {}
