use cnv::recovery::Refused;
use cnv::{bulkhead, circuit_breaker, retry, timeout};

#[timeout("1s", attempt = "2s")]
#[retry]
async fn attempt_longer_than_all() -> Result<(), Refused> {
    Ok(())
}

#[timeout("100ms")]
#[retry(attempts = 3, base = "50ms")]
async fn no_time_to_back_off() -> Result<(), Refused> {
    Ok(())
}

#[timeout("50ms")]
#[retry]
async fn no_time_by_default() -> Result<(), Refused> {
    Ok(())
}

#[timeout("100ms")]
#[bulkhead(max = 16, queue = 32, wait = "1s")]
async fn waits_longer_than_it_may_take() -> Result<(), Refused> {
    Ok(())
}

#[timeout("1s")]
#[circuit_breaker(slow = "2s")]
async fn never_that_slow() -> Result<(), Refused> {
    Ok(())
}

fn main() {}
