//! What leads from one list to the next.

use super::*;

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
