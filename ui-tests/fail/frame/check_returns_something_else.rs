use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[frame(check = Self::len)]
#[repr(C)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn len(&self) -> u32 {
        self.end - self.start
    }
}

fn main() {}
