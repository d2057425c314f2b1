use cnv::{budget, spend};

#[budget]
trait Source {
    #[budget(cpu = "10us", io = 1)]
    fn read(&self) -> u32;

    #[budget(cpu = "100us", io = 1)]
    fn twice(&self) -> u32 {
        spend!(self.read()) + spend!(self.read())
    }
}

fn main() {}
