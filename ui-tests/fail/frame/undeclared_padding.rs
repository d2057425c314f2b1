use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[repr(C)]
struct Reading {
    sensor: u8,
    value: u64,
    flags: u16,
}

fn main() {}
