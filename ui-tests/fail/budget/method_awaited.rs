use cnv::{budget, spend};

struct Store;

impl Store {
    #[budget(memory = "1KB", cpu = "600us")]
    async fn load(&self) {}
}

#[budget(memory = "1MB", cpu = "1ms")]
async fn handler(store: &Store) {
    spend!(store.load()).await;
    spend!(store.load()).await;
}

fn main() {
    let _ = cnv::run!(handler(&Store));
}
