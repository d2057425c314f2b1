use cnv::{budget, spend};

#[budget(cpu = "1us", io = 1)]
fn fetch() -> u32 {
    1
}

#[budget(cpu = "1ms", io = 10)]
async fn handler(names: &[&str]) {
    for _ in names {
        spend!(fetch());
    }
    while spend!(fetch()) > 1 {}
    loop {
        spend!(fetch());
        break;
    }
    let later = || spend!(fetch());
    let future = async { spend!(fetch()) };
    println!("{}", spend!(fetch()));
    let _ = (later, future);
}

fn plain() -> u32 {
    spend!(fetch())
}

fn main() {
    let _ = cnv::run!(handler(&[]));
    plain();
}
