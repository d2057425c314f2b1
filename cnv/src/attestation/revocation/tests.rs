//! Every refusal, byte for byte.

use std::fs;
use std::sync::Arc;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::list::HEADER_BYTES;
use super::*;
use crate::attestation::{
    AttestationId, FloorError, Floors, KeyId, NOT_BEFORE_SKEW_SECONDS, PrivateKey, PublicKey,
    Signature, Timestamp, TrustStore, TrustedFileError,
};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const NEXT_UPDATE: Timestamp = Timestamp::from_unix_seconds(1_800_003_600);

fn key() -> PrivateKey {
    PrivateKey::from_seed(&[1; 32])
}

fn public() -> PublicKey {
    key().public_key()
}

fn link(byte: u8) -> RevocationEntry {
    RevocationEntry::Link(AttestationId::from_bytes([byte; 32]))
}

fn lost(byte: u8) -> RevocationEntry {
    RevocationEntry::Key(KeyId::from_bytes([byte; 16]))
}

fn before(byte: u8, seconds: u64) -> RevocationEntry {
    RevocationEntry::IssuedBefore {
        issuer: KeyId::from_bytes([byte; 16]),
        before: Timestamp::from_unix_seconds(seconds),
    }
}

fn list(number: u64, entries: impl IntoIterator<Item = RevocationEntry>) -> RevocationList {
    RevocationList::sign(
        entries.into_iter().collect(),
        number,
        NOW,
        NEXT_UPDATE,
        &key(),
    )
    .unwrap()
}

fn small(number: u64) -> RevocationList {
    list(number, [link(1), link(2), lost(3), before(4, 500)])
}

fn set(list: RevocationList) -> RevocationSet {
    RevocationSet::new(list, &public(), NOW).unwrap()
}

// The bytes.

/// A list as its documentation says it is written, whatever it says, properly signed.
fn by_hand(header: &[u8], entries: &[u8]) -> Vec<u8> {
    let mut header = header.to_vec();
    header.extend_from_slice(&Sha256::digest(entries));
    let mut signed = b"cnv revocation list 1\0".to_vec();
    signed.extend_from_slice(&header);
    let mut list = vec![1];
    list.extend_from_slice(&header);
    list.extend_from_slice(key().sign(&signed).as_bytes());
    list.extend_from_slice(entries);
    list
}

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

fn list_without_two() -> RevocationList {
    list(6, [link(1), lost(3), before(4, 500)])
}

fn small_delta() -> RevocationDelta {
    RevocationDelta::between(&list_without_two(), &small(7)).unwrap()
}

/// Whether some bytes put a list in force.
fn takes_effect(bytes: &[u8]) -> bool {
    let base = set(list_without_two());
    match RevocationUpdate::read(bytes) {
        Ok(RevocationUpdate::List(list)) => base.apply(list, &public(), NOW).is_ok(),
        Ok(RevocationUpdate::Delta(delta)) => base.apply_delta(&delta, &public(), NOW).is_ok(),
        Err(_) => false,
    }
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

// The set.

#[test]
fn each_kind_of_entry_is_found() {
    let set = set(list(
        1,
        [link(1), lost(2), before(3, 500), before(0xff, 500)],
    ));
    let id = AttestationId::from_bytes;
    let key = KeyId::from_bytes;
    let moment = Timestamp::from_unix_seconds;
    let find = |link: u8, issuer: u8, issued_at: u64, subject: Option<u8>| {
        let subject = subject.map(|subject| key([subject; 16]));
        set.find(
            &id([link; 32]),
            &key([issuer; 16]),
            moment(issued_at),
            subject.as_ref(),
        )
    };
    let by_key = Some(Revoked::Key { key: key([2; 16]) });
    let by_moment = Some(Revoked::IssuedBefore {
        issuer: key([3; 16]),
        before: moment(500),
    });
    assert_eq!(
        find(1, 9, 900, None),
        Some(Revoked::Link { id: id([1; 32]) })
    );
    assert_eq!(find(9, 2, 900, None), by_key);
    assert_eq!(find(9, 9, 900, Some(2)), by_key);
    assert_eq!(find(9, 3, 0, None), by_moment);
    assert_eq!(find(9, 3, 499, None), by_moment);
    assert_eq!(find(9, 3, 500, None), None);
    // What was issued to that key is not what it issued.
    assert_eq!(find(9, 9, 0, Some(3)), None);
    assert_eq!(find(9, 9, 0, Some(9)), None);
}

#[test]
fn a_list_is_stale_from_its_next_update_on() {
    let last = Timestamp::from_unix_seconds(NEXT_UPDATE.as_unix_seconds() - 1);
    let later = Timestamp::from_unix_seconds(NEXT_UPDATE.as_unix_seconds() + 9);
    let set = set(small(1));
    assert_eq!(set.freshness(last), Freshness::Fresh);
    let stale = |for_seconds| Freshness::Stale {
        since: NEXT_UPDATE,
        for_seconds,
    };
    assert_eq!(set.freshness(NEXT_UPDATE), stale(0));
    assert_eq!(set.freshness(later), stale(9));

    assert!(RevocationSet::new(small(1), &public(), last).is_ok());
    let refused = |for_seconds| RevocationError::StaleList {
        number: 2,
        since: NEXT_UPDATE,
        for_seconds,
    };
    let base = list_without_two();
    let delta = RevocationDelta::between(&base, &small(7)).unwrap();
    assert_eq!(
        RevocationSet::new(small(2), &public(), NEXT_UPDATE).unwrap_err(),
        refused(0)
    );
    assert_eq!(
        set.apply(small(2), &public(), later).unwrap_err(),
        refused(9)
    );
    let error = self::set(base)
        .apply_delta(&delta, &public(), later)
        .unwrap_err();
    assert!(
        matches!(error, RevocationError::StaleList { number: 7, .. }),
        "{error}"
    );
}

#[test]
fn a_wrong_key_and_a_bad_signature_are_refused() {
    let other = PrivateKey::from_seed(&[2; 32]);
    let sign = |number, key: &PrivateKey| {
        RevocationList::sign(small(1).entries, number, NOW, NEXT_UPDATE, key).unwrap()
    };
    let base = set(list_without_two());
    let wrong = RevocationError::WrongIssuer {
        issuer: other.public_key().id(),
        expected: public().id(),
    };
    assert_eq!(
        RevocationSet::new(sign(9, &other), &public(), NOW).unwrap_err(),
        wrong
    );
    assert_eq!(
        base.apply(sign(9, &other), &public(), NOW).unwrap_err(),
        wrong
    );
    let mut delta = small_delta();
    delta.header.issuer = other.public_key().id();
    assert_eq!(base.apply_delta(&delta, &public(), NOW).unwrap_err(), wrong);

    // Signed by another key in the name of this one.
    let bad = RevocationError::BadSignature {
        issuer: public().id(),
    };
    let mut forged = sign(9, &key());
    forged.signature = sign(9, &other).signature;
    assert_eq!(
        RevocationSet::new(forged.clone(), &public(), NOW).unwrap_err(),
        bad
    );
    assert_eq!(base.apply(forged, &public(), NOW).unwrap_err(), bad);
    let mut delta = small_delta();
    delta.signature = small(8).signature;
    assert_eq!(base.apply_delta(&delta, &public(), NOW).unwrap_err(), bad);
}

#[test]
fn a_signature_for_another_purpose_is_no_list() {
    // The same bytes without the tag, as a key that signs anything would have signed them.
    let mut list = small(1);
    let mut header = Vec::new();
    list.header.write(&mut header);
    list.signature = key().sign(&header);
    let refused = RevocationSet::new(list, &public(), NOW).unwrap_err();
    assert_eq!(
        refused,
        RevocationError::BadSignature {
            issuer: public().id()
        }
    );
}

#[test]
fn an_older_number_and_a_fork_are_refused() {
    let seven = set(small(7));
    let error = seven.apply(small(6), &public(), NOW).unwrap_err();
    assert_eq!(error, RevocationError::Older { number: 6, have: 7 });
    let other = list(7, [link(1)]);
    let fork = RevocationError::Fork {
        number: 7,
        digest: other.digest(),
        have: seven.digest(),
    };
    assert_eq!(seven.apply(other, &public(), NOW).unwrap_err(), fork);
    assert!(seven.apply(small(7), &public(), NOW).is_ok());
    // Numbers may be left out; the next is only higher.
    assert_eq!(seven.apply(small(90), &public(), NOW).unwrap().number(), 90);
}

// Deltas.

#[test]
fn a_delta_leads_from_its_base_alone() {
    let delta = small_delta();
    let applied = set(list_without_two())
        .apply_delta(&delta, &public(), NOW)
        .unwrap();
    assert_eq!(applied.list(), &small(7));
    assert_eq!(delta.apply_to(&list_without_two()).as_ref(), Ok(&small(7)));

    // The same entries under another number, and other entries under the same number.
    let same_entries = list(5, list_without_two().entries().iter());
    let same_number = list(6, [link(1)]);
    for base in [same_entries, same_number] {
        let error = RevocationError::OtherBase {
            base_number: 6,
            base_digest: list_without_two().digest(),
            have_number: base.number(),
            have_digest: base.digest(),
        };
        assert_eq!(delta.apply_to(&base).unwrap_err(), error);
        assert_eq!(
            set(base).apply_delta(&delta, &public(), NOW).unwrap_err(),
            error
        );
    }
}

#[test]
fn a_delta_that_leads_elsewhere_is_refused() {
    let refused = |change: fn(&mut RevocationDelta)| {
        let mut delta = small_delta();
        change(&mut delta);
        let error = set(list_without_two())
            .apply_delta(&delta, &public(), NOW)
            .unwrap_err();
        assert!(matches!(error, RevocationError::Delta(_)), "{error}");
    };
    refused(|delta| delta.additions = RevocationEntries::default());
    refused(|delta| delta.additions = [link(2), link(9)].into_iter().collect());
    // These change nothing, and would be a second form of the same delta.
    refused(|delta| delta.additions = [link(1), link(2)].into_iter().collect());
    refused(|delta| delta.additions = [link(2), before(4, 499)].into_iter().collect());
}

#[test]
fn a_delta_with_a_number_that_does_not_rise_is_refused() {
    // What nobody can make with `between`: the signature of an older list.
    let base = small(7);
    let older = list(6, base.entries().iter());
    let mut delta = small_delta();
    (delta.base_number, delta.base_digest) = (7, base.digest());
    (delta.header, delta.signature) = (older.header, older.signature);
    delta.additions = RevocationEntries::default();
    let error = set(base).apply_delta(&delta, &public(), NOW).unwrap_err();
    assert_eq!(error, RevocationError::Older { number: 6, have: 7 });
}

#[test]
fn there_is_no_delta_between_lists_that_do_not_follow() {
    let other = PrivateKey::from_seed(&[2; 32]);
    let foreign = RevocationList::sign(small(1).entries, 8, NOW, NEXT_UPDATE, &other).unwrap();
    let between = |base: &RevocationList, list: &RevocationList| {
        RevocationDelta::between(base, list).map(drop)
    };
    let issuer = DeltaError::Issuer {
        base: public().id(),
        list: other.public_key().id(),
    };
    assert_eq!(between(&small(7), &foreign), Err(issuer));
    assert_eq!(
        between(&small(7), &small(7)),
        Err(DeltaError::Number { base: 7, list: 7 })
    );
    assert_eq!(
        between(&small(7), &list(8, [link(1)])),
        Err(DeltaError::TakenOff)
    );
    // A moment that moves back takes something off as well.
    let earlier = list(8, [link(1), link(2), lost(3), before(4, 499)]);
    assert_eq!(between(&small(7), &earlier), Err(DeltaError::TakenOff));
    let later = list(8, [link(1), link(2), lost(3), before(4, 501)]);
    let delta = RevocationDelta::between(&small(7), &later).unwrap();
    assert_eq!(
        delta.additions().iter().collect::<Vec<_>>(),
        [before(4, 501)]
    );
    assert_eq!(delta.apply_to(&small(7)).unwrap(), later);
}

// In force.

fn store(keys: &[PublicKey]) -> TrustStore {
    let mut store = TrustStore::new();
    for key in keys {
        store.add(key.id().to_string(), *key).unwrap();
    }
    store
}

fn live() -> Revocations {
    Revocations::new(store(&[public()]))
}

fn present(revocations: &Revocations) -> Option<Arc<RevocationSet>> {
    revocations.current(&public().id())
}

#[test]
fn a_reload_that_fails_changes_nothing() {
    let revocations = live();
    let mailbox = RevocationMailbox::new();
    let reload = |update: Vec<u8>| {
        mailbox.push(update);
        revocations.reload(&mailbox, NOW)
    };
    assert!(present(&revocations).is_none());
    let no_base = reload(small_delta().to_bytes()).unwrap_err();
    assert!(
        matches!(no_base, ReloadError::NoBase { base_number: 6 }),
        "{no_base}"
    );

    let replaced = reload(list_without_two().to_bytes()).unwrap();
    assert_eq!(replaced, Reloaded::Replaced { number: 6 });
    let six = present(&revocations).unwrap();
    for bad in [
        b"junk".to_vec(),
        small(5).to_bytes(),
        list(6, [link(1)]).to_bytes(),
    ] {
        assert!(reload(bad).is_err());
    }
    assert_eq!(
        reload(list_without_two().to_bytes()).unwrap(),
        Reloaded::Unchanged
    );
    assert_eq!(
        revocations.reload(&mailbox, NOW).unwrap(),
        Reloaded::Unchanged
    );
    assert!(Arc::ptr_eq(&present(&revocations).unwrap(), &six));

    for _ in 0..2 {
        // The second time it is the list that is in force.
        reload(small_delta().to_bytes()).unwrap();
        assert_eq!(present(&revocations).unwrap().list(), &small(7));
    }
    // Whoever holds the set before still asks that one.
    assert_eq!(six.number(), 6);
}

#[test]
fn each_root_has_numbers_of_its_own() {
    let [one, other, stranger] = [1, 2, 3].map(|seed| PrivateKey::from_seed(&[seed; 32]));
    let signed = |number, entries: &[RevocationEntry], key: &PrivateKey| {
        let list = RevocationList::sign(
            entries.iter().copied().collect(),
            number,
            NOW,
            NEXT_UPDATE,
            key,
        );
        RevocationUpdate::List(list.unwrap())
    };
    let (one_id, other_id) = (one.public_key().id(), other.public_key().id());
    let revocations = Revocations::new(store(&[one.public_key(), other.public_key()]));
    revocations
        .update(signed(5, &[link(1)], &one), NOW)
        .unwrap();
    // Neither older nor a fork: another root's.
    revocations.update(signed(4, &[], &other), NOW).unwrap();
    revocations.update(signed(5, &[], &other), NOW).unwrap();
    let refused = revocations.update(signed(6, &[], &stranger), NOW);
    let untrusted = RevocationError::UntrustedIssuer {
        issuer: stranger.public_key().id(),
    };
    assert!(
        matches!(&refused, Err(ReloadError::Refused(error)) if *error == untrusted),
        "{refused:?}"
    );
    let entries = |id| revocations.current(&id).unwrap().list().entries().len();
    assert_eq!((entries(one_id), entries(other_id)), (1, 0));
    assert!(revocations.current(&stranger.public_key().id()).is_none());

    // Its number is not forgotten while it is not trusted.
    revocations.set_trust_store(store(&[one.public_key()]));
    assert!(revocations.update(signed(6, &[], &other), NOW).is_err());
    revocations.set_trust_store(store(&[other.public_key()]));
    assert!(revocations.update(signed(4, &[], &other), NOW).is_err());
    revocations.update(signed(6, &[], &other), NOW).unwrap();
}

#[test]
fn a_list_from_the_future_is_refused() {
    let late = |seconds| {
        let issued_at = NOW.checked_add_seconds(seconds).unwrap();
        let next_update = issued_at.checked_add_seconds(60).unwrap();
        let entries = RevocationEntries::default();
        RevocationList::sign(entries, 9, issued_at, next_update, &key()).unwrap()
    };
    let (near, far) = (
        late(NOT_BEFORE_SKEW_SECONDS),
        late(NOT_BEFORE_SKEW_SECONDS + 1),
    );
    let in_seconds = NOT_BEFORE_SKEW_SECONDS + 1;
    let future = RevocationError::FutureList {
        number: 9,
        issued_at: far.issued_at(),
        in_seconds,
    };
    let delta = RevocationDelta::between(&small(7), &{
        let entries = small(7).entries().clone();
        RevocationList::sign(entries, 9, far.issued_at(), far.next_update(), &key()).unwrap()
    });
    assert!(RevocationSet::new(near, &public(), NOW).is_ok());
    for refused in [
        RevocationSet::new(far.clone(), &public(), NOW),
        set(small(7)).apply(far.clone(), &public(), NOW),
        set(small(7)).apply_delta(&delta.unwrap(), &public(), NOW),
    ] {
        assert_eq!(refused.unwrap_err(), future);
    }
    let later = NOW.checked_add_seconds(in_seconds).unwrap();
    let set = RevocationSet::new(far, &public(), later).unwrap();
    let Freshness::Future { in_seconds: 6, .. } = set.freshness(NOW) else {
        panic!("{:?}", set.freshness(NOW));
    };
    assert!(!set.freshness(NOW).is_fresh());
}

#[test]
fn a_mailbox_holds_the_last() {
    let mailbox = RevocationMailbox::new();
    mailbox.push(vec![1]);
    mailbox.push(vec![2]);
    assert_eq!(mailbox.load().unwrap(), Some(vec![2]));
    assert_eq!(mailbox.load().unwrap(), None);
}

#[test]
fn a_number_does_not_go_down_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = || live().with_floors(Arc::new(Floors::open(folder.path()).unwrap()));
    let update =
        |revocations: &Revocations, list| revocations.update(RevocationUpdate::List(list), NOW);
    update(&start(), small(7)).unwrap();
    let (id, digest) = (public().id(), small(7).digest());
    assert_eq!(
        fs::read_to_string(folder.path().join("floors")).unwrap(),
        format!("cnvfloors1\nclock 0\nlist {id} 7 {digest}\n")
    );

    let again = start();
    let refused = |list| match update(&again, list).unwrap_err() {
        ReloadError::Refused(error) => error,
        other => panic!("{other}"),
    };
    assert_eq!(
        refused(small(6)),
        RevocationError::Older { number: 6, have: 7 }
    );
    assert!(matches!(
        refused(list(7, [link(1)])),
        RevocationError::Fork { number: 7, .. }
    ));
    assert!(present(&again).is_none());
    update(&again, small(7)).unwrap();
    update(&again, small(8)).unwrap();
    assert!(update(&start(), small(7)).is_err());
    // Nothing but the lock is left beside it.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn floors_that_cannot_be_relied_on_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("floors");
    let start = || Floors::open(folder.path());
    let (id, digest) = (public().id(), small(7).digest());
    let list = format!("list {id} 7 {digest}\n");
    assert_eq!(start().unwrap().moment(), Timestamp::default());
    fs::write(&path, format!("cnvfloors1\nclock 12\n{list}")).unwrap();
    assert_eq!(start().unwrap().moment(), Timestamp::from_unix_seconds(12));
    for damaged in [
        String::new(),
        "cnvfloors1\n".to_owned(),
        "cnvfloors1\nclock 12".to_owned(),
        "cnvfloors2\nclock 12\n".to_owned(),
        "cnvfloors1\nclock -12\n".to_owned(),
        format!("cnvfloors1\n{list}"),
        format!("cnvfloors1\nclock 12\nlist {id} 7\n"),
        format!("cnvfloors1\nclock 12\nlist {id} 7 {digest} more\n"),
        format!("cnvfloors1\nclock 12\n{list}{list}"),
        format!("cnvfloors1\nclock 12\n{list}\n"),
    ] {
        fs::write(&path, &damaged).unwrap();
        let error = start().unwrap_err();
        assert!(
            matches!(error, FloorError::Content { .. }),
            "{damaged:?}: {error}"
        );
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(start().unwrap_err(), FloorError::File(_)));
}

#[test]
fn a_list_whose_number_cannot_be_written_down_is_not_put_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let floors = Arc::new(Floors::open(&state).unwrap());
    let revocations = live().with_floors(floors);
    fs::remove_dir(&state).unwrap();
    let update = || revocations.update(RevocationUpdate::List(small(7)), NOW);
    let error = update().unwrap_err();
    assert!(
        matches!(error, ReloadError::Floor(FloorError::Io { .. })),
        "{error}"
    );
    assert!(present(&revocations).is_none());
    fs::create_dir(&state).unwrap();
    update().unwrap();
    assert_eq!(present(&revocations).unwrap().number(), 7);
}

#[test]
fn processes_share_floors() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Floors::open(folder.path()).unwrap();
    let [one, other] = [open(), open()];
    one.raise_list(&set(small(7))).unwrap();
    one.raise_moment(Timestamp::from_unix_seconds(100)).unwrap();
    // It has not seen that.
    assert_eq!(other.moment(), Timestamp::default());
    other
        .raise_moment(Timestamp::from_unix_seconds(50))
        .unwrap();
    assert_eq!(other.moment(), Timestamp::from_unix_seconds(100));
    assert!(matches!(
        other.raise_list(&set(small(6))),
        Err(ReloadError::Refused(RevocationError::Older { .. }))
    ));
    assert_eq!(open().moment(), Timestamp::from_unix_seconds(100));
}

#[test]
fn the_time_is_written_down_once_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Floors::open(folder.path()).unwrap();
    let floors = open();
    for (now, kept) in [(100, 100), (159, 100), (160, 160), (1, 160), (219, 160)] {
        floors.keep_moment(Timestamp::from_unix_seconds(now));
        assert_eq!(open().moment(), Timestamp::from_unix_seconds(kept));
    }
    // What cannot be written is tried again.
    let lock = folder.path().join("floors.lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    floors.keep_moment(Timestamp::from_unix_seconds(220));
    fs::remove_dir(&lock).unwrap();
    floors.keep_moment(Timestamp::from_unix_seconds(280));
    assert_eq!(open().moment(), Timestamp::from_unix_seconds(280));
}

#[test]
fn a_file_is_a_source() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("revoked");
    let source = RevocationFile::new(&path);
    let revocations = live();
    assert!(matches!(source.load(), Err(SourceError::File(_))));

    fs::write(&path, format!("{}\n", list_without_two())).unwrap();
    revocations.reload(&source, NOW).unwrap();
    fs::write(&path, small_delta().to_bytes()).unwrap();
    revocations.reload(&source, NOW).unwrap();
    assert_eq!(present(&revocations).unwrap().number(), 7);

    fs::File::create(&path)
        .unwrap()
        .set_len(RevocationUpdate::MAX_LEN_BYTES as u64 + 1)
        .unwrap();
    assert!(matches!(
        source.load(),
        Err(SourceError::File(TrustedFileError::TooLarge { .. }))
    ));
}

// Whatever comes.

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
