use cnv::recovery::{CircuitBreaker, Policy, Refused, Settings};
use cnv::{bulkhead, circuit_breaker, retry};
use std::time::Duration;

static GEO: Policy = Policy::new("geo", Settings::new().circuit_breaker(CircuitBreaker::new()));
static STORE: Policy = Policy::new("store", Settings::new());

#[circuit_breaker(on = GEO, window = "10s")]
async fn and_a_window() -> Result<(), Refused> {
    Ok(())
}

#[circuit_breaker(on = GEO)]
#[bulkhead(on = STORE)]
async fn two_policies() -> Result<(), Refused> {
    Ok(())
}

#[circuit_breaker(on = GEO)]
#[bulkhead(max = 16)]
async fn half_of_one() -> Result<(), Refused> {
    Ok(())
}

#[retry(attempts = 3, ratio = 0.1, per_second = 5)]
#[circuit_breaker(on = GEO)]
async fn a_budget_of_its_own() -> Result<(), Refused> {
    Ok(())
}

const NO_STATIC: Policy = Policy::new("none", Settings::new());

#[circuit_breaker(on = NO_STATIC)]
async fn on_a_constant() -> Result<(), Refused> {
    Ok(())
}

static FAULTY: Policy = Policy::new("faulty", Settings::new().timeout(Duration::ZERO));

fn main() {}
