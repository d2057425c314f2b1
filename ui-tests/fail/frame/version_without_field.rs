use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[frame(version = 2)]
#[repr(C)]
struct Reading {
    value: u64,
}

fn main() {}
