use std::sync::Arc;

use cnv::{budget, spend};

#[budget]
trait Source {
    #[budget(cpu = "10us", io = 3)]
    fn read(&self) -> u32;
}

#[budget(cpu = "1ms", io = 8)]
fn handler<S: Source>(any: &dyn Source, shared: Arc<dyn Source + Send>, typed: &S) -> u32 {
    spend!(any.read()) + spend!(shared.read()) + spend!(typed.read())
}

fn main() {}
