use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[repr(C)]
struct Reading<T> {
    value: T,
}

fn main() {}
