//! Methods that spend limit their processor time, so that none can spend itself in a circle.

use cnv::{budget, spend};

struct Tree;

impl Tree {
    #[budget(memory = "1KB", io = 1)]
    fn down(&self, depth: u32) {
        if depth > 0 {
            spend!(self.down(depth - 1));
        }
    }
}

#[budget]
trait Walk {
    #[budget(io = 1)]
    fn walk(&self);
}

#[budget]
impl Walk for Tree {
    #[budget]
    fn walk(&self) {
        spend!(self.walk());
    }
}

fn main() {}
