//! The executor for tasks: one future, which sets a timer only where it has to wait.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use super::course::{Attempt, Course, Next, Place, Spanned};
use super::policy::PolicyHandle;
use super::refused::{CallError, Refused};
use super::verdict::Verdict;

pin_project! {
    /// A call under way.
    #[project = Projection]
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
        attempt: Option<Spanned<Fut>>,
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
        loop {
            let entered = match this.stage {
                Stage::New => match this.course.enter(|| cx.waker().clone()) {
                    Ok(Place::Taken) => Ok(()),
                    Ok(Place::Queued) => {
                        *this.stage = Stage::Queued;
                        continue;
                    }
                    Err(refused) => Err(refused.into()),
                },
                Stage::Queued => ready!(this.poll_queue(cx)).map_err(CallError::Refused),
                Stage::BackingOff => ready!(this.poll_backoff(cx)),
                Stage::Running => match ready!(this.poll_attempt(cx)) {
                    Ran::Succeeded(value) => return Poll::Ready(Ok(value)),
                    Ran::BacksOff => continue,
                    Ran::Failed(error) => Err(error),
                },
                Stage::Over => panic!("a call was polled after it was over"),
            };
            if let Err(error) = entered {
                *this.stage = Stage::Over;
                *this.timer = None;
                this.course.leave();
                return Poll::Ready(Err(error));
            }
            let attempt = this.body.begin(this.course.begin());
            this.attempt.set(Some(this.course.spanned(attempt)));
            *this.stage = Stage::Running;
            *this.is_at_once = true;
        }
    }
}

/// What became of an attempt.
enum Ran<T, E> {
    Succeeded(T),
    /// Another one follows.
    BacksOff,
    Failed(CallError<E>),
}

impl<P, F, B, Fut, E> Projection<'_, '_, P, F, B, Fut, E>
where
    P: PolicyHandle,
{
    /// Waits for its turn, and asks for the first attempt.
    fn poll_queue(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        let course = &mut *self.course;
        if course.poll_queue(cx.waker()) {
            *self.timer = None;
            return Poll::Ready(course.enter_attempt());
        }
        if course.poll_cancelled(cx.waker()) {
            return Poll::Ready(Err(course.cancel()));
        }
        ready!(poll_timer(self.timer, || course.queue_limit(), cx));
        Poll::Ready(Err(course.leave_queue()))
    }

    /// Waits for the end of the backoff, and asks for another attempt.
    fn poll_backoff(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CallError<E>>> {
        let course = &mut *self.course;
        if course.poll_cancelled(cx.waker()) {
            return Poll::Ready(Err(course.cancel().into()));
        }
        ready!(poll_timer(self.timer, || None, cx));
        *self.timer = None;
        let error = self.error.take();
        // What the dependency said last tells more than that it is not asked again.
        let entered = course.enter_attempt();
        Poll::Ready(entered.map_err(|refused| error.unwrap_or(CallError::Refused(refused))))
    }

    /// Runs the attempt, and decides what follows on it.
    #[inline]
    fn poll_attempt<T>(&mut self, cx: &mut Context<'_>) -> Poll<Ran<T, E>>
    where
        F: Classify<E>,
        B: Body<Future = Fut>,
        Fut: Future<Output = Result<T, E>>,
    {
        let course = &mut *self.course;
        let Some(attempt) = self.attempt.as_mut().as_pin_mut() else {
            unreachable!("an attempt runs");
        };
        course.set_in_body(true);
        let (error, next) = match attempt.poll(cx) {
            Poll::Ready(Ok(value)) => {
                // What it holds is gone when its permit goes back.
                self.attempt.set(None);
                course.succeed(*self.is_at_once);
                *self.stage = Stage::Over;
                return Poll::Ready(Ran::Succeeded(value));
            }
            Poll::Ready(Err(error)) => {
                let verdict = self.classify.verdict(&error);
                self.attempt.set(None);
                let next = course.fail(verdict, self.body.has_another());
                (CallError::Failed(error), next)
            }
            Poll::Pending => {
                course.set_in_body(false);
                *self.is_at_once = false;
                ready!(poll_timer(self.timer, || course.attempt_limit(), cx));
                // It is the caller's code that ends it, and may panic.
                course.set_in_body(true);
                self.attempt.set(None);
                let (refused, next) = course.time_out(self.body.has_another());
                (refused.into(), next)
            }
        };
        *self.timer = None;
        Poll::Ready(match next {
            Next::BackOff(delay_ns) => {
                let delay = Duration::from_nanos(delay_ns);
                *self.timer = Some(Box::pin(sleep(delay)));
                *self.error = Some(error);
                *self.stage = Stage::BackingOff;
                Ran::BacksOff
            }
            Next::End => Ran::Failed(error),
        })
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
