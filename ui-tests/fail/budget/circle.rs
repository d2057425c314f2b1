use cnv::{budget, spend};

#[budget(io = 3)]
fn ping(n: u32) {
    if n > 0 {
        spend!(pong(n - 1));
    }
}

#[budget(io = 3)]
fn pong(n: u32) {
    spend!(ping(n));
}

fn main() {
    cnv::run!(ping(3));
}
