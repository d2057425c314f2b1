use cnv::frame::FrameEnum;

const FAILED: u8 = 100;

#[derive(FrameEnum)]
#[repr(u8)]
enum Mode {
    Idle,
    Active,
    Failed = FAILED,
}

fn main() {}
