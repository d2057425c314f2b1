use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[repr(C)]
struct Counter {
    count: usize,
}

fn main() {
    let _ = Counter { count: 1 }.as_bytes();
}
