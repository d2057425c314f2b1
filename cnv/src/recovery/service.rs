//! The same as a tower layer.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::course::{Attempt, Course};
use super::deadline::Deadline;
use super::future::{Body, Calling};
use super::policy::{Call, PolicyHandle};
use super::refused::CallError;
use super::reservation::Reservation;
use super::verdict::Verdict;

/// Puts a [`Policy`](super::Policy) around a tower service.
///
/// `policy` is a `&'static Policy` or an `Arc`; `classify` says what an error of the service means.
///
/// ```
/// use std::convert::Infallible;
/// use std::time::Duration;
/// use cnv::recovery::{Policy, RecoveryLayer, Retry, Settings, Verdict};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// static GEO: Policy = Policy::new(
///     "geo",
///     Settings::new().timeout(Duration::from_secs(1)).retry(Retry::new()),
/// );
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let service = ServiceBuilder::new()
///     .layer(RecoveryLayer::new(&GEO, |_: &Infallible| Verdict::Retry))
///     .service(service_fn(async |place: &str| Ok::<_, Infallible>(place.len())));
/// assert_eq!(service.oneshot("Kyoto").await, Ok(5));
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RecoveryLayer<P, F, D = NoDeadline> {
    policy: P,
    classify: F,
    deadline_of: D,
}

/// Requests have no deadline of their own.
#[derive(Clone, Copy, Debug)]
pub struct NoDeadline;

/// Says when a request has to be answered.
pub trait DeadlineOf<R> {
    /// The deadline of whoever made the request, if there is one.
    fn deadline_of(&self, request: &R) -> Option<Deadline>;
}

impl<R> DeadlineOf<R> for NoDeadline {
    fn deadline_of(&self, _: &R) -> Option<Deadline> {
        None
    }
}

impl<R, D: Fn(&R) -> Option<Deadline>> DeadlineOf<R> for D {
    fn deadline_of(&self, request: &R) -> Option<Deadline> {
        self(request)
    }
}

impl<P, F> RecoveryLayer<P, F> {
    /// A layer whose services share the policy.
    #[must_use]
    pub const fn new(policy: P, classify: F) -> Self {
        Self {
            policy,
            classify,
            deadline_of: NoDeadline,
        }
    }

    /// With deadlines of the requests' own, a moment on the policy's clock.
    #[must_use]
    pub fn deadline_of<R, D: Fn(&R) -> Option<Deadline>>(
        self,
        deadline_of: D,
    ) -> RecoveryLayer<P, F, D> {
        RecoveryLayer {
            policy: self.policy,
            classify: self.classify,
            deadline_of,
        }
    }
}

impl<S, P: PolicyHandle + Clone, F: Clone, D: Clone> Layer<S> for RecoveryLayer<P, F, D> {
    type Service = RecoveryService<S, P, F, D>;

    fn layer(&self, inner: S) -> Self::Service {
        RecoveryService {
            inner,
            classify: self.classify.clone(),
            deadline_of: self.deadline_of.clone(),
            reservation: Reservation::new(self.policy.clone()),
        }
    }
}

/// A service under a policy: made by [`RecoveryLayer`].
///
/// It is ready when the service inside is. With [`Bulkhead::back_pressure`](super::Bulkhead::back_pressure) it is ready
/// when there is a permit, too, which it then keeps for the next call. Otherwise a call waits, or is refused, in its
/// future. A clone has no permit.
///
/// Requests are cloned where the policy retries; each attempt after the first waits until a clone of the service is ready.
pub struct RecoveryService<S, P: PolicyHandle, F, D = NoDeadline> {
    inner: S,
    classify: F,
    deadline_of: D,
    reservation: Reservation<P>,
}

impl<S: Clone, P: PolicyHandle + Clone, F: Clone, D: Clone> Clone for RecoveryService<S, P, F, D> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            classify: self.classify.clone(),
            deadline_of: self.deadline_of.clone(),
            reservation: Reservation::new(self.reservation.policy().clone()),
        }
    }
}

impl<S: fmt::Debug, P: PolicyHandle, F, D> fmt::Debug for RecoveryService<S, P, F, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecoveryService")
            .field("inner", &self.inner)
            .field("policy", &self.reservation.policy().name())
            .finish_non_exhaustive()
    }
}

impl<S, R, P, F, D> Service<R> for RecoveryService<S, P, F, D>
where
    S: Service<R> + Clone,
    R: Clone,
    P: PolicyHandle + Clone,
    F: Fn(&S::Error) -> Verdict + Clone,
    D: DeadlineOf<R>,
{
    type Response = S::Response;
    type Error = CallError<S::Error>;
    type Future = RecoveryFuture<S, R, P, F>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // The permit last: a service that is not ready keeps none from others.
        ready!(self.inner.poll_ready(cx)).map_err(CallError::Failed)?;
        self.reservation.poll(cx).map_err(CallError::Refused)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let policy = self.reservation.policy().clone();
        let call = Call::new().deadline(self.deadline_of.deadline_of(&request));
        // What was found ready is what is called; a clone may not be.
        let next = self.inner.clone();
        let ready = core::mem::replace(&mut self.inner, next);
        let may_retry = policy
            .settings()
            .retry
            .is_some_and(|retry| retry.attempts > 1);
        let attempts = Attempts {
            again: may_retry.then(|| (self.inner.clone(), request.clone())),
            first: Some((ready, request)),
        };
        let has_permit = self.reservation.take();
        let course = Course::reserved(policy, call, has_permit);
        RecoveryFuture {
            calling: Calling::new(course, self.classify.clone(), attempts),
        }
    }
}

/// The attempts of one request: the first on the service that was found ready, the others on clones.
struct Attempts<S, R> {
    first: Option<(S, R)>,
    again: Option<(S, R)>,
}

impl<S: Service<R> + Clone, R: Clone> Body for Attempts<S, R> {
    type Future = AttemptFuture<S, R>;

    fn begin(&mut self, _: Attempt) -> Self::Future {
        match (self.first.take(), &self.again) {
            (Some((mut service, request)), _) => AttemptFuture::Answering {
                answer: service.call(request),
            },
            (None, again) => AttemptFuture::Waiting {
                next: again.clone(),
            },
        }
    }
}

pin_project! {
    #[project = AttemptProjection]
    enum AttemptFuture<S: Service<R>, R> {
        Waiting { next: Option<(S, R)> },
        Answering { #[pin] answer: S::Future },
    }
}

impl<S: Service<R>, R> Future for AttemptFuture<S, R> {
    type Output = Result<S::Response, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project() {
                AttemptProjection::Answering { answer } => return answer.poll(cx),
                AttemptProjection::Waiting { next } => {
                    if let Some((service, _)) = next {
                        ready!(service.poll_ready(cx))?;
                    }
                    // A policy makes no second attempt where none was prepared.
                    let (mut service, request) =
                        next.take().expect("a second attempt was prepared");
                    let answer = service.call(request);
                    self.set(Self::Answering { answer });
                }
            }
        }
    }
}

pin_project! {
    /// The answer of a [`RecoveryService`].
    pub struct RecoveryFuture<S, R, P, F>
    where
        S: Service<R>,
        P: PolicyHandle,
    {
        #[pin]
        calling: Calling<'static, P, F, Attempts<S, R>, AttemptFuture<S, R>, S::Error>,
    }
}

impl<S, R, P, F> Future for RecoveryFuture<S, R, P, F>
where
    S: Service<R> + Clone,
    R: Clone,
    P: PolicyHandle,
    F: Fn(&S::Error) -> Verdict,
{
    type Output = Result<S::Response, CallError<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().calling.poll(cx)
    }
}

impl<S: Service<R>, R, P: PolicyHandle, F> fmt::Debug for RecoveryFuture<S, R, P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecoveryFuture").finish_non_exhaustive()
    }
}
