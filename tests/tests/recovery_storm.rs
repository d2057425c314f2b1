//! A backend that is fully down, and comes back: what it sees of what it is offered.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use cnv::recovery::{
    BreakerState, Bulkhead, Call, CircuitBreaker, Clock, Moment, Policy, Retry, Settings, Verdict,
};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
struct Paused(tokio::time::Instant);

impl Clock for Paused {
    fn now(&self) -> Moment {
        Moment::from_ns(self.0.elapsed().as_nanos() as u64)
    }
}

struct Backend {
    is_down: Cell<bool>,
    sent: Cell<u64>,
    answered: Cell<u64>,
}

impl Backend {
    async fn answer(&self) -> Result<(), &'static str> {
        self.sent.set(self.sent.get() + 1);
        tokio::time::sleep(5 * MS).await;
        if self.is_down.get() {
            return Err("down");
        }
        self.answered.set(self.answered.get() + 1);
        Ok(())
    }
}

struct Storm {
    policy: Rc<Policy<Paused>>,
    backend: Rc<Backend>,
}

impl Storm {
    fn new(settings: Settings) -> Self {
        let clock = Paused(tokio::time::Instant::now());
        Self {
            policy: Rc::new(Policy::with_clock("backend", settings, clock)),
            backend: Rc::new(Backend {
                is_down: Cell::new(true),
                sent: Cell::new(0),
                answered: Cell::new(0),
            }),
        }
    }

    /// Offers a thousand calls a second, and waits for their ends. Returns how many were sent on, and answered.
    async fn offer(&self, calls: u64) -> (u64, u64) {
        let before = (self.backend.sent.get(), self.backend.answered.get());
        let mut running = Vec::new();
        for _ in 0..calls {
            let (policy, backend) = (Rc::clone(&self.policy), Rc::clone(&self.backend));
            running.push(tokio::task::spawn_local(async move {
                let body = |_| backend.answer();
                policy
                    .call(Call::new(), |_: &&str| Verdict::Retry, body)
                    .await
                    .is_ok()
            }));
            tokio::time::sleep(MS).await;
        }
        for call in running {
            call.await.unwrap();
        }
        let (sent, answered) = before;
        (
            self.backend.sent.get() - sent,
            self.backend.answered.get() - answered,
        )
    }
}

fn paused<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

const OFFERED: u64 = 20_000;

#[test]
fn the_retry_budget_alone_keeps_it_to_a_fifth_more() {
    paused(async {
        let storm = Storm::new(Settings::new().retry(Retry::new()));
        let (sent, _) = storm.offer(OFFERED).await;
        assert!(sent <= OFFERED * 12 / 10, "{sent} sent of {OFFERED}");
        assert!(
            sent >= OFFERED * 119 / 100,
            "the budget is there to be used: {sent}"
        );
        // It is the budget that does it.
        let unbounded = Storm::new(Settings::new().retry(Retry::new().budget(1.0, u32::MAX)));
        let (sent, _) = unbounded.offer(OFFERED).await;
        assert_eq!(sent, 3 * OFFERED);
    });
}

#[test]
fn a_breaker_keeps_nearly_all_of_it_off_and_notices_that_it_is_over() {
    paused(async {
        let settings = Settings::new()
            .timeout(S)
            .retry(Retry::new())
            .circuit_breaker(CircuitBreaker::new())
            .bulkhead(Bulkhead::new(16));
        let storm = Storm::new(settings);
        let (sent, _) = storm.offer(OFFERED).await;
        assert!(sent <= OFFERED / 100, "{sent} sent of {OFFERED}");
        assert_eq!(storm.policy.state(), BreakerState::Open);

        storm.backend.is_down.set(false);
        // The longest that it stays open.
        tokio::time::sleep(75 * S).await;
        let (sent, answered) = storm.offer(OFFERED).await;
        assert_eq!(storm.policy.state(), BreakerState::Closed);
        assert_eq!(sent, answered);
        // All but those that came while three probes were out.
        assert!(answered >= OFFERED - 10, "{answered} answered of {OFFERED}");
        assert_eq!(storm.policy.counters().running, 0);
    });
}
