use cnv::{budget, spend};

#[budget(memory = "600KB", retains = "0B", cpu = "1us")]
async fn fetch() {}

macro_rules! join {
    ($($future:expr),*) => {{ $($future.await;)* }};
}

#[budget(memory = "1MB", cpu = "1ms")]
async fn handler() {
    join!(spend!(fetch()), spend!(fetch()));
}

#[budget(memory = "1MB", cpu = "1ms")]
async fn one_is_kept() {
    let later = spend!(fetch());
    spend!(fetch()).await;
    later.await;
}

fn main() {
    let _ = (cnv::run!(handler()), cnv::run!(one_is_kept()));
}
