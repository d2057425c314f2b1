use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[repr(C)]
struct Reading {
    #[frame(version)]
    version: u8,
}

#[derive(SimdFrame)]
#[repr(C)]
struct Other {
    #[frame(version = 2)]
    version: u8,
}

fn main() {}
