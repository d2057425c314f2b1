//! The places of handlers that are not async: each keeps a thread, which the others on it would wait for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::command::stopped::Stopped;

/// At a time. The others wait; few threads have more than this to do for a processor.
const MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// Calls that wait for one.
    waiting: AtomicU64,
}

/// One of them, for as long as it is kept.
pub(super) type Place = OwnedSemaphorePermit;

impl Places {
    pub(super) fn new() -> Self {
        Self {
            free: Arc::new(Semaphore::new(MAX)),
            waiting: AtomicU64::new(0),
        }
    }

    /// Waits for a place.
    ///
    /// # Errors
    ///
    /// Where there will be none any more.
    pub(super) async fn enter(&self) -> Result<Place, Stopped> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let place = Arc::clone(&self.free).acquire_owned().await;
        place.map_err(|_| Stopped::Cancelled)
    }
}

/// A call that waits, until it does no more.
struct Waiting<'a>(&'a AtomicU64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(feature = "trace")]
mod metrics {
    use super::{MAX, Ordering, Places};
    use crate::trace::metrics::{Family, Point, Points, Source};

    impl Source for Places {
        fn collect(&self) -> Vec<Family> {
            let gauge = |value: u64| Points::Gauge(vec![Point::alone(value)]);
            let taken = MAX.saturating_sub(self.free.available_permits());
            vec![
                Family::new(
                    "cnv.handler.blocking.active",
                    "{call}",
                    "Calls in sessions whose handler is not async, and that have one of the threads for those.",
                    gauge(taken as u64),
                ),
                Family::new(
                    "cnv.handler.blocking.queue",
                    "{call}",
                    "Calls in sessions that wait for one of these threads.",
                    gauge(self.waiting.load(Ordering::Relaxed)),
                ),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn those_who_wait_are_counted_until_they_have_a_place_or_go() {
        let places = Places::new();
        let mut cx = Context::from_waker(Waker::noop());
        let waiting = || places.waiting.load(Ordering::Relaxed);
        let mut taken: Vec<Place> = Vec::new();
        for _ in 0..MAX {
            let Poll::Ready(Ok(place)) = pin!(places.enter()).poll(&mut cx) else {
                panic!("there are {MAX}");
            };
            taken.push(place);
        }
        assert_eq!(waiting(), 0);
        let mut first = Box::pin(places.enter());
        let mut second = Box::pin(places.enter());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert_eq!(waiting(), 2);
        drop(first);
        assert_eq!(waiting(), 1);
        taken.pop();
        assert!(second.as_mut().poll(&mut cx).is_ready());
        assert_eq!(waiting(), 0);
    }
}
