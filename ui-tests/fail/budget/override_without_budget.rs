//! A method of an implementation that nobody would be charged for, in place of one that the trait has.

use cnv::budget;

#[budget]
trait Source {
    #[budget(memory = "1KB", cpu = "1us")]
    fn get(&self) -> u32 {
        1
    }
}

struct Disk;

#[budget]
impl Source for Disk {
    fn get(&self) -> u32 {
        2
    }
}

struct Net;

impl Source for Net {
    fn get(&self) -> u32 {
        3
    }
}

fn main() {}
