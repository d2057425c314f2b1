use cnv::{budget, spend};

#[budget(cpu = "100us", io = 4)]
fn small() {}

#[budget(cpu = "100us", io = 8)]
fn large() {}

#[budget(cpu = "1ms", io = 11)]
fn handler(n: u32) {
    match n {
        0 => spend!(small()),
        1 => spend!(large()),
        _ => {}
    }
    spend!(small());
}

fn main() {
    cnv::run!(handler(1));
}
