use cnv::{budget, spend};

#[budget(cpu = "1us", io = 1)]
fn load() -> u8 {
    1
}

#[budget(cpu = "1ms", io = 10)]
fn handler(n: u8) {
    #[cfg(unix)]
    spend!(load());
    #[cfg(unix)]
    let _loaded = spend!(load());
    match n {
        #[cfg(unix)]
        1 => drop(spend!(load())),
        _ => {}
    }
    #[cfg(unix)]
    {
        spend!(load());
    }
}

fn main() {
    cnv::run!(handler(1));
}
