use cnv::{budget, spend};

struct Store;

impl Store {
    fn plain(&self) {}
}

#[budget(cpu = "1ms")]
fn handler(store: &Store) {
    spend!(store.plain());
}

fn main() {
    cnv::run!(handler(&Store));
}
