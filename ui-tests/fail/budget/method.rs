use cnv::{budget, spend};

struct Store;

impl Store {
    #[budget(memory = "600KB", cpu = "10us")]
    fn load(&self) {}
}

#[budget(memory = "1MB", cpu = "1ms")]
fn handler(store: &Store) {
    spend!(store.load());
    spend!(store.load());
}

fn main() {
    cnv::run!(handler(&Store));
}
