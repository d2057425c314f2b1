use cnv::frame::SimdFrame;

const WIRE: u16 = 300;

#[derive(SimdFrame)]
#[frame(version = WIRE)]
#[repr(C)]
struct Reading {
    #[frame(version)]
    version: u8,
}

#[derive(SimdFrame)]
#[frame(version = 3)]
#[repr(C)]
struct Signed {
    #[frame(version)]
    version: i8,
}

fn main() {}
