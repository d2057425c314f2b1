use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[repr(C)]
struct Reading {
    value: u32,
    #[frame(reserved)]
    _pad: u32,
}

type Filler = u16;

#[derive(SimdFrame)]
#[repr(C)]
struct Other {
    value: u16,
    #[frame(reserved)]
    _pad: Filler,
}

fn main() {}
