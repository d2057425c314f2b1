//! The executor for threads.
//!
//! A thread that waits for its turn or backs off is woken by the time that it may wait and by nothing else: a caller that
//! goes away does not end it. The call's deadline bounds both; without one, a bulkhead's `wait` and the retries' `cap` do.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::course::{Attempt, Course, Next, Place};
use super::policy::PolicyHandle;
use super::refused::{CallError, Refused};
use super::verdict::Verdict;

pub(super) fn call<T, E, P: PolicyHandle>(
    mut course: Course<'_, P>,
    classify: impl Fn(&E) -> Verdict,
    mut body: impl FnMut(Attempt) -> Result<T, E>,
) -> Result<T, CallError<E>> {
    if let Place::Queued = course.enter(waker)? {
        wait(&mut course)?;
        course.enter_attempt()?;
    }
    loop {
        let error = match body(course.begin()) {
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
        thread::sleep(Duration::from_nanos(delay_ns));
        if course.enter_attempt().is_err() {
            // What the dependency said last tells more than that it is not asked again.
            course.leave();
            return Err(CallError::Failed(error));
        }
    }
}

/// Waits in the queue.
fn wait<P: PolicyHandle>(course: &mut Course<'_, P>) -> Result<(), Refused> {
    let until = course
        .queue_limit()
        .and_then(|limit| Instant::now().checked_add(limit));
    let waker = waker();
    while !course.poll_queue(&waker) {
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(Duration::ZERO) => return Err(course.leave_queue()),
            Some(left) => thread::park_timeout(left),
        }
    }
    Ok(())
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
