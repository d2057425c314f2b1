use cnv::frame::FrameEnum;

#[derive(FrameEnum)]
#[repr(u8)]
enum Mode {
    Idle,
    Active,
    Failed = 100,
}

fn main() {
    let _ = Mode::from_byte(1);
}
