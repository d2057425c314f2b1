use cnv::budget;

struct Store;

impl Store {
    #[budget(cpu = "10us")]
    fn load(&self) {}
}

#[budget]
trait Source {
    #[budget(cpu = "10us")]
    fn read(&self);
}

fn plain(store: &Store, source: &dyn Source) {
    store.load();
    source.read();
    Store::load(store);
}

fn main() {
    plain(&Store, todo!());
}
