//! A session over one connection after another.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use super::begin::begin;
use super::call::with_remaining;
use super::{ClientOptions, Inner};
use crate::session::address::{Address, Stream};
use crate::session::close::{Close, CloseCode};
use crate::session::driver::{Broken, Driver};
use crate::session::error::SessionError;
use crate::session::message::{Ready, Resume};

/// How long it takes until a broken connection is tried again: doubled each time, up to the second.
const FIRST_RETRY: Duration = Duration::from_millis(20);
const LAST_RETRY: Duration = Duration::from_secs(1);

impl Inner {
    /// Carries the session until it is over.
    pub(super) async fn carry<S>(
        &self,
        stream: S,
        arrived: BytesMut,
        options: &ClientOptions,
        ready: Ready,
        address: Option<Address>,
    ) -> SessionError
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut broken = self.drive(stream, arrived).await;
        let (Some(address), Some(secret)) = (address, ready.secret) else {
            return over(broken);
        };
        loop {
            match &broken {
                Broken::Lost(_) => {}
                Broken::Closed(close) | Broken::Refused(close) if close.code().is_resumable() => {}
                _ => return over(broken),
            }
            let received = self.shared.lock().core.link.received();
            let resume = Resume {
                session: ready.session.clone(),
                secret: secret.clone(),
                received,
            };
            match self.resume(&address, options, resume).await {
                Ok((stream, arrived)) => broken = self.drive(stream, arrived).await,
                Err(error) => return error,
            }
        }
    }

    async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        arrived: BytesMut,
    ) -> Broken {
        let connection = self.shared.attach();
        let driver = Driver::new(
            stream,
            &self.shared,
            &self.limits,
            connection,
            arrived,
            false,
        );
        driver.run(|| ()).await
    }

    /// Connects again, for as long as the session may wait for a connection.
    async fn resume(
        &self,
        address: &Address,
        options: &ClientOptions,
        resume: Resume,
    ) -> Result<(Stream, BytesMut), SessionError> {
        let since = Instant::now();
        let mut gone_since = None;
        let mut pause = FIRST_RETRY;
        loop {
            // Nobody answers an attempt that is made while the network is away, and its time is part of the window.
            let left = self.limits.resume_window.saturating_sub(since.elapsed());
            let attempt = in_time(self.limits.handshake_timeout.min(left), async {
                let stream = Stream::connect(address).await?;
                begin(stream, options, &self.limits, Some(resume.clone())).await
            });
            let error = match attempt.await {
                Ok(begun) => {
                    let Some(received) = begun.ready.received else {
                        let close = Close::protocol("the server began another session");
                        return Err(close.into());
                    };
                    let calls = begun.ready.calls;
                    let mut state = self.shared.lock();
                    state.core.reattach(received, calls, with_remaining)?;
                    return Ok((begun.stream, begun.arrived));
                }
                Err(error) => error,
            };
            let is_temporary = match &error {
                SessionError::Io(_) | SessionError::Handshake(_) => true,
                // The older connection may be one of those that it has.
                SessionError::Closed(close) => {
                    matches!(close.code(), CloseCode::Connections | CloseCode::Handshake)
                }
                _ => false,
            };
            if !is_temporary || since.elapsed() + pause > self.limits.resume_window {
                return Err(error);
            }
            match error {
                SessionError::Io(source) if is_nobody(&source) => {
                    let tried = gone_since.get_or_insert_with(Instant::now).elapsed();
                    if tried + pause > options.reconnect {
                        let address = address.clone();
                        return Err(SessionError::Gone {
                            address,
                            tried,
                            source,
                        });
                    }
                }
                _ => gone_since = None,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_RETRY);
        }
    }

    pub(super) fn end(&self, error: SessionError) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(error));
        self.shared.lock().core.wake_all();
    }

    /// Why the session is over, once it is.
    pub(super) fn over(&self) -> Option<SessionError> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.as_deref().map(again)
    }
}

/// The same error, for each call that it ends.
fn again(error: &SessionError) -> SessionError {
    match error {
        SessionError::Closed(close) => SessionError::Closed(close.clone()),
        SessionError::Refused(close) => SessionError::Refused(close.clone()),
        SessionError::Io(error) => {
            SessionError::Io(io::Error::new(error.kind(), error.to_string()))
        }
        SessionError::Gone {
            address,
            tried,
            source,
        } => SessionError::Gone {
            address: address.clone(),
            tried: *tried,
            source: io::Error::new(source.kind(), source.to_string()),
        },
        SessionError::Handshake(time) => SessionError::Handshake(*time),
        SessionError::Draining => SessionError::Draining,
        SessionError::NoNumber => SessionError::NoNumber,
        SessionError::Plaintext { address } => SessionError::Plaintext { address: *address },
        SessionError::RequestTooLarge { len, max } => SessionError::RequestTooLarge {
            len: *len,
            max: *max,
        },
        SessionError::NotText { argument } => SessionError::NotText {
            argument: argument.clone(),
        },
        SessionError::Attestation(why) => SessionError::Attestation(why.clone()),
    }
}

/// Whether an error says that nobody listens there.
fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
    )
}

fn over(broken: Broken) -> SessionError {
    match broken {
        Broken::Closed(close) => SessionError::Closed(close),
        Broken::Refused(close) => SessionError::Refused(close),
        Broken::Lost(error) => SessionError::Io(error),
        Broken::TakenOver => Close::protocol("the session goes on elsewhere").into(),
    }
}

pub(super) async fn in_time<T>(
    time: Duration,
    handshake: impl Future<Output = Result<T, SessionError>>,
) -> Result<T, SessionError> {
    match tokio::time::timeout(time, handshake).await {
        Ok(begun) => begun,
        Err(_) => Err(SessionError::Handshake(time)),
    }
}
