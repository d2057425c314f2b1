//! The nonces that a verifier gave out and that nobody has used yet.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::possession::{Nonce, PROOF_TTL_SECONDS};
use super::{Timestamp, random};

/// The most nonces that are waiting for their proof. With both places of a nonce that is some 2 MiB.
const MAX_WAITING: usize = 1 << 14;

#[derive(Debug, Default)]
pub(super) struct Challenges {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    waiting: BTreeSet<Nonce>,
    /// All of the last minute, used or not, in the order in which they expire.
    given_out: VecDeque<(Timestamp, Nonce)>,
}

impl Table {
    fn forget_expired(&mut self, now: Timestamp) {
        while let Some((expires_at, nonce)) = self.given_out.front()
            && *expires_at <= now
        {
            self.waiting.remove(nonce);
            self.given_out.pop_front();
        }
    }
}

impl Challenges {
    /// A nonce that was never given out before.
    pub(super) fn give_out(&self, now: Timestamp) -> Result<Nonce, ChallengeError> {
        let mut bytes = [0; Nonce::LEN_BYTES];
        random::fill(&mut bytes).map_err(|source| ChallengeError::Randomness { source })?;
        let nonce = Nonce::from_bytes(bytes);
        let mut table = self.table();
        table.forget_expired(now);
        if table.given_out.len() >= MAX_WAITING {
            return Err(ChallengeError::TooMany { max: MAX_WAITING });
        }
        let expires_at = now.checked_add_seconds(PROOF_TTL_SECONDS).unwrap_or(now);
        table.given_out.push_back((expires_at, nonce));
        table.waiting.insert(nonce);
        Ok(nonce)
    }

    /// Whether a proof with this nonce can still be accepted.
    pub(super) fn is_waiting(&self, nonce: &Nonce, now: Timestamp) -> bool {
        let mut table = self.table();
        table.forget_expired(now);
        table.waiting.contains(nonce)
    }

    /// Uses the nonce up. Of all who try at the same time one gets `true`.
    pub(super) fn take(&self, nonce: &Nonce, now: Timestamp) -> bool {
        let mut table = self.table();
        table.forget_expired(now);
        table.waiting.remove(nonce)
    }

    /// A panic elsewhere cannot leave the table half changed in a way that lets a nonce be used twice.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why there is no nonce.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChallengeError {
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness {
        /// What the operating system said.
        source: io::Error,
    },
    /// Too many sessions were begun in the last minute. A retry helps once the oldest nonces are 60 s old.
    #[error("{max} nonces were given out in the last minute, which is as many as are kept")]
    TooMany {
        /// How many are kept.
        max: usize,
    },
}
