use cnv::budget;

struct Store;

macro_rules! method {
    ($name:ident) => {
        fn $name(&self) {}
    };
}

#[budget(cpu = "1us")]
impl Store {
    method!(made);
}

#[budget]
impl Store {
    fn plain(&self) {}
}

#[budget(memory = "1KB")]
impl Store {}

#[budget]
trait Source {
    #[budget(io = 1, open)]
    fn read(&self) {}
}

#[budget]
impl Source for Store {
    #[budget(open)]
    fn read(&self) {}
}

fn main() {}
