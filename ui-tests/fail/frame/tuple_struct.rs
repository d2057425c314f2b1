use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[repr(C)]
struct Reading(u64);

fn main() {}
