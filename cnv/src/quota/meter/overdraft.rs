//! Memory and processor time that went over: what a cooperative stretch finds at its next checkpoint.
//!
//! Neither can be refused when it is used. An allocation that fails aborts the process, and unwinding out
//! of an allocator is undefined; a loop asks nobody for its time. So both may go over, and the next
//! checkpoint says so. For memory that is a comparison with the peak that the allocator keeps anyway.
//! For processor time it is a clock, of which there are three:
//!
//! - Before the wall clock has moved by what is left, no processor time can have, so that is all that a
//!   checkpoint looks at (10 ns by the [cycle counter](super::wall), and 30 ns without).
//! - Once it has, the thread's processor clock is asked (700 ns), and what is still left sets the alarm anew.
//! - Work that declares less than the thread's clock is worth has a ceiling on the wall clock itself.
//!
//! The two clocks do not run alike, to less than a thousandth: that late an overdraft may be found.

use super::clock::{Stopwatch, thread_cpu_ns};
use super::ledger::Ceiling;
use super::stretch::Spent;
use super::wall;
use crate::quota::exceeded::BudgetExceeded;
use crate::quota::limits::Limits;
use crate::quota::resource::{Resource, UNLIMITED};

/// The nearest ceilings of all cooperative stretches of a thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ceilings {
    /// On the bytes that the thread holds.
    memory: Ceiling,
    /// On the thread's processor clock, in nanoseconds.
    thread_cpu: Ceiling,
    /// On the wall clock, in nanoseconds.
    wall: Ceiling,
    /// Until then, by the wall clock, no ceiling on a clock can have been reached.
    alarm_at_ns: u64,
    /// What is known to be over.
    found: Option<BudgetExceeded>,
}

impl Ceilings {
    pub(super) const NONE: Self = Self {
        memory: Ceiling::NONE,
        thread_cpu: Ceiling::NONE,
        wall: Ceiling::NONE,
        alarm_at_ns: UNLIMITED,
        found: None,
    };

    /// For work that begins while the thread holds `live_bytes`.
    pub(super) fn lower_memory(
        &mut self,
        operation: &'static str,
        limits: &Limits,
        spent: &Spent,
        live_bytes: u64,
    ) {
        let limit = limits.memory_bytes;
        if spent.peak_bytes > limit {
            let overrun = BudgetExceeded::overrun(Resource::Memory, limit, spent.peak_bytes);
            self.keep(Some(overrun.of(operation)));
        }
        let (spent_bytes, nearest) = (spent.live_bytes, self.memory);
        if let Some(nearer) = nearest.lowered(operation, limit, spent_bytes, live_bytes) {
            self.memory = nearer;
        }
    }

    /// For work that began with `stopwatch`.
    pub(super) fn lower_cpu(
        &mut self,
        operation: &'static str,
        limits: &Limits,
        spent: &Spent,
        stopwatch: &Stopwatch,
    ) {
        let limit = limits.cpu_ns;
        if limit == UNLIMITED {
            return;
        }
        let left_ns = limit.saturating_sub(spent.cpu_ns);
        match *stopwatch {
            Stopwatch::Thread { start_ns } => {
                let nearest = self.thread_cpu;
                if let Some(nearer) = nearest.lowered(operation, limit, spent.cpu_ns, start_ns) {
                    self.thread_cpu = nearer;
                    self.set_alarm(wall::now_ns().saturating_add(left_ns));
                }
            }
            Stopwatch::Wall { start_ns } => {
                let nearest = self.wall;
                if let Some(nearer) = nearest.lowered(operation, limit, spent.cpu_ns, start_ns) {
                    self.wall = nearer;
                    self.set_alarm(nearer.at);
                }
            }
        }
    }

    /// What is over without a look at any clock, where the innermost stretch held up to `peak_bytes`.
    #[inline]
    pub(super) fn overdraft(&self, peak_bytes: u64) -> Option<BudgetExceeded> {
        if self.found.is_some() {
            return self.found;
        }
        (peak_bytes > self.memory.at).then(|| overrun(Resource::Memory, &self.memory, peak_bytes))
    }

    /// The time, where it is late enough to ask the clocks.
    #[inline]
    pub(super) fn alarm(&self) -> Option<u64> {
        if self.alarm_at_ns == UNLIMITED {
            return None;
        }
        let now_ns = wall::now_ns();
        (now_ns >= self.alarm_at_ns).then_some(now_ns)
    }

    /// Whether it is too late by any clock; if not, sets the alarm for the earliest time at which it can be.
    #[cold]
    pub(super) fn ask_the_clocks(&mut self, wall_ns: u64) -> Result<(), BudgetExceeded> {
        if wall_ns > self.wall.at {
            return self.find(overrun(Resource::Cpu, &self.wall, wall_ns).at_most());
        }
        self.alarm_at_ns = self.wall.at;
        if self.thread_cpu.at != UNLIMITED
            && let Some(now_ns) = thread_cpu_ns()
        {
            if now_ns > self.thread_cpu.at {
                return self.find(overrun(Resource::Cpu, &self.thread_cpu, now_ns));
            }
            let left_ns = self.thread_cpu.at - now_ns;
            self.set_alarm(wall_ns.saturating_add(left_ns));
        }
        Ok(())
    }

    /// Keeps what was found, unless something was found before.
    pub(super) fn keep(&mut self, found: Option<BudgetExceeded>) {
        self.found = self.found.or(found);
    }

    fn find(&mut self, found: BudgetExceeded) -> Result<(), BudgetExceeded> {
        self.keep(Some(found));
        Err(found)
    }

    /// An alarm that is earlier stays.
    fn set_alarm(&mut self, at_ns: u64) {
        self.alarm_at_ns = self.alarm_at_ns.min(at_ns);
    }
}

/// A counter that stands at `counter`, above its ceiling.
#[cold]
fn overrun(resource: Resource, ceiling: &Ceiling, counter: u64) -> BudgetExceeded {
    let used = ceiling
        .limit
        .saturating_add(counter.saturating_sub(ceiling.at));
    BudgetExceeded {
        operation: ceiling.operation,
        ..BudgetExceeded::overrun(resource, ceiling.limit, used)
    }
}
