use cnv::{budget, run};

#[budget(memory = "1GB", cpu = "10s", io = 100)]
fn huge() -> u8 {
    1
}

#[budget(memory = "1KB", cpu = "1us", io = 1)]
fn handler() {
    run!(huge());
    cnv::run!(huge());
    println!("{}", cnv::run!(huge()));
}

fn main() {
    run!(handler());
}
