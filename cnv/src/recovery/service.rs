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
///     .layer(
///         RecoveryLayer::new(&GEO, |_: &Infallible| Verdict::Retry)
///             .clone_request(|place: &&str| Some(*place)),
///     )
///     .service(service_fn(async |place: &str| Ok::<_, Infallible>(place.len())));
/// assert_eq!(service.oneshot("Kyoto").await, Ok(5));
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RecoveryLayer<P, F, D = NoDeadline, A = SentOnce> {
    policy: P,
    classify: F,
    deadline_of: D,
    again: A,
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

/// Requests are sent once, whatever the policy would try again.
#[derive(Clone, Copy, Debug)]
pub struct SentOnce;

/// Makes the request of the next attempt.
pub trait CloneRequest<R> {
    /// The same request once more, if it can be sent again.
    fn clone_request(&self, request: &R) -> Option<R>;
}

impl<R> CloneRequest<R> for SentOnce {
    fn clone_request(&self, _: &R) -> Option<R> {
        None
    }
}

impl<R, A: Fn(&R) -> Option<R>> CloneRequest<R> for A {
    fn clone_request(&self, request: &R) -> Option<R> {
        self(request)
    }
}

impl<P, F> RecoveryLayer<P, F> {
    /// A layer whose services share the policy. Without [`clone_request`](Self::clone_request) they try nothing again.
    #[must_use]
    pub const fn new(policy: P, classify: F) -> Self {
        Self {
            policy,
            classify,
            deadline_of: NoDeadline,
            again: SentOnce,
        }
    }
}

impl<P, F, D, A> RecoveryLayer<P, F, D, A> {
    /// With deadlines of the requests' own, a moment on the policy's clock.
    #[must_use]
    pub fn deadline_of<R, T: Fn(&R) -> Option<Deadline>>(
        self,
        deadline_of: T,
    ) -> RecoveryLayer<P, F, T, A> {
        RecoveryLayer {
            policy: self.policy,
            classify: self.classify,
            deadline_of,
            again: self.again,
        }
    }

    /// With retries, of the requests of which this makes another one. It is asked before each attempt but the last, since
    /// an attempt takes its request with it: `|request: &R| Some(request.clone())` where a clone is cheap.
    #[must_use]
    pub fn clone_request<R, T: Fn(&R) -> Option<R>>(self, again: T) -> RecoveryLayer<P, F, D, T> {
        RecoveryLayer {
            policy: self.policy,
            classify: self.classify,
            deadline_of: self.deadline_of,
            again,
        }
    }
}

impl<S, P: PolicyHandle + Clone, F: Clone, D: Clone, A: Clone> Layer<S>
    for RecoveryLayer<P, F, D, A>
{
    type Service = RecoveryService<S, P, F, D, A>;

    fn layer(&self, inner: S) -> Self::Service {
        RecoveryService {
            inner,
            classify: self.classify.clone(),
            deadline_of: self.deadline_of.clone(),
            again: self.again.clone(),
            reservation: Reservation::new(self.policy.clone()),
        }
    }
}

/// A service under a policy: made by [`RecoveryLayer`].
///
/// It is ready when the service inside is. With [`Bulkhead::back_pressure`](super::Bulkhead::back_pressure) it is ready
/// when there is a permit, too, which it then keeps for the next call. Otherwise, and where the queue for permits is full,
/// a call waits, or is refused, in its future. A clone has no permit.
///
/// It tries again what [`RecoveryLayer::clone_request`] makes another request of; each attempt after the first waits until a
/// clone of the service is ready.
pub struct RecoveryService<S, P: PolicyHandle, F, D = NoDeadline, A = SentOnce> {
    inner: S,
    classify: F,
    deadline_of: D,
    again: A,
    reservation: Reservation<P>,
}

impl<S: Clone, P: PolicyHandle + Clone, F: Clone, D: Clone, A: Clone> Clone
    for RecoveryService<S, P, F, D, A>
{
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            classify: self.classify.clone(),
            deadline_of: self.deadline_of.clone(),
            again: self.again.clone(),
            reservation: Reservation::new(self.reservation.policy().clone()),
        }
    }
}

impl<S: fmt::Debug, P: PolicyHandle, F, D, A> fmt::Debug for RecoveryService<S, P, F, D, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecoveryService")
            .field("inner", &self.inner)
            .field("policy", &self.reservation.policy().name())
            .finish_non_exhaustive()
    }
}

impl<S, R, P, F, D, A> Service<R> for RecoveryService<S, P, F, D, A>
where
    S: Service<R> + Clone,
    P: PolicyHandle + Clone,
    F: Fn(&S::Error) -> Verdict + Clone,
    D: DeadlineOf<R>,
    A: CloneRequest<R> + Clone,
{
    type Response = S::Response;
    type Error = CallError<S::Error>;
    type Future = RecoveryFuture<S, R, P, F, A>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // The permit last: a service that is not ready keeps none from others.
        ready!(self.inner.poll_ready(cx)).map_err(CallError::Failed)?;
        self.reservation.poll(cx).map(Ok)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let policy = self.reservation.policy().clone();
        let call = Call::new().deadline(self.deadline_of.deadline_of(&request));
        // What was found ready is what is called; a clone may not be.
        let next = self.inner.clone();
        let ready = core::mem::replace(&mut self.inner, next);
        let last = policy.settings().retry.map_or(1, |retry| retry.attempts);
        let attempts = Attempts {
            spare: (last > 1).then(|| self.inner.clone()),
            ready: Some(ready),
            request: Some(request),
            again: self.again.clone(),
            last,
        };
        let has_permit = self.reservation.take();
        let course = Course::reserved(policy, call, has_permit);
        RecoveryFuture {
            calling: Calling::new(course, self.classify.clone(), attempts),
        }
    }
}

/// The attempts of one request: the first on the service that was found ready, the others on clones.
struct Attempts<S, R, A> {
    ready: Option<S>,
    spare: Option<S>,
    /// Of the next attempt, if it can be made.
    request: Option<R>,
    again: A,
    /// The number of the last attempt that the policy makes.
    last: u32,
}

impl<S: Service<R> + Clone, R, A: CloneRequest<R>> Body for Attempts<S, R, A> {
    type Future = AttemptFuture<S, R>;

    fn begin(&mut self, attempt: Attempt) -> Self::Future {
        // No attempt begins without: whether there is one is asked before.
        let request = self.request.take().expect("an attempt has its request");
        if attempt.number() < self.last {
            self.request = self.again.clone_request(&request);
        }
        match self.ready.take() {
            Some(mut service) => AttemptFuture::Answering {
                answer: service.call(request),
            },
            None => AttemptFuture::Waiting {
                next: self.spare.clone().map(|service| (service, request)),
            },
        }
    }

    fn has_another(&self) -> bool {
        self.request.is_some()
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
    pub struct RecoveryFuture<S, R, P, F, A = SentOnce>
    where
        S: Service<R>,
        P: PolicyHandle,
    {
        #[pin]
        calling: Calling<'static, P, F, Attempts<S, R, A>, AttemptFuture<S, R>, S::Error>,
    }
}

impl<S, R, P, F, A> Future for RecoveryFuture<S, R, P, F, A>
where
    S: Service<R> + Clone,
    A: CloneRequest<R>,
    P: PolicyHandle,
    F: Fn(&S::Error) -> Verdict,
{
    type Output = Result<S::Response, CallError<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().calling.poll(cx)
    }
}

impl<S: Service<R>, R, P: PolicyHandle, F, A> fmt::Debug for RecoveryFuture<S, R, P, F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecoveryFuture").finish_non_exhaustive()
    }
}
