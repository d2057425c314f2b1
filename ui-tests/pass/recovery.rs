//! Timeouts, retries, circuit breakers and bulkheads: every place and shape that is allowed.
#![deny(warnings, missing_docs, unsafe_code)]
#![warn(clippy::pedantic)]

use cnv::prelude::*;
use cnv::recovery::{Bulkhead, Policy, Refused, Settings, Verdict};
use cnv::{budget, bulkhead, circuit_breaker, retry, run, spend, timeout};
use std::io;
use std::time::Duration;

static GEO: Policy = Policy::new("geo", Settings::new().bulkhead(Bulkhead::new(4)));

/// All of them, with a budget.
#[circuit_breaker(failures = "50%", window = "10s", consecutive = 5, slow = "500ms", open = "5s")]
#[retry(attempts = 3, base = "10ms", cap = "1s", jitter = "equal", when = verdict)]
#[bulkhead(max = 16, queue = 32, wait = "100ms")]
#[budget(memory = "1KB", retains = "0B", cpu = "1ms", io = 1)]
#[timeout("2s", attempt = "600ms")]
pub async fn fetch(path: &str, (from, to): (u64, u64), mut tail: Vec<u8>) -> Result<Vec<u8>, io::Error> {
    tail.extend(path.as_bytes());
    tail.push(u8::try_from(to - from).map_err(io::Error::other)?);
    Ok(tail)
}

fn verdict(error: &io::Error) -> Verdict {
    match error.kind() {
        io::ErrorKind::NotFound => Verdict::Ignore,
        io::ErrorKind::ResourceBusy => Verdict::RetryAfter(Duration::from_millis(5)),
        _ => Verdict::Fail,
    }
}

/// Charged for all three attempts.
#[budget(memory = "1KB", cpu = "5ms", io = 3)]
pub async fn twice() -> Result<usize, io::Error> {
    Ok(spend!(fetch("a", (1, 3), Vec::new())).await?.len())
}

/// Spends in each of its attempts.
#[budget(memory = "1KB", cpu = "20ms", io = 3)]
#[retry(attempts = 2, base = "1ms")]
pub async fn again(extra: Vec<u8>) -> Result<usize, io::Error> {
    Ok(spend!(twice()).await? + extra.len())
}

/// Of many.
pub struct Store;

impl Store {
    /// Borrows.
    #[retry]
    #[bulkhead(on = GEO)]
    async fn load<T: Clone + Send>(&self, value: T) -> Result<T, Refused> {
        Ok(value)
    }

    /// Takes itself along, once.
    #[circuit_breaker]
    async fn close(self) -> Result<(), Refused> {
        Ok(())
    }

    #[budget(cpu = "1ms", io = 1)]
    #[retry(attempts = 2, per_second = 0, ratio = 0)]
    fn blocking(&self, out: &mut Vec<u8>) -> Result<usize, Refused> {
        out.push(1);
        Ok(out.len())
    }
}

/// Looks at files.
#[timeout("1s")]
#[retry]
#[verb(noun = "file", effect = "read")]
async fn size(cx: &Context, path: String) -> Result<usize, Failure> {
    short(cx).await?;
    inner(cx, &path).await
}

#[timeout("500ms")]
async fn inner(cx: &Context, path: &str) -> Result<usize, Failure> {
    assert!(cx.remaining().is_some_and(|left| left <= Duration::from_millis(500)));
    Ok(path.len())
}

#[timeout("1s")]
fn asks(cx: Context) -> Result<(), Failure> {
    cx.checkpoint()?;
    Ok(())
}

#[timeout("1s")]
async fn short(_cx: &Context) -> Result<u8, Failure> { Ok(1) }

#[retry]
fn boxed(_name: String, is_empty: bool) -> Result<Box<dyn io::Read>, io::Error> {
    if is_empty {
        Ok(Box::new(io::empty()))
    } else {
        Ok(Box::new(&b"a"[..]))
    }
}

/// Has no context of cnv's.
#[circuit_breaker]
fn polls(cx: &mut std::task::Context<'_>) -> Result<bool, Refused> {
    Ok(cx.waker().will_wake(std::task::Waker::noop()))
}

/// Reports.
#[verb(noun = "file", effect = "read")]
fn touch(cx: Context) -> Result<(), Failure> {
    asks(cx)
}

fn poll<F: Future>(future: F) -> F::Output {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("nothing here waits"),
    }
}

fn main() {
    assert_eq!(poll(run!(twice())).unwrap(), 2);
    assert_eq!(poll(run!(again(vec![1]))).unwrap(), 3);
    assert_eq!(poll(Store.load("x")), Ok("x"));
    assert_eq!(poll(Store.close()), Ok(()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert_eq!(polls(&mut context), Ok(true));
    assert!(boxed(String::new(), true).is_ok());
    let mut out = Vec::new();
    assert_eq!(run!(Store.blocking(&mut out)), Ok(1));
    let app = App::new("files").verbs(verbs![size, touch]);
    app.check().unwrap();
    assert_eq!(app.policies().len(), 1);
    let reply = app.call_blocking(["file", "size", "abc"]);
    assert_eq!(reply.result.unwrap().as_json(), "3");
    assert!(app.call_blocking(["file", "touch"]).result.is_ok());
}
