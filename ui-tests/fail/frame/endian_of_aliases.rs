use cnv::frame::{Be, FrameEnum, SimdFrame};

type Id = u32;

#[derive(FrameEnum)]
#[repr(u16)]
enum Status {
    Ok = 200,
}

#[derive(SimdFrame)]
#[repr(C)]
struct Inner {
    value: u32,
}

#[derive(SimdFrame)]
#[frame(endian = "big")]
#[repr(C)]
struct Header {
    id: Id,
    length: Be<u32>,
    inner: Inner,
    status: Status,
    flags: [u8; 2],
}

fn main() {}
