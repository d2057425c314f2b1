//! What an expansion puts around the body of a function with a budget: held and counted. No clock is read,
//! unless the function asks to be stopped when its time is over.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::enforcement::{Enforcement, checkpoint};
use super::measure::Progress;
use super::stretch::{Armed, CountedStretch, Spent, Stretch};
use crate::quota::exceeded::BudgetExceeded;
use crate::quota::limits::Limits;

/// Meters this thread until the guard is dropped, before any guard that was there already.
///
/// The expansion keeps it in a local of the function's outermost block, under a name that the body
/// cannot write, so that it is dropped when the body is left and not at another time.
#[inline]
#[must_use = "a guard that is dropped at once meters nothing"]
pub fn enter(operation: &'static str, limits: Limits) -> Stretch {
    Stretch::enter(operation, &limits)
}

/// Meters `future` while it is polled, and only then.
#[inline]
pub fn metered<F: Future>(operation: &'static str, limits: Limits, future: F) -> MeteredBody<F> {
    MeteredBody {
        future,
        operation,
        limits,
        spent: Spent::default(),
    }
}

pin_project! {
    /// The future of [`metered`]. A struct rather than an `async fn`, which would have room for the body twice: as what it
    /// was given, and as what it polls.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct MeteredBody<F> {
        #[pin]
        future: F,
        operation: &'static str,
        limits: Limits,
        spent: Spent,
    }
}

impl<F: Future> Future for MeteredBody<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let stretch = CountedStretch::resume(this.operation, this.limits, this.spent);
        let poll = this.future.poll(context);
        stretch.add_to(this.spent);
        poll
    }
}

/// The same as [`enter`], for a body that stops at a checkpoint when memory or processor time is over.
#[inline]
#[must_use = "a guard that is dropped at once meters nothing"]
pub fn enter_cooperative(operation: &'static str, limits: Limits) -> CooperativeStretch {
    let stretch = Stretch::enter(operation, &limits);
    CooperativeStretch {
        _armed: Enforcement::Cooperative.arm_untimed(operation, &limits),
        _stretch: stretch,
    }
}

/// The guard of [`enter_cooperative`].
#[derive(Debug)]
pub struct CooperativeStretch {
    // In this order: the ceilings go before what they stand over.
    _armed: Option<Armed>,
    _stretch: Stretch,
}

/// The same as [`metered`], for a future that is given up when memory or processor time is over after a
/// poll that did not finish it, which makes every await that waits a checkpoint.
///
/// `stop` makes the error into what the future returns.
pub fn metered_cooperative<F: Future>(
    operation: &'static str,
    limits: Limits,
    stop: fn(BudgetExceeded) -> F::Output,
    future: F,
) -> CooperativeBody<F> {
    CooperativeBody {
        future: Some(future),
        operation,
        limits,
        stop,
        progress: Progress::new(),
    }
}

pin_project! {
    /// The future of [`metered_cooperative`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct CooperativeBody<F>
    where
        F: Future,
    {
        // Until it is stopped.
        #[pin]
        future: Option<F>,
        operation: &'static str,
        limits: Limits,
        stop: fn(BudgetExceeded) -> F::Output,
        progress: Progress,
    }
}

impl<F: Future> Future for CooperativeBody<F> {
    type Output = F::Output;

    /// # Panics
    /// Where it is polled after it was stopped.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let (mut future, stop, limits) = (this.future, *this.stop, this.limits);
        let level = Enforcement::Cooperative;
        this.progress.advance(this.operation, limits, level, || {
            let body = future.as_mut().as_pin_mut();
            let poll = body.expect("polled after it was stopped").poll(context);
            if poll.is_pending()
                && let Err(exceeded) = checkpoint()
            {
                // In here, so that its clean-up is metered as the rest of it was.
                future.set(None);
                return Poll::Ready(stop(exceeded));
            }
            poll
        })
    }
}

impl<F: Future> fmt::Debug for CooperativeBody<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CooperativeBody")
            .field("operation", &self.operation)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::charge_io;
    use super::*;
    use std::cell::Cell;
    use std::future::{pending, poll_fn};
    use std::pin::pin;
    use std::task::Waker;
    use std::time::{Duration, Instant};

    const TWO_OPERATIONS: Limits = io_limit(2);

    const fn io_limit(io_ops: u64) -> Limits {
        Limits {
            io_ops,
            ..Limits::unlimited()
        }
    }

    #[test]
    fn a_body_is_held_until_its_guard_is_dropped() {
        let guard = enter("body", TWO_OPERATIONS);
        charge_io(2).unwrap();
        assert_eq!(charge_io(1).unwrap_err().operation, Some("body"));
        drop(guard);
        charge_io(1).unwrap();
    }

    /// No expansion does so. The second sequence is one that once left "a" in force.
    #[test]
    fn a_guard_that_outlives_the_one_around_it_holds_nobody() {
        let outer = enter("outer", io_limit(1));
        let inner = enter("inner", io_limit(0));
        drop(outer);
        drop(inner);
        charge_io(1_000).unwrap();

        let a = enter("a", io_limit(0));
        let b = enter("b", io_limit(5));
        drop(a);
        let c = enter("c", io_limit(7));
        drop(b);
        drop(c);
        charge_io(1_000).unwrap();
    }

    #[test]
    fn a_future_is_held_over_its_polls_and_stays_send() {
        fn send<T: Send>(value: T) -> T {
            value
        }
        let body = poll_fn(|_| match charge_io(1) {
            Ok(()) => Poll::Pending,
            Err(refused) => Poll::Ready(refused),
        });
        let mut future = pin!(send(metered("body", TWO_OPERATIONS, body)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
        charge_io(100).unwrap();
        assert!(future.as_mut().poll(&mut context).is_pending());
        let Poll::Ready(refused) = future.as_mut().poll(&mut context) else {
            panic!("accepted a third operation");
        };
        assert_eq!((refused.limit, refused.used), (2, 2));
        drop(send(metered("body", TWO_OPERATIONS, pending::<()>())));
    }

    /// Takes time, by the clock that limits under 100 us go by.
    fn spin(ns: u64) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_nanos(ns) {}
    }

    fn cpu_limit(cpu_ns: u64) -> Limits {
        Limits {
            cpu_ns,
            ..Limits::unlimited()
        }
    }

    #[test]
    fn a_cooperative_body_is_stopped_at_its_next_checkpoint() {
        let body = || {
            let _scope = enter_cooperative("body", cpu_limit(1_000));
            spin(2_000);
            checkpoint()
        };
        let stopped = body().unwrap_err();
        assert_eq!((stopped.operation, stopped.limit), (Some("body"), 1_000));
        checkpoint().unwrap();
        let _observed = enter("body", cpu_limit(0));
        spin(1);
        checkpoint().unwrap();
    }

    #[test]
    fn a_cooperative_guard_that_outlives_the_one_around_it_holds_nobody() {
        let outer = enter_cooperative("outer", cpu_limit(0));
        let inner = enter_cooperative("inner", cpu_limit(0));
        spin(1);
        drop(outer);
        drop(inner);
        checkpoint().unwrap();
    }

    /// Nothing in the body is a checkpoint. It is stopped where it awaits, and what it held is dropped.
    #[test]
    fn a_cooperative_future_is_stopped_at_an_await_that_waits() {
        struct Held<'a>(&'a Cell<bool>);
        impl Drop for Held<'_> {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        async fn turn() {
            let mut is_ready = false;
            poll_fn(|_| match std::mem::replace(&mut is_ready, true) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
        }
        let is_dropped = Cell::new(false);
        let rounds = Cell::new(0);
        let body = async {
            let _held = Held(&is_dropped);
            while !is_dropped.get() {
                rounds.set(rounds.get() + 1);
                spin(30_000);
                turn().await;
            }
            Ok(())
        };
        let mut context = Context::from_waker(Waker::noop());
        let mut future = Box::pin(metered_cooperative("body", cpu_limit(80_000), Err, body));
        let stopped: BudgetExceeded = loop {
            if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
                break result.unwrap_err();
            }
            assert!(rounds.get() < 3, "90 of 80 us, over the polls together");
            spin(100_000);
            checkpoint().expect("only its own polls count");
        };
        assert_eq!((stopped.operation, stopped.limit), (Some("body"), 80_000));
        assert!(is_dropped.get());
        checkpoint().unwrap();
    }

    #[test]
    fn a_cooperative_future_that_ends_within_its_limits_is_left_alone() {
        let body = async { Ok::<_, BudgetExceeded>(42) };
        let mut future = pin!(metered_cooperative("body", cpu_limit(0), Err, body));
        let poll = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(poll, Poll::Ready(Ok(42)), "done is done");
    }

    /// What is charged where nothing is limited may be any number that somebody outside says.
    #[test]
    fn a_counter_at_its_end_lets_nobody_through() {
        charge_io(u64::MAX).unwrap();
        let guard = enter("body", TWO_OPERATIONS);
        charge_io(2).unwrap();
        assert_eq!(charge_io(1).unwrap_err().limit, 2);
        drop(guard);

        let outer = enter("outer", Limits::unlimited());
        charge_io(u64::MAX).unwrap();
        let inner = enter("inner", TWO_OPERATIONS);
        assert_eq!(charge_io(3).unwrap_err().operation, Some("inner"));
        drop(inner);
        charge_io(1).unwrap();
        drop(outer);

        let guard = enter("body", TWO_OPERATIONS);
        charge_io(2).unwrap();
        drop(guard);
    }

    /// Each level adds what it keeps, and not the body once more.
    #[test]
    fn nested_bodies_do_not_double() {
        async fn leaf() -> u8 {
            std::future::ready(1).await
        }
        let one = metered("one", TWO_OPERATIONS, leaf());
        let level = size_of_val(&one) - size_of_val(&leaf());
        let three = metered("three", TWO_OPERATIONS, metered("two", TWO_OPERATIONS, one));
        assert!(size_of_val(&three) <= size_of_val(&leaf()) + 3 * level);
    }
}
