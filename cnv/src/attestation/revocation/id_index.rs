//! Is this id among them? One word for a no, and a few cache lines for a yes.
//!
//! Ids are digests, so they are spread evenly, and the sorted ids themselves are the table: an id's first bytes say in
//! which bucket of about four it would stand, and a start for each bucket finds it. In front of that is a Bloom filter
//! whose bits for one id are all in one word, so that an id that is not there costs one load of a small table. Three
//! others were measured beside it: a binary fuse filter (three loads, and five times as long to make), a split-block Bloom
//! filter, and a filter in the same words as the starts. None had a sooner no.

/// What finds ids among some in ascending order, which stand elsewhere.
#[derive(Clone)]
pub(super) struct IdIndex {
    filter: Vec<u64>,
    /// One more than there are buckets, so that each ends where the next starts.
    starts: Vec<u32>,
}

/// How many bits of the filter there are for an id, and how many of them it sets: one answer in a hundred is "maybe" for an
/// id that is not there.
const FILTER_BITS: usize = 12;
const FILTER_BITS_SET: u32 = 6;

/// How many ids a bucket has on average.
const BUCKET: usize = 4;

/// Up to this many ids are compared one after the other. Digests make no larger buckets; ids that somebody chose to share
/// their first bytes do, and cost a binary search.
const MAX_SCAN: usize = 16;

impl IdIndex {
    /// The index of `ids`, which ascend strictly and are fewer than 2^32.
    pub(super) fn new<const N: usize>(ids: &[[u8; N]]) -> Self {
        let mut filter = vec![0; ids.len() * FILTER_BITS / 64 + 1];
        let mut starts = Vec::with_capacity(ids.len() / BUCKET + 2);
        let buckets = ids.len() / BUCKET + 1;
        for (place, id) in ids.iter().enumerate() {
            let word = share(id, filter.len());
            filter[word] |= filter_bits(id);
            // Also for the buckets before it that have nothing in them.
            let bucket = share(id, buckets);
            while starts.len() <= bucket {
                starts.push(place as u32);
            }
        }
        starts.resize(buckets + 1, ids.len() as u32);
        Self { filter, starts }
    }

    /// Whether `id` is among `ids`, which are those that this index was made of.
    #[inline]
    pub(super) fn contains<const N: usize>(&self, ids: &[[u8; N]], id: &[u8; N]) -> bool {
        let bits = filter_bits(id);
        self.filter[share(id, self.filter.len())] & bits == bits && self.is_in(ids, id)
    }

    #[inline(never)]
    fn is_in<const N: usize>(&self, ids: &[[u8; N]], id: &[u8; N]) -> bool {
        let bucket = share(id, self.starts.len() - 1);
        let (start, end) = (self.starts[bucket], self.starts[bucket + 1]);
        let Some(bucket) = ids.get(start as usize..end as usize) else {
            return false;
        };
        if bucket.len() <= MAX_SCAN {
            bucket.contains(id)
        } else {
            bucket.binary_search(id).is_ok()
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.filter.capacity() * size_of::<u64>() + self.starts.capacity() * size_of::<u32>()
    }
}

/// Which of `parts` an id belongs to: as far into them as the id is into the ids that there could be.
#[inline]
fn share<const N: usize>(id: &[u8; N], parts: usize) -> usize {
    let first = u64::from_be_bytes(*id.first_chunk().expect("an id has 8 bytes or more"));
    ((u128::from(first) * parts as u128) >> 64) as usize
}

/// The bits that an id has in its word of the filter, of its last bytes: the first tell the word.
#[inline]
fn filter_bits<const N: usize>(id: &[u8; N]) -> u64 {
    let last = u64::from_be_bytes(*id.last_chunk().expect("an id has 8 bytes or more"));
    (0..FILTER_BITS_SET).fold(0, |bits, bit| bits | 1 << (last >> (6 * bit) & 63))
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
