use cnv::{budget, spend};

fn plain() {}

struct Meter;

#[budget(cpu = "1ms")]
fn handler() {
    spend!(plain());
    spend!(Meter());
}

fn main() {
    cnv::run!(handler());
}
