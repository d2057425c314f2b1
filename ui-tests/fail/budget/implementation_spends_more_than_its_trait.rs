use cnv::{budget, spend};

struct Disk;

#[budget(cpu = "20us", io = 2)]
fn seek() {}

#[budget]
trait Source {
    #[budget(cpu = "100us", io = 1)]
    fn read(&self);
}

#[budget]
impl Source for Disk {
    #[budget]
    fn read(&self) {
        spend!(seek());
    }
}

fn main() {}
