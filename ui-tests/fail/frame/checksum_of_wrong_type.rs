use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[repr(C)]
struct Reading {
    value: u16,
    #[frame(crc32c)]
    crc: u16,
}

fn main() {}
