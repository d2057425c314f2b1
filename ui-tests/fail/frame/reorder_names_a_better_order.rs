use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[frame(reorder)]
#[repr(C)]
struct Reading {
    is_first: bool,
    kind: u8,
    sensor: u16,
    value: u32,
    time: u32,
    unit: u16,
    quality: u8,
    is_last: bool,
}

fn main() {}
