use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[repr(C)]
struct Reading {
    value: u32,
    #[frame(reservd)]
    _pad: [u8; 4],
}

fn main() {}
