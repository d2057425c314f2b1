//! The wall clock, from the processor's cycle counter where that has a known pace, and otherwise from [`Instant`], which
//! takes two or three times as long.
//!
//! A processor seldom says at which pace its counter runs, and in a virtual machine hardly ever. Libraries that read it
//! find out before `main` or by waiting for some milliseconds, which a command should not. Here the first reading keeps what
//! both clocks say, and the first one [`SETTLED_NS`] later compares: a program that has ended by then never needed it. The
//! pace found is kept for good, so that two readings after that are never at odds.

use std::sync::OnceLock;
use std::time::Instant;

use super::cycles;

/// Nanoseconds over which the pace is taken: what a pair of readings is apart is then less than a thousandth of them.
const SETTLED_NS: u64 = 10_000_000;

/// Both clocks at one moment, the earliest that anybody asked about. `now_ns` counts from there.
static FIRST: OnceLock<First> = OnceLock::new();

/// The counter's pace, as soon as it is known.
static PACE: OnceLock<Pace> = OnceLock::new();

/// Nanoseconds since a moment of this process.
#[inline]
pub(super) fn now_ns() -> u64 {
    match PACE.get() {
        Some(pace) => pace.ns_at(cycles::ticks()),
        None => by_instant(),
    }
}

/// The same, once everything before it is done: where what was done is what is timed.
#[inline]
pub(super) fn now_ns_after() -> u64 {
    match PACE.get() {
        Some(pace) => pace.ns_at(cycles::ticks_after()),
        None => by_instant(),
    }
}

/// Whether the cycle counter tells the time by now.
pub(super) fn is_by_cycles() -> bool {
    PACE.get().is_some()
}

#[inline(never)]
fn by_instant() -> u64 {
    let first = FIRST.get_or_init(|| First {
        moment: Moment::now(),
        is_steady: cycles::is_steady(),
    });
    let elapsed = first.moment.instant.elapsed();
    let ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
    if first.is_steady
        && ns >= SETTLED_NS
        && let Some(pace) = Pace::between(&first.moment, &Moment::now())
    {
        PACE.get_or_init(|| pace);
    }
    ns
}

struct First {
    moment: Moment,
    is_steady: bool,
}

/// What the two clocks say at about the same time.
struct Moment {
    instant: Instant,
    ticks: u64,
    /// How many ticks the two may be apart.
    width: u64,
}

impl Moment {
    fn now() -> Self {
        let read = || {
            let before = cycles::ticks_after();
            let instant = Instant::now();
            let ticks = cycles::ticks_after();
            let width = ticks.saturating_sub(before);
            Self {
                instant,
                ticks,
                width,
            }
        };
        // Between two readings another process may have its turn, but hardly in each of five.
        let mut best = read();
        for _ in 1..5 {
            let next = read();
            if next.width < best.width {
                best = next;
            }
        }
        best
    }
}

/// How the counter runs.
#[derive(Debug)]
struct Pace {
    first_ticks: u64,
    /// Nanoseconds a tick, in units of 2^-32.
    ns_per_tick: u64,
}

impl Pace {
    /// What it was from `first` to `last`; `None` where the two do not tell it well enough.
    fn between(first: &Moment, last: &Moment) -> Option<Self> {
        let ns = last.instant.checked_duration_since(first.instant)?;
        let ticks = last.ticks.checked_sub(first.ticks)?;
        let width = first.width.max(last.width);
        if width.checked_mul(1_000)? > ticks {
            return None;
        }
        let ns_per_tick = (ns.as_nanos() << 32).checked_div(ticks.into())?;
        let ns_per_tick = u64::try_from(ns_per_tick).ok()?;
        // Between 100 MHz and 32 GHz.
        (1 << 27..=10 << 32).contains(&ns_per_tick).then_some(Self {
            first_ticks: first.ticks,
            ns_per_tick,
        })
    }

    /// Nanoseconds since the first moment; 0 for a counter that stands before it.
    #[inline]
    fn ns_at(&self, ticks: u64) -> u64 {
        let ticks = ticks.saturating_sub(self.first_ticks);
        ((u128::from(ticks) * u128::from(self.ns_per_tick)) >> 32) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    fn moment(instant: Instant, ticks: u64, width: u64) -> Moment {
        Moment {
            instant,
            ticks,
            width,
        }
    }

    #[test]
    fn a_pace_is_ticks_over_time() {
        let start = Instant::now();
        let first = moment(start, 1_000, 100);
        let pace = Pace::between(&first, &moment(start + 10 * MS, 20_001_000, 100)).unwrap();
        assert_eq!(pace.ns_at(20_001_000), 10_000_000);
        assert_eq!(pace.ns_at(1_000), 0);
        assert_eq!(pace.ns_at(0), 0, "a counter that went back");
        let year = 365 * 24 * 3600 * 1_000_000_000;
        assert_eq!(pace.ns_at(1_000 + 2 * year), year);
        assert_eq!(pace.ns_at(u64::MAX), (u64::MAX - 1_000) / 2);
    }

    #[test]
    fn a_pace_that_is_not_known_well_is_none() {
        let start = Instant::now();
        let first = moment(start, 1_000, 100);
        let later = start + 10 * MS;
        for (instant, ticks, width) in [
            (later, 20_001_000, 20_001),
            (later, 999, 0),
            (later, 1_000, 0),
            (start - 10 * MS, 20_001_000, 100),
            (later, 900_000, 100),
            (later, 1_000_000_000, 100),
        ] {
            let last = moment(instant, ticks, width);
            assert!(Pace::between(&first, &last).is_none(), "{ticks} {width}");
        }
    }

    /// Readings of the other clock within and around those of this one, so that a turn of another process between two
    /// readings makes no difference.
    #[test]
    fn it_runs_as_instant_does() {
        now_ns();
        // Once is enough, unless others have their turns just then.
        for _ in 0..100 {
            sleep(2 * Duration::from_nanos(SETTLED_NS));
            now_ns();
            if is_by_cycles() == cycles::is_steady() {
                break;
            }
        }
        let outer = Instant::now();
        let start = now_ns();
        let inner = Instant::now();
        sleep(20 * MS);
        let inner = inner.elapsed();
        let ns = now_ns_after() - start;
        let outer = outer.elapsed();
        let elapsed = Duration::from_nanos(ns);
        assert!(elapsed > inner - inner / 100, "{elapsed:?} in {inner:?}");
        assert!(elapsed < outer + outer / 100, "{elapsed:?} in {outer:?}");
        assert_eq!(is_by_cycles(), cycles::is_steady());
    }
}
