use cnv::prelude::*;

mod log {
    pub fn plain() {}

    #[cnv::budget(io = 1)]
    pub fn budgeted() {}
}

fn main() {
    let _ = App::new("ops").verbs(verbs![log::plain, log::budgeted]);
}
