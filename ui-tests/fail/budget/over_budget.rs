use cnv::{budget, spend};

#[budget(memory = "600KB", cpu = "100us", io = 4)]
fn fetch() -> u32 {
    1
}

#[budget(memory = "500KB", cpu = "1ms", io = 10)]
fn handler() -> u32 {
    spend!(fetch())
}

fn main() {
    cnv::run!(handler());
}
