use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[repr(C)]
struct Message {
    id: u64,
    text: String,
}

fn main() {}
