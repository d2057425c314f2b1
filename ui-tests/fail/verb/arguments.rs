use cnv::prelude::*;

#[verb(noun = "log")]
fn no_effect() -> Result<(), Failure> {
    Ok(())
}

#[verb(effect = "pure")]
fn no_noun() -> Result<(), Failure> {
    Ok(())
}

#[verb(noun = "log", effect = "raed")]
fn misspelt_effect() -> Result<(), Failure> {
    Ok(())
}

#[verb(noun = "Log Files", effect = "pure")]
fn bad_noun() -> Result<(), Failure> {
    Ok(())
}

#[verb(noun = "log", name = "help", effect = "pure")]
fn taken_name() -> Result<(), Failure> {
    Ok(())
}

#[verb(noun = log, effect = "pure")]
fn not_a_string() -> Result<(), Failure> {
    Ok(())
}

#[verb(noun = "log", efect = "pure")]
fn misspelt_key() -> Result<(), Failure> {
    Ok(())
}

fn main() {}
