use cnv::recovery::Refused;
use cnv::{bulkhead, circuit_breaker, retry, timeout};

#[timeout]
async fn no_time() -> Result<(), Refused> {
    Ok(())
}

#[timeout(1)]
async fn no_unit() -> Result<(), Refused> {
    Ok(())
}

#[timeout("0s")]
async fn nothing() -> Result<(), Refused> {
    Ok(())
}

#[timeout("unlimited")]
async fn for_ever() -> Result<(), Refused> {
    Ok(())
}

#[timeout("1sec")]
async fn misspelt_unit() -> Result<(), Refused> {
    Ok(())
}

const LONG: &str = "1s";

#[timeout(total = LONG)]
async fn not_a_literal() -> Result<(), Refused> {
    Ok(())
}

#[timeout("1s", atempt = "200ms")]
async fn misspelt_key() -> Result<(), Refused> {
    Ok(())
}

#[retry(attempts = 1)]
async fn one_attempt() -> Result<(), Refused> {
    Ok(())
}

#[retry(attempts = "many")]
async fn not_a_count() -> Result<(), Refused> {
    Ok(())
}

#[retry(jitter = "ful")]
async fn misspelt_jitter() -> Result<(), Refused> {
    Ok(())
}

#[retry(base = "30s")]
async fn longer_than_the_cap() -> Result<(), Refused> {
    Ok(())
}

#[retry(ratio = 1.5)]
async fn more_than_all() -> Result<(), Refused> {
    Ok(())
}

#[circuit_breaker(failures = 50)]
async fn not_a_part() -> Result<(), Refused> {
    Ok(())
}

#[circuit_breaker(failures = "0%", window = "5ms", minimum = 0)]
async fn several() -> Result<(), Refused> {
    Ok(())
}

#[circuit_breaker(slow_ratio = 0.5)]
async fn slow_from_when() -> Result<(), Refused> {
    Ok(())
}

#[circuit_breaker(open = "10s", longest_open = "5s")]
async fn shorter_than_the_first() -> Result<(), Refused> {
    Ok(())
}

#[bulkhead(queue = 32)]
async fn no_maximum() -> Result<(), Refused> {
    Ok(())
}

#[bulkhead(max = 16, wait = "100ms")]
async fn no_queue() -> Result<(), Refused> {
    Ok(())
}

#[bulkhead(max = 16, queue = 32, back_pressure)]
async fn queue_and_back_pressure() -> Result<(), Refused> {
    Ok(())
}

#[timeout("1s")]
#[timeout("2s")]
async fn twice() -> Result<(), Refused> {
    Ok(())
}

fn main() {}
