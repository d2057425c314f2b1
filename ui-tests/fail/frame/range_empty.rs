use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[repr(C)]
struct Reading {
    #[frame(range = 9..=1)]
    level: u8,
    #[frame(range = 3..3)]
    other: u8,
}

fn main() {}
