//! Stretches of work on one thread: what a budget's function, or a poll of its future, is to the [ledger](super::ledger).
//!
//! Stretches end in the reverse order of their beginning. A stretch remembers what it found and puts
//! that back, which is right for the innermost one only. Nobody who begins one can do otherwise:
//! [`measure`](super::measure()) and [`Operation`](crate::quota::Operation) hold theirs for the time of a
//! closure, a future for the time of a poll, and `#[budget]` in a local of the function that the body
//! cannot name; unwinding drops in the same order.

use std::marker::PhantomData;

use super::clock::Stopwatch;
use super::ledger::{Before, LEDGER, Ledger};
use super::overdraft::Ceilings;
use crate::quota::limits::Limits;
use crate::quota::resource::Resource;

/// What a piece of work used, over all the turns it had on any thread.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    /// Memory allocated and not freed, as far as this work did both.
    pub(super) live_bytes: u64,
    pub(super) peak_bytes: u64,
    pub(super) gross_bytes: u64,
    /// Processor time as far as whoever ran the work measured it; the ledger does not.
    pub(super) cpu_ns: u64,
    pub(super) io_ops: u64,
    pub(super) network_bytes: u64,
    io_refusals: u64,
    network_refusals: u64,
}

impl Spent {
    /// What of the held was refused.
    pub(super) fn refused(&self) -> Option<Resource> {
        match (self.io_refusals, self.network_refusals) {
            (0, 0) => None,
            (0, _) => Some(Resource::Network),
            _ => Some(Resource::Io),
        }
    }
}

/// A stretch of work on this thread, held to its limits; dropping it ends it.
///
/// The innermost stretch has to be dropped first, as the module says. Not `Send`, because the ledger is
/// the thread's.
#[derive(Debug)]
pub struct Stretch {
    before: Before,
    not_send: PhantomData<*const ()>,
}

impl Stretch {
    /// Begins work that may use `limits`.
    #[inline]
    pub(in crate::quota) fn enter(operation: &'static str, limits: &Limits) -> Self {
        Self::resume(operation, limits, &Spent::default())
    }

    /// Goes on with work that has used `spent` of its `limits` already.
    #[inline]
    fn resume(operation: &'static str, limits: &Limits, spent: &Spent) -> Self {
        // One by one: together they are more than the compiler would put in place of a call, and a `Stretch` that a call
        // returns takes five times as long.
        let (depth, peak_bytes) = LEDGER.with(Ledger::begin);
        let io = LEDGER.with(|ledger| {
            ledger
                .io
                .lower_ceiling(operation, limits.io_ops, spent.io_ops, depth)
        });
        let network = LEDGER.with(|ledger| {
            let (limit, spent) = (limits.network_bytes, spent.network_bytes);
            ledger.network.lower_ceiling(operation, limit, spent, depth)
        });
        let before = Before {
            depth,
            peak_bytes,
            io,
            network,
        };
        Self {
            before,
            not_send: PhantomData,
        }
    }
}

impl Drop for Stretch {
    #[inline]
    fn drop(&mut self) {
        // A native ledger has no destructor, so it outlives every stretch of its thread.
        let _ = LEDGER.try_with(|ledger| ledger.end(self.before));
    }
}

/// A stretch whose use is counted.
#[derive(Debug)]
pub(super) struct CountedStretch {
    start: Counters,
    _stretch: Stretch,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug)]
struct Counters {
    live_bytes: u64,
    gross_bytes: u64,
    io_ops: u64,
    network_bytes: u64,
    io_refusals: u64,
    network_refusals: u64,
}

impl Counters {
    #[inline]
    fn now() -> Self {
        LEDGER.with(|ledger| Self {
            live_bytes: ledger.live_bytes.get(),
            gross_bytes: ledger.gross_bytes.get(),
            io_ops: ledger.io.used.get(),
            network_bytes: ledger.network.used.get(),
            io_refusals: ledger.io.refusals.get(),
            network_refusals: ledger.network.refusals.get(),
        })
    }
}

impl CountedStretch {
    /// Goes on with work that has used `spent` of its `limits` already.
    #[inline]
    pub(super) fn resume(operation: &'static str, limits: &Limits, spent: &Spent) -> Self {
        LEDGER.with(Ledger::rewind);
        let stretch = Stretch::resume(operation, limits, spent);
        Self {
            // Afterwards, because both before may let counters begin anew.
            start: Counters::now(),
            _stretch: stretch,
        }
    }

    /// Adds what the work used up to now to what it had `spent` before.
    #[inline]
    pub(super) fn add_to(&self, spent: &mut Spent) {
        let (start, now) = (&self.start, Counters::now());
        let peak_bytes = LEDGER.with(|ledger| ledger.peak_bytes.get());
        let peak_bytes = peak_bytes.saturating_sub(start.live_bytes);
        spent.peak_bytes = spent.peak_bytes.max(spent.live_bytes + peak_bytes);
        spent.live_bytes = (spent.live_bytes + now.live_bytes).saturating_sub(start.live_bytes);
        // No counter begins anew while a stretch is there.
        let add = |spent: &mut u64, start: u64, now: u64| {
            *spent = spent.saturating_add(now.wrapping_sub(start));
        };
        add(&mut spent.gross_bytes, start.gross_bytes, now.gross_bytes);
        add(&mut spent.io_ops, start.io_ops, now.io_ops);
        add(
            &mut spent.network_bytes,
            start.network_bytes,
            now.network_bytes,
        );
        add(&mut spent.io_refusals, start.io_refusals, now.io_refusals);
        add(
            &mut spent.network_refusals,
            start.network_refusals,
            now.network_refusals,
        );
    }
}

/// The ceilings that a stretch puts over its memory and processor time; dropping it takes them away.
///
/// It begins after its stretch and ends before it.
#[derive(Debug)]
pub(in crate::quota) struct Armed {
    before: Option<Ceilings>,
    not_send: PhantomData<*const ()>,
}

impl Armed {
    /// For the innermost stretch, that of `operation`, which used `spent` before it and is timed by
    /// `stopwatch`, where its processor time has a limit.
    pub(super) fn new(
        operation: &'static str,
        limits: &Limits,
        spent: &Spent,
        stopwatch: Option<&Stopwatch>,
    ) -> Self {
        LEDGER.with(|ledger| {
            let mut ceilings = ledger.ceilings.borrow_mut();
            let before = ledger.is_armed.get().then_some(*ceilings);
            if before.is_none() {
                *ceilings = Ceilings::NONE;
            }
            let live_bytes = ledger.live_bytes.get();
            ceilings.lower_memory(operation, limits, spent, live_bytes);
            if let Some(stopwatch) = stopwatch {
                ceilings.lower_cpu(operation, limits, spent, stopwatch);
            }
            ledger.is_armed.set(true);
            Self {
                before,
                not_send: PhantomData,
            }
        })
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        let _ = LEDGER.try_with(|ledger| {
            ledger.is_armed.set(self.before.is_some());
            if let Some(before) = self.before {
                *ledger.ceilings.borrow_mut() = before;
            }
        });
    }
}
