use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[frame(version = 1)]
#[repr(C)]
struct Reading {
    #[frame(version, range = 1..=2)]
    version: u8,
    #[frame(reserved, range = 0..=3)]
    _pad: [u8; 3],
}

fn main() {}
