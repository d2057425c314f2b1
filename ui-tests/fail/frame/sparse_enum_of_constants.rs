use cnv::frame::FrameEnum;

const FAILED: u8 = 100;

#[derive(Clone, Copy, FrameEnum)]
#[repr(u8)]
enum Mode {
    Idle,
    Active,
    Failed = FAILED,
}

fn main() {}
