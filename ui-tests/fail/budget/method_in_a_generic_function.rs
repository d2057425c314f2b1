use cnv::{budget, spend};

#[budget]
trait Source {
    #[budget(cpu = "10us", io = 3)]
    fn read(&self) -> u32;
}

#[budget(cpu = "1ms", io = 2)]
fn handler<S: Source + ?Sized, const N: usize>(sources: [&S; N]) -> u32 {
    spend!(sources[0].read())
}

fn main() {}
