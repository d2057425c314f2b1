//! What a macro by example writes is charged like everything else.

use cnv::{budget, spend};

#[budget(cpu = "10us", io = 2)]
fn fetch() {}

macro_rules! fetch_twice {
    () => {{
        spend!(fetch());
        spend!(fetch());
    }};
}

macro_rules! handler {
    ($name:ident, $io:literal, $callee:path) => {
        #[budget(cpu = "1ms", io = $io)]
        fn $name() {
            spend!($callee());
            spend!($callee());
        }
    };
}

handler!(enough, 4, fetch);
handler!(too_little, 3, fetch);

#[budget(cpu = "1ms", io = 4)]
fn hidden() {
    fetch_twice!();
}

fn main() {
    cnv::run!(enough());
}
