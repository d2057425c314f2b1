use cnv::frame::SimdFrame;

#[derive(Clone, Copy, SimdFrame)]
#[repr(C, packed)]
struct Reading {
    sensor: u8,
    value: u64,
}

fn main() {}
