use cnv::frame::FrameEnum;

#[derive(Clone, Copy, FrameEnum)]
enum Mode {
    Idle,
    Active,
}

#[derive(Clone, Copy, FrameEnum)]
#[repr(u16)]
enum Wide {
    Idle,
    Active,
}

fn main() {}
