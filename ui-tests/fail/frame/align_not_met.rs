use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[frame(align = 64)]
#[repr(C)]
struct Reading {
    value: u64,
}

#[derive(SimdFrame)]
#[frame(align = 12)]
#[repr(C)]
struct Other {
    value: u64,
}

fn main() {}
