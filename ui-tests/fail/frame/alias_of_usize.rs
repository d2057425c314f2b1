use cnv::frame::SimdFrame;

type Count = usize;

#[derive(Clone, Copy, SimdFrame)]
#[repr(C)]
struct Counter {
    count: Count,
}

fn main() {}
