use cnv::{budget, spend};

struct Store;

#[budget(memory = "600KB", cpu = "10us")]
impl Store {
    fn load(&self) {}

    #[budget(memory = "1MB", cpu = "1ms")]
    fn both(&self) {
        spend!(self.load());
        spend!(self.load());
    }
}

fn main() {
    cnv::run!(Store.both());
}
