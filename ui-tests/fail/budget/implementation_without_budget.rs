use cnv::budget;

struct Disk;

#[budget]
trait Source {
    #[budget(cpu = "10us")]
    fn read(&self);
}

impl Source for Disk {
    fn read(&self) {}
}

fn main() {}
