//! Lists in force: reloads, floors that outlive the process, and files.

use super::*;

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
