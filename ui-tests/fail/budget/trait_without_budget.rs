//! A trait whose methods have budgets carries the attribute itself: otherwise an implementation could have a method
//! of its own that nobody is charged for.

use cnv::budget;

trait Source {
    #[budget(io = 1)]
    fn read(&self) {}
}

struct Disk;

impl Source for Disk {
    #[budget(io = 1)]
    fn read(&self) {}
}

fn main() {}
