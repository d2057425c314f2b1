use cnv::{budget, spend};

#[budget(io = 3)]
fn handler(n: u32) {
    if n > 0 {
        spend!(handler(n - 1));
    }
}

fn main() {
    cnv::run!(handler(3));
}
