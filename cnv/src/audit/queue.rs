//! What waits for the log's thread.

use std::collections::VecDeque;

use super::tree::TreeHash;

/// Encoded entries one behind another, in memory that is used again.
#[derive(Default)]
pub(super) struct Queue {
    bytes: VecDeque<u8>,
    /// How long each is, in bytes, and its hash where whoever brought it had the time.
    leaves: VecDeque<(usize, Option<TreeHash>)>,
}

/// How many bytes are kept for the next entries, once those that waited are gone: two full groups of usual ones.
const KEPT_BYTES: usize = 256 * 1024;

impl Queue {
    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.leaves.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    pub(super) fn push(&mut self, entry: &[u8], hash: Option<TreeHash>) {
        self.bytes.extend(entry);
        self.leaves.push_back((entry.len(), hash));
    }

    /// Has the first `count` entries, or as many as there are, behind those of `other`.
    pub(super) fn move_front(&mut self, count: usize, other: &mut Self) {
        let mut bytes = 0;
        for leaf in self.leaves.drain(..count.min(self.leaves.len())) {
            bytes += leaf.0;
            other.leaves.push_back(leaf);
        }
        let (first, second) = self.bytes.as_slices();
        let (first, second) = (
            &first[..bytes.min(first.len())],
            &second[..bytes.saturating_sub(first.len())],
        );
        other.bytes.extend(first);
        other.bytes.extend(second);
        self.bytes.drain(..bytes);
        self.shrink();
    }

    /// Shows every entry and its hash, in order, and forgets them.
    pub(super) fn take_each(&mut self, mut take: impl FnMut(&[u8], TreeHash)) {
        let mut rest = &*self.bytes.make_contiguous();
        for (len, hash) in self.leaves.drain(..) {
            let (entry, behind) = rest.split_at(len);
            take(entry, hash.unwrap_or_else(|| TreeHash::leaf(entry)));
            rest = behind;
        }
        self.bytes.clear();
        self.shrink();
    }

    fn shrink(&mut self) {
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT_BYTES {
            self.bytes = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(queue: &mut Queue) -> Vec<Vec<u8>> {
        let mut entries = Vec::new();
        queue.take_each(|entry, hash| {
            assert_eq!(hash, TreeHash::leaf(entry));
            entries.push(entry.to_vec());
        });
        entries
    }

    /// Over many rounds, so that the bytes go around the end of their memory at every place.
    #[test]
    fn entries_come_out_as_they_went_in() {
        let (mut queue, mut group) = (Queue::default(), Queue::default());
        let (mut came, mut left) = (0_usize, 0_usize);
        let entry = |number: usize| vec![number as u8; number % 37];
        for round in 0..500 {
            for _ in 0..round % 11 {
                let entry = entry(came);
                queue.push(&entry, (came % 3 == 0).then(|| TreeHash::leaf(&entry)));
                came += 1;
            }
            for count in [round % 5, round % 7] {
                queue.move_front(count, &mut group);
            }
            for found in taken(&mut group) {
                assert_eq!(found, entry(left));
                left += 1;
            }
            assert_eq!((queue.len(), group.len()), (came - left, 0));
        }
        queue.move_front(usize::MAX, &mut group);
        assert!(queue.is_empty());
        assert_eq!(taken(&mut group).len(), came - left);
    }

    #[test]
    fn memory_for_much_is_given_back() {
        let (mut queue, mut group) = (Queue::default(), Queue::default());
        for _ in 0..4096 {
            queue.push(&[7; 4096], None);
        }
        queue.move_front(256, &mut group);
        assert_eq!(taken(&mut group), vec![[7; 4096]; 256]);
        queue.move_front(usize::MAX, &mut group);
        assert_eq!(taken(&mut group).len(), 4096 - 256);
        assert!(queue.bytes.capacity() <= KEPT_BYTES);
        assert!(group.bytes.capacity() <= KEPT_BYTES);
    }
}
