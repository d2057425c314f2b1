//! The bytes of lists and deltas: what is not exactly as it was signed takes no effect.

use super::*;

fn header(number: u64, times: [u64; 2], counts: [u32; 3]) -> Vec<u8> {
    let mut header = public().id().as_bytes().to_vec();
    header.extend_from_slice(&number.to_be_bytes());
    for time in times {
        header.extend_from_slice(&time.to_be_bytes());
    }
    for count in counts {
        header.extend_from_slice(&count.to_be_bytes());
    }
    header
}

const TIMES: [u64; 2] = [1_800_000_000, 1_800_003_600];

fn read_by_hand(counts: [u32; 3], entries: &[u8]) -> Result<RevocationList, RevocationListError> {
    RevocationList::from_bytes(&by_hand(&header(7, TIMES, counts), entries))
}

#[test]
fn the_encoding_is_the_documented_one() {
    let mut entries = vec![4; 16];
    entries.extend_from_slice(&500_u64.to_be_bytes());
    entries.extend_from_slice(&[3; 16]);
    entries.extend_from_slice(&[1; 32]);
    entries.extend_from_slice(&[2; 32]);
    let expected = by_hand(&header(7, TIMES, [1, 1, 2]), &entries);
    let list = small(7);
    assert_eq!(list.to_bytes(), expected);
    assert_eq!(RevocationList::from_bytes(&expected).as_ref(), Ok(&list));
    assert_eq!(list.to_string().parse().as_ref(), Ok(&list));
    assert!(list.verify(&public()).is_ok());

    let base = list_without_two();
    let delta = RevocationDelta::between(&base, &list).unwrap();
    let mut expected = vec![2];
    expected.extend_from_slice(&6_u64.to_be_bytes());
    expected.extend_from_slice(base.digest().as_bytes());
    expected.extend_from_slice(&list.to_bytes()[1..1 + HEADER_BYTES + Signature::LEN_BYTES]);
    for count in [0_u32, 0, 1] {
        expected.extend_from_slice(&count.to_be_bytes());
    }
    expected.extend_from_slice(&[2; 32]);
    assert_eq!(delta.to_bytes(), expected);
    assert_eq!(RevocationDelta::from_bytes(&expected).as_ref(), Ok(&delta));
    assert_eq!(delta.to_string().parse().as_ref(), Ok(&delta));
}

#[test]
fn every_truncation_and_every_extension_is_refused() {
    for whole in [small(7).to_bytes(), small_delta().to_bytes()] {
        assert!(takes_effect(&whole));
        for len in 0..whole.len() {
            assert!(RevocationUpdate::read(&whole[..len]).is_err(), "{len}");
        }
        for extra in [0, 1, 255] {
            let longer = [&whole[..], &[extra]].concat();
            let read = RevocationUpdate::read(&longer);
            assert_eq!(
                read,
                Err(RevocationListError::TrailingBytes { extra_bytes: 1 })
            );
        }
    }
    for whole in [small(7).to_string(), small_delta().to_string()] {
        assert!(takes_effect(whole.as_bytes()));
        for len in 0..whole.len() {
            assert!(
                RevocationUpdate::read(&whole.as_bytes()[..len]).is_err(),
                "{len}"
            );
        }
        assert!(RevocationUpdate::read(format!("{whole}A").as_bytes()).is_err());
        assert!(RevocationUpdate::read(format!("{whole}=").as_bytes()).is_err());
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let texts = [small(7).to_string(), small_delta().to_string()].map(String::into_bytes);
    for mut bytes in [small(7).to_bytes(), small_delta().to_bytes()]
        .into_iter()
        .chain(texts)
    {
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!takes_effect(&bytes), "bit {bit} of {}", bytes.len());
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(takes_effect(&bytes));
    }
}

#[test]
fn entries_out_of_order_are_refused_though_signed() {
    let order = |kind| Err(RevocationListError::Order { kind, place: 1 });
    let issued_before =
        |issuer: u8, seconds: u64| [&[issuer; 16][..], &seconds.to_be_bytes()].concat();
    for (one, other, is_ordered) in [(1, 2, true), (2, 1, false), (1, 1, false)] {
        let check = |counts, entries: &[u8], kind| {
            let read = read_by_hand(counts, entries);
            assert_eq!(read.is_ok(), is_ordered, "{kind} {one} {other}");
            if !is_ordered {
                assert_eq!(read.map(drop), order(kind));
            }
        };
        check([0, 0, 2], &[[one; 32], [other; 32]].concat(), "link id");
        check([0, 2, 0], &[[one; 16], [other; 16]].concat(), "key id");
        // Another moment does not make it another issuer.
        let entries = [issued_before(one, 5), issued_before(other, 6)].concat();
        check([2, 0, 0], &entries, "issuer's moment");
    }
}

#[test]
fn counts_that_promise_more_than_there_is_are_refused_before_anything_is_allocated() {
    for kind in 0..3 {
        for count in [1, 0xffff, u32::MAX] {
            let mut counts = [0; 3];
            counts[kind] = count;
            let size = [24, 16, 32][kind];
            let missing_bytes = u64::from(count) * size;
            assert_eq!(
                read_by_hand(counts, &[]),
                Err(RevocationListError::Truncated { missing_bytes })
            );
        }
    }
}

#[test]
fn a_list_has_a_next_update() {
    let read = |issued_at: u64, next_update: u64| {
        RevocationList::from_bytes(&by_hand(&header(7, [issued_at, next_update], [0; 3]), &[]))
    };
    let refused = |issued_at, next_update| {
        let error = Err(RevocationListError::NextUpdate {
            issued_at: Timestamp::from_unix_seconds(issued_at),
            next_update: Timestamp::from_unix_seconds(next_update),
        });
        assert_eq!(read(issued_at, next_update), error);
        let signed = RevocationList::sign(
            RevocationEntries::default(),
            7,
            Timestamp::from_unix_seconds(issued_at),
            Timestamp::from_unix_seconds(next_update),
            &key(),
        );
        assert_eq!(signed, error);
    };
    assert!(read(100, 101).is_ok() && read(100, 100 + MAX_UPDATE_SECONDS).is_ok());
    refused(100, 100);
    refused(100, 99);
    refused(100, 101 + MAX_UPDATE_SECONDS);
    refused(0, u64::MAX);
}

#[test]
fn forms_and_lengths_that_are_not_known_are_refused() {
    let mut bytes = small(7).to_bytes();
    for form in [0, 2, 3, 255] {
        bytes[0] = form;
        let error = Err(RevocationListError::UnknownForm { form });
        assert_eq!(RevocationList::from_bytes(&bytes), error);
    }
    let mut bytes = small_delta().to_bytes();
    bytes[0] = 1;
    let error = Err(RevocationListError::UnknownForm { form: 1 });
    assert_eq!(RevocationDelta::from_bytes(&bytes), error);

    // Zeroed memory that is never touched.
    let huge = vec![0; RevocationUpdate::MAX_LEN_BYTES + 1];
    for error in [
        RevocationList::from_bytes(&huge).map(drop),
        RevocationDelta::from_bytes(&huge).map(drop),
        RevocationUpdate::read(&huge).map(drop),
    ] {
        assert!(
            matches!(error, Err(RevocationListError::Oversized { .. })),
            "{error:?}"
        );
    }
}

#[test]
fn a_text_has_one_spelling() {
    let text = small(7).to_string();
    let parse = |text: &str| text.parse::<RevocationList>();
    assert!(matches!(
        parse(&text[1..]),
        Err(RevocationListError::Prefix { .. })
    ));
    assert!(matches!(
        parse(&text.to_uppercase()),
        Err(RevocationListError::Prefix { .. })
    ));
    assert_eq!(
        parse(&format!("{text}\n")),
        Err(RevocationListError::Encoding)
    );
    assert_eq!(
        parse(&text.replace(RevocationList::PREFIX, "cnvrev1. ")),
        Err(RevocationListError::Encoding)
    );
    // In a file it may stand among spaces and line ends.
    assert!(takes_effect(format!(" {text}\r\n").as_bytes()));
}
