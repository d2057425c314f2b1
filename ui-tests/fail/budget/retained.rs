use cnv::{budget, spend};

#[budget(memory = "900KB", retains = "200KB", cpu = "1us")]
fn load() {}

#[budget(memory = "1MB", cpu = "1ms")]
fn handler() {
    spend!(load());
    spend!(load());
}

fn main() {
    cnv::run!(handler());
}
