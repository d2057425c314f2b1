//! A function of a type that has no `self` is told from a free one by the attribute on the block.

use cnv::budget;

struct Store;

impl Store {
    #[budget(cpu = "10us")]
    fn open(_: &str) -> Store {
        Store
    }
}

fn main() {}
