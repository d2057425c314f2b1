use cnv::frame::SimdFrame;

#[derive(Clone, Copy)]
#[repr(u8)]
enum Mode {
    Idle,
    Active,
}

#[derive(SimdFrame)]
#[repr(C)]
struct Reading {
    value: [u32; 4],
    mode: Mode,
    modes: [Mode; 3],
}

fn main() {}
