use cnv::{budget, spend};

mod other {
    #[cnv::budget(cpu = "1us", io = 1)]
    pub fn load() {}
}

#[budget(cpu = "1us", io = 5)]
fn load() {}

#[budget(cpu = "1ms", io = 10)]
fn handler(deep: bool) {
    if deep {
        use other::load;
        spend!(load());
    }
    {
        use other::*;
        spend!(load());
    }
    spend!(load());
}

fn main() {
    cnv::run!(handler(true));
}
