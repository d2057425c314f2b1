use cnv::budget;

struct Disk;

#[budget]
trait Source {
    #[budget(memory = "1KB", cpu = "10us", io = 1)]
    fn read(&self);
    #[budget(memory = "1KB", retains = "100B", cpu = "10us")]
    fn list(&self);
}

#[budget]
impl Source for Disk {
    #[budget(memory = "1KB", cpu = "10us", io = 2)]
    fn read(&self) {}
    #[budget(memory = "1KB", cpu = "10us")]
    fn list(&self) {}
}

fn main() {}
