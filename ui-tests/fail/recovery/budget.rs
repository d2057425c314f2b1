use cnv::recovery::Refused;
use cnv::{budget, retry, spend};

#[retry(attempts = 3)]
#[budget(cpu = "1ms", io = 2, network = "10KB")]
async fn fetch() -> Result<(), Refused> {
    Ok(())
}

#[budget(cpu = "1s", io = 5, network = "100KB")]
async fn handler() -> Result<(), Refused> {
    spend!(fetch()).await
}

fn main() {}
