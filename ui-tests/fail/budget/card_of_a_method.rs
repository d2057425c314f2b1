use cnv::budget;

struct Store;

impl Store {
    #[budget(cpu = "10us", card = LoadBudget)]
    fn load(&self) {}
}

fn main() {}
