//! The others, set up for the same: three attempts, a second, sixteen at a time, half of the calls failing.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use failsafe::{backoff, failure_policy};
use tower::limit::ConcurrencyLimitLayer;
use tower::retry::budget::{Budget, TpsBudget};
use tower::retry::{Policy, RetryLayer};
use tower::timeout::TimeoutLayer;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_resilience::bulkhead::BulkheadLayer;
use tower_resilience::circuitbreaker::{CircuitBreakerLayer, SlidingWindowType};
use tower_resilience::retry::RetryLayer as ResilienceRetryLayer;

use super::at_once;

pub const SECOND: Duration = Duration::from_secs(1);

/// Retries what failed, within a budget. Like cnv's the backoff is for after a failure.
#[derive(Clone)]
struct Retries {
    left: u32,
    budget: Arc<TpsBudget>,
}

impl<E> Policy<u64, u64, E> for Retries {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, E>) -> Option<Ready<()>> {
        match result {
            Ok(_) => {
                self.budget.deposit();
                None
            }
            Err(_) if self.left > 0 && self.budget.withdraw() => {
                self.left -= 1;
                Some(ready(()))
            }
            Err(_) => None,
        }
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

/// What is called: it succeeds at once.
pub async fn answer(request: u64) -> Result<u64, Infallible> {
    Ok(request + 1)
}

/// tower's retry, timeout and limit.
pub fn tower() -> impl Service<u64, Response = u64, Error = BoxError> {
    let retries = Retries {
        left: 2,
        budget: Arc::new(TpsBudget::new(10 * SECOND, 10, 0.2)),
    };
    ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(16))
        .layer(TimeoutLayer::new(SECOND))
        .layer(RetryLayer::new(retries))
        .service(service_fn(answer))
}

/// tower-resilience's bulkhead, breaker and retry.
pub fn tower_resilience() -> impl Service<u64, Response = u64> {
    let retries: ResilienceRetryLayer<u64, u64, Infallible> = ResilienceRetryLayer::builder()
        .max_attempts(3)
        .exponential_backoff(Duration::from_millis(50))
        .build();
    let breaker = CircuitBreakerLayer::builder()
        .failure_rate_threshold(0.5)
        .minimum_number_of_calls(20)
        .sliding_window_type(SlidingWindowType::TimeBased)
        .sliding_window_duration(10 * SECOND)
        .build()
        .expect("the settings are sound");
    let bulkhead = BulkheadLayer::builder()
        .max_concurrent_calls(16)
        .reject_when_full()
        .build()
        .expect("the settings are sound");
    ServiceBuilder::new()
        .layer(bulkhead)
        .layer(breaker)
        .layer(retries)
        .service(service_fn(answer))
}

/// failsafe's breaker, by the part of calls that succeed.
pub fn failsafe() -> impl failsafe::CircuitBreaker {
    let backoff = backoff::equal_jittered(5 * SECOND, 60 * SECOND);
    let policy = failure_policy::success_rate_over_time_window(0.5, 20, 10 * SECOND, backoff);
    failsafe::Config::new().failure_policy(policy).build()
}

/// One call of a service that answers at once.
pub fn call<S: Service<u64, Response = u64>>(service: &mut S, request: u64) -> Option<u64> {
    let ready = at_once(service.ready())?.ok()?;
    at_once(ready.call(black_box(request)))?.ok()
}
