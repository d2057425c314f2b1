use cnv::budget;

#[budget(io = 1)]
struct Disk;

#[budget(io = 1)]
const fn constant() {}

#[budget(io = 1)]
unsafe fn raw() {}

#[budget(io = 1)]
extern "C" fn foreign() {}

trait Source {
    #[budget(io = 1)]
    fn read(&self);
}

fn main() {}
