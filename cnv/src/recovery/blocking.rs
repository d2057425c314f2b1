//! The executor for threads.
//!
//! A thread that waits for its turn or backs off parks, and is woken by its turn, by the end of the time that it may wait, or
//! by whoever takes the call back. The call's deadline bounds all of it; without one, a bulkhead's `wait` and the retries'
//! `cap` do.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::course::{Attempt, Course, Next, Place};
use super::policy::PolicyHandle;
use super::refused::CallError;
use super::verdict::Verdict;

pub(super) fn call<T, E, P: PolicyHandle>(
    mut course: Course<'_, P>,
    classify: impl Fn(&E) -> Verdict,
    mut body: impl FnMut(Attempt) -> Result<T, E>,
) -> Result<T, CallError<E>> {
    if let Place::Queued = course.enter(waker)? {
        let limit = course.queue_limit();
        match wait(&mut course, limit, Course::poll_queue) {
            Wait::Ready => {}
            Wait::Over => return Err(course.leave_queue().into()),
            Wait::Cancelled => return Err(course.cancel().into()),
        }
        course.enter_attempt()?;
    }
    loop {
        let attempt = course.begin();
        let error = match course.in_span(|| body(attempt)) {
            Ok(value) => {
                if course.is_late() {
                    course.succeed_late();
                } else {
                    course.succeed(false);
                }
                return Ok(value);
            }
            Err(error) => error,
        };
        let Next::BackOff(delay_ns) = course.fail(classify(&error), true) else {
            course.leave();
            return Err(CallError::Failed(error));
        };
        let delay = Duration::from_nanos(delay_ns);
        if let Wait::Cancelled = wait(&mut course, Some(delay), |_, _| false) {
            let refused = course.cancel();
            course.leave();
            return Err(refused.into());
        }
        if course.enter_attempt().is_err() {
            // What the dependency said last tells more than that it is not asked again.
            course.leave();
            return Err(CallError::Failed(error));
        }
    }
}

/// How a wait ended.
enum Wait {
    Ready,
    /// It took as long as it may.
    Over,
    Cancelled,
}

/// Parks until something is ready, the call is taken back, or the time is over; without a limit there is none.
fn wait<'t, P: PolicyHandle>(
    course: &mut Course<'t, P>,
    limit: Option<Duration>,
    mut is_ready: impl FnMut(&mut Course<'t, P>, &Waker) -> bool,
) -> Wait {
    let until = limit.and_then(|limit| Instant::now().checked_add(limit));
    let waker = waker();
    loop {
        if is_ready(course, &waker) {
            return Wait::Ready;
        }
        if course.poll_cancelled(&waker) {
            return Wait::Cancelled;
        }
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(Duration::ZERO) => return Wait::Over,
            Some(left) => thread::park_timeout(left),
        }
    }
}

fn waker() -> Waker {
    Waker::from(Arc::new(Parked(thread::current())))
}

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
