use cnv::{budget, spend};

#[budget(cpu = "1us")]
fn hungry() {}

#[budget(memory = "1MB", cpu = "1ms")]
fn handler() {
    spend!(hungry());
}

fn main() {
    cnv::run!(handler());
}
