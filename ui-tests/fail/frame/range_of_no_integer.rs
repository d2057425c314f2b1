use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[repr(C)]
struct Reading {
    #[frame(range = 1..=2)]
    ratio: f32,
    #[frame(range = 0..=9)]
    digits: [u8; 4],
}

#[derive(SimdFrame)]
#[repr(C)]
struct Other {
    #[frame(range = 0.5..1.5)]
    ratio: u8,
    #[frame(range = 7)]
    level: u8,
}

fn main() {}
