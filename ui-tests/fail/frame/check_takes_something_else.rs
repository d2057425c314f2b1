use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[frame(check = is_ordered)]
#[repr(C)]
struct Span {
    start: u32,
    end: u32,
}

fn is_ordered(start: u32, end: u32) -> bool {
    start <= end
}

#[derive(SimdFrame)]
#[frame(check = "is_ordered")]
#[repr(C)]
struct Named {
    start: u32,
}

fn main() {}
