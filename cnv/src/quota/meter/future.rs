//! Metering across polls.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::measure::Progress;
use super::usage::Usage;
use crate::quota::limits::Limits;

/// Meters `future`: its output comes with what it used.
///
/// Every poll is measured by itself and what they use is added up, so that other tasks on the
/// thread are not charged for it and it may move between threads. I/O and network are held to
/// `limits` over all the polls together. Work that the future hands to other tasks or threads is
/// theirs.
///
/// # Costs
/// One allocation, for the future; at every poll what [`measure`](super::measure) costs.
///
/// ```
/// use std::future::ready;
/// use std::pin::pin;
/// use std::task::{Context, Poll, Waker};
/// use cnv::quota::{Limits, metered};
///
/// let mut future = pin!(metered("answer", Limits::unlimited(), ready(42)));
/// let Poll::Ready((answer, usage)) = future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
/// else {
///     panic!("`ready` is ready");
/// };
/// assert_eq!(answer, 42);
/// assert_eq!(usage.io_ops, 0);
/// ```
pub fn metered<F: Future>(operation: &'static str, limits: Limits, future: F) -> MeteredFuture<F> {
    MeteredFuture {
        future: Box::pin(future),
        operation,
        limits,
        progress: Progress::new(),
    }
}

/// The future of [`metered`].
#[must_use = "futures do nothing unless awaited"]
pub struct MeteredFuture<F> {
    future: Pin<Box<F>>,
    operation: &'static str,
    limits: Limits,
    progress: Progress,
}

impl<F> MeteredFuture<F> {
    /// What was used in the polls so far; for a future that is given up before its end.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.progress.usage()
    }
}

impl<F: Future> Future for MeteredFuture<F> {
    type Output = (F::Output, Usage);

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let poll = this.progress.advance(this.operation, &this.limits, || {
            this.future.as_mut().poll(context)
        });
        poll.map(|output| (output, this.progress.usage()))
    }
}

impl<F> fmt::Debug for MeteredFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeteredFuture")
            .field("operation", &self.operation)
            .field("limits", &self.limits)
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}
