use cnv::{budget, spend};

#[budget(memory = "600KB", cpu = "100us", io = 4)]
fn fetch() -> u32 {
    1
}

#[budget(memory = "1MB", cpu = "1ms", io = 3)]
fn handler(deep: bool) -> u32 {
    if deep {
        spend!(fetch())
    } else {
        0
    }
}

fn main() {
    cnv::run!(handler(true));
}
