//! Four counters that change together, without a lock.
//!
//! Four words cannot be exchanged at once. So a change is written beside what is in force, as a *draft*, and one exchange
//! of the word that says which draft is in force puts all four in force together. Every change and every reading thus
//! happens at one moment, as if one thread made them one after the other:
//!
//! - A draft is written by whoever took it from `free`, and nobody puts it in force but they. It is not in `free` while
//!   it is in force, so what is in force does not change.
//! - `current` counts how often it was exchanged, so it never has the same value twice, and an exchange succeeds only
//!   where nothing changed since what it builds on was read.
//! - Whoever reads a draft may find another's writing in it, after it was replaced. That the writing was seen means that
//!   the replacement before it is seen, too, when `current` is looked at again: each is released and acquired.
//!
//! A counter for each resource, taken one after the other and given back where a later one refuses, was the other way: a
//! request that is about to be refused then stands for a moment in the way of one that fits, and both are refused.
//!
//! A thread that is held up holds up nobody: others go on with other drafts. Where so many as there are drafts are held
//! up in the middle of a change, the next one waits for one of them.

#[cfg(not(all(loom, test)))]
use core::hint::spin_loop;
#[cfg(not(all(loom, test)))]
use core::sync::atomic::{AtomicU64, Ordering};
#[cfg(all(loom, test))]
use loom::hint::spin_loop;
#[cfg(all(loom, test))]
use loom::sync::atomic::{AtomicU64, Ordering};

use super::const_fn;
use crate::quota::limits::Limits;

/// How many versions there is room for: one in force, the others being written.
const DRAFTS: usize = if cfg!(all(loom, test)) { 3 } else { 16 };

/// Bits of `current` that number a draft.
const DRAFT_BITS: u32 = 4;

/// What of each resource has been taken.
pub(super) struct Counters {
    current: AtomicU64,
    /// A bit for each draft that is neither in force nor being written.
    free: AtomicU64,
    drafts: [Draft; DRAFTS],
}

struct Draft {
    memory_bytes: AtomicU64,
    cpu_ns: AtomicU64,
    io_ops: AtomicU64,
    network_bytes: AtomicU64,
}

/// A value of `current`: which draft is in force, and how often that was exchanged, which wraps after 2^60 times.
#[derive(Clone, Copy, PartialEq)]
struct Current(u64);

impl Current {
    const fn draft(self) -> usize {
        (self.0 & ((1 << DRAFT_BITS) - 1)) as usize
    }

    const fn followed_by(self, draft: usize) -> Self {
        let exchanges = (self.0 >> DRAFT_BITS).wrapping_add(1);
        Self(exchanges << DRAFT_BITS | draft as u64)
    }
}

impl Counters {
    const_fn! {
        /// Nothing has been taken.
        pub(super) const fn new() -> Self {
            Self {
                current: AtomicU64::new(0),
                free: AtomicU64::new((1 << DRAFTS) - 2),
                drafts: Draft::all(),
            }
        }
    }

    /// What is taken at one moment of this call.
    pub(super) fn used(&self) -> Limits {
        self.read().1
    }

    /// Puts what `change` makes of the counters in their place, or leaves them where it refuses: both are decided on what
    /// is in force at one moment of this call. `change` is asked again where another thread was faster.
    pub(super) fn try_update<T, E>(
        &self,
        change: impl Fn(&Limits) -> Result<(Limits, T), E>,
    ) -> Result<T, E> {
        let (mut current, used) = self.read();
        let (mut next, mut answer) = change(&used)?;
        let mut draft = self.take_draft();
        loop {
            self.drafts[draft.index].write(&next);
            let exchange = current.followed_by(draft.index);
            let exchanged = self.current.compare_exchange(
                current.0,
                exchange.0,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if exchanged.is_ok() {
                // What was in force is what is given back.
                draft.index = current.draft();
                return Ok(answer);
            }
            let used;
            (current, used) = self.read();
            (next, answer) = change(&used)?;
        }
    }

    fn read(&self) -> (Current, Limits) {
        loop {
            let current = Current(self.current.load(Ordering::Acquire));
            let used = self.drafts[current.draft()].read();
            if self.current.load(Ordering::Acquire) == current.0 {
                return (current, used);
            }
        }
    }

    fn take_draft(&self) -> Taken<'_> {
        loop {
            let free = self.free.load(Ordering::Relaxed);
            if free == 0 {
                spin_loop();
                continue;
            }
            let without_lowest = free & (free - 1);
            let taken = self.free.compare_exchange_weak(
                free,
                without_lowest,
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            if taken.is_ok() {
                let index = free.trailing_zeros() as usize;
                return Taken { index, of: self };
            }
        }
    }
}

/// A draft that is this thread's. Dropping it sets it free.
struct Taken<'a> {
    index: usize,
    of: &'a Counters,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.of.free.fetch_or(1 << self.index, Ordering::Release);
    }
}

impl Draft {
    #[cfg(not(all(loom, test)))]
    const fn all() -> [Self; DRAFTS] {
        [const { Self::new() }; DRAFTS]
    }

    #[cfg(all(loom, test))]
    fn all() -> [Self; DRAFTS] {
        std::array::from_fn(|_| Self::new())
    }

    const_fn! {
        const fn new() -> Self {
            Self {
                memory_bytes: AtomicU64::new(0),
                cpu_ns: AtomicU64::new(0),
                io_ops: AtomicU64::new(0),
                network_bytes: AtomicU64::new(0),
            }
        }
    }

    fn read(&self) -> Limits {
        Limits {
            memory_bytes: self.memory_bytes.load(Ordering::Acquire),
            cpu_ns: self.cpu_ns.load(Ordering::Acquire),
            io_ops: self.io_ops.load(Ordering::Acquire),
            network_bytes: self.network_bytes.load(Ordering::Acquire),
        }
    }

    fn write(&self, used: &Limits) {
        self.memory_bytes
            .store(used.memory_bytes, Ordering::Release);
        self.cpu_ns.store(used.cpu_ns, Ordering::Release);
        self.io_ops.store(used.io_ops, Ordering::Release);
        self.network_bytes
            .store(used.network_bytes, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn memory(memory_bytes: u64) -> Limits {
        Limits {
            memory_bytes,
            cpu_ns: 1,
            io_ops: 2,
            network_bytes: 3,
        }
    }

    #[test]
    fn every_draft_is_used_again() {
        let counters = Counters::new();
        for memory_bytes in 1..=100 {
            let update = counters.try_update(|used| {
                assert_eq!(used.memory_bytes, memory_bytes - 1);
                Ok::<_, ()>((memory(memory_bytes), ()))
            });
            assert_eq!(update, Ok(()));
            assert_eq!(counters.used(), memory(memory_bytes));
            let free = counters.free.load(Ordering::Relaxed);
            assert_eq!(free.count_ones() as usize, DRAFTS - 1);
        }
    }

    /// Also where the refusal comes only after another thread was faster.
    #[test]
    fn what_is_refused_changes_nothing_and_keeps_no_draft() {
        let counters = Counters::new();
        assert_eq!(counters.try_update(|_| Err::<(Limits, ()), _>(7)), Err(7));
        let asked = core::cell::Cell::new(0);
        let refused = counters.try_update(|used| {
            asked.set(asked.get() + 1);
            if asked.get() > 1 {
                assert_eq!(*used, memory(5));
                return Err(8);
            }
            let faster = counters.try_update(|_| Ok::<_, ()>((memory(5), ())));
            assert_eq!(faster, Ok(()));
            Ok((memory(6), ()))
        });
        assert_eq!((refused, asked.get()), (Err(8), 2));
        assert_eq!(counters.used(), memory(5));
        let free = counters.free.load(Ordering::Relaxed);
        assert_eq!(free.count_ones() as usize, DRAFTS - 1);
    }
}
