use cnv::frame::{AlignedBuffer, Frames, SimdFrame};

#[derive(SimdFrame)]
#[repr(C)]
struct Sample {
    value: u32,
    #[frame(crc32c)]
    crc: u32,
}

fn main() {
    let mut buffer = AlignedBuffer::new();
    let _ = Frames::<Sample>::from_big_endian(&[0; 8], &mut buffer);
}
