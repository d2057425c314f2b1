use cnv::frame::FrameEnum;

#[derive(Clone, Copy, FrameEnum)]
#[repr(u8)]
enum Mode {
    Idle,
    Active(u8),
}

fn main() {}
