use cnv::prelude::*;

#[verb(noun = "log", effect = "read", alias = ["c", "count"])]
fn scan() -> Result<u8, Failure> {
    Ok(1)
}

#[verb(noun = "log", effect = "read")]
fn count() -> Result<u8, Failure> {
    Ok(1)
}

fn main() {
    let _ = App::new("trial").verbs(verbs![scan, count]);
}
