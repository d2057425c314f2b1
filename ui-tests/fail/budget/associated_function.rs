use cnv::{budget, spend};

struct Store<T>(T);

#[budget(memory = "2MB", cpu = "10us")]
impl<T: Default> Store<T> {
    fn open() -> Self {
        Self(T::default())
    }
}

#[budget(memory = "1MB", cpu = "1ms")]
fn handler() {
    let _ = spend!(Store::<u8>::open());
}

fn main() {
    cnv::run!(handler());
    let _ = Store(1).0;
}
