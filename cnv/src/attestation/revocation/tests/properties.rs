//! Whatever comes.

use super::*;

/// Few different bytes, so that random entries meet.
fn entry() -> impl Strategy<Value = RevocationEntry> {
    prop_oneof![
        (0..40_u8).prop_map(link),
        (0..10_u8).prop_map(lost),
        (0..5_u8, 0..4_u64).prop_map(|(issuer, seconds)| before(issuer, seconds)),
    ]
}

fn entries() -> impl Strategy<Value = RevocationEntries> {
    proptest::collection::vec(entry(), 0..40).prop_map(|entries| entries.into_iter().collect())
}

/// What the entries say about a link, found the slow way.
fn says(entries: &RevocationEntries, link: u8, issuer: u8, issued_at: u64, subject: u8) -> bool {
    let (issuer, subject) = (
        KeyId::from_bytes([issuer; 16]),
        KeyId::from_bytes([subject; 16]),
    );
    entries.iter().any(|entry| match entry {
        RevocationEntry::Link(id) => id == AttestationId::from_bytes([link; 32]),
        RevocationEntry::Key(key) => key == issuer || key == subject,
        RevocationEntry::IssuedBefore { issuer: of, before } => {
            of == issuer && issued_at < before.as_unix_seconds()
        }
    })
}

proptest! {
    #[test]
    fn lists_merge_and_deltas_lead_back(one in entries(), other in entries()) {
        let both = one.union(&other);
        prop_assert_eq!(&both, &other.union(&one));
        prop_assert_eq!(&both, &one.iter().chain(other.iter()).collect());
        prop_assert_eq!(&both.union(&one), &both);

        let base = list(1, one.iter());
        let next = list(2, both.iter());
        let read = RevocationList::from_bytes(&next.to_bytes());
        prop_assert_eq!(read.as_ref(), Ok(&next));
        let delta = RevocationDelta::between(&base, &next).unwrap();
        let delta = RevocationDelta::from_bytes(&delta.to_bytes()).unwrap();
        prop_assert_eq!(delta.additions().len(), both.iter().filter(|entry| !one.iter().any(|known| known == *entry)).count());
        let applied = set(base).apply_delta(&delta, &public(), NOW).unwrap();
        prop_assert_eq!(applied.list(), &next);
    }

    #[test]
    fn a_set_says_what_its_entries_say(
        entries in entries(),
        link in 0..50_u8,
        issuer in 0..12_u8,
        issued_at in 0..5_u64,
        subject in 0..12_u8,
    ) {
        let found = set(list(1, entries.iter())).find(
            &AttestationId::from_bytes([link; 32]),
            &KeyId::from_bytes([issuer; 16]),
            Timestamp::from_unix_seconds(issued_at),
            Some(&KeyId::from_bytes([subject; 16])),
        );
        prop_assert_eq!(found.is_some(), says(&entries, link, issuer, issued_at, subject));
    }

    #[test]
    fn random_bytes_take_no_effect(bytes in proptest::collection::vec(any::<u8>(), 0..600), form in 0..3_u8) {
        let mut formed = vec![form];
        formed.extend_from_slice(&bytes);
        prop_assert!(!takes_effect(&bytes) && !takes_effect(&formed));
        // Behind a header that is in order, so that the entries are reached.
        let mut near = small(7).to_bytes();
        near.truncate(1 + HEADER_BYTES + Signature::LEN_BYTES);
        near.extend_from_slice(&bytes);
        prop_assert!(!takes_effect(&near));
        let _ = RevocationUpdate::read(format!("cnvrev1.{}", String::from_utf8_lossy(&bytes)).as_bytes());
    }
}
