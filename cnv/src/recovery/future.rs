//! The executor for tasks: one future, which sets a timer only where it has to wait.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use super::course::{Attempt, Course, Next, Place};
use super::policy::PolicyHandle;
use super::refused::CallError;
use super::verdict::Verdict;

pin_project! {
    /// A call under way.
    pub(super) struct Calling<'t, P, F, B, Fut, E>
    where
        P: PolicyHandle,
    {
        classify: F,
        body: B,
        stage: Stage,
        // What is ready at once never waited.
        is_at_once: bool,
        // The attempt that runs. Before the course, so that it is gone when its permit goes back.
        #[pin]
        attempt: Option<Fut>,
        // Made where something is not ready. Most calls have none, and their futures need no place for one.
        timer: Option<Pin<Box<Sleep>>>,
        // Of the attempt before, while it backs off.
        error: Option<CallError<E>>,
        course: Course<'t, P>,
    }
}

#[derive(Clone, Copy)]
enum Stage {
    New,
    Queued,
    Running,
    BackingOff,
    Over,
}

/// Makes the future of each attempt.
pub(super) trait Body {
    type Future;

    fn begin(&mut self, attempt: Attempt) -> Self::Future;

    /// Whether it has what another attempt needs.
    fn has_another(&self) -> bool {
        true
    }
}

impl<B: FnMut(Attempt) -> Fut, Fut: Future> Body for B {
    type Future = Fut;

    fn begin(&mut self, attempt: Attempt) -> Fut {
        self(attempt)
    }
}

/// Says what an error means.
pub(super) trait Classify<E> {
    fn verdict(&self, error: &E) -> Verdict;
}

impl<E, F: Fn(&E) -> Verdict> Classify<E> for F {
    fn verdict(&self, error: &E) -> Verdict {
        self(error)
    }
}

impl<'t, P, F, B, Fut, E> Calling<'t, P, F, B, Fut, E>
where
    P: PolicyHandle,
{
    pub(super) fn new(course: Course<'t, P>, classify: F, body: B) -> Self {
        Self {
            classify,
            body,
            stage: Stage::New,
            is_at_once: true,
            attempt: None,
            timer: None,
            error: None,
            course,
        }
    }
}

impl<T, E, P, F, B, Fut> Future for Calling<'_, P, F, B, Fut, E>
where
    P: PolicyHandle,
    F: Classify<E>,
    B: Body<Future = Fut>,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<T, CallError<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let course = this.course;
        loop {
            let entered = match this.stage {
                Stage::New => match course.enter(|| cx.waker().clone()) {
                    Ok(Place::Taken) => Ok(()),
                    Ok(Place::Queued) => {
                        *this.stage = Stage::Queued;
                        continue;
                    }
                    Err(refused) => Err(refused.into()),
                },
                Stage::Queued if course.poll_queue(cx.waker()) => {
                    *this.timer = None;
                    course.enter_attempt().map_err(CallError::Refused)
                }
                Stage::Queued => {
                    ready!(poll_timer(this.timer, || course.queue_limit(), cx));
                    Err(course.leave_queue().into())
                }
                Stage::BackingOff => {
                    ready!(poll_timer(this.timer, || None, cx));
                    *this.timer = None;
                    let error = this.error.take();
                    // What the dependency said last tells more than that it is not asked again.
                    course
                        .enter_attempt()
                        .map_err(|refused| error.unwrap_or(CallError::Refused(refused)))
                }
                Stage::Running => {
                    let Some(attempt) = this.attempt.as_mut().as_pin_mut() else {
                        unreachable!("an attempt runs");
                    };
                    course.set_in_body(true);
                    let (error, next) = match attempt.poll(cx) {
                        Poll::Ready(Ok(value)) => {
                            // What it holds is gone when its permit goes back.
                            this.attempt.set(None);
                            course.succeed(*this.is_at_once);
                            *this.stage = Stage::Over;
                            return Poll::Ready(Ok(value));
                        }
                        Poll::Ready(Err(error)) => {
                            let verdict = this.classify.verdict(&error);
                            this.attempt.set(None);
                            let next = course.fail(verdict, this.body.has_another());
                            (CallError::Failed(error), next)
                        }
                        Poll::Pending => {
                            course.set_in_body(false);
                            *this.is_at_once = false;
                            ready!(poll_timer(this.timer, || course.attempt_limit(), cx));
                            // It is the caller's code that ends it, and may panic.
                            course.set_in_body(true);
                            this.attempt.set(None);
                            let (refused, next) = course.time_out(this.body.has_another());
                            (refused.into(), next)
                        }
                    };
                    *this.timer = None;
                    match next {
                        Next::BackOff(delay_ns) => {
                            let delay = Duration::from_nanos(delay_ns);
                            *this.timer = Some(Box::pin(sleep(delay)));
                            *this.error = Some(error);
                            *this.stage = Stage::BackingOff;
                            continue;
                        }
                        Next::End => Err(error),
                    }
                }
                Stage::Over => panic!("a call was polled after it was over"),
            };
            if let Err(error) = entered {
                *this.stage = Stage::Over;
                *this.timer = None;
                course.leave();
                return Poll::Ready(Err(error));
            }
            this.attempt.set(Some(this.body.begin(course.begin())));
            *this.stage = Stage::Running;
            *this.is_at_once = true;
        }
    }
}

/// Whether the time is over that `limit` gave when the timer was set, at the first poll; never where it gave none.
fn poll_timer(
    timer: &mut Option<Pin<Box<Sleep>>>,
    limit: impl FnOnce() -> Option<Duration>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let timer = match timer {
        Some(timer) => timer,
        None => match limit() {
            Some(limit) => timer.insert(Box::pin(sleep(limit))),
            None => return Poll::Pending,
        },
    };
    // A body that uses up what tokio lets a task do in one poll leaves nothing for the timer, which then says nothing.
    if timer.as_mut().poll(cx).is_ready() || timer.deadline() <= Instant::now() {
        Poll::Ready(())
    } else {
        Poll::Pending
    }
}
