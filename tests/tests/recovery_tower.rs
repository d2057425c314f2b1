//! The tower service beside tower's own timeout and limit: the same answers at the same moments.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cnv::recovery::{
    Bulkhead, CallError, Cause, Clock, Deadline, Jitter, Moment, Policy, RecoveryLayer, Retry,
    Settings, Verdict,
};
use proptest::prelude::*;
use tower::limit::ConcurrencyLimitLayer;
use tower::timeout::TimeoutLayer;
use tower::{Layer, Service, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);

#[derive(Clone, Copy)]
struct Paused(tokio::time::Instant);

impl Clock for Paused {
    fn now(&self) -> Moment {
        Moment::from_ns(self.0.elapsed().as_nanos() as u64)
    }
}

fn paused<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

fn shared(settings: Settings) -> Arc<Policy<Paused>> {
    let clock = Paused(tokio::time::Instant::now());
    Arc::new(Policy::with_clock("tower", settings, clock))
}

fn fail(_: &&str) -> Verdict {
    Verdict::Fail
}

/// Takes as many milliseconds as it is asked for, and fails where that is odd.
async fn work(ms: u64) -> Result<u64, &'static str> {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    if ms.is_multiple_of(2) {
        Ok(ms)
    } else {
        Err("odd")
    }
}

/// What a request ended in, and when.
#[derive(Clone, Debug, PartialEq)]
enum End {
    Answer(u64),
    Error,
    TimedOut,
}

type Ends = Vec<(usize, End, Duration)>;

/// Sends each request at its moment, on a clone, and notes the ends in their order.
fn ends<S>(
    requests: &[(u64, u64)],
    make: impl FnOnce() -> S,
    end: fn(Result<u64, S::Error>) -> End,
) -> Ends
where
    S: Service<u64, Response = u64> + Clone + 'static,
    S::Error: 'static,
{
    paused(async {
        let service = make();
        let begin = tokio::time::Instant::now();
        let ends = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = requests
            .iter()
            .enumerate()
            .map(|(index, &(at, ms))| {
                let (service, ends) = (service.clone(), Rc::clone(&ends));
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(Duration::from_millis(at)).await;
                    let result = end(service.oneshot(ms).await);
                    ends.borrow_mut().push((index, result, begin.elapsed()));
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        ends.take()
    })
}

fn end_of_recovery(result: Result<u64, CallError<&'static str>>) -> End {
    match result {
        Ok(value) => End::Answer(value),
        Err(CallError::Failed(_)) => End::Error,
        Err(CallError::Refused(refused)) => {
            assert_eq!(refused.cause(), Cause::DeadlinePassed);
            End::TimedOut
        }
    }
}

fn end_of_tower(result: Result<u64, tower::BoxError>) -> End {
    match result {
        Ok(value) => End::Answer(value),
        Err(error) if error.is::<tower::timeout::error::Elapsed>() => End::TimedOut,
        Err(_) => End::Error,
    }
}

fn requests() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0..60_u64, 0..60_u64), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn timeouts_are_towers(requests in requests(), timeout in 1..60_u64) {
        let timeout = Duration::from_millis(timeout);
        let own = ends(&requests, || {
            RecoveryLayer::new(shared(Settings::new().timeout(timeout)), fail).layer(service_fn(work))
        }, end_of_recovery);
        let theirs = ends(&requests, || {
            TimeoutLayer::new(timeout).layer(service_fn(work))
        }, end_of_tower);
        prop_assert_eq!(own, theirs);
    }

    #[test]
    fn limits_are_towers(requests in requests(), max in 1..5_u32) {
        let own = ends(&requests, || {
            let settings = Settings::new().bulkhead(Bulkhead::new(max).back_pressure());
            RecoveryLayer::new(shared(settings), fail).layer(service_fn(work))
        }, end_of_recovery);
        let theirs = ends(&requests, || {
            ConcurrencyLimitLayer::new(max as usize).layer(service_fn(work))
        }, |result| result.map_or(End::Error, End::Answer));
        prop_assert_eq!(own, theirs);
    }
}

/// tower's timeout inside of its limit does not cover the wait; a deadline does.
#[test]
fn the_deadline_covers_the_wait_for_a_place() {
    let settings = Settings::new()
        .timeout(30 * MS)
        .bulkhead(Bulkhead::new(1).queue(9));
    let requests = [(0, 20), (0, 20), (0, 20)];
    let mut own = ends(
        &requests,
        || RecoveryLayer::new(shared(settings), fail).layer(service_fn(work)),
        |result| result.map_or(End::TimedOut, End::Answer),
    );
    own.sort_by_key(|(index, ..)| *index);
    let expected = [
        (0, End::Answer(20), 20 * MS),
        (1, End::TimedOut, 30 * MS),
        (2, End::TimedOut, 30 * MS),
    ];
    assert_eq!(own, expected);
}

#[test]
fn a_request_is_sent_again_and_has_its_own_deadline() {
    paused(async {
        let retry = Retry::new().jitter(Jitter::None);
        let policy = shared(Settings::new().retry(retry));
        let layer = RecoveryLayer::new(Arc::clone(&policy), |_: &&str| Verdict::Retry)
            .clone_request(|ms: &u64| Some(*ms));
        let deadline = Deadline::at(policy.now().after(40 * MS));
        let layer = layer.deadline_of(move |ms: &u64| (*ms == 3).then_some(deadline));
        let mut service = layer.layer(service_fn(work));
        let begin = tokio::time::Instant::now();
        let error = service.ready().await.unwrap().call(1).await.unwrap_err();
        assert_eq!(
            (error, begin.elapsed()),
            (CallError::Failed("odd"), (1 + 50 + 1 + 100 + 1) * MS)
        );
        // The request's deadline is over by now.
        let error = service.ready().await.unwrap().call(3).await.unwrap_err();
        assert_eq!(error.refused().unwrap().cause(), Cause::DeadlinePassed);
    });
}

#[test]
fn a_service_that_is_ready_has_its_permit_and_gives_it_back() {
    paused(async {
        let policy = shared(Settings::new().bulkhead(Bulkhead::new(1).back_pressure()));
        let layer = RecoveryLayer::new(Arc::clone(&policy), fail);
        let mut first = layer.layer(service_fn(work));
        let mut second = first.clone();
        first.ready().await.unwrap();
        assert_eq!(policy.counters().running, 1);
        let waiting = tokio::time::timeout(MS, second.ready()).await;
        assert!(waiting.is_err(), "there is one permit");
        // A call that is made and never polled, and a service that is ready and never called.
        drop(first.call(2));
        second.ready().await.unwrap();
        drop(second);
        assert_eq!(
            (policy.counters().running, policy.counters().waiting),
            (0, 0)
        );
        assert_eq!(first.ready().await.unwrap().call(2).await, Ok(2));
        assert_eq!(policy.counters().running, 0);
    });
}

/// As a request with a body that streams.
struct Stream {
    chunks: u32,
}

async fn swallow(_: Stream) -> Result<(), Infallible> {
    Ok(())
}

#[test]
fn a_request_that_cannot_be_cloned_is_sent_once() {
    paused(async {
        let retry = Retry::new().jitter(Jitter::None);
        let policy = shared(Settings::new().attempt_timeout(MS).retry(retry));
        let layer = RecoveryLayer::new(Arc::clone(&policy), |_: &Infallible| Verdict::Retry);
        let answer = layer
            .layer(service_fn(swallow))
            .oneshot(Stream { chunks: 1 });
        assert_eq!(answer.await, Ok(()));

        let sent = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&sent);
        let broken = service_fn(move |stream: Stream| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move {
                if stream.chunks == 0 {
                    std::future::pending::<()>().await;
                }
                Err::<(), _>("down")
            }
        });
        let layer = RecoveryLayer::new(Arc::clone(&policy), |_: &&str| Verdict::Retry);
        let service = layer.layer(broken.clone());
        let failed = service.clone().oneshot(Stream { chunks: 1 }).await;
        assert_eq!(failed, Err(CallError::Failed("down")));
        let error = service.oneshot(Stream { chunks: 0 }).await.unwrap_err();
        assert_eq!(error.refused().unwrap().cause(), Cause::AttemptTimedOut);
        assert_eq!(sent.swap(0, Ordering::Relaxed), 2);

        // As long as there is another one.
        let layer = layer.clone_request(|stream: &Stream| {
            let chunks = stream.chunks.checked_sub(1)?;
            (chunks > 0).then_some(Stream { chunks })
        });
        for (chunks, expected) in [(1, 1), (2, 2), (3, 3), (9, 3)] {
            let failed = layer.layer(broken.clone()).oneshot(Stream { chunks }).await;
            assert_eq!(failed, Err(CallError::Failed("down")));
            assert_eq!(sent.swap(0, Ordering::Relaxed), expected);
        }
    });
}

/// An error of `poll_ready` would say that the service is dead, and a balancer would throw it away.
#[test]
fn where_the_queue_is_full_the_call_is_refused_and_the_service_is_ready() {
    paused(async {
        let bulkhead = Bulkhead::new(1).back_pressure().queue(1);
        let policy = shared(Settings::new().bulkhead(bulkhead));
        let layer = RecoveryLayer::new(Arc::clone(&policy), fail);
        let mut services = [(); 3].map(|()| layer.layer(service_fn(work)));
        let mut cx = Context::from_waker(Waker::noop());
        let ready = services
            .each_mut()
            .map(|service| service.poll_ready(&mut cx));
        assert_eq!(
            ready,
            [Poll::Ready(Ok(())), Poll::Pending, Poll::Ready(Ok(()))]
        );
        assert_eq!(policy.counters().refused_by_bulkhead, 0);
        let [mut first, mut second, mut third] = services;
        let error = third.call(2).await.unwrap_err();
        assert_eq!(error.refused().unwrap().cause(), Cause::Full);
        assert_eq!(policy.counters().refused_by_bulkhead, 1);
        assert_eq!(first.call(2).await, Ok(2));
        assert_eq!(second.ready().await.unwrap().call(2).await, Ok(2));
        assert_eq!(third.ready().await.unwrap().call(2).await, Ok(2));
    });
}
