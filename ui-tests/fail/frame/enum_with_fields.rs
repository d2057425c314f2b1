use cnv::frame::FrameEnum;

#[derive(FrameEnum)]
#[repr(u8)]
enum Mode {
    Idle,
    Active(u8),
}

fn main() {}
