//! Is this id among them? One word for a no, a word and a cache line or two for a yes.
//!
//! Ids are digests, so they are spread evenly, and the sorted ids themselves are the table: an id's first bytes say in
//! which bucket of two or three it would stand. A word for each bucket says where the bucket starts and has a Bloom
//! filter of what is in it, so that most that are not there cost that word alone. A filter of its own in front (binary
//! fuse, split-block Bloom) was measured and did not answer sooner, and a yes then took a miss of the cache more.

/// A word for each bucket of some ids in ascending order, which stand elsewhere.
#[derive(Clone)]
pub(super) struct IdIndex {
    /// `filter << 32 | start`; one more than there are buckets, so that each ends where the next starts.
    words: Vec<u64>,
}

/// How many bits an id has in the filter of its bucket. With 32 bits for two or three ids, one answer in 70 is "maybe"
/// for an id that is not there.
const FILTER_BITS: u32 = 4;

/// Up to this many ids are compared one after the other. Digests make no larger buckets; ids that somebody chose to share
/// their first bytes do, and cost a binary search.
const MAX_SCAN: usize = 16;

impl IdIndex {
    /// The index of `ids`, which ascend strictly and are fewer than 2^32.
    pub(super) fn new<const N: usize>(ids: &[[u8; N]]) -> Self {
        let buckets = ids.len() * 2 / 5 + 1;
        let mut words = vec![0; buckets + 1];
        for (place, id) in ids.iter().enumerate() {
            let bucket = bucket_of(id, buckets);
            words[bucket] |= filter_of(id) << 32;
            // The bucket ends behind it, so far.
            words[bucket + 1] = place as u64 + 1;
        }
        // A bucket with nothing in it starts where the one before it ends.
        let mut start = 0;
        for word in &mut words {
            start = start.max(*word & u64::from(u32::MAX));
            *word = *word & !u64::from(u32::MAX) | start;
        }
        Self { words }
    }

    /// Whether `id` is among `ids`, which are those that this index was made of.
    #[inline]
    pub(super) fn contains<const N: usize>(&self, ids: &[[u8; N]], id: &[u8; N]) -> bool {
        let bucket = bucket_of(id, self.words.len() - 1);
        let word = self.words[bucket];
        let filter = filter_of(id);
        if (word >> 32) & filter != filter {
            return false;
        }
        let (start, end) = (word as u32 as usize, self.words[bucket + 1] as u32 as usize);
        ids.get(start..end).is_some_and(|bucket| is_in(bucket, id))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}

#[inline(never)]
fn is_in<const N: usize>(bucket: &[[u8; N]], id: &[u8; N]) -> bool {
    if bucket.len() <= MAX_SCAN {
        bucket.contains(id)
    } else {
        bucket.binary_search(id).is_ok()
    }
}

/// The bucket of an id: as far into the buckets as the id is into the ids that there could be.
#[inline]
fn bucket_of<const N: usize>(id: &[u8; N], buckets: usize) -> usize {
    let first = u64::from_be_bytes(*id.first_chunk().expect("an id has 8 bytes or more"));
    ((u128::from(first) * buckets as u128) >> 64) as usize
}

/// The bits that an id has in its bucket's filter, of its last bytes: the first are those of the whole bucket.
#[inline]
fn filter_of<const N: usize>(id: &[u8; N]) -> u64 {
    let last = u32::from_be_bytes(*id.last_chunk().expect("an id has 8 bytes or more"));
    let bits = (0..FILTER_BITS).fold(0, |bits, bit| bits | 1_u32 << (last >> (5 * bit) & 31));
    bits.into()
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::{IdIndex, MAX_SCAN};

    fn digests(count: u32) -> Vec<[u8; 32]> {
        let mut ids: Vec<[u8; 32]> = (0..count)
            .map(|number| Sha256::digest(number.to_be_bytes()).into())
            .collect();
        ids.sort_unstable();
        ids
    }

    #[track_caller]
    fn check(ids: &[[u8; 32]], others: &[[u8; 32]]) {
        let index = IdIndex::new(ids);
        for id in ids.iter().chain(others) {
            assert_eq!(
                index.contains(ids, id),
                ids.contains(id),
                "{id:02x?} of {}",
                ids.len()
            );
        }
    }

    #[test]
    fn digests_are_found_and_others_are_not() {
        let ids = digests(2_000);
        for count in [0, 1, 2, 3, 4, 5, 6, 100, 1_000] {
            let mut some: Vec<_> = ids[..count].to_vec();
            some.sort_unstable();
            check(&some, &ids);
        }
    }

    #[test]
    fn ids_in_one_bucket_are_told_apart() {
        for count in [MAX_SCAN - 1, MAX_SCAN, MAX_SCAN + 1, 200] {
            let ids: Vec<[u8; 32]> = (0..2 * count as u32)
                .map(|number| {
                    let mut id = [0x55; 32];
                    id[12..16].copy_from_slice(&number.to_be_bytes());
                    id
                })
                .collect();
            let (odd, even): (Vec<_>, Vec<_>) = ids.iter().partition(|id| id[15] % 2 == 1);
            check(&odd, &even);
        }
    }

    #[test]
    fn ids_at_both_ends_are_found() {
        check(&[[0; 32], [0xff; 32]], &[[1; 32], [0xfe; 32]]);
        check(&[[0xff; 32]], &[[0; 32]]);
    }
}
