use cnv::{budget, spend};

#[budget(memory = "1KB", cpu = "1ms")]
fn ping() {
    spend!(pong());
}

#[budget(memory = "1KB", cpu = "1ms")]
fn pong() {
    spend!(ping());
}

fn main() {
    cnv::run!(ping());
}
