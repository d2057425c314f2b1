use cnv::frame::FrameEnum;

#[derive(FrameEnum)]
enum Mode {
    Idle,
    Active,
}

#[derive(FrameEnum)]
#[repr(u64)]
enum Wide {
    Idle,
    Active,
}

fn main() {}
