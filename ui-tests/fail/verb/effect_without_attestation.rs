use cnv::prelude::*;

#[verb(noun = "log", effect = "write")]
fn rotate(cx: Context) -> Result<(), Failure> {
    Ok(())
}

fn main() {}
