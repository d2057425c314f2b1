use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[repr(C)]
struct Reading {
    #[frame(range = 0..=255)]
    level: u8,
}

#[derive(SimdFrame)]
#[repr(C)]
struct Other {
    #[frame(range = ..)]
    level: u8,
}

fn main() {}
