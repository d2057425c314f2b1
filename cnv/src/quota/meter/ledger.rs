//! The thread's ledger: what this thread has used, and how far it may go.
//!
//! Counters only ever run on; a [`Stretch`](super::Stretch) reads them when it enters and when it asks, so that what
//! an inner stretch uses counts in the outer one without any copying. What is held (I/O operations and
//! network bytes) has a ceiling beside its counter: the nearest of all the stretches' limits. Memory and
//! processor time cannot be refused; what a cooperative stretch does about them is in
//! [`overdraft`](super::overdraft).
//!
//! `Cell`s without a destructor, initialised in const evaluation: where the target has native
//! thread-locals, the allocator may touch them at any time in a thread's life, also in its teardown.

use std::cell::{Cell, RefCell};
use std::hint::black_box;

use super::IS_METERED;
use super::overdraft::Ceilings;
use crate::quota::exceeded::BudgetExceeded;
use crate::quota::resource::{Resource, UNLIMITED};

thread_local! {
    pub(super) static LEDGER: Ledger = const { Ledger::new() };
}

pub(super) struct Ledger {
    /// Bytes allocated and not freed by this thread. A free of another thread's memory takes at
    /// most what is there.
    pub(super) live_bytes: Cell<u64>,
    /// The largest `live_bytes` since the innermost stretch began.
    pub(super) peak_bytes: Cell<u64>,
    /// All bytes allocated by this thread.
    pub(super) gross_bytes: Cell<u64>,
    /// Whether allocations arrive here at all; `None` until asked.
    is_memory_metered: Cell<Option<bool>>,
    pub(super) io: Held,
    pub(super) network: Held,
    /// How many stretches there are, each inside the one before.
    pub(super) depth: Cell<u64>,
    /// Whether a cooperative stretch is among them.
    pub(super) is_armed: Cell<bool>,
    /// The ceilings of the cooperative ones.
    pub(super) ceilings: RefCell<Ceilings>,
}

/// A counter that stops at a ceiling.
pub(super) struct Held {
    pub(super) used: Cell<u64>,
    /// How often it was refused.
    pub(super) refusals: Cell<u64>,
    /// The value of the counter at which it stops: that of [`UNLIMITED`] where nothing stops it.
    at: Cell<u64>,
    /// The limit that put the ceiling there.
    limit: Cell<u64>,
    /// The operation whose limit that is.
    operation: Cell<&'static str>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Ceiling {
    /// The value of the counter at which it stops.
    pub(super) at: u64,
    /// The limit that put the ceiling there.
    pub(super) limit: u64,
    /// The operation whose limit that is.
    pub(super) operation: Option<&'static str>,
}

impl Ceiling {
    pub(super) const NONE: Self = Self {
        at: UNLIMITED,
        limit: UNLIMITED,
        operation: None,
    };

    /// The ceiling at `limit - spent` above `counter`, where that is nearer than this one.
    #[inline]
    pub(super) fn lowered(
        &self,
        operation: &'static str,
        limit: u64,
        spent: u64,
        counter: u64,
    ) -> Option<Self> {
        if limit == UNLIMITED {
            return None;
        }
        // Where the counter has run to its end, nothing is left.
        let at = counter.saturating_add(limit.saturating_sub(spent));
        (at < self.at || self.limit == UNLIMITED).then_some(Self {
            at,
            limit,
            operation: Some(operation),
        })
    }
}

impl Ledger {
    const fn new() -> Self {
        Self {
            live_bytes: Cell::new(0),
            peak_bytes: Cell::new(0),
            gross_bytes: Cell::new(0),
            is_memory_metered: Cell::new(None),
            io: Held::new(),
            network: Held::new(),
            depth: Cell::new(0),
            is_armed: Cell::new(false),
            ceilings: RefCell::new(Ceilings::NONE),
        }
    }

    fn held(&self, resource: HeldResource) -> &Held {
        match resource {
            HeldResource::Io => &self.io,
            HeldResource::Network => &self.network,
        }
    }

    fn is_memory_metered(&self) -> bool {
        if let Some(known) = self.is_memory_metered.get() {
            return known;
        }
        let before = self.gross_bytes.get();
        drop(black_box(Box::new(0_u8)));
        let is_metered = self.gross_bytes.get() != before;
        self.is_memory_metered.set(Some(is_metered));
        is_metered
    }

    #[inline]
    fn checkpoint(&self) -> Result<(), BudgetExceeded> {
        if self.is_armed.get() {
            return self.look_for_overdraft();
        }
        Ok(())
    }

    /// Takes `amount` where that much is left and no checkpoint has anything to look at. Small enough to stand in place of
    /// a call, which one that returns the error is not.
    #[inline]
    fn take_unarmed(&self, resource: HeldResource, amount: u64) -> bool {
        let held = self.held(resource);
        match held.used.get().checked_add(amount) {
            Some(used) if used <= held.at.get() && !self.is_armed.get() => {
                held.used.set(used);
                true
            }
            _ => false,
        }
    }

    fn look_for_overdraft(&self) -> Result<(), BudgetExceeded> {
        let ceilings = self.ceilings.borrow();
        if let Some(overdraft) = ceilings.overdraft(self.peak_bytes.get()) {
            return Err(overdraft);
        }
        let Some(now_ns) = ceilings.alarm() else {
            return Ok(());
        };
        drop(ceilings);
        self.ceilings.borrow_mut().ask_the_clocks(now_ns)
    }

    /// Begins a stretch. Returns how many there are around it, and the largest memory of the one that it is in.
    #[inline]
    pub(super) fn begin(&self) -> (u64, u64) {
        let depth = self.depth.get();
        self.depth.set(depth + 1);
        if self.is_armed.get() {
            self.keep_overdraft();
        }
        (depth, self.peak_bytes.replace(self.live_bytes.get()))
    }

    /// Lets counters begin anew that are half way to their end, where there is no stretch that compares with what they were.
    #[inline]
    pub(super) fn rewind(&self) {
        if self.depth.get() == 0 {
            self.io.rewind();
            self.network.rewind();
        }
    }

    /// Ends the stretch that found `before`.
    #[inline]
    pub(super) fn end(&self, before: Before) {
        if self.depth.get() != before.depth + 1 {
            return self.end_out_of_order();
        }
        self.depth.set(before.depth);
        let peak_bytes = self.peak_bytes.get().max(before.peak_bytes);
        self.peak_bytes.set(peak_bytes);
        self.io.put_back(before.io);
        self.network.put_back(before.network);
    }

    /// Ends a stretch that is not the innermost. What it found is nothing to go by; with the last of them all, which found
    /// no ceilings, they are gone.
    #[cold]
    #[inline(never)]
    fn end_out_of_order(&self) {
        let depth = self.depth.get().saturating_sub(1);
        self.depth.set(depth);
        if depth == 0 {
            self.io.at.set(UNLIMITED);
            self.network.at.set(UNLIMITED);
            self.is_armed.set(false);
        }
    }

    /// Before `peak_bytes` starts anew: what went over by then stays over.
    #[cold]
    fn keep_overdraft(&self) {
        let mut ceilings = self.ceilings.borrow_mut();
        let overdraft = ceilings.overdraft(self.peak_bytes.get());
        ceilings.keep(overdraft);
    }
}

impl Held {
    const fn new() -> Self {
        Self {
            used: Cell::new(0),
            refusals: Cell::new(0),
            at: Cell::new(UNLIMITED),
            limit: Cell::new(0),
            operation: Cell::new(""),
        }
    }

    #[inline]
    fn left(&self) -> u64 {
        match self.at.get() {
            UNLIMITED => UNLIMITED,
            at => at.saturating_sub(self.used.get()),
        }
    }

    /// Puts the ceiling `limit - spent` above the counter, where it is not as near already. Says what it found.
    #[inline]
    pub(super) fn lower_ceiling(
        &self,
        operation: &'static str,
        limit: u64,
        spent: u64,
        depth: u64,
    ) -> Found {
        if limit == UNLIMITED {
            return Found::AsNear;
        }
        let left = limit.saturating_sub(spent);
        let at = match self.used.get().checked_add(left) {
            None | Some(UNLIMITED) => self.end(left, depth),
            Some(at) => at,
        };
        let found = match self.at.get() {
            UNLIMITED => Found::None,
            nearer if nearer <= at => return Found::AsNear,
            farther => Found::Ceiling {
                at: farther,
                limit: self.limit.get(),
                operation: self.operation.get(),
            },
        };
        self.at.set(at);
        self.limit.set(limit);
        self.operation.set(operation);
        found
    }

    #[inline]
    fn put_back(&self, found: Found) {
        match found {
            Found::AsNear => {}
            Found::None => self.at.set(UNLIMITED),
            Found::Ceiling {
                at,
                limit,
                operation,
            } => {
                self.at.set(at);
                self.limit.set(limit);
                self.operation.set(operation);
            }
        }
    }

    /// Fails where less than `amount` is left.
    #[inline]
    fn require(&self, resource: HeldResource, amount: u64) -> Result<(), BudgetExceeded> {
        if amount > self.left() {
            return Err(self.refusal(resource, amount));
        }
        Ok(())
    }

    #[inline]
    fn count(&self, amount: u64) {
        self.used.set(self.used.get().saturating_add(amount));
    }

    /// Lets the counter begin anew, where it is half way to its end. For when nobody compares with what it was.
    #[inline]
    fn rewind(&self) {
        if self.used.get() > u64::MAX / 2 {
            self.used.set(0);
        }
    }

    /// Where the counter stops that has `left` to go, and no room for that, in the stretch number `depth`.
    #[cold]
    fn end(&self, left: u64, depth: u64) -> u64 {
        if depth == 0 {
            self.used.set(0);
            return left;
        }
        // Nothing is left where it has run to its end.
        UNLIMITED - 1
    }

    #[cold]
    fn refusal(&self, resource: HeldResource, requested: u64) -> BudgetExceeded {
        self.refusals.set(self.refusals.get().wrapping_add(1));
        // Without a ceiling nothing is refused.
        let limit = self.limit.get();
        let used = limit.saturating_sub(self.left());
        let operation = Some(self.operation.get());
        BudgetExceeded::refused(resource.resource(), limit, used, requested, operation)
    }
}

/// What of the ledger is put back when a stretch ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    pub(super) depth: u64,
    pub(super) peak_bytes: u64,
    pub(super) io: Found,
    pub(super) network: Found,
}

/// The ceiling that a stretch found. To save and put back one that the stretch did not change would take as long as all
/// else that it does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    /// One that is as near as the stretch's own, or the stretch has none.
    AsNear,
    None,
    Ceiling {
        at: u64,
        limit: u64,
        operation: &'static str,
    },
}

/// A resource that the ledger holds, rather than only observes.
#[derive(Clone, Copy, Debug)]
pub(super) enum HeldResource {
    Io,
    Network,
}

impl HeldResource {
    const fn resource(self) -> Resource {
        match self {
            Self::Io => Resource::Io,
            Self::Network => Resource::Network,
        }
    }
}

/// Counts an allocation of `bytes`. Called by the allocator: neither panics nor allocates.
#[inline]
pub(super) fn allocated(bytes: usize) {
    if !IS_METERED {
        return;
    }
    let _ = LEDGER.try_with(|ledger| {
        let bytes = bytes as u64;
        let live_bytes = ledger.live_bytes.get().wrapping_add(bytes);
        ledger.live_bytes.set(live_bytes);
        if live_bytes > ledger.peak_bytes.get() {
            ledger.peak_bytes.set(live_bytes);
        }
        let gross_bytes = ledger.gross_bytes.get().wrapping_add(bytes);
        ledger.gross_bytes.set(gross_bytes);
    });
}

/// Counts a free of `bytes`. Called by the allocator: neither panics nor allocates.
#[inline]
pub(super) fn freed(bytes: usize) {
    if !IS_METERED {
        return;
    }
    let _ = LEDGER.try_with(|ledger| {
        let live_bytes = ledger.live_bytes.get().saturating_sub(bytes as u64);
        ledger.live_bytes.set(live_bytes);
    });
}

/// Whether this program's allocations are counted.
pub(super) fn is_memory_metered() -> bool {
    IS_METERED && LEDGER.with(Ledger::is_memory_metered)
}

/// Fails where a cooperative stretch has used more memory or processor time than it may.
#[inline]
pub(super) fn checkpoint() -> Result<(), BudgetExceeded> {
    if !IS_METERED {
        return Ok(());
    }
    LEDGER.with(Ledger::checkpoint)
}

/// Takes `amount`, or nothing where the innermost budget or one around it has less left. A checkpoint.
#[inline]
pub(super) fn take(resource: HeldResource, amount: u64) -> Result<(), BudgetExceeded> {
    if !IS_METERED {
        return Ok(());
    }
    if LEDGER.with(|ledger| ledger.take_unarmed(resource, amount)) {
        return Ok(());
    }
    take_with_care(resource, amount)
}

#[inline(never)]
fn take_with_care(resource: HeldResource, amount: u64) -> Result<(), BudgetExceeded> {
    LEDGER.with(|ledger| {
        ledger.checkpoint()?;
        let held = ledger.held(resource);
        held.require(resource, amount)?;
        held.count(amount);
        Ok(())
    })
}

/// Fails where the innermost budget or one around it has less than `amount` left; takes nothing. A
/// checkpoint.
#[inline]
pub(super) fn require(resource: HeldResource, amount: u64) -> Result<(), BudgetExceeded> {
    if !IS_METERED {
        return Ok(());
    }
    LEDGER.with(|ledger| {
        ledger.checkpoint()?;
        ledger.held(resource).require(resource, amount)
    })
}

/// How much of `wanted` may still be used; fails where that is nothing of something. A checkpoint.
#[inline]
pub(super) fn allowance(resource: HeldResource, wanted: u64) -> Result<u64, BudgetExceeded> {
    if !IS_METERED {
        return Ok(wanted);
    }
    LEDGER.with(|ledger| {
        ledger.checkpoint()?;
        let held = ledger.held(resource);
        match held.left().min(wanted) {
            0 if wanted > 0 => Err(held.refusal(resource, wanted)),
            allowed => Ok(allowed),
        }
    })
}

/// Counts what was used within an allowance or a requirement.
#[inline]
pub(super) fn count(resource: HeldResource, amount: u64) {
    if IS_METERED {
        LEDGER.with(|ledger| ledger.held(resource).count(amount));
    }
}
