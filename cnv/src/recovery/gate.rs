//! The one state machine that admits calls: bulkhead, circuit breaker and retry budget.
//!
//! Nearly every call finds a closed breaker and room, and succeeds. For those there is one word that says so, and which
//! an admission exchanges once; that the call is over, and that it succeeded, is one number that grows in a slot of the
//! thread ([`Slots`]). Everything else takes a lock: what is behind it are plain machines that can be read, and tested, as
//! such. A lock-free machine for everything was the other way: it is no faster where it matters, and a half-open breaker
//! with exactly so many probes has more in it than fits a word.
//!
//! The word's room is a pot of permits. Those that come back lie in the slots until the pot is empty and somebody collects
//! them under the lock: so a permit is in the pot, in a slot or with a call, and never in two places.
//!
//! Where calls wait, whoever leaves has to see them. It adds to its slot and then reads the word, and whoever waits marks
//! the word and then reads the slots, all in the one order of `SeqCst`: one of them sees the other. Nobody overtakes those
//! who wait, because the mark closes the short way.

mod permits;
mod retries;

#[cfg(not(all(loom, test)))]
use core::sync::atomic::{AtomicU64, Ordering};
#[cfg(all(loom, test))]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(all(loom, test))]
use loom::sync::{Mutex, MutexGuard};
use std::sync::PoisonError;
#[cfg(not(all(loom, test)))]
use std::sync::{Mutex, MutexGuard};
use std::task::Waker;

use super::breaker::{Breaker, BreakerState, Closed, Mode, Outcome, Pass, Report};
use super::const_fn;
use super::counters::{Counters, Event, Tally};
use super::queue::{Queue, Ticket};
use super::random::Random;
use super::refused::{Cause, Detail, NO_RETRIES, Refused, Stage, UNKNOWN, most_retries};
use super::retry_budget::{Published, RetryBudget};
use super::settings::{CircuitBreaker, Settings};
use super::slots::Slots;
#[cfg(feature = "tower")]
pub(super) use permits::Reserved;

/// Bits of the word that say how many permits are in the pot.
const ROOM: u64 = (1 << 20) - 1;
/// The breaker is open, for as long as `open_since_ns` and `open_for_ns` say.
const OPEN: u64 = 1 << 20;
/// The breaker has to be asked.
const ASK: u64 = 1 << 21;
/// Calls wait.
const WAITING: u64 = 1 << 22;
/// A success ends a streak of failures.
const STREAK: u64 = 1 << 23;
/// Those with which nobody is admitted the short way.
const CLOSED_TO_ALL: u64 = OPEN | ASK | WAITING;
/// The word's upper half is the breaker's epoch.
const EPOCH_SHIFT: u32 = 32;

pub(super) struct Gate {
    word: AtomicU64,
    bucket_start_ns: AtomicU64,
    open_since_ns: AtomicU64,
    open_for_ns: AtomicU64,
    /// How long a bucket of the breaker's window is; without end where there is no breaker.
    bucket_ns: u64,
    has_bulkhead: bool,
    /// Whether calls may wait.
    is_queueing: bool,
    /// Calls refused without the lock.
    refused_open: AtomicU64,
    slots: Slots,
    retries: Published,
    machine: Mutex<Machine>,
}

struct Machine {
    breaker: Breaker,
    retry_budget: RetryBudget,
    queue: Queue,
    random: Random,
    tally: Tally,
    /// How many calls that are over have had their permit put back into the pot.
    collected: u64,
    /// How many successes have earned their part of a retry.
    earned: u64,
}

/// What became of a call that asked to be admitted.
pub(super) enum Entry {
    /// It has a permit, and a pass for its first attempt.
    Admitted(Pass),
    Queued(Ticket),
    Refused(Refusal),
}

/// Why a call was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) stage: Stage,
    pub(super) cause: Cause,
    pub(super) retry_after_ns: Option<u64>,
}

impl Gate {
    const_fn! {
        /// For settings that were checked.
        pub(super) const fn new(settings: &Settings) -> Self {
            let (room, is_queueing) = match &settings.bulkhead {
                Some(bulkhead) => (bulkhead.max as u64, bulkhead.queue > 0),
                None => (0, false),
            };
            let bucket_ns = match &settings.circuit_breaker {
                Some(circuit_breaker) => circuit_breaker.bucket_ns(),
                None => u64::MAX,
            };
            Self {
                word: AtomicU64::new(room),
                bucket_start_ns: AtomicU64::new(0),
                open_since_ns: AtomicU64::new(0),
                open_for_ns: AtomicU64::new(0),
                bucket_ns,
                has_bulkhead: settings.bulkhead.is_some(),
                is_queueing,
                refused_open: AtomicU64::new(0),
                slots: Slots::new(),
                retries: Published::new(),
                machine: Mutex::new(Machine {
                    breaker: Breaker::new(),
                    retry_budget: RetryBudget::new(),
                    queue: Queue::new(),
                    random: Random::new(),
                    tally: Tally::new(),
                    collected: 0,
                    earned: 0,
                }),
            }
        }
    }

    /// Whether calls have permits that [`leave`](Self::leave) gives back.
    pub(super) const fn has_bulkhead(&self) -> bool {
        self.has_bulkhead
    }

    /// Admits a call the short way: a permit and a pass, or nothing where [`enter_slow`](Self::enter_slow) has to decide.
    #[inline]
    pub(super) fn enter(&self, now_ns: u64) -> Option<Pass> {
        let mut word = self.word.load(Ordering::Acquire);
        if !self.is_in_bucket(now_ns) {
            return None;
        }
        if !self.has_bulkhead {
            return (word & CLOSED_TO_ALL == 0).then(|| pass_of(word));
        }
        while word & CLOSED_TO_ALL == 0 && word & ROOM > 0 {
            let taken = self.word.compare_exchange_weak(
                word,
                word - 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            match taken {
                Ok(_) => return Some(pass_of(word)),
                Err(now) => word = now,
            }
        }
        None
    }

    /// Admits a call, lets it wait where it has a waker, or refuses it.
    #[cold]
    pub(super) fn enter_slow(
        &self,
        settings: &Settings,
        now_ns: u64,
        waker: Option<Waker>,
    ) -> Entry {
        if let Some(refusal) = self.refuse_open(now_ns) {
            return Entry::Refused(refusal);
        }
        let mut machine = self.lock();
        if self.has_bulkhead && !self.take_permit(&mut machine) {
            let entry = self.wait(&mut machine, settings, now_ns, waker);
            drop(machine);
            if let Entry::Queued(_) = entry {
                // Whoever left before the word was marked did not see who waits.
                self.settle();
            }
            return entry;
        }
        let asked = self.ask(&mut machine, settings, now_ns);
        drop(machine);
        match asked {
            Ok(pass) => Entry::Admitted(pass),
            Err(refusal) => {
                self.leave();
                Entry::Refused(refusal)
            }
        }
    }

    /// Refuses without the lock, where the breaker is open for some time yet.
    fn refuse_open(&self, now_ns: u64) -> Option<Refusal> {
        if self.word.load(Ordering::Acquire) & OPEN == 0 {
            return None;
        }
        let for_ns = self.open_for_ns.load(Ordering::Relaxed);
        // A clock that went back is far after it, and for the lock.
        let elapsed_ns = now_ns.wrapping_sub(self.open_since_ns.load(Ordering::Relaxed));
        if elapsed_ns >= for_ns {
            return None;
        }
        self.refused_open.fetch_add(1, Ordering::Relaxed);
        Some(Refusal::of_breaker(Closed::open(for_ns - elapsed_ns)))
    }

    /// Lets an attempt of a call through that has its permit already.
    pub(super) fn attempt(&self, settings: &Settings, now_ns: u64) -> Result<Pass, Refusal> {
        let word = self.word.load(Ordering::Acquire);
        if word & (OPEN | ASK) == 0 && self.is_in_bucket(now_ns) {
            return Ok(pass_of(word));
        }
        if let Some(refusal) = self.refuse_open(now_ns) {
            return Err(refusal);
        }
        self.ask(&mut self.lock(), settings, now_ns)
    }

    /// Asks the breaker.
    fn ask(
        &self,
        machine: &mut Machine,
        settings: &Settings,
        now_ns: u64,
    ) -> Result<Pass, Refusal> {
        let Some(circuit_breaker) = &settings.circuit_breaker else {
            return Ok(pass_of(self.word.load(Ordering::Relaxed)));
        };
        let successes = self.slots.successes();
        machine.breaker.slide(now_ns, circuit_breaker, successes);
        let asked = machine
            .breaker
            .admit(now_ns, circuit_breaker, &mut machine.random);
        let event = match &asked {
            Ok(pass) if pass.is_probe => Some(Event::Probe),
            Ok(_) => None,
            Err(_) => Some(Event::RefusedByBreaker),
        };
        if let Some(event) = event {
            machine.tally.add(event);
        }
        self.publish(machine);
        asked.map_err(Refusal::of_breaker)
    }

    /// An attempt succeeded, and with it the call, whose permit is given back. `read` is the clock, for whoever gives a
    /// moment that may be over: what is decided under the lock is decided now.
    #[inline]
    pub(super) fn succeed(
        &self,
        pass: Pass,
        is_slow: bool,
        settings: &Settings,
        now_ns: u64,
        read: impl FnOnce() -> u64,
    ) -> Option<BreakerState> {
        let word = self.word.load(Ordering::Relaxed);
        let is_short = !is_slow
            && pass == pass_of(word)
            && word & (STREAK | WAITING | ASK) == 0
            && self.is_in_bucket(now_ns);
        if !is_short {
            return self.succeed_slow(pass, is_slow, settings, read());
        }
        self.slots.add_success(self.is_queueing);
        if self.is_queueing && self.word.load(Ordering::SeqCst) & WAITING != 0 {
            self.settle();
        }
        None
    }

    #[cold]
    fn succeed_slow(
        &self,
        pass: Pass,
        is_slow: bool,
        settings: &Settings,
        now_ns: u64,
    ) -> Option<BreakerState> {
        let mut machine = self.lock();
        let mut changed = None;
        match &settings.circuit_breaker {
            // It may be from before what counts now.
            Some(_) if !machine.breaker.counts(pass) => {
                machine.tally.add(Event::UncountedSuccess);
                self.slots.add_other(self.is_queueing);
            }
            Some(circuit_breaker) => {
                // Before it is counted, or it would be in a bucket that is over.
                let successes = self.slots.successes();
                machine.breaker.slide(now_ns, circuit_breaker, successes);
                self.slots.add_success(self.is_queueing);
                changed = self.take_back(
                    &mut machine,
                    pass,
                    Outcome::Success,
                    is_slow,
                    circuit_breaker,
                    now_ns,
                );
            }
            None => self.slots.add_success(self.is_queueing),
        }
        drop(machine);
        self.settle();
        changed
    }

    /// An attempt failed, or said nothing. The call keeps its permit. Returns the breaker's state, where this changed it.
    pub(super) fn fail(
        &self,
        pass: Pass,
        outcome: Outcome,
        is_slow: bool,
        settings: &Settings,
        now_ns: u64,
        event: Event,
    ) -> Option<BreakerState> {
        let mut machine = self.lock();
        machine.tally.add(event);
        let circuit_breaker = settings.circuit_breaker.as_ref()?;
        self.take_back(
            &mut machine,
            pass,
            outcome,
            is_slow,
            circuit_breaker,
            now_ns,
        )
    }

    fn take_back(
        &self,
        machine: &mut Machine,
        pass: Pass,
        outcome: Outcome,
        is_slow: bool,
        circuit_breaker: &CircuitBreaker,
        now_ns: u64,
    ) -> Option<BreakerState> {
        let epoch = machine.breaker.epoch();
        let report = Report {
            pass,
            outcome,
            is_slow,
            now_ns,
            successes: self.slots.successes(),
        };
        let opened = machine
            .breaker
            .take_back(&report, circuit_breaker, &mut machine.random);
        if opened {
            machine.tally.add(Event::Opened);
        }
        if is_slow {
            machine.tally.add(Event::Slow);
        }
        self.publish(machine);
        (machine.breaker.epoch() != epoch).then(|| machine.breaker.state())
    }

    pub(super) fn set_mode(&self, mode: Mode, now_ns: u64) {
        let mut machine = self.lock();
        machine
            .breaker
            .set_mode(mode, now_ns, self.slots.successes());
        self.publish(&machine);
    }

    pub(super) fn state(&self) -> BreakerState {
        self.lock().breaker.state()
    }

    pub(super) fn count(&self, event: Event) {
        self.lock().tally.add(event);
    }

    /// What was counted so far, where the bulkhead lets `max` calls run.
    pub(super) fn counters(&self, max: u32) -> Counters {
        let machine = self.lock();
        let mut elsewhere = Counters {
            successes: self.slots.successes(),
            refused_by_breaker: self.refused_open.load(Ordering::Relaxed),
            waiting: machine.queue.waiting() as u64,
            ..Counters::default()
        };
        if self.has_bulkhead {
            elsewhere.running = self.running(&machine, max);
        }
        machine.tally.counters(&elsewhere)
    }

    /// Puts into the word what those on the short way have to know.
    fn publish(&self, machine: &Machine) {
        let breaker = &machine.breaker;
        let mut marks = u64::from(breaker.epoch()) << EPOCH_SHIFT;
        if let Some((since_ns, for_ns)) = breaker.open_span_ns() {
            self.open_since_ns.store(since_ns, Ordering::Relaxed);
            self.open_for_ns.store(for_ns, Ordering::Relaxed);
            marks |= OPEN;
        }
        if breaker.has_to_be_asked() {
            marks |= ASK;
        }
        if breaker.has_streak() {
            marks |= STREAK;
        }
        if machine.queue.waiting() > 0 {
            marks |= WAITING;
        }
        self.bucket_start_ns
            .store(breaker.bucket_start_ns(), Ordering::Relaxed);
        let mut word = self.word.load(Ordering::Relaxed);
        while word & !ROOM != marks {
            let next = word & ROOM | marks;
            match self
                .word
                .compare_exchange(word, next, Ordering::SeqCst, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    /// Whether the breaker's current bucket is that of this moment: otherwise it has to slide first.
    #[inline]
    fn is_in_bucket(&self, now_ns: u64) -> bool {
        now_ns.wrapping_sub(self.bucket_start_ns.load(Ordering::Relaxed)) < self.bucket_ns
    }

    /// A panic under the lock is a fault of the machine itself, and leaves numbers that are off by one at worst.
    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn pass_of(word: u64) -> Pass {
    Pass {
        epoch: (word >> EPOCH_SHIFT) as u32,
        is_probe: false,
    }
}

impl Refusal {
    pub(super) const FULL: Self = Self::new(Stage::Bulkhead, Cause::Full);

    pub(super) const fn new(stage: Stage, cause: Cause) -> Self {
        Self {
            stage,
            cause,
            retry_after_ns: None,
        }
    }

    pub(super) fn into_refused(
        self,
        policy: &'static str,
        attempts: u32,
        remaining_ns: u64,
        retries_left: Option<u32>,
    ) -> Refused {
        let detail = Detail {
            policy,
            stage: self.stage,
            cause: self.cause,
            attempts,
            retry_after_ns: self.retry_after_ns.unwrap_or(UNKNOWN),
            remaining_ns,
            retries_left: retries_left.map_or(NO_RETRIES, most_retries),
        };
        Refused { detail }
    }

    const fn of_breaker(closed: Closed) -> Self {
        Self {
            stage: Stage::CircuitBreaker,
            cause: closed.cause,
            retry_after_ns: closed.retry_after_ns,
        }
    }
}
