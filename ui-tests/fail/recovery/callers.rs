use cnv::recovery::Refused;
use cnv::{budget, spend, timeout};

#[timeout("2s")]
#[budget(io = 1)]
async fn fetch() -> Result<(), Refused> {
    Ok(())
}

#[timeout("1s")]
#[budget(io = 1)]
async fn handler() -> Result<(), Refused> {
    spend!(fetch()).await
}

fn main() {}
