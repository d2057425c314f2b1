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
        // Before the course, so that the body is gone when its permit goes back.
        #[pin]
        stage: Stage<Fut, E>,
        course: Course<'t, P>,
    }
}

/// A timer, which is made where something is not ready. Most calls have none, and their futures need no place for one.
type Timer = Option<Pin<Box<Sleep>>>;

pin_project! {
    #[project = StageProjection]
    enum Stage<Fut, E> {
        New,
        Queued { timer: Timer },
        Running {
            #[pin]
            body: Fut,
            timer: Timer,
            is_at_once: bool,
        },
        BackingOff { timer: Pin<Box<Sleep>>, error: Option<CallError<E>> },
        Over,
    }
}

/// Makes the future of each attempt.
pub(super) trait Body {
    type Future;

    fn begin(&mut self, attempt: Attempt) -> Self::Future;
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
            let error = match this.stage.as_mut().project() {
                StageProjection::New => match course.enter(|| cx.waker().clone()) {
                    Ok(Place::Taken) => {
                        this.stage.set(Stage::run(course, this.body));
                        continue;
                    }
                    Ok(Place::Queued) => {
                        this.stage.set(Stage::Queued { timer: None });
                        continue;
                    }
                    Err(refused) => refused.into(),
                },
                StageProjection::Queued { timer } => {
                    if course.poll_queue(cx.waker()) {
                        match course.enter_attempt() {
                            Ok(()) => {
                                this.stage.set(Stage::run(course, this.body));
                                continue;
                            }
                            Err(refused) => refused.into(),
                        }
                    } else {
                        ready!(poll_timer(timer, || course.queue_limit(), cx));
                        course.leave_queue().into()
                    }
                }
                StageProjection::Running {
                    body,
                    timer,
                    is_at_once,
                } => {
                    course.set_in_body(true);
                    let (error, next) = match body.poll(cx) {
                        Poll::Ready(Ok(value)) => {
                            course.succeed(*is_at_once);
                            this.stage.set(Stage::Over);
                            return Poll::Ready(Ok(value));
                        }
                        Poll::Ready(Err(error)) => {
                            let verdict = this.classify.verdict(&error);
                            this.stage.set(Stage::Over);
                            (CallError::Failed(error), course.fail(verdict))
                        }
                        Poll::Pending => {
                            course.set_in_body(false);
                            *is_at_once = false;
                            ready!(poll_timer(timer, || course.attempt_limit(), cx));
                            course.set_in_body(true);
                            this.stage.set(Stage::Over);
                            let (refused, next) = course.time_out();
                            (refused.into(), next)
                        }
                    };
                    if let Next::BackOff(delay_ns) = next {
                        let timer = Box::pin(sleep(Duration::from_nanos(delay_ns)));
                        let error = Some(error);
                        this.stage.set(Stage::BackingOff { timer, error });
                        continue;
                    }
                    error
                }
                StageProjection::BackingOff { timer, error } => {
                    ready!(timer.as_mut().poll(cx));
                    let error = error.take();
                    match course.enter_attempt() {
                        Ok(()) => {
                            this.stage.set(Stage::run(course, this.body));
                            continue;
                        }
                        // What the dependency said last tells more than that it is not asked again.
                        Err(refused) => error.unwrap_or(CallError::Refused(refused)),
                    }
                }
                StageProjection::Over => panic!("a call was polled after it was over"),
            };
            this.stage.set(Stage::Over);
            course.leave();
            return Poll::Ready(Err(error));
        }
    }
}

impl<Fut, E> Stage<Fut, E> {
    #[inline]
    fn run<P: PolicyHandle>(
        course: &mut Course<'_, P>,
        body: &mut impl Body<Future = Fut>,
    ) -> Self {
        Self::Running {
            body: body.begin(course.begin()),
            timer: None,
            is_at_once: true,
        }
    }
}

/// Whether the time is over that `limit` gave when the timer was set, at the first poll; never where it gave none.
fn poll_timer(
    timer: &mut Timer,
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
