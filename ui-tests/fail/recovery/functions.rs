use cnv::recovery::Refused;
use cnv::{bulkhead, circuit_breaker, retry, timeout};

#[timeout("1s")]
async fn returns_nothing() {}

#[timeout("1s")]
async fn cannot_refuse() -> Result<(), std::num::ParseIntError> {
    Ok(())
}

#[timeout("1s")]
fn blocks() -> Result<(), Refused> {
    Ok(())
}

#[timeout("1s", attempt = "10ms")]
fn blocks_each_time() -> Result<(), Refused> {
    Ok(())
}

#[circuit_breaker]
const fn constant() -> Result<(), Refused> {
    Ok(())
}

#[retry]
async fn exclusive(buffer: &mut Vec<u8>) -> Result<(), Refused> {
    buffer.clear();
    Ok(())
}

struct Lock;

#[retry]
async fn no_clone(lock: Lock) -> Result<(), Refused> {
    drop(lock);
    Ok(())
}

struct Store;

impl Store {
    #[retry]
    async fn consumed(self) -> Result<(), Refused> {
        Ok(())
    }

    #[retry]
    async fn changed(&mut self) -> Result<(), Refused> {
        Ok(())
    }
}

impl Store {
    #[retry]
    async fn of_an_arc(self: std::sync::Arc<Self>) -> Result<(), Refused> {
        Ok(())
    }

    #[retry]
    fn gone(self) -> Result<(), Refused> {
        Ok(())
    }
}

#[bulkhead(max = 1)]
struct NoFunction;

#[retry(when = is_busy)]
async fn another_error() -> Result<(), Refused> {
    Ok(())
}

fn is_busy(_: &std::io::Error) -> bool {
    true
}

fn main() {}
