use cnv::frame::SimdFrame;

const LONGEST: u32 = 300;

#[derive(SimdFrame)]
#[repr(C)]
struct Reading {
    #[frame(range = 1..=LONGEST)]
    len: u8,
    #[frame(range = -1..)]
    level: u8,
}

fn main() {}
