use cnv::{budget, spend};

#[budget(memory = "1KB", cpu = "1us", network = "1KB")]
async fn fetch(host: &str) -> Result<usize, std::num::ParseIntError> {
    host.parse()
}

#[budget(memory = "1MB", cpu = "1ms")]
async fn handler() -> Result<usize, std::num::ParseIntError> {
    let found = spend!(fetch("7")).await?;
    Ok(found)
}

fn main() {
    let _ = cnv::run!(handler());
}
