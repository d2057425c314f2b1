use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[repr(C, packed)]
struct Reading {
    sensor: u8,
    value: u64,
}

fn main() {}
