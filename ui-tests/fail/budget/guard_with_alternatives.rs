use cnv::{budget, spend};

#[budget(cpu = "1us", io = 1)]
fn ask(_: u32) -> bool {
    false
}

#[budget(cpu = "1ms", io = 1)]
fn handler(three: (u32, u32, u32)) -> u32 {
    match three {
        (x, _, _) | (_, x, _) | (_, _, x) if spend!(ask(x)) => x,
        _ => 0,
    }
}

fn main() {}
