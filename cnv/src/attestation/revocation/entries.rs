//! What is revoked, in its one order.

use core::cmp::Ordering;

use sha2::{Digest, Sha256};

use crate::attestation::binary::{Reader, Truncated};
use crate::attestation::{AttestationId, KeyId, Timestamp};

use super::RevocationListError;

/// One thing that is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RevocationEntry {
    /// Whatever this key issued before this moment.
    IssuedBefore {
        /// The issuer.
        issuer: KeyId,
        /// The first moment whose attestations still count.
        before: Timestamp,
    },
    /// This key: what it issued, and what was issued to it.
    Key(KeyId),
    /// This attestation, and with it whatever was delegated from it.
    Link(AttestationId),
}

/// A set of [`RevocationEntry`], each kind in ascending order and without repetition.
///
/// Of two moments for one issuer the later one counts, because it says both.
///
/// ```
/// use cnv::attestation::{KeyId, Timestamp};
/// use cnv::attestation::revocation::{RevocationEntries, RevocationEntry};
///
/// let issuer = KeyId::from_bytes([7; 16]);
/// let before = |seconds| RevocationEntry::IssuedBefore { issuer, before: Timestamp::from_unix_seconds(seconds) };
/// let entries: RevocationEntries = [RevocationEntry::Key(issuer), before(200), before(100)].into_iter().collect();
/// assert_eq!(entries.iter().collect::<Vec<_>>(), [before(200), RevocationEntry::Key(issuer)]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevocationEntries {
    /// Ascending by issuer.
    pub(super) issued_before: Vec<IssuedBefore>,
    /// Ascending.
    pub(super) keys: Vec<[u8; KeyId::LEN_BYTES]>,
    /// Ascending.
    pub(super) links: Vec<[u8; AttestationId::LEN_BYTES]>,
}

/// `issuer(16) | before(8)`, as it is transmitted.
pub(super) type IssuedBefore = [u8; ISSUED_BEFORE_BYTES];

pub(super) const ISSUED_BEFORE_BYTES: usize = KeyId::LEN_BYTES + 8;

/// How many bytes the three counts take.
pub(super) const COUNTS_BYTES: usize = 3 * 4;

/// The issuer of an entry that is transmitted as `entry`.
pub(super) fn issuer_of(entry: &IssuedBefore) -> &[u8; KeyId::LEN_BYTES] {
    entry.first_chunk().expect("24 bytes begin with 16")
}

/// The moment of an entry that is transmitted as `entry`.
pub(super) fn moment_of(entry: &IssuedBefore) -> Timestamp {
    let seconds = entry.last_chunk().expect("24 bytes end with 8");
    Timestamp::from_unix_seconds(u64::from_be_bytes(*seconds))
}

impl RevocationEntries {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.issued_before.len() + self.keys.len() + self.links.len()
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries: moments by issuer, then keys, then links, each in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = RevocationEntry> {
        let issued_before = self
            .issued_before
            .iter()
            .map(|entry| RevocationEntry::IssuedBefore {
                issuer: KeyId::from_bytes(*issuer_of(entry)),
                before: moment_of(entry),
            });
        let keys = self
            .keys
            .iter()
            .map(|&key| RevocationEntry::Key(KeyId::from_bytes(key)));
        let links = self
            .links
            .iter()
            .map(|&link| RevocationEntry::Link(AttestationId::from_bytes(link)));
        issued_before.chain(keys).chain(links)
    }

    /// What either of the two revokes.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            // Equal issuers keep the later moment, which is the larger entry.
            issued_before: merge(
                &self.issued_before,
                &other.issued_before,
                issuer_of,
                Ord::max,
            ),
            keys: merge(&self.keys, &other.keys, |key| key, |one, _| one),
            links: merge(&self.links, &other.links, |link| link, |one, _| one),
        }
    }

    /// The smallest set whose union with `base` is this one, or `None` where `base` revokes something that this does not.
    #[must_use]
    pub fn additions_to(&self, base: &Self) -> Option<Self> {
        (base.union(self) == *self).then(|| self.beyond(base))
    }

    /// The entries that are not, in these very words, in `base`.
    pub(super) fn beyond(&self, base: &Self) -> Self {
        Self {
            issued_before: without(&self.issued_before, &base.issued_before),
            keys: without(&self.keys, &base.keys),
            links: without(&self.links, &base.links),
        }
    }

    /// The memory that it takes beside its own three pointers, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.issued_before.capacity() * ISSUED_BEFORE_BYTES
            + self.keys.capacity() * KeyId::LEN_BYTES
            + self.links.capacity() * AttestationId::LEN_BYTES
    }

    pub(super) fn len_bytes(&self) -> usize {
        self.issued_before.as_flattened().len()
            + self.keys.as_flattened().len()
            + self.links.as_flattened().len()
    }

    /// The counts of the three kinds. Lists are bounded far below `u32::MAX`.
    pub(super) fn counts(&self) -> [u32; 3] {
        [self.issued_before.len(), self.keys.len(), self.links.len()].map(|count| count as u32)
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for section in self.sections() {
            digest.update(section);
        }
        digest.finalize().into()
    }

    /// The bytes of the entries, kind after kind.
    pub(super) fn sections(&self) -> [&[u8]; 3] {
        [
            self.issued_before.as_flattened(),
            self.keys.as_flattened(),
            self.links.as_flattened(),
        ]
    }

    pub(super) fn read(
        reader: &mut Reader<'_>,
        counts: [u32; 3],
    ) -> Result<Self, RevocationListError> {
        // All of them are there before the first is copied.
        let issued_before = reader.arrays(counts[0])?;
        let keys = reader.arrays(counts[1])?;
        let links = reader.arrays(counts[2])?;
        check_order(issued_before, issuer_of, "issuer's moment")?;
        check_order(keys, |key| key, "key id")?;
        check_order(links, |link| link, "link id")?;
        Ok(Self {
            issued_before: issued_before.to_vec(),
            keys: keys.to_vec(),
            links: links.to_vec(),
        })
    }
}

pub(super) fn read_counts(reader: &mut Reader<'_>) -> Result<[u32; 3], Truncated> {
    Ok([reader.u32()?, reader.u32()?, reader.u32()?])
}

pub(super) fn write_counts(counts: [u32; 3], out: &mut Vec<u8>) {
    for count in counts {
        out.extend_from_slice(&count.to_be_bytes());
    }
}

fn check_order<T, K: Ord>(
    entries: &[T],
    key: fn(&T) -> &K,
    kind: &'static str,
) -> Result<(), RevocationListError> {
    match entries
        .windows(2)
        .position(|pair| key(&pair[0]) >= key(&pair[1]))
    {
        Some(place) => Err(RevocationListError::Order {
            kind,
            place: place + 1,
        }),
        None => Ok(()),
    }
}

fn merge<T: Copy, K: Ord>(
    left: &[T],
    right: &[T],
    key: fn(&T) -> &K,
    both: fn(T, T) -> T,
) -> Vec<T> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left, right);
    while let ([one, left_rest @ ..], [other, right_rest @ ..]) = (left, right) {
        let order = key(one).cmp(key(other));
        merged.push(match order {
            Ordering::Less => *one,
            Ordering::Equal => both(*one, *other),
            Ordering::Greater => *other,
        });
        if order.is_le() {
            left = left_rest;
        }
        if order.is_ge() {
            right = right_rest;
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
    merged
}

/// What of `all` is not in `base`; both ascend.
fn without<T: Copy + Ord>(all: &[T], base: &[T]) -> Vec<T> {
    let mut base = base.iter().peekable();
    let mut left = Vec::new();
    for entry in all {
        while base.next_if(|known| *known < entry).is_some() {}
        if base.peek() != Some(&entry) {
            left.push(*entry);
        }
    }
    left
}

impl FromIterator<RevocationEntry> for RevocationEntries {
    fn from_iter<I: IntoIterator<Item = RevocationEntry>>(entries: I) -> Self {
        let mut all = Self::default();
        for entry in entries {
            match entry {
                RevocationEntry::IssuedBefore { issuer, before } => {
                    let mut bytes = [0; ISSUED_BEFORE_BYTES];
                    bytes[..KeyId::LEN_BYTES].copy_from_slice(issuer.as_bytes());
                    bytes[KeyId::LEN_BYTES..]
                        .copy_from_slice(&before.as_unix_seconds().to_be_bytes());
                    all.issued_before.push(bytes);
                }
                RevocationEntry::Key(key) => all.keys.push(*key.as_bytes()),
                RevocationEntry::Link(link) => all.links.push(*link.as_bytes()),
            }
        }
        // The latest moment of an issuer first, which is the one that stays.
        all.issued_before.sort_unstable_by(|one, other| {
            issuer_of(one).cmp(issuer_of(other)).then(other.cmp(one))
        });
        all.issued_before
            .dedup_by(|later, kept| issuer_of(later) == issuer_of(kept));
        all.keys.sort_unstable();
        all.keys.dedup();
        all.links.sort_unstable();
        all.links.dedup();
        all
    }
}
