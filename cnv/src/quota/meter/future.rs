//! Metering across polls.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::enforcement::Enforcement;
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
        enforcement: Enforcement::Observe,
        progress: Progress::new(),
    }
}

/// The future of [`metered`].
#[must_use = "futures do nothing unless awaited"]
pub struct MeteredFuture<F> {
    future: Pin<Box<F>>,
    operation: &'static str,
    limits: Limits,
    enforcement: Enforcement,
    progress: Progress,
}

impl<F> MeteredFuture<F> {
    /// The same, holding memory and processor time as far as `enforcement` says, from the next poll on.
    ///
    /// It is what the future asks at a checkpoint that fails; one that only awaits is not stopped.
    pub fn enforce(mut self, enforcement: Enforcement) -> Self {
        self.enforcement = enforcement;
        self
    }

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
        let poll = this
            .progress
            .advance(this.operation, &this.limits, this.enforcement, || {
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
            .field("enforcement", &self.enforcement)
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}
