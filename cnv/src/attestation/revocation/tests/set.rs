//! What a set of entries says of a chain, and for how long.

use super::*;

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
