use cnv::frame::SimdFrame;

#[derive(Clone, Copy, SimdFrame)]
#[repr(C)]
struct Reading<T> {
    value: T,
}

fn main() {}
