use cnv::prelude::*;

mod a {
    use cnv::prelude::*;

    #[verb(noun = "log", effect = "pure")]
    pub fn scan() -> Result<(), Failure> {
        Ok(())
    }
}

mod b {
    use cnv::prelude::*;

    #[verb(noun = "log", name = "scan", effect = "pure")]
    pub fn other() -> Result<(), Failure> {
        Ok(())
    }
}

fn main() {
    let _ = verbs![a::scan, b::other];
}
