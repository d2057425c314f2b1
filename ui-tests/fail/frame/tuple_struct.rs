use cnv::frame::SimdFrame;

#[derive(Clone, Copy, SimdFrame)]
#[repr(C)]
struct Reading(u64);

fn main() {}
