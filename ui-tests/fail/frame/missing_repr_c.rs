use cnv::frame::SimdFrame;

#[derive(Clone, Copy, SimdFrame)]
struct Reading {
    value: u64,
}

fn main() {}
