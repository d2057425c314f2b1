use cnv::prelude::*;

#[verb(noun = "log", effect = "read", alias)]
fn nothing() -> Result<u8, Failure> {
    Ok(1)
}

#[verb(noun = "log", effect = "read", alias = [])]
fn empty() -> Result<u8, Failure> {
    Ok(1)
}

#[verb(noun = "log", effect = "read", alias = 3)]
fn number() -> Result<u8, Failure> {
    Ok(1)
}

#[verb(noun = "log", effect = "read", alias = ["Count", "itself", "c", "c"])]
fn itself() -> Result<u8, Failure> {
    Ok(1)
}

#[verb(noun = "log", effect = "read", deprecated)]
fn no_advice() -> Result<u8, Failure> {
    Ok(1)
}

#[verb(noun = "log", effect = "read", deprecated = " ")]
fn blank_advice() -> Result<u8, Failure> {
    Ok(1)
}

#[verb(noun = "log", effect = "read", idempotent = true)]
fn with_a_value() -> Result<u8, Failure> {
    Ok(1)
}

fn main() {}
