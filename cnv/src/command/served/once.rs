//! Calls that are made once, however often their caller asks: by a key of the caller's, for a while.
//!
//! A caller that lost the connection does not know whether its call ran, and may not know whether it can run again. With a key it
//! asks again: the server runs the call if it never did, waits for it if it runs, and gives the same reply if it has ended. What
//! did not get to a handler is forgotten, since to ask again does no harm then. A call that was cut off in its middle is
//! remembered as that: nobody knows what of it took effect.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use super::room::{Room, Share};
use crate::audit::Digest;
use crate::command::context::CallId;
use crate::command::failure::{Failure, FailureCode};
use crate::command::output::Output;
use crate::command::pipeline::Reply;
use crate::command::stopped::Stopped;
use crate::command::stream::{Note, Sink};

/// How long a reply is remembered after its call.
const WINDOW: Duration = Duration::from_secs(600);

/// So many keys are remembered, and of them so many of one client.
const MAX_KEYS: usize = 8192;
const MAX_KEYS_OF_ONE: usize = 1024;

/// The longest key.
const MAX_KEY_BYTES: usize = 128;

/// The longest reply that is kept, with all that was streamed; what is kept in all, the [`room`](super::room) has. A key
/// itself is about a kilobyte.
const MAX_REPLY_BYTES: usize = 64 << 10;

/// What an item takes beside its JSON.
const ITEM_BYTES: usize = 64;

/// A key, and who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Whose share of the room it takes.
    pub(super) client: Digest,
    /// Who alone hears the reply.
    pub(super) owner: Digest,
    pub(super) name: String,
}

/// The keys that are remembered.
#[derive(Default)]
pub(super) struct Once {
    calls: Mutex<Calls>,
    room: Arc<Room>,
}

#[derive(Default)]
struct Calls {
    by_key: HashMap<Key, Call>,
    /// Those that have ended, in that order, and until when they are remembered.
    ended: VecDeque<(Instant, Key)>,
    of_each: HashMap<Digest, usize>,
}

struct Call {
    /// What was asked for, so that a key stands for one thing.
    asked: Digest,
    /// `None` while the call runs.
    reply: watch::Receiver<Option<Arc<Kept>>>,
}

/// What a call that was made replied.
#[derive(Debug)]
pub(super) struct Kept {
    /// The call's number; `None` where it was cut off.
    call_id: Option<CallId>,
    result: Result<Output, (FailureCode, String, Option<Duration>)>,
    items: Vec<Output>,
    /// What it takes of the room, as long as somebody has it.
    #[expect(dead_code, reason = "gives the room back when it is dropped")]
    share: Option<Share>,
}

/// What becomes of a call with a key.
pub(super) enum Turn {
    /// It is the first one.
    First(Running),
    /// It was made, or is being made; the reply comes when it is over.
    Again(watch::Receiver<Option<Arc<Kept>>>),
}

/// A call that is being made. Dropped in the middle it is remembered as one that was cut off, and before it began it is
/// forgotten.
pub(super) struct Running {
    once: Arc<Once>,
    key: Key,
    reply: watch::Sender<Option<Arc<Kept>>>,
    is_begun: bool,
    is_over: bool,
}

/// Whether a key is one.
///
/// # Errors
///
/// Where it is empty, too long, or has other characters than visible ASCII.
pub(super) fn check(key: &str) -> Result<(), Failure> {
    let is_visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    if key.is_empty() || key.len() > MAX_KEY_BYTES || !is_visible {
        return Err(Failure::usage(format!(
            "an idempotency key is 1 to {MAX_KEY_BYTES} visible characters of ASCII"
        )));
    }
    Ok(())
}

impl Once {
    /// Takes the turn of a call.
    ///
    /// # Errors
    ///
    /// Where the key stands for another call, or there is no room to remember one more.
    pub(super) fn begin(
        self: &Arc<Self>,
        key: Key,
        asked: Digest,
        now: Instant,
    ) -> Result<Turn, Failure> {
        let mut calls = self.lock();
        calls.forget(now);
        if let Some(call) = calls.by_key.get(&key) {
            if call.asked != asked {
                return Err(Failure::usage(format!(
                    "the idempotency key `{}` stands for another call",
                    key.name
                )));
            }
            return Ok(Turn::Again(call.reply.clone()));
        }
        let of_this = calls.of_each.get(&key.client).copied().unwrap_or(0);
        if calls.by_key.len() >= MAX_KEYS || of_this >= MAX_KEYS_OF_ONE {
            let message = "too many idempotency keys are remembered; the call was not made";
            return Err(Failure::new(FailureCode::Unavailable, message));
        }
        let (reply, receiver) = watch::channel(None);
        let call = Call {
            asked,
            reply: receiver,
        };
        calls.by_key.insert(key.clone(), call);
        *calls.of_each.entry(key.client).or_default() += 1;
        Ok(Turn::First(Running {
            once: Arc::clone(self),
            key,
            reply,
            is_begun: false,
            is_over: false,
        }))
    }

    /// Forgets what was remembered for long enough.
    pub(super) fn forget(&self, now: Instant) {
        self.lock().forget(now);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Calls {
    /// Forgets what was remembered for long enough.
    fn forget(&mut self, now: Instant) {
        while let Some((until, _)) = self.ended.front()
            && *until <= now
            && let Some((_, key)) = self.ended.pop_front()
        {
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &Key) {
        if self.by_key.remove(key).is_none() {
            return;
        }
        if let Some(count) = self.of_each.get_mut(&key.client) {
            *count -= 1;
            if *count == 0 {
                self.of_each.remove(&key.client);
            }
        }
    }
}

impl Running {
    /// Passes on to `sink` what the call streams, and keeps it.
    pub(super) fn streamed(&self, sink: Arc<dyn Sink>) -> Streamed {
        let share = Share::new(&self.once.room, self.key.client);
        Streamed {
            sink,
            copy: Mutex::new(Copied {
                items: Vec::new(),
                bytes: 0,
                share: Some(share),
            }),
        }
    }

    /// From here on a handler may be called.
    pub(super) fn begin(&mut self) {
        self.is_begun = true;
    }

    /// Remembers the reply, or forgets the key where no handler was called.
    pub(super) fn end(mut self, reply: &Reply, streamed: &Streamed) {
        self.is_over = true;
        let is_run = reply.receipt.as_ref().is_some_and(|receipt| receipt.is_run);
        if is_run {
            self.keep(Kept::of(reply, streamed));
        } else {
            self.once.lock().remove(&self.key);
        }
    }

    fn keep(&self, kept: Kept) {
        let until = Instant::now() + WINDOW;
        self.reply.send_replace(Some(Arc::new(kept)));
        self.once.lock().ended.push_back((until, self.key.clone()));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over && !self.is_begun {
            self.once.lock().remove(&self.key);
        } else if !self.is_over {
            let message = "the call with this idempotency key was cut off, and what of it took effect is not known";
            self.keep(Kept {
                call_id: None,
                result: Err((FailureCode::Cancelled, message.to_owned(), None)),
                items: Vec::new(),
                share: None,
            });
        }
    }
}

impl Kept {
    fn of(reply: &Reply, streamed: &Streamed) -> Self {
        let call_id = reply.receipt.as_ref().map(|receipt| receipt.call_id);
        let mut copied = streamed.take();
        let result = match &reply.result {
            Ok(output) => {
                copied.grow(output.as_json().len());
                Ok(output)
            }
            Err(failure) => {
                let message = failure.to_string();
                copied.grow(message.len());
                Err((failure.code(), message, failure.retry_after()))
            }
        };
        if copied.share.is_some() {
            return Self {
                call_id,
                result: result.cloned(),
                items: copied.items,
                share: copied.share,
            };
        }
        let bytes = copied.bytes;
        let (how, code, after) = match result {
            Ok(_) => ("succeeded", FailureCode::Failed, None),
            Err((code, _, after)) => ("failed", code, after),
        };
        let message = format!(
            "the call with this idempotency key {how}, and there was no room to keep its reply of {bytes} bytes"
        );
        Self {
            call_id,
            result: Err((code, message, after)),
            items: Vec::new(),
            share: None,
        }
    }

    pub(super) const fn call_id(&self) -> Option<CallId> {
        self.call_id
    }

    /// What was streamed, and then the result.
    pub(super) async fn give(&self, sink: &dyn Sink) -> Result<Output, Failure> {
        for item in &self.items {
            let mut copy = || item.clone();
            std::future::poll_fn(|cx| sink.poll_item(&mut copy, cx)).await?;
        }
        match &self.result {
            Ok(output) => Ok(output.clone()),
            Err((code, message, retry_after)) => {
                let failure = Failure::new(*code, message.clone());
                Err(match retry_after {
                    Some(after) => failure.with_retry_after(*after),
                    None => failure,
                })
            }
        }
    }
}

/// Waits until a call that is being made is over.
///
/// # Errors
///
/// Where no handler was called for it.
pub(super) async fn over(
    mut reply: watch::Receiver<Option<Arc<Kept>>>,
) -> Result<Arc<Kept>, Failure> {
    let kept = reply.wait_for(Option::is_some).await;
    kept.ok().and_then(|kept| kept.clone()).ok_or_else(not_made)
}

/// Why a call ends whose key has no reply, because no handler was called.
pub(super) fn not_made() -> Failure {
    let message = "the call with this idempotency key was not made; it can be asked for again";
    Failure::new(FailureCode::Unavailable, message)
}

/// Why a call ends that did not wait until the one before was over, which goes on.
pub(super) fn still_made(stopped: Stopped) -> Failure {
    match stopped {
        Stopped::Deadline => {
            let message = "the call with this idempotency key is still being made";
            Failure::new(FailureCode::Deadline, message)
        }
        Stopped::Cancelled => stopped.into(),
    }
}

/// Passes on what a handler streams, and keeps as much of it as a reply may have.
pub(super) struct Streamed {
    sink: Arc<dyn Sink>,
    copy: Mutex<Copied>,
}

/// What a reply is made of.
struct Copied {
    items: Vec<Output>,
    /// How long all is, also what is not kept.
    bytes: usize,
    /// What is kept counts here; `None` once something is not kept, and then nothing is.
    share: Option<Share>,
}

impl Copied {
    /// Makes room for so much more.
    fn grow(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        let is_short = self.bytes <= MAX_REPLY_BYTES;
        let share = self.share.take();
        self.share = share.and_then(|mut share| (is_short && share.grow(bytes)).then_some(share));
        if self.share.is_none() {
            self.items = Vec::new();
        }
    }
}

impl Streamed {
    fn lock(&self) -> std::sync::MutexGuard<'_, Copied> {
        self.copy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Copied {
        let mut copied = self.lock();
        Copied {
            items: std::mem::take(&mut copied.items),
            bytes: copied.bytes,
            share: copied.share.take(),
        }
    }
}

impl Sink for Streamed {
    fn poll_item(
        &self,
        item: &mut dyn FnMut() -> Output,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<(), Failure>> {
        let (mut bytes, mut copy) = (0, None);
        let mut copied = || {
            let item = item();
            bytes = item.as_json().len().saturating_add(ITEM_BYTES);
            copy = (bytes <= MAX_REPLY_BYTES).then(|| item.clone());
            item
        };
        let sent = self.sink.poll_item(&mut copied, cx);
        if let Poll::Ready(Ok(())) = sent {
            let mut kept = self.lock();
            kept.grow(bytes);
            if kept.share.is_some() {
                kept.items.extend(copy);
            }
        }
        sent
    }

    fn poll_custom(
        &self,
        bytes: &mut Bytes,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Result<(), Failure>> {
        // A reply with these cannot be given again.
        let sent = self.sink.poll_custom(bytes, cx);
        if let Poll::Ready(Ok(())) = sent {
            self.lock().grow(MAX_REPLY_BYTES + 1);
        }
        sent
    }

    fn note(&self, note: &Note<'_>) {
        self.sink.note(note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(client: u8) -> Key {
        Key {
            client: Digest::from_bytes([client; 32]),
            owner: Digest::from_bytes([client; 32]),
            name: "k".to_owned(),
        }
    }

    fn begin(once: &Arc<Once>, client: u8, now: Instant) -> Turn {
        let asked = Digest::from_bytes([0; 32]);
        once.begin(key(client), asked, now).unwrap()
    }

    /// Has a call begin, and cuts it off.
    fn cut_off(once: &Arc<Once>, client: u8) {
        let Turn::First(mut running) = begin(once, client, Instant::now()) else {
            panic!("it was made");
        };
        running.begin();
    }

    #[test]
    fn a_reply_is_forgotten_when_its_time_is_over() {
        let once = Arc::default();
        cut_off(&once, 1);
        let now = Instant::now();
        assert!(matches!(begin(&once, 1, now), Turn::Again(_)));
        assert!(matches!(begin(&once, 1, now + WINDOW), Turn::First(_)));
    }

    #[test]
    fn any_call_makes_room() {
        let once: Arc<Once> = Arc::default();
        cut_off(&once, 1);
        once.forget(Instant::now() + WINDOW);
        let calls = once.lock();
        assert!(calls.by_key.is_empty() && calls.ended.is_empty() && calls.of_each.is_empty());
    }

    #[test]
    fn a_call_that_never_began_is_forgotten() {
        let once = Arc::default();
        let now = Instant::now();
        let Turn::First(waiting) = begin(&once, 1, now) else {
            panic!("it was made");
        };
        assert!(matches!(begin(&once, 1, now), Turn::Again(_)));
        drop(waiting);
        assert!(matches!(begin(&once, 1, now), Turn::First(_)));
    }

    /// Takes what it is given at the second time.
    #[derive(Default)]
    struct Slow(Mutex<bool>);

    impl Sink for Slow {
        fn poll_item(
            &self,
            item: &mut dyn FnMut() -> Output,
            _: &mut TaskContext<'_>,
        ) -> Poll<Result<(), Failure>> {
            let mut is_ready = self.0.lock().unwrap();
            if !std::mem::replace(&mut *is_ready, true) {
                return Poll::Pending;
            }
            drop(item());
            Poll::Ready(Ok(()))
        }

        fn note(&self, _: &Note<'_>) {}
    }

    #[test]
    fn an_item_is_made_once_it_is_taken_and_what_is_kept_is_counted() {
        let once = Arc::default();
        let Turn::First(running) = begin(&once, 1, Instant::now()) else {
            panic!("it was made");
        };
        let streamed = running.streamed(Arc::new(Slow::default()));
        let mut cx = TaskContext::from_waker(std::task::Waker::noop());
        let mut made = 0;
        let mut item = || {
            made += 1;
            Output::of("item").unwrap()
        };
        assert!(streamed.poll_item(&mut item, &mut cx).is_pending());
        assert!(streamed.poll_item(&mut item, &mut cx).is_ready());
        assert_eq!(made, 1);
        let copied = streamed.take();
        assert_eq!(copied.items.len(), 1);
        assert_eq!(copied.bytes, "\"item\"".len() + ITEM_BYTES);
        assert!(copied.share.is_some());
    }
}
