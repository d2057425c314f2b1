use cnv::{budget, spend};

fn plain() {}

#[budget(cpu = "1ms")]
fn handler() {
    spend!(plain());
}

fn main() {
    cnv::run!(handler());
}
