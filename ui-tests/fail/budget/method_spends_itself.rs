use cnv::{budget, spend};

struct Tree(Option<Box<Tree>>);

impl Tree {
    #[budget(cpu = "10us")]
    fn depth(&self) -> u32 {
        match &self.0 {
            Some(inner) => spend!(inner.depth()) + 1,
            None => 0,
        }
    }
}

fn main() {
    let _ = cnv::run!(Tree(None).depth());
}
