//! How many sessions that were denied are recorded: strangers can have as many denied as they like, and the audit log's disk
//! is not theirs to fill.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Denials that are recorded at once, and how many more are each second.
const AT_ONCE: u64 = 64;
const PER_SECOND: u64 = 1;

/// The denials of a server.
#[derive(Debug)]
pub(super) struct Denials {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// How many may be recorded, as of `refilled`.
    free: u64,
    refilled: Instant,
    /// Those that were not since the last one that was.
    left_out: u64,
}

impl Denials {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            state: Mutex::new(State {
                free: AT_ONCE,
                refilled: now,
                left_out: 0,
            }),
        }
    }

    /// Counts one more. Where it is to be recorded, that is with how many before it were not.
    pub(super) fn admit(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = now.saturating_duration_since(state.refilled).as_secs();
        if seconds > 0 {
            let free = state
                .free
                .saturating_add(seconds.saturating_mul(PER_SECOND));
            state.free = free.min(AT_ONCE);
            state.refilled = now;
        }
        if let Some(free) = state.free.checked_sub(1) {
            state.free = free;
            return Some(std::mem::take(&mut state.left_out));
        }
        state.left_out += 1;
        None
    }

    /// How many were left out, which whoever asks records.
    pub(super) fn take_left_out(&self) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.left_out)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn so_many_are_recorded_and_each_is_counted() {
        let begun = Instant::now();
        let denials = Denials::new(begun);
        let mut admitted = 0;
        for _ in 0..1000 {
            admitted += u64::from(denials.admit(begun).is_some());
        }
        assert_eq!(admitted, AT_ONCE);
        let later = begun + Duration::from_secs(2);
        assert_eq!(denials.admit(later), Some(1000 - AT_ONCE));
        assert_eq!(denials.admit(later), Some(0));
        assert_eq!(denials.admit(later), None);
        assert_eq!(denials.take_left_out(), 1);
        assert_eq!(denials.take_left_out(), 0);
        let much_later = later + Duration::from_secs(1_000_000);
        let free = (0..1000).filter(|_| denials.admit(much_later).is_some());
        assert_eq!(free.count() as u64, AT_ONCE);
    }
}
