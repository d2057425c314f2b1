//! The most frequent of many things, in bounded memory.

use std::collections::HashMap;

/// Counts by key, exactly while the keys fit, and with a known error after that.
///
/// When there are too many keys, the rarer half is forgotten: a count is subtracted from all that are
/// left, and remembered as the error. What is kept is never counted too high, and too low by at most
/// [`error`](Self::error). This is the batched form of the frequent-items summary of Misra and Gries
/// ("Finding repeated elements", 1982).
#[derive(Debug)]
pub struct TopCounter {
    counts: HashMap<Box<[u8]>, u64>,
    key_bytes: usize,
    max_keys: usize,
    error: u64,
}

/// Keys take at most this much memory together, however long each is.
const MAX_KEY_BYTES: usize = 8 << 20;

impl TopCounter {
    /// A counter that keeps at most `max_keys` keys.
    #[must_use]
    pub fn new(max_keys: usize) -> Self {
        Self {
            counts: HashMap::new(),
            key_bytes: 0,
            max_keys: max_keys.max(2),
            error: 0,
        }
    }

    /// Counts one occurrence.
    pub fn add(&mut self, key: &[u8]) {
        if let Some(count) = self.counts.get_mut(key) {
            *count += 1;
            return;
        }
        if self.counts.len() == self.max_keys || self.key_bytes + key.len() > MAX_KEY_BYTES {
            self.forget_rarer_half();
        }
        self.key_bytes += key.len();
        self.counts.insert(key.into(), 1);
    }

    fn forget_rarer_half(&mut self) {
        let mut counts: Vec<u64> = self.counts.values().copied().collect();
        if counts.is_empty() {
            return;
        }
        let middle = counts.len() / 2;
        let (_, median, _) = counts.select_nth_unstable(middle);
        let median = *median;
        self.error += median;
        self.counts.retain(|_, count| {
            *count = count.saturating_sub(median);
            *count > 0
        });
        self.key_bytes = self.counts.keys().map(|key| key.len()).sum();
    }

    /// By how much a count may be too low; zero where all are exact.
    #[must_use]
    pub fn error(&self) -> u64 {
        self.error
    }

    /// The `limit` most frequent keys with their counts, most frequent first, equal ones by key.
    #[must_use]
    pub fn top(&self, limit: usize) -> Vec<(String, u64)> {
        let mut all: Vec<(&[u8], u64)> = self.counts.iter().map(|(k, n)| (&**k, *n)).collect();
        all.sort_unstable_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
        all.truncate(limit);
        all.into_iter()
            .map(|(key, count)| (String::from_utf8_lossy(key).into_owned(), count))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_keys_are_counted_exactly() {
        let mut top = TopCounter::new(10);
        for key in ["b", "a", "b", "c", "c"] {
            top.add(key.as_bytes());
        }
        let expected = [("b".to_owned(), 2), ("c".to_owned(), 2)];
        assert_eq!(top.top(2), expected);
        assert_eq!(top.error(), 0);
    }

    #[test]
    fn many_keys_keep_the_frequent_one_within_the_error() {
        let mut top = TopCounter::new(8);
        for n in 0..10_000_u32 {
            top.add(b"frequent");
            top.add(&n.to_be_bytes());
        }
        let (key, count) = top.top(1).remove(0);
        assert_eq!(key, "frequent");
        assert!(
            count <= 10_000 && count + top.error() >= 10_000,
            "{count} {}",
            top.error()
        );
        assert!(top.counts.len() <= 8);
    }

    #[test]
    fn long_keys_do_not_grow_without_bound() {
        let mut top = TopCounter::new(1_000_000);
        for n in 0..40_u8 {
            top.add(&vec![n; 1 << 20]);
        }
        assert!(top.key_bytes <= MAX_KEY_BYTES);
        assert!(top.error() > 0);
    }
}
