use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
struct Reading {
    value: u64,
}

fn main() {}
