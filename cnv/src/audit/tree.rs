//! The Merkle tree of RFC 6962 section 2.1: hashes, the right edge that an append needs, and proofs.

use core::fmt;
use core::ops::Range;

use sha2::{Digest, Sha256};

/// A SHA-256 hash of a leaf or of an inner node. `Display` prints 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeHash([u8; Self::LEN_BYTES]);

impl TreeHash {
    /// The length of a hash in bytes.
    pub const LEN_BYTES: usize = 32;

    /// The hash that these bytes are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN_BYTES]) -> Self {
        Self(bytes)
    }

    /// The hash's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN_BYTES] {
        &self.0
    }

    /// The root of a tree without leaves: the hash of nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// The hash of a leaf. Its first byte, 0, keeps a leaf from passing for a node.
    #[must_use]
    pub fn leaf(entry: &[u8]) -> Self {
        Self(
            Sha256::new()
                .chain_update([0])
                .chain_update(entry)
                .finalize()
                .into(),
        )
    }

    /// The hash of an inner node. Its first byte is 1.
    #[must_use]
    pub fn node(left: &Self, right: &Self) -> Self {
        Self(
            Sha256::new()
                .chain_update([1])
                .chain_update(left.0)
                .chain_update(right.0)
                .finalize()
                .into(),
        )
    }
}

impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::attestation::hex::write(&self.0, f)
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreeHash({self})")
    }
}

/// The roots of the complete subtrees that a tree of this size falls into, the largest first: one for each bit that is
/// set in the size. It is all that appending a leaf and computing the root need.
#[derive(Debug)]
pub(super) struct Frontier {
    size: u64,
    peaks: Vec<TreeHash>,
}

impl Frontier {
    pub(super) const fn new() -> Self {
        Self {
            size: 0,
            peaks: Vec::new(),
        }
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf: one node for each subtree that it completes, which is one on average.
    pub(super) fn push(&mut self, leaf: TreeHash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = TreeHash::node(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    pub(super) fn root(&self) -> TreeHash {
        self.peaks
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| TreeHash::node(&left, &right))
            .unwrap_or_else(TreeHash::empty)
    }
}

/// The largest power of two smaller than `size`, which is at least 2.
const fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// The leaves under each hash of the proof that leaf `index` is in the tree of the first `size`, from the leaf to the
/// root (RFC 6962 section 2.1.1).
pub(super) fn inclusion_ranges(index: u64, size: u64) -> Vec<Range<u64>> {
    let (mut start, mut end) = (0, size);
    let mut ranges = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            ranges.push(middle..end);
            end = middle;
        } else {
            ranges.push(start..middle);
            start = middle;
        }
    }
    ranges.reverse();
    ranges
}

/// The leaves under each hash of the proof that the tree of the first `old` leaves, at least one, is the beginning of
/// that of the first `size` (RFC 6962 section 2.1.2).
pub(super) fn consistency_ranges(old: u64, size: u64) -> Vec<Range<u64>> {
    let (mut start, mut end) = (0, size);
    let mut ranges = Vec::new();
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            ranges.push(middle..end);
            end = middle;
        } else {
            ranges.push(start..middle);
            start = middle;
        }
    }
    // The verifier knows the old root, so it is left out where it stands in the tree as a whole.
    if start != 0 {
        ranges.push(start..end);
    }
    ranges.reverse();
    ranges
}

/// Computes the hashes over ranges of leaves in one pass over all leaves, in memory that does not grow with the tree.
pub(super) struct RangeHashes {
    ranges: Vec<(Range<u64>, Frontier)>,
}

impl RangeHashes {
    pub(super) fn new(ranges: Vec<Range<u64>>) -> Self {
        let empty = |range| (range, Frontier::new());
        Self {
            ranges: ranges.into_iter().map(empty).collect(),
        }
    }

    /// Takes the next leaf; the ranges are disjoint.
    pub(super) fn push(&mut self, index: u64, leaf: TreeHash) {
        let mut ranges = self.ranges.iter_mut();
        if let Some((_, frontier)) = ranges.find(|(range, _)| range.contains(&index)) {
            frontier.push(leaf);
        }
    }

    pub(super) fn finish(self) -> Vec<TreeHash> {
        let hashes = self.ranges.iter().map(|(_, frontier)| frontier.root());
        hashes.collect()
    }
}

/// The root of the tree of `size` leaves in which `leaf` stands at `index`, as the proof has it; `None` where no such
/// proof has this length (RFC 9162 section 2.1.3.2).
pub(super) fn root_from_inclusion(
    index: u64,
    size: u64,
    leaf: TreeHash,
    proof: &[TreeHash],
) -> Option<TreeHash> {
    if index >= size {
        return None;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = leaf;
    for sibling in proof {
        if last == 0 {
            return None;
        }
        if node % 2 == 1 || node == last {
            hash = TreeHash::node(sibling, &hash);
            // Levels at which the node stands alone at the right edge have no sibling.
            while node % 2 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = TreeHash::node(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

/// Whether the proof shows that the tree of `old` leaves is the beginning of that of `size` (RFC 9162 section 2.1.4.2).
/// Every tree begins with the empty one.
pub(super) fn is_consistent(
    old: (u64, &TreeHash),
    new: (u64, &TreeHash),
    proof: &[TreeHash],
) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return proof.is_empty() && old_root == new_root;
    }
    if old_size == 0 {
        return proof.is_empty() && *old_root == TreeHash::empty();
    }
    // A complete old tree stands in the new one as a whole, and its root begins the proof.
    let (first, rest) = if old_size.is_power_of_two() {
        (old_root, proof)
    } else {
        match proof.split_first() {
            Some(split) => split,
            None => return false,
        }
    };
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    let levels = node.trailing_ones();
    node >>= levels;
    last >>= levels;
    let (mut from_old, mut from_new) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if node % 2 == 1 || node == last {
            from_old = TreeHash::node(sibling, &from_old);
            from_new = TreeHash::node(sibling, &from_new);
            while node % 2 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            from_new = TreeHash::node(&from_new, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && from_old == *old_root && from_new == *new_root
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Trees over the same leaves, by the definitions of RFC 6962 section 2.1 as they are written. What was computed once
    /// is kept, because the tests ask for every proof.
    struct Naive {
        leaves: Vec<TreeHash>,
        roots: HashMap<Range<usize>, TreeHash>,
    }

    impl Naive {
        fn new(count: u64) -> Self {
            let leaf = |index: u64| TreeHash::leaf(&index.to_be_bytes());
            Self {
                leaves: (0..count).map(leaf).collect(),
                roots: HashMap::new(),
            }
        }

        fn split(range: &Range<usize>) -> usize {
            let mut k = 1;
            while k * 2 < range.len() {
                k *= 2;
            }
            range.start + k
        }

        fn root(&mut self, range: Range<usize>) -> TreeHash {
            match range.len() {
                0 => return TreeHash::empty(),
                1 => return self.leaves[range.start],
                _ => {}
            }
            if let Some(root) = self.roots.get(&range) {
                return *root;
            }
            let middle = Self::split(&range);
            let left = self.root(range.start..middle);
            let right = self.root(middle..range.end);
            let root = TreeHash::node(&left, &right);
            self.roots.insert(range, root);
            root
        }

        fn path(&mut self, m: usize, range: Range<usize>) -> Vec<TreeHash> {
            if range.len() == 1 {
                return Vec::new();
            }
            let middle = Self::split(&range);
            let (near, far) = if m < middle {
                (range.start..middle, middle..range.end)
            } else {
                (middle..range.end, range.start..middle)
            };
            let mut path = self.path(m, near);
            path.push(self.root(far));
            path
        }

        fn subproof(&mut self, m: usize, range: Range<usize>, is_whole: bool) -> Vec<TreeHash> {
            if m == range.end {
                return match is_whole {
                    true => Vec::new(),
                    false => vec![self.root(range)],
                };
            }
            let middle = Self::split(&range);
            let (mut proof, far) = if m <= middle {
                let near = range.start..middle;
                (self.subproof(m, near, is_whole), middle..range.end)
            } else {
                let near = middle..range.end;
                (self.subproof(m, near, false), range.start..middle)
            };
            proof.push(self.root(far));
            proof
        }

        fn roots(&mut self, ranges: Vec<Range<u64>>) -> Vec<TreeHash> {
            let range = |range: Range<u64>| range.start as usize..range.end as usize;
            ranges.into_iter().map(|r| self.root(range(r))).collect()
        }
    }

    fn hashes(ranges: Vec<Range<u64>>, leaves: &[TreeHash]) -> Vec<TreeHash> {
        let mut hashes = RangeHashes::new(ranges);
        for (index, leaf) in leaves.iter().enumerate() {
            hashes.push(index as u64, *leaf);
        }
        hashes.finish()
    }

    const MOST: u64 = 300;

    /// The vectors of certificate transparency's reference implementation: the roots of trees over these eight entries.
    #[test]
    fn the_published_roots() {
        let entries: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::new();
        assert_eq!(frontier.root().to_string(), roots[0]);
        for (entry, root) in entries.iter().zip(&roots[1..]) {
            frontier.push(TreeHash::leaf(entry));
            assert_eq!(frontier.root().to_string(), *root);
        }
    }

    #[test]
    fn the_frontier_has_the_root_of_the_definition() {
        let mut naive = Naive::new(MOST);
        let mut frontier = Frontier::new();
        for size in 0..MOST as usize {
            assert_eq!(frontier.size(), size as u64);
            assert_eq!(frontier.root(), naive.root(0..size), "{size}");
            frontier.push(naive.leaves[size]);
        }
    }

    #[test]
    fn every_inclusion_proof_is_that_of_the_definition_and_holds() {
        let mut naive = Naive::new(MOST);
        for size in 1..=MOST {
            let root = naive.root(0..size as usize);
            for index in 0..size {
                let proof = naive.roots(inclusion_ranges(index, size));
                let expected = naive.path(index as usize, 0..size as usize);
                assert_eq!(proof, expected, "{index} of {size}");
                let leaf = naive.leaves[index as usize];
                assert_eq!(root_from_inclusion(index, size, leaf, &proof), Some(root));
            }
        }
    }

    #[test]
    fn every_consistency_proof_is_that_of_the_definition_and_holds() {
        let mut naive = Naive::new(MOST);
        for size in 1..=MOST {
            let root = naive.root(0..size as usize);
            for old in 1..=size {
                let proof = naive.roots(consistency_ranges(old, size));
                let expected = naive.subproof(old as usize, 0..size as usize, true);
                assert_eq!(proof, expected, "{old} of {size}");
                let old_root = naive.root(0..old as usize);
                assert!(is_consistent((old, &old_root), (size, &root), &proof));
            }
            assert!(is_consistent((0, &TreeHash::empty()), (size, &root), &[]));
            assert!(!is_consistent((0, &root), (size, &root), &[]));
        }
    }

    #[test]
    fn one_pass_over_the_leaves_finds_the_hashes_of_all_ranges() {
        let mut naive = Naive::new(40);
        for size in 1..=40 {
            for index in 0..size {
                for ranges in [
                    inclusion_ranges(index, size),
                    consistency_ranges(index + 1, size),
                ] {
                    let expected = naive.roots(ranges.clone());
                    assert_eq!(hashes(ranges, &naive.leaves[..size as usize]), expected);
                }
            }
        }
    }

    /// Every proof with a hash changed, left out, doubled or added, and for another place or size.
    #[test]
    fn mutated_proofs_do_not_hold() {
        let mut naive = Naive::new(33);
        let other = TreeHash::leaf(b"another");
        let mutations = |proof: &[TreeHash]| {
            let mut all = Vec::new();
            for at in 0..proof.len() {
                let mut changed = proof.to_vec();
                changed[at].0[at % 32] ^= 1;
                all.push(changed);
                let mut shorter = proof.to_vec();
                shorter.remove(at);
                all.push(shorter);
                let mut doubled = proof.to_vec();
                doubled.insert(at, proof[at]);
                all.push(doubled);
            }
            let mut longer = proof.to_vec();
            longer.push(other);
            all.push(longer);
            let mut before = proof.to_vec();
            before.insert(0, other);
            all.push(before);
            all
        };
        for size in 1..=33_u64 {
            let root = naive.root(0..size as usize);
            for index in 0..size {
                let proof = naive.roots(inclusion_ranges(index, size));
                let leaf = naive.leaves[index as usize];
                let holds = |index, size, leaf, proof: &[TreeHash]| {
                    root_from_inclusion(index, size, leaf, proof) == Some(root)
                };
                assert!(holds(index, size, leaf, &proof));
                assert!(!holds(index, size, other, &proof));
                for place in (0..size + 2).filter(|&place| place != index) {
                    assert!(!holds(place, size, leaf, &proof), "{place} for {index}");
                }
                for mutation in mutations(&proof) {
                    assert!(!holds(index, size, leaf, &mutation));
                }
            }
            for old in 1..=size {
                let proof = naive.roots(consistency_ranges(old, size));
                let old_root = naive.root(0..old as usize);
                let holds = |old, old_root, proof: &[TreeHash]| {
                    is_consistent((old, old_root), (size, &root), proof)
                };
                assert!(holds(old, &old_root, &proof));
                assert!(!holds(old, &other, &proof));
                for size in (0..size + 2).filter(|&size| size != old) {
                    assert!(!holds(size, &old_root, &proof), "{size} for {old}");
                }
                for mutation in mutations(&proof) {
                    assert!(!holds(old, &old_root, &mutation), "{old} of {size}");
                }
            }
        }
    }
}
