use cnv::frame::SimdFrame;

#[derive(SimdFrame)]
#[frame(endian = "big")]
#[repr(C)]
struct Header {
    id: u32,
    counts: [u16; 2],
}

#[derive(SimdFrame)]
#[frame(endian = "network")]
#[repr(C)]
struct Other {
    id: u8,
}

fn main() {}
