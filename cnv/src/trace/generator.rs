//! Where new ids come from.

use core::num::{NonZeroU64, NonZeroU128};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ids::{SpanId, TraceId};
use crate::transaction::TransactionId;

/// 2^64 divided by the golden ratio, as SplitMix64 has it.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Makes ids that nobody else makes: of a start that the operating system drew, and a count. Threads share one.
///
/// Each id is the count, spread over all bits by the finaliser of SplitMix64 (Steele, Lea and Flood 2014) from a start of
/// its own for each half. Asking the operating system for every id would take a system call. The ids are distinct and look
/// random, as samplers want it, but whoever knows some can tell the next: they are names and no secrets.
#[derive(Debug)]
pub struct IdGenerator {
    starts: [u64; 3],
    count: AtomicU64,
}

impl IdGenerator {
    /// A generator that starts where the operating system's randomness says.
    ///
    /// # Errors
    ///
    /// What the operating system says if it has no randomness to give, as early in its own start. A retry may help.
    pub fn new() -> io::Result<Self> {
        let mut seed = [0; 24];
        getrandom::fill(&mut seed).map_err(|error| {
            error.raw_os_error().map_or_else(
                || io::Error::other(error.to_string()),
                io::Error::from_raw_os_error,
            )
        })?;
        Ok(Self::from_seed(seed))
    }

    /// A generator that makes the same ids whenever it is made of the same seed: for tests.
    #[must_use]
    pub fn from_seed(seed: [u8; 24]) -> Self {
        let (starts, _) = seed.as_chunks::<8>();
        let mut starts = starts.iter().map(|start| u64::from_le_bytes(*start));
        Self {
            starts: [(); 3].map(|()| starts.next().unwrap_or_default()),
            count: AtomicU64::new(0),
        }
    }

    /// An id that no trace has.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        loop {
            let step = self.step();
            let [high, low] = [self.starts[0], self.starts[1]]
                .map(|start| u128::from(mix(start.wrapping_add(step))));
            if let Some(id) = NonZeroU128::new(high << 64 | low) {
                return TraceId(id);
            }
        }
    }

    /// A number that no transaction has.
    #[must_use]
    pub fn transaction(&self) -> TransactionId {
        TransactionId::from_bytes(self.trace_id().to_bytes())
    }

    /// An id that no span of the same trace has.
    #[must_use]
    pub fn span_id(&self) -> SpanId {
        loop {
            if let Some(id) = NonZeroU64::new(mix(self.starts[2].wrapping_add(self.step()))) {
                return SpanId(id);
            }
        }
    }

    fn step(&self) -> u64 {
        // Nothing else depends on the order in which threads take their numbers.
        self.count.fetch_add(STEP, Ordering::Relaxed)
    }
}

/// A different number for every number.
const fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
