use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[repr(C)]
struct Reading {
    value: u32,
    #[frame(crc32c)]
    crc: u32,
    other: u32,
}

fn main() {}
