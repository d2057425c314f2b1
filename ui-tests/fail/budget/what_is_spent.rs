use cnv::{budget, spend};

#[budget(cpu = "1us")]
async fn fetch() -> Result<u32, std::fmt::Error> {
    Ok(1)
}

#[budget(cpu = "1ms")]
async fn handler(text: &str) -> Result<(), std::fmt::Error> {
    let _ = spend!(fetch().await);
    let _ = spend!(fetch()?);
    let _ = spend!(1 + 1);
    let _ = spend!();
    let _ = spend!((text.len)());
    Ok(())
}

fn main() {
    let _ = cnv::run!(handler(""));
}
