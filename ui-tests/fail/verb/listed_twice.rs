use cnv::prelude::*;

#[verb(noun = "log", effect = "pure")]
fn scan() -> Result<(), Failure> {
    Ok(())
}

fn main() {
    let _ = verbs![scan, scan];
}
