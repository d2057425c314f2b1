//! A state that is exchanged as a whole, and how a call sees without a lock that it is still the one it knows.
//!
//! The promise: a call that begins after an exchange has returned never takes an answer of the state before for one of
//! the state after. `RUSTFLAGS="--cfg loom" cargo test -p cnv --lib --no-default-features --features attestation loom`
//! tries the orders in which the threads of small programs can run, with up to three preemptions; one of them remembers
//! what it found, as the verifier's cache does.

use core::ops::Deref;
#[cfg(not(all(loom, test)))]
use core::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(all(loom, test)))]
use std::sync::RwLock;
use std::sync::{Arc, PoisonError};

#[cfg(all(loom, test))]
use loom::sync::RwLock;
#[cfg(all(loom, test))]
use loom::sync::atomic::{AtomicU64, Ordering};

/// A state, its epoch, and until when it is good.
pub(super) struct Published<T> {
    /// Counts the states, from 1. Changed after `current`, under its lock.
    epoch: AtomicU64,
    /// The first moment at which the state is stale, in seconds since 1970. Changed after `epoch` and read before it, so
    /// that no call takes a new state's moment for an old state's.
    fresh_until: AtomicU64,
    current: RwLock<Arc<Numbered<T>>>,
}

/// A state and its epoch.
pub(super) struct Numbered<T> {
    epoch: u64,
    state: T,
}

impl<T> Deref for Numbered<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.state
    }
}

impl<T> Published<T> {
    pub(super) fn new(state: T, fresh_until: u64) -> Self {
        Self {
            epoch: AtomicU64::new(1),
            fresh_until: AtomicU64::new(fresh_until),
            current: RwLock::new(Arc::new(Numbered { epoch: 1, state })),
        }
    }

    /// The present state.
    pub(super) fn current(&self) -> Arc<Numbered<T>> {
        let current = self.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts the state that `next` makes of the present one in its place, with the moment at which that is stale.
    pub(super) fn try_exchange<E>(
        &self,
        next: impl FnOnce(&T) -> Result<(T, u64), E>,
    ) -> Result<(), E> {
        // The state is replaced as a whole, so a panic elsewhere cannot have left half of one.
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let (state, fresh_until) = next(&current.state)?;
        let epoch = current.epoch + 1;
        *current = Arc::new(Numbered { epoch, state });
        self.epoch.store(epoch, Ordering::Release);
        self.fresh_until.store(fresh_until, Ordering::Release);
        Ok(())
    }

    /// Whether what `mark` is of was found in order under the present state, and that is not stale at `now`.
    #[inline]
    pub(super) fn is_in_order(&self, mark: &Mark, now: u64) -> bool {
        let fresh_until = self.fresh_until.load(Ordering::Acquire);
        let epoch = self.epoch.load(Ordering::Acquire);
        mark.0.load(Ordering::Acquire) == epoch && now < fresh_until
    }
}

/// The epoch under which something was last found in order.
pub(super) struct Mark(AtomicU64);

impl Mark {
    /// Never yet.
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// It was, under this state.
    pub(super) fn set<T>(&self, state: &Numbered<T>) {
        self.0.store(state.epoch, Ordering::Release);
    }
}

#[cfg(all(loom, test))]
mod tests {
    use loom::sync::Mutex;
    use loom::sync::atomic::AtomicBool;
    use loom::thread;

    use super::*;

    const NOW: u64 = 100;
    const LONG: u64 = 1000;

    /// A verifier with one remembered token, whose state is whether that is allowed.
    struct Model {
        published: Published<bool>,
        mark: Mark,
        /// Whether the exchange that revokes has returned.
        is_revoked: AtomicBool,
    }

    impl Model {
        fn new() -> Arc<Self> {
            let model = Self {
                published: Published::new(true, LONG),
                mark: Mark::new(),
                is_revoked: AtomicBool::new(false),
            };
            assert!(model.call());
            Arc::new(model)
        }

        /// As `Verifier::recheck` decides.
        fn call(&self) -> bool {
            if self.published.is_in_order(&self.mark, NOW) {
                return true;
            }
            let current = self.published.current();
            if current.state {
                self.mark.set(&current);
            }
            current.state
        }

        fn exchange(&self, is_allowed: bool, fresh_until: u64) {
            let next = |_: &bool| Ok::<_, ()>((is_allowed, fresh_until));
            self.published.try_exchange(next).expect("never refused");
        }

        fn revoke(&self) {
            self.exchange(false, LONG);
            self.is_revoked.store(true, Ordering::Release);
        }

        fn call_that_knows(&self) {
            let is_revoked = self.is_revoked.load(Ordering::Acquire);
            assert!(!(self.call() && is_revoked), "allowed after it was revoked");
        }
    }

    fn in_every_order(threads: &'static [fn(&Model)]) {
        in_every_order_from(Model::new, threads, Model::call_that_knows);
    }

    fn in_every_order_from<M: Send + Sync + 'static>(
        start: fn() -> Arc<M>,
        threads: &'static [fn(&M)],
        afterwards: fn(&M),
    ) {
        // More than one can hope to try, where a thread may be held up any number of times.
        let mut orders = loom::model::Builder::new();
        orders.preemption_bound = Some(3);
        orders.check(move || {
            let model = start();
            let running: Vec<_> = threads
                .iter()
                .map(|&run| {
                    let model = Arc::clone(&model);
                    thread::spawn(move || run(&model))
                })
                .collect();
            for thread in running {
                thread.join().expect("no panic");
            }
            afterwards(&model);
        });
    }

    /// A call on a warm handle never goes by a state older than one whose exchange returned before the call began.
    #[test]
    fn loom_revocation_is_seen_by_every_later_call() {
        in_every_order(&[
            |model| {
                model.exchange(true, LONG);
                model.revoke();
            },
            |model| {
                model.call_that_knows();
                model.call_that_knows();
            },
        ]);
    }

    /// Nor where two calls decide again at the same time, and one of them began before.
    #[test]
    fn loom_a_slow_call_does_not_vouch_for_a_newer_state() {
        in_every_order(&[
            Model::revoke,
            Model::call_that_knows,
            Model::call_that_knows,
        ]);
    }

    /// A list that is stale sooner than the one before is not taken to be good as long as that.
    #[test]
    fn loom_an_old_moment_is_not_a_new_lists() {
        fn shorten(model: &Model) {
            // Allowed, but only until now: whoever asks the lock is not told so in this model, so the mark decides.
            model.exchange(true, NOW);
            model.is_revoked.store(true, Ordering::Release);
        }
        fn fast_path(model: &Model) {
            let is_shortened = model.is_revoked.load(Ordering::Acquire);
            let is_in_order = model.published.is_in_order(&model.mark, NOW);
            assert!(!(is_in_order && is_shortened), "a stale list was asked");
            model.mark.set(&model.published.current());
        }
        loom::model(|| {
            let model = Model::new();
            let threads = [shorten as fn(&Model), fast_path].map(|run| {
                let model = Arc::clone(&model);
                thread::spawn(move || run(&model))
            });
            for thread in threads {
                thread.join().expect("no panic");
            }
            fast_path(&model);
        });
    }

    /// A verifier that remembers what it found, shared by sessions that present the same token for the first time.
    struct Remembering {
        published: Published<bool>,
        /// The token's place in the cache: empty until a verification has put its verdict there.
        remembered: Mutex<Option<Arc<Mark>>>,
        is_revoked: AtomicBool,
    }

    impl Remembering {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                published: Published::new(true, LONG),
                remembered: Mutex::new(None),
                is_revoked: AtomicBool::new(false),
            })
        }

        /// As `Verifier::verify` decides: what is remembered is checked again, what is not is remembered where it passed.
        fn call(&self) -> bool {
            let found = self.remembered.lock().expect("no panic").clone();
            if let Some(mark) = &found
                && self.published.is_in_order(mark, NOW)
            {
                return true;
            }
            let current = self.published.current();
            if current.state {
                let mark = found.clone().unwrap_or_else(|| Arc::new(Mark::new()));
                mark.set(&current);
                // Anything may have happened since the state was read.
                if found.is_none() {
                    *self.remembered.lock().expect("no panic") = Some(mark);
                }
            }
            current.state
        }

        fn call_that_knows(&self) {
            let is_revoked = self.is_revoked.load(Ordering::Acquire);
            assert!(!(self.call() && is_revoked), "allowed after it was revoked");
        }

        fn revoke(&self) {
            let next = |_: &bool| Ok::<_, ()>((false, LONG));
            self.published.try_exchange(next).expect("never refused");
            self.is_revoked.store(true, Ordering::Release);
        }
    }

    /// A verdict that is put into the cache after an exchange, by a verification that began before it, opens nothing.
    #[test]
    fn loom_a_verdict_that_is_remembered_late_is_checked_again() {
        in_every_order_from(
            Remembering::new,
            &[
                |model| {
                    model.call();
                },
                Remembering::revoke,
                Remembering::call_that_knows,
            ],
            Remembering::call_that_knows,
        );
    }
}
