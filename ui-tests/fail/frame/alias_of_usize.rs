use cnv::frame::SimdFrame;

type Count = usize;

#[derive(SimdFrame)]
#[repr(C)]
struct Counter {
    count: Count,
}

fn main() {}
